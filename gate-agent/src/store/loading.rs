//! What is loaded when the store opens: keys, identity, memory, documents.

use std::{fs, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc};

use gate_core::{
    action::StoredDocument,
    memory::{GateFacts, Lockdown, Memory},
};
use rusqlite::Connection;
use shared::{
    ids::{ScanId, StaffNumber},
    time::UtcSeconds,
};

use super::{
    Identity, documents, door_modes, gate_facts, holder_uses, pass_uses, pin_failures, presences,
    problem::StoreProblem, reservations, sealing::SealingKey,
};
use crate::gate_key::{
    GATE_KEY_FILE, GateKey, KeyProblem, ROSTER_KEY_FILE, random_secret, read_secret, write_secret,
};

/// What the gate starts from.
#[derive(Clone, Debug)]
pub struct LoadedState {
    /// Who the gate is.
    pub identity: Identity,
    /// What it remembers.
    pub memory: Memory,
    /// Its documents, to be checked again.
    pub documents: Vec<StoredDocument>,
    /// Wrong PINs in a row.
    pub pin_failures: Vec<(StaffNumber, u32)>,
}

pub(super) fn load(
    connection: &Connection,
    identity: Identity,
    sealing: &SealingKey,
) -> rusqlite::Result<LoadedState> {
    let memory = Memory {
        facts: gate_facts::load(connection)?.unwrap_or(FIRST_FACTS),
        presences: presences::load(connection)?,
        uses: pass_uses::load(connection)?,
        holder_uses: holder_uses::load(connection)?,
        reservations: reservations::load(connection)?,
        door_modes: door_modes::load(connection)?,
    };
    Ok(LoadedState {
        identity,
        memory,
        documents: documents::load(connection, sealing)?,
        pin_failures: pin_failures::load(connection)?,
    })
}

/// Facts of a gate that has just been enrolled, but for its mark.
pub(super) const FIRST_FACTS: GateFacts = GateFacts {
    mark: UtcSeconds(0),
    heads_made_at: None,
    newest_order: None,
    newest_clock_reset: None,
    lockdown: Lockdown::Off,
    next_scan: ScanId(1),
};

/// Was a key found or made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOrigin {
    Found,
    Made,
}

/// The key that seals the roster. A lost one is replaced: the roster is pulled again.
pub(super) fn sealing_key(keys: &Path) -> Result<(SealingKey, KeyOrigin), StoreProblem> {
    let path = keys.join(ROSTER_KEY_FILE);
    match read_secret(&path) {
        Ok(secret) => Ok((SealingKey::new(&secret), KeyOrigin::Found)),
        Err(KeyProblem::Missing { .. }) => {
            let secret = random_secret().map_err(|error| KeyProblem::Unusable {
                path: path.clone(),
                detail: format!("the system gives no random bytes: {error}"),
            })?;
            write_secret(&path, &secret)?;
            Ok((SealingKey::new(&secret), KeyOrigin::Made))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The gate's key, which must be the one of its identity.
pub(super) fn gate_key(keys: &Path, identity: &Identity) -> Result<Arc<GateKey>, StoreProblem> {
    let path = keys.join(GATE_KEY_FILE);
    let key = GateKey::new(&read_secret(&path)?);
    if key.public() == identity.gate_key {
        Ok(Arc::new(key))
    } else {
        Err(KeyProblem::Other { path }.into())
    }
}

/// Makes a directory that only the agent's user may enter, when it is not there.
pub(super) fn make_directory(directory: &Path, database: &Path) -> Result<(), StoreProblem> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| StoreProblem::from_io(database, &error))
}
