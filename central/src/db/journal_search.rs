//! Reads of the table `journal_records` for administrators, page by page.

use std::{fmt, str::FromStr};

use anyhow::Context;
use serde::Serialize;
use shared::{
    ids::Digest,
    journal::{ClockTrust, PersonalPart, Record, SaltedPart},
};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
    journal_json,
    paging::PageRequest,
};

/// A journal record, read.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JournalEntry {
    /// The gate.
    pub gate_id: GateId,
    /// The journal's epoch.
    pub epoch: i32,
    /// The record's number in it.
    pub seq: i64,
    /// By the gate's clock.
    pub recorded_at: UtcInstant,
    /// Did the gate believe its clock?
    pub is_clock_trusted: bool,
    /// By central's clock.
    pub received_at: UtcInstant,
    /// What happened; `event` tells which sort it is.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
    /// Who it was: `null` when it is nobody's, or was erased.
    pub personal: Option<Personal>,
    /// Whether there is, was or never was a personal part.
    pub personal_state: PersonalState,
    /// The chain's hash after this record, in hexadecimal.
    pub hash: String,
}

/// What is erased with the person.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Personal {
    /// The pass: `kid` and `serial`.
    #[schema(value_type = Option<Object>)]
    pub pass: Option<serde_json::Value>,
    /// The holder, where the roster knew one.
    pub holder_number: Option<u32>,
    /// What a guard wrote.
    pub note: Option<String>,
    /// Whom a guard let in without a pass.
    pub name: Option<String>,
}

/// What became of a personal part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonalState {
    /// There never was one.
    None,
    /// It is there.
    Present,
    /// It was erased; the chain still holds.
    Erased,
}

/// Which decisions are looked for, as a range of the column; everything with `None`.
pub type DecisionRange = Option<(i16, i16)>;

/// Which scans are looked for.
#[derive(Clone, Debug, Default)]
pub struct ScanFilter {
    /// Of this gate alone.
    pub gate_id: Option<GateId>,
    /// From this instant on.
    pub from: Option<UtcInstant>,
    /// Before this instant.
    pub until: Option<UtcInstant>,
    /// With such a decision.
    pub decision: DecisionRange,
}

/// A place in a gate's journal, as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalKey {
    epoch: i32,
    seq: i64,
}

/// A place among a school's scans, as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanKey {
    recorded_at: UtcInstant,
    gate_id: GateId,
    journal: JournalKey,
}

const COLUMNS: &str = "gate_id, journal_epoch, seq, recorded_at, received_at, public_part, commitment, salt, \
    personal_part, hash";

/// Index of `Event::Scan`.
const SCAN: i16 = 2;

/// A gate's journal, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_gate(
    connection: &Connection,
    gate_id: GateId,
    decision: DecisionRange,
    page: &PageRequest<JournalKey>,
) -> anyhow::Result<Vec<JournalEntry>> {
    let (epoch, seq) = page.after.map_or((0, 0), |key| (key.epoch, key.seq));
    let (least, most) = decision.unzip();
    let sql = format!(
        "SELECT {COLUMNS} FROM journal_records \
         WHERE gate_id = $1 AND (journal_epoch, seq) > ($2, $3) \
             AND ($4::smallint IS NULL OR decision BETWEEN $4 AND $5) \
         ORDER BY journal_epoch, seq LIMIT $6"
    );
    let rows = connection
        .query(
            &sql,
            &[&gate_id, &epoch, &seq, &least, &most, &page.sql_limit()],
        )
        .await
        .with_context(|| format!("cannot read the journal of gate {gate_id}"))?;
    rows.iter().map(entry).collect()
}

/// A school's scans, newest first.
///
/// # Errors
/// When the database fails.
pub async fn scans(
    connection: &Connection,
    school_id: SchoolId,
    filter: &ScanFilter,
    page: &PageRequest<ScanKey>,
) -> anyhow::Result<Vec<JournalEntry>> {
    let (least, most) = filter.decision.unzip();
    let (at, gate, epoch, seq) = page.after.map_or((None, None, None, None), |key| {
        let journal = key.journal;
        let gate = Some(key.gate_id);
        (
            Some(key.recorded_at),
            gate,
            Some(journal.epoch),
            Some(journal.seq),
        )
    });
    let sql = format!(
        "SELECT {COLUMNS} FROM journal_records \
         WHERE school_id = $1 AND event_kind = $2 \
             AND ($3::uuid IS NULL OR gate_id = $3) \
             AND ($4::timestamptz IS NULL OR recorded_at >= $4) \
             AND ($5::timestamptz IS NULL OR recorded_at < $5) \
             AND ($6::smallint IS NULL OR decision BETWEEN $6 AND $7) \
             AND ($8::timestamptz IS NULL OR recorded_at <= $8) \
             AND ($8::timestamptz IS NULL \
                 OR (recorded_at, gate_id, journal_epoch, seq) < ($8, $9::uuid, $10::integer, $11::bigint)) \
         ORDER BY recorded_at DESC, gate_id DESC, journal_epoch DESC, seq DESC LIMIT $12"
    );
    let rows = connection
        .query(
            &sql,
            &[
                &school_id,
                &SCAN,
                &filter.gate_id,
                &filter.from,
                &filter.until,
                &least,
                &most,
                &at,
                &gate,
                &epoch,
                &seq,
                &page.sql_limit(),
            ],
        )
        .await
        .with_context(|| format!("cannot search the scans of school {school_id}"))?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> anyhow::Result<JournalEntry> {
    let (epoch, seq): (i32, i64) = (row.get("journal_epoch"), row.get("seq"));
    let gate_id: GateId = row.get("gate_id");
    let context = || format!("record {epoch}.{seq} of gate {gate_id} in the database");
    let commitment: &[u8] = row.get("commitment");
    let commitment = Digest(commitment.try_into().with_context(context)?);
    let salted = match (
        row.get::<_, Option<&[u8]>>("salt"),
        row.get::<_, Option<Vec<u8>>>("personal_part"),
    ) {
        (Some(salt), Some(part)) => Some(SaltedPart {
            salt: salt.try_into().with_context(context)?,
            part: part.into(),
        }),
        (None, _) | (_, None) => None,
    };
    let record = Record {
        public: row.get::<_, Vec<u8>>("public_part").into(),
        commitment,
        personal: salted,
    };
    let public = record.public_part().with_context(context)?;
    let personal = record.personal_part().with_context(context)?;
    Ok(JournalEntry {
        gate_id,
        epoch,
        seq,
        recorded_at: row.get("recorded_at"),
        is_clock_trusted: match public.clock {
            ClockTrust::Trusted => true,
            ClockTrust::Untrusted => false,
        },
        received_at: row.get("received_at"),
        event: journal_json::event(&public.event),
        personal_state: match (&personal, commitment == Digest([0; 32])) {
            (Some(_), _) => PersonalState::Present,
            (None, true) => PersonalState::None,
            (None, false) => PersonalState::Erased,
        },
        personal: personal.map(shown),
        hash: row
            .get::<_, &[u8]>("hash")
            .try_into()
            .map(|hash| Digest(hash).to_string())
            .with_context(context)?,
    })
}

fn shown(personal: PersonalPart) -> Personal {
    Personal {
        pass: personal.pass.map(journal_json::pass),
        holder_number: personal.holder.map(|holder| holder.0),
        note: personal.note,
        name: personal.name,
    }
}

impl JournalEntry {
    /// Its place in its gate's journal.
    #[must_use]
    pub fn journal_key(&self) -> JournalKey {
        JournalKey {
            epoch: self.epoch,
            seq: self.seq,
        }
    }

    /// Its place among its school's scans.
    #[must_use]
    pub fn scan_key(&self) -> ScanKey {
        ScanKey {
            recorded_at: self.recorded_at,
            gate_id: self.gate_id,
            journal: self.journal_key(),
        }
    }
}

/// No cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl fmt::Display for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for JournalKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let (epoch, seq) = text.split_once('.').ok_or(NoKey)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| NoKey)?,
            seq: seq.parse().map_err(|_| NoKey)?,
        })
    }
}

impl fmt::Display for ScanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.recorded_at, self.gate_id, self.journal)
    }
}

impl FromStr for ScanKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [at, gate, journal] = parts[..] else {
            return Err(NoKey);
        };
        Ok(Self {
            recorded_at: at.parse().map_err(|_| NoKey)?,
            gate_id: gate.parse().map_err(|_| NoKey)?,
            journal: journal.parse()?,
        })
    }
}
