//! The three kinds of lines, and how bytes stand in them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use shared::{
    ids::{Digest, GateId, JournalEpoch, JournalPosition},
    journal::{ChainState, Record, SALT_LENGTH, SaltedPart},
    keys::PublicKey,
};

use super::Opening;

/// The version that this build writes and reads.
pub(super) const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpeningLine {
    pub(super) portcullis_journal: u32,
    gate: String,
    gate_key: String,
    start: StartMember,
    #[serde(deserialize_with = "Option::deserialize")]
    anchor: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StartMember {
    epoch: u32,
    seq: u64,
    hash: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    public: String,
    commitment: String,
    #[serde(deserialize_with = "Option::deserialize")]
    salt: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    personal: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadLine {
    head: String,
}

impl From<&Opening> for OpeningLine {
    fn from(opening: &Opening) -> Self {
        Self {
            portcullis_journal: VERSION,
            gate: opening.gate.to_string(),
            gate_key: Digest(opening.gate_key.0).to_string(),
            start: StartMember {
                epoch: opening.start.position.epoch.0,
                seq: opening.start.position.seq,
                hash: opening.start.hash.to_string(),
            },
            anchor: opening
                .anchor
                .as_ref()
                .map(|anchor| STANDARD.encode(anchor)),
        }
    }
}

impl OpeningLine {
    /// The opening; otherwise the member that is not in its one form.
    pub(super) fn read(&self) -> Result<Opening, &'static str> {
        let hash = |text: &str| Digest::from_hex(text).filter(|hash| hash.to_string() == text);
        let gate = GateId::from_hex(&self.gate).filter(|gate| gate.to_string() == self.gate);
        let position = JournalPosition {
            epoch: JournalEpoch(self.start.epoch),
            seq: self.start.seq,
        };
        Ok(Opening {
            gate: gate.ok_or("gate")?,
            gate_key: PublicKey(hash(&self.gate_key).ok_or("gate_key")?.0),
            start: ChainState {
                position,
                hash: hash(&self.start.hash).ok_or("start")?,
            },
            anchor: self
                .anchor
                .as_ref()
                .map(|anchor| STANDARD.decode(anchor).map_err(|_| "anchor"))
                .transpose()?,
        })
    }
}

impl From<&Record> for RecordLine {
    fn from(record: &Record) -> Self {
        let salted = record.personal.as_ref();
        Self {
            public: STANDARD.encode(&record.public[..]),
            commitment: record.commitment.to_string(),
            salt: salted.map(|salted| hex(&salted.salt)),
            personal: salted.map(|salted| STANDARD.encode(&salted.part[..])),
        }
    }
}

impl RecordLine {
    /// The record; otherwise the member that is not in its one form.
    pub(super) fn read(&self) -> Result<Record, &'static str> {
        let commitment = Digest::from_hex(&self.commitment)
            .filter(|digest| digest.to_string() == self.commitment);
        let personal = match (&self.salt, &self.personal) {
            (Some(salt), Some(part)) => Some(SaltedPart {
                salt: salt_from_hex(salt).ok_or("salt")?,
                part: STANDARD.decode(part).map_err(|_| "personal")?.into(),
            }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("salt without personal, or without salt");
            }
        };
        Ok(Record {
            public: STANDARD.decode(&self.public).map_err(|_| "public")?.into(),
            commitment: commitment.ok_or("commitment")?,
            personal,
        })
    }
}

impl From<&[u8]> for HeadLine {
    fn from(head: &[u8]) -> Self {
        Self {
            head: STANDARD.encode(head),
        }
    }
}

impl HeadLine {
    /// The signed head; otherwise the member that is not in its one form.
    pub(super) fn read(&self) -> Result<Vec<u8>, &'static str> {
        STANDARD.decode(&self.head).map_err(|_| "head")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn salt_from_hex(text: &str) -> Option<[u8; SALT_LENGTH]> {
    // A salt and a gate's id have the same length.
    let salt = GateId::from_hex(text)?.0;
    (hex(&salt) == text).then_some(salt)
}
