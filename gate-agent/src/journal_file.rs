//! The exported journal: a file that a stranger can check with nothing but the gate's public key
//! (`docs/formats.md` §14). Written and verified here; where records come from is the store's.

mod lines;
mod verify;

pub use verify::{ExportRefused, verify_export};

use std::io::Write;

use anyhow::Context as _;
use shared::{
    ids::{Digest, GateId, JournalPosition},
    journal::{ChainState, Record},
    keys::PublicKey,
    time::UtcSeconds,
};

use lines::{HeadLine, OpeningLine, RecordLine};

/// What stands in front of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The gate.
    pub gate: GateId,
    /// The key that signs its heads and anchors.
    pub gate_key: PublicKey,
    /// The chain before the first record of the file.
    pub start: ChainState,
    /// The signed anchor of `start`, when records before it were pruned.
    pub anchor: Option<Vec<u8>>,
}

/// Where the file's first record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At the start of the journal's epoch.
    Epoch,
    /// Behind a signed anchor: earlier records were pruned.
    Anchor,
}

/// Whose word it is that the key belongs to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTrust {
    /// The reader's own.
    Given,
    /// The file's: compare the key with the one that central shows for the gate.
    FromFile,
}

/// What a file that verifies says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// The gate.
    pub gate: GateId,
    /// Its key.
    pub gate_key: PublicKey,
    /// Who vouches for the key.
    pub key_trust: KeyTrust,
    /// Where the file begins.
    pub beginning: Beginning,
    /// The place before the first record.
    pub before: JournalPosition,
    /// The last record.
    pub last: JournalPosition,
    /// The chain's hash after it.
    pub hash: Digest,
    /// How many records.
    pub records: u64,
    /// How many of them had a personal part that was erased.
    pub erased: u64,
    /// When the gate signed the head.
    pub made_at: UtcSeconds,
}

/// Writes a journal: the opening, each record, and the head that `sign_head` makes for the
/// chain's end. Returns that end. Flushing is the caller's.
///
/// # Errors
/// When a record cannot be read or does not continue the chain, the head cannot be signed, or
/// `out` cannot be written; the file is then not complete and does not verify.
pub fn write_export(
    out: &mut impl Write,
    opening: &Opening,
    records: impl IntoIterator<Item = anyhow::Result<Record>>,
    sign_head: impl FnOnce(&ChainState) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<ChainState> {
    write_line(out, &OpeningLine::from(opening))?;
    let mut state = opening.start;
    for record in records {
        let record = record?;
        state = state
            .append(&record)
            .with_context(|| format!("the record behind {} in the store", state.position))?;
        write_line(out, &RecordLine::from(&record))?;
    }
    let head = sign_head(&state).context("sign the head of the exported journal")?;
    write_line(out, &HeadLine::from(&head[..]))?;
    Ok(state)
}

fn write_line(out: &mut impl Write, line: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(line).context("encode a line of the exported journal")?;
    text.push(b'\n');
    out.write_all(&text).context("write the exported journal")
}
