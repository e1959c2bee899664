//! Table `journal_records`: the gates' journals as they arrived.

use anyhow::Context;
use shared::{
    ids::{Digest, JournalEpoch, JournalPosition, Kid},
    journal::{Record, SaltedPart},
};
use tokio_postgres::types::ToSql;

use super::{Connection, gate_journals::columns};
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// A record that is to be taken in.
#[derive(Clone, Debug)]
pub struct NewRecord<'a> {
    /// Where in the journal.
    pub position: JournalPosition,
    /// By the gate's clock.
    pub recorded_at: UtcInstant,
    /// As it came.
    pub record: &'a Record,
    /// Its personal part; none when there never was one, or whose it is was erased.
    pub personal: Option<&'a SaltedPart>,
    /// The chain's hash after it.
    pub hash: Digest,
    /// What searches and reports ask for.
    pub facts: Facts,
}

impl NewRecord<'_> {
    /// Keeps what happened, and nothing of whom it happened to.
    pub fn forget_person(&mut self) {
        self.personal = None;
        self.facts = Facts {
            kid: None,
            serial: None,
            holder_number: None,
            ..self.facts
        };
    }
}

/// What searches and reports ask for, as the columns have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Index of the event.
    pub event_kind: i16,
    /// Where it happened.
    pub access_point_id: Option<i32>,
    /// The scan that it belongs to.
    pub scan: Option<i64>,
    /// −1: granted; else the number of the deny reason.
    pub decision: Option<i16>,
    /// The pass's issuer key.
    pub kid: Option<Kid>,
    /// The pass's serial.
    pub serial: Option<i32>,
    /// The holder.
    pub holder_number: Option<i32>,
}

/// One array for each column: COPY is not for tables behind row-level security, and a temporary
/// table between the two costs a third more time than this.
const INSERT: &str = "INSERT INTO journal_records (gate_id, school_id, journal_epoch, received_at, seq, recorded_at, \
        public_part, commitment, salt, personal_part, hash, event_kind, access_point_id, scan, decision, kid, \
        serial, holder_number) \
    SELECT $1, $2, $3, $4, staged.* FROM unnest($5::bigint[], $6::timestamptz[], $7::bytea[], $8::bytea[], \
        $9::bytea[], $10::bytea[], $11::bytea[], $12::smallint[], $13::integer[], $14::bigint[], $15::smallint[], \
        $16::bytea[], $17::integer[], $18::integer[]) AS staged";

/// Takes records of one epoch in; the caller holds the lock of the gate's row and knows that they
/// are new.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    gate_id: GateId,
    school_id: SchoolId,
    records: &[NewRecord<'_>],
    now: UtcInstant,
) -> anyhow::Result<()> {
    let context = || format!("cannot take in {} records of gate {gate_id}", records.len());
    let Some(first) = records.first() else {
        return Ok(());
    };
    let (epoch, _) = columns(first.position)?;
    let columns = Columns::of(records)?;
    let statement = connection
        .prepare_cached(INSERT)
        .await
        .with_context(context)?;
    let parameters: [&(dyn ToSql + Sync); 18] = [
        &gate_id,
        &school_id,
        &epoch,
        &now,
        &columns.seq,
        &columns.recorded_at,
        &columns.public_part,
        &columns.commitment,
        &columns.salt,
        &columns.personal_part,
        &columns.hash,
        &columns.event_kind,
        &columns.access_point_id,
        &columns.scan,
        &columns.decision,
        &columns.kid,
        &columns.serial,
        &columns.holder_number,
    ];
    connection
        .execute(&statement, &parameters)
        .await
        .with_context(context)?;
    Ok(())
}

/// Records turned on their side.
#[derive(Default)]
struct Columns<'a> {
    seq: Vec<i64>,
    recorded_at: Vec<UtcInstant>,
    public_part: Vec<&'a [u8]>,
    commitment: Vec<&'a [u8]>,
    salt: Vec<Option<&'a [u8]>>,
    personal_part: Vec<Option<&'a [u8]>>,
    hash: Vec<&'a [u8]>,
    event_kind: Vec<i16>,
    access_point_id: Vec<Option<i32>>,
    scan: Vec<Option<i64>>,
    decision: Vec<Option<i16>>,
    kid: Vec<Option<&'a [u8]>>,
    serial: Vec<Option<i32>>,
    holder_number: Vec<Option<i32>>,
}

impl<'a> Columns<'a> {
    fn of(records: &'a [NewRecord<'_>]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for new in records {
            let (_, seq) = columns(new.position)?;
            let personal = new.personal;
            all.seq.push(seq);
            all.recorded_at.push(new.recorded_at);
            all.public_part.push(&new.record.public);
            all.commitment.push(&new.record.commitment.0);
            all.salt.push(personal.map(|salted| salted.salt.as_slice()));
            all.personal_part
                .push(personal.map(|salted| salted.part.as_slice()));
            all.hash.push(&new.hash.0);
            all.event_kind.push(new.facts.event_kind);
            all.access_point_id.push(new.facts.access_point_id);
            all.scan.push(new.facts.scan);
            all.decision.push(new.facts.decision);
            all.kid
                .push(new.facts.kid.as_ref().map(|kid| kid.0.as_slice()));
            all.serial.push(new.facts.serial);
            all.holder_number.push(new.facts.holder_number);
        }
        Ok(all)
    }
}

/// The hashes that are held for the records `first..=last` of one epoch, as far as they are held.
///
/// # Errors
/// When the database fails.
pub async fn held_hashes(
    connection: &Connection,
    gate_id: GateId,
    epoch: JournalEpoch,
    (first, last): (u64, u64),
) -> anyhow::Result<Vec<(u64, Digest)>> {
    let context = || format!("cannot read hashes of the journal of gate {gate_id}");
    let (epoch, first) = columns(JournalPosition { epoch, seq: first })?;
    let last = i64::try_from(last).with_context(context)?;
    let statement = connection
        .prepare_cached(
            "SELECT seq, hash FROM journal_records \
             WHERE gate_id = $1 AND journal_epoch = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq",
        )
        .await
        .with_context(context)?;
    let rows = connection
        .query(&statement, &[&gate_id, &epoch, &first, &last])
        .await
        .with_context(context)?;
    rows.iter()
        .map(|row| {
            let seq = u64::try_from(row.get::<_, i64>(0)).with_context(context)?;
            let hash = row.get::<_, &[u8]>(1).try_into().with_context(context)?;
            Ok((seq, Digest(hash)))
        })
        .collect()
}

/// Makes the partitions of the months of `instants` where they are missing.
///
/// # Errors
/// When the database fails.
pub async fn ensure_partition(connection: &Connection, at: UtcInstant) -> anyhow::Result<()> {
    connection
        .execute("SELECT ensure_journal_partition($1)", &[&at])
        .await
        .with_context(|| format!("cannot make the journal's partition for {at}"))?;
    Ok(())
}
