//! Who this gate is and where its central stands.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::{
    ids::{Digest, GateId, JournalEpoch},
    keys::PublicKey,
    time::UtcSeconds,
};

/// What enrolment gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The gate's name at central.
    pub gate: GateId,
    /// The public half of the key in the key file.
    pub gate_key: PublicKey,
    /// SHA-256 of the first root set, from the claim.
    pub pinned_root_set: Digest,
    /// Central's address: scheme, host, port.
    pub central_address: String,
    /// SHA-256 of the public key of central's TLS certificate, from the claim.
    pub tls_key: Option<Digest>,
    /// The epoch of this database's journal.
    pub journal_epoch: JournalEpoch,
    /// When, by central's clock.
    pub enrolled_at: UtcSeconds,
}

pub(super) fn insert(connection: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO identity (identity_id, gate, gate_key, pinned_root_set, central_address,
             tls_key, journal_epoch, enrolled_at)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            identity.gate.0,
            identity.gate_key.0,
            identity.pinned_root_set.0,
            identity.central_address,
            identity.tls_key.map(|digest| digest.0),
            identity.journal_epoch.0,
            identity.enrolled_at.0,
        ],
    )?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<Identity>> {
    connection
        .query_row(
            "SELECT gate, gate_key, pinned_root_set, central_address, tls_key, journal_epoch,
                 enrolled_at
             FROM identity",
            [],
            from_row,
        )
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Identity> {
    Ok(Identity {
        gate: GateId(row.get(0)?),
        gate_key: PublicKey(row.get(1)?),
        pinned_root_set: Digest(row.get(2)?),
        central_address: row.get(3)?,
        tls_key: row.get::<_, Option<[u8; 32]>>(4)?.map(Digest),
        journal_epoch: JournalEpoch(row.get(5)?),
        enrolled_at: UtcSeconds(row.get(6)?),
    })
}
