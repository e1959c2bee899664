//! Checks an exported journal: chain, commitments, anchor and head.

use std::io::{self, BufRead, Read as _};

use serde::de::DeserializeOwned;
use shared::{
    document::{self, DocumentRejected, SignedKind},
    ids::{Digest, JournalPosition},
    journal::{ChainBroken, ChainState, JournalAnchor, JournalHead, Record},
    keys::{KeyRing, PublicKey},
};

use super::{
    Beginning, ExportReport, KeyTrust, Opening,
    lines::{HeadLine, OpeningLine, RecordLine, VERSION},
};

/// Longest line in bytes, its end included: the largest record needs less than 3,000.
const LINE_LIMIT: u64 = 8_192;

/// Why a file is not the journal of the gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefused {
    /// The file could not be read.
    #[error("line {line} cannot be read: {kind}")]
    Unreadable {
        /// Counted from 1.
        line: u64,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// The line is longer than any line of an export, or does not end.
    #[error("line {line} is too long or not ended: the file is cut off or no exported journal")]
    NotALine {
        /// Counted from 1.
        line: u64,
    },
    /// Not the JSON of such a line.
    #[error("line {line} is malformed: {why}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A version of the format that this build does not know.
    #[error("format version {0}; this build reads version {VERSION}")]
    Version(u32),
    /// The file was written by another gate, or with another key.
    #[error("the file's gate key is not the one that is trusted")]
    OtherGateKey,
    /// The key in the file is no usable key.
    #[error("the file's gate key is no usable Ed25519 key")]
    KeyUnusable,
    /// The first record follows nothing that is signed or known.
    #[error("the start is neither the start of a journal nor that of a signed anchor")]
    StartUnfounded,
    /// The anchor's signature or form does not hold.
    #[error("the anchor does not hold: {0}")]
    Anchor(DocumentRejected),
    /// A record was changed, left out, doubled or moved.
    #[error("line {line}: {why}")]
    Chain {
        /// Counted from 1.
        line: u64,
        /// What is broken.
        why: ChainBroken,
    },
    /// The head's signature or form does not hold.
    #[error("the head does not hold: {0}")]
    Head(DocumentRejected),
    /// The head is of another gate, or signs another end.
    #[error("the signed head is at {signed}, the file ends at {found} with another hash or place")]
    OtherEnd {
        /// Where the head is.
        signed: JournalPosition,
        /// Where the file ends.
        found: JournalPosition,
    },
    /// The file ends without a head.
    #[error("the file ends without a signed head: it was cut off")]
    NoHead,
    /// Something follows the head.
    #[error("line {line} follows the head")]
    AfterHead {
        /// Counted from 1.
        line: u64,
    },
}

/// Checks a file against the gate's key: the one that is trusted, or else its own (which the
/// report then says).
///
/// # Errors
/// [`ExportRefused`] says what does not hold, and in which line.
pub fn verify_export(
    reader: impl BufRead,
    trusted_gate_key: Option<PublicKey>,
) -> Result<ExportReport, ExportRefused> {
    let mut lines = Lines { reader, line: 0 };
    let first = lines.next()?.ok_or(ExportRefused::NotALine { line: 1 })?;
    let opening = read_opening(&first)?;
    if trusted_gate_key.is_some_and(|key| key != opening.gate_key) {
        return Err(ExportRefused::OtherGateKey);
    }
    let ring = KeyRing::new(&[opening.gate_key]).map_err(|_| ExportRefused::KeyUnusable)?;
    let beginning = check_start(&opening, &ring)?;

    let mut state = opening.start;
    let (mut records, mut erased) = (0, 0);
    let head = loop {
        let text = lines.next()?.ok_or(ExportRefused::NoHead)?;
        let line = lines.line;
        let record = match read_line(&text, line)? {
            Line::Head(head) => break head,
            Line::Record(record) => record,
        };
        state = state
            .append(&record)
            .map_err(|why| ExportRefused::Chain { line, why })?;
        records += 1;
        erased += u64::from(record.personal.is_none() && record.commitment != Digest([0; 32]));
    };
    if lines.next()?.is_some() {
        return Err(ExportRefused::AfterHead { line: lines.line });
    }
    let head: JournalHead = open(&head, &ring).map_err(ExportRefused::Head)?;
    if head.gate != opening.gate || head.position != state.position || head.hash != state.hash {
        return Err(ExportRefused::OtherEnd {
            signed: head.position,
            found: state.position,
        });
    }
    Ok(ExportReport {
        gate: opening.gate,
        gate_key: opening.gate_key,
        key_trust: match trusted_gate_key {
            Some(_) => KeyTrust::Given,
            None => KeyTrust::FromFile,
        },
        beginning,
        before: opening.start.position,
        last: state.position,
        hash: state.hash,
        records,
        erased,
        made_at: head.made_at,
    })
}

fn read_opening(text: &[u8]) -> Result<Opening, ExportRefused> {
    let opening: OpeningLine = parse(text, 1)?;
    if opening.portcullis_journal != VERSION {
        return Err(ExportRefused::Version(opening.portcullis_journal));
    }
    opening.read().map_err(|member| malformed(1, member))
}

fn check_start(opening: &Opening, ring: &KeyRing) -> Result<Beginning, ExportRefused> {
    let start = opening.start;
    let Some(anchor) = &opening.anchor else {
        let known = ChainState::start(opening.gate, start.position.epoch);
        return if start == known {
            Ok(Beginning::Epoch)
        } else {
            Err(ExportRefused::StartUnfounded)
        };
    };
    let anchor: JournalAnchor = open(anchor, ring).map_err(ExportRefused::Anchor)?;
    let anchored = ChainState {
        position: anchor.position,
        hash: anchor.hash,
    };
    if anchor.gate == opening.gate && anchored == start && start.position.seq > 0 {
        Ok(Beginning::Anchor)
    } else {
        Err(ExportRefused::StartUnfounded)
    }
}

fn open<T: SignedKind>(bytes: &[u8], ring: &KeyRing) -> Result<T, DocumentRejected> {
    Ok(document::open::<T>(bytes, ring)?.into_document())
}

enum Line {
    Record(Record),
    Head(Vec<u8>),
}

fn read_line(text: &[u8], line: u64) -> Result<Line, ExportRefused> {
    // A head has a member that no record has, so at most one of the two can be read.
    if let Ok(head) = serde_json::from_slice::<HeadLine>(text) {
        let head = head.read().map_err(|member| malformed(line, member))?;
        return Ok(Line::Head(head));
    }
    let record: RecordLine = parse(text, line)?;
    let record = record.read().map_err(|member| malformed(line, member))?;
    Ok(Line::Record(record))
}

fn parse<T: DeserializeOwned>(text: &[u8], line: u64) -> Result<T, ExportRefused> {
    serde_json::from_slice(text).map_err(|error| ExportRefused::Malformed {
        line,
        why: error.to_string(),
    })
}

fn malformed(line: u64, member: &str) -> ExportRefused {
    ExportRefused::Malformed {
        line,
        why: format!("member not in its one form: {member}"),
    }
}

struct Lines<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; `None` behind the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ExportRefused> {
        let line = self.line + 1;
        let mut text = Vec::new();
        self.reader
            .by_ref()
            .take(LINE_LIMIT)
            .read_until(b'\n', &mut text)
            .map_err(|error| ExportRefused::Unreadable {
                line,
                kind: error.kind(),
            })?;
        if text.is_empty() {
            return Ok(None);
        }
        self.line = line;
        if text.pop() != Some(b'\n') {
            return Err(ExportRefused::NotALine { line });
        }
        Ok(Some(text))
    }
}
