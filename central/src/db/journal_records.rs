//! Table `journal_records`: the gates' journals as they arrived.

use anyhow::Context;
use shared::{
    ids::{Digest, JournalEpoch, JournalPosition, Kid},
    journal::Record,
};
use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

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
    /// The chain's hash after it.
    pub hash: Digest,
    /// What searches and reports ask for.
    pub facts: Facts,
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

/// A connection's own table, empty again after each transaction: COPY is not for tables behind
/// row-level security, and what is staged costs no log.
const STAGING: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS journal_staging ( \
        journal_epoch integer NOT NULL, seq bigint NOT NULL, recorded_at timestamptz NOT NULL, \
        public_part bytea NOT NULL, commitment bytea NOT NULL, salt bytea, personal_part bytea, \
        hash bytea NOT NULL, event_kind smallint NOT NULL, access_point_id integer, scan bigint, \
        decision smallint, kid bytea, serial integer, holder_number integer) ON COMMIT DELETE ROWS";
const COPY: &str = "COPY journal_staging FROM STDIN (FORMAT binary)";
const COLUMN_TYPES: [Type; 15] = [
    Type::INT4,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::INT2,
    Type::BYTEA,
    Type::INT4,
    Type::INT4,
];
const INSERT: &str = "INSERT INTO journal_records (gate_id, school_id, journal_epoch, seq, recorded_at, received_at, \
        public_part, commitment, salt, personal_part, hash, event_kind, access_point_id, scan, decision, kid, \
        serial, holder_number) \
    SELECT $1, $2, journal_epoch, seq, recorded_at, $3, public_part, commitment, salt, personal_part, hash, \
        event_kind, access_point_id, scan, decision, kid, serial, holder_number FROM journal_staging";

/// Takes records in; the caller holds the lock of the gate's row and knows that they are new.
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
    connection
        .batch_execute(STAGING)
        .await
        .with_context(context)?;
    let sink = connection.copy_in(COPY).await.with_context(context)?;
    let writer = BinaryCopyInWriter::new(sink, &COLUMN_TYPES);
    let mut writer = std::pin::pin!(writer);
    for record in records {
        write(writer.as_mut(), record).await.with_context(context)?;
    }
    writer.finish().await.with_context(context)?;
    let statement = connection
        .prepare_cached(INSERT)
        .await
        .with_context(context)?;
    let inserted = connection
        .execute(&statement, &[&gate_id, &school_id, &now])
        .await
        .with_context(context)?;
    anyhow::ensure!(
        inserted == records.len() as u64,
        "{inserted} of {} records of gate {gate_id} were taken in",
        records.len()
    );
    Ok(())
}

async fn write(
    writer: std::pin::Pin<&mut BinaryCopyInWriter>,
    new: &NewRecord<'_>,
) -> anyhow::Result<()> {
    let (epoch, seq) = columns(new.position)?;
    let personal = new.record.personal.as_ref();
    let facts = &new.facts;
    let kid = facts.kid.as_ref().map(|kid| kid.0.as_slice());
    let row: [&(dyn ToSql + Sync); 15] = [
        &epoch,
        &seq,
        &new.recorded_at,
        &new.record.public.as_slice(),
        &new.record.commitment.0.as_slice(),
        &personal.map(|salted| salted.salt.as_slice()),
        &personal.map(|salted| salted.part.as_slice()),
        &new.hash.0.as_slice(),
        &facts.event_kind,
        &facts.access_point_id,
        &facts.scan,
        &facts.decision,
        &kid,
        &facts.serial,
        &facts.holder_number,
    ];
    Ok(writer.write(&row).await?)
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

/// The access points of a gate.
///
/// # Errors
/// When the database fails.
pub async fn access_points(connection: &Connection, gate_id: GateId) -> anyhow::Result<Vec<i32>> {
    let context = || format!("cannot list the access points of gate {gate_id}");
    let statement = connection
        .prepare_cached(
            "SELECT access_point_id FROM access_points JOIN doors USING (door_id) WHERE gate_id = $1",
        )
        .await
        .with_context(context)?;
    let rows = connection
        .query(&statement, &[&gate_id])
        .await
        .with_context(context)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
