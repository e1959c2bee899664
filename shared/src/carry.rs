//! Files that a USB stick carries between central and a gate without a network: signed documents
//! in, the journal out. Nothing of a file is believed because it came by stick: what is in it is
//! signed, or checked against what is.

use alloc::{format, string::String, vec::Vec};

use minicbor::{
    Decode, Encode,
    bytes::{ByteSlice, ByteVec},
};

use crate::{
    cbor::{self, Malformed},
    gate_api::{ANSWER_LIMIT, DocumentName, Message},
    ids::{DocumentNumber, GateId},
    issued_list::IssuedRange,
    time::UtcSeconds,
};

/// The first member of a file's header. Another number is another format.
pub const FORMAT: &str = "portcullis/carry/1";
/// Media type of both files: a CBOR sequence (RFC 8742) of byte strings.
pub const MEDIA_TYPE: &str = "application/cbor-seq";
/// Largest item in bytes; a document has at most 10 MiB.
pub const ITEM_LIMIT: usize = ANSWER_LIMIT;
/// Kinds of items that this version knows.
const KINDS: u64 = 8;

/// The file that central makes for a gate.
#[must_use]
pub fn documents_file_name(gate: GateId) -> String {
    format!("portcullis-{gate}.carry")
}

/// The file that a gate makes for central.
#[must_use]
pub fn journal_file_name(gate: GateId) -> String {
    format!("portcullis-{gate}.journal")
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Direction {
    /// Signed documents, from central.
    #[n(0)]
    ToGate,
    /// The journal, to central.
    #[n(1)]
    ToCentral,
}

/// What a file says of itself. It is not signed: it saves a technician mistakes, and nothing
/// rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileHeader {
    /// [`FORMAT`].
    #[n(0)]
    pub format: String,
    /// Which way it goes.
    #[n(1)]
    pub direction: Direction,
    /// For which gate, or of which.
    #[n(2)]
    pub gate: GateId,
    /// When, by the clock of whoever made it.
    #[n(3)]
    pub made_at: UtcSeconds,
}

/// One item of a file. Numbers beside signed bytes say where to look; the signed ones count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Item {
    /// The first.
    #[n(0)]
    Header(#[n(0)] FileHeader),
    /// Signed [`crate::heads::Heads`].
    #[n(1)]
    Heads(#[n(0)] ByteVec),
    /// A signed document, whole. Root sets come ascending, each signed by the one before it.
    #[n(2)]
    Document(
        #[n(0)] DocumentName,
        #[n(1)] DocumentNumber,
        #[n(2)] ByteVec,
    ),
    /// A signed [`crate::order::Order`]; orders come ascending.
    #[n(3)]
    Order(#[n(0)] DocumentNumber, #[n(1)] ByteVec),
    /// Digests of issued passes; the ranges of a key come ascending, without a gap.
    #[n(4)]
    IssuedRange(#[n(0)] IssuedRange),
    /// Signed [`crate::heads::Acknowledgement`] of the gate's journal.
    #[n(5)]
    Acknowledgement(#[n(0)] ByteVec),
    /// A [`crate::gate_api::JournalBatch`], as a gate with a network pushes it.
    #[n(6)]
    Batch(#[n(0)] ByteVec),
    /// The last: the file is whole. How many items stand before it.
    #[n(7)]
    End(#[n(0)] u64),
}

/// Why a file is not read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin as a file of ours.
    #[error("it is no file of Portcullis, or one of a version that this program does not know")]
    OtherFormat,
    /// It goes the other way.
    #[error("it goes the other way")]
    OtherDirection,
    /// Meant for, or of, another gate.
    #[error("it belongs to gate {0}")]
    OtherGate(GateId),
    /// Damaged.
    #[error("it is damaged: {0}")]
    Malformed(#[from] Malformed),
}

impl FileHeader {
    /// A header of this format.
    #[must_use]
    pub fn new(direction: Direction, gate: GateId, made_at: UtcSeconds) -> Self {
        Self {
            format: String::from(FORMAT),
            direction,
            gate,
            made_at,
        }
    }

    /// Does the file go this way, and is it this gate's?
    ///
    /// # Errors
    /// [`Unreadable`] when not.
    pub fn check(&self, direction: Direction, gate: GateId) -> Result<(), Unreadable> {
        if self.format != FORMAT {
            return Err(Unreadable::OtherFormat);
        }
        if self.direction != direction {
            return Err(Unreadable::OtherDirection);
        }
        if self.gate != gate {
            return Err(Unreadable::OtherGate(self.gate));
        }
        Ok(())
    }
}

impl Item {
    /// Its bytes as they stand in a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let encoded = cbor::encode(self);
        cbor::encode::<&ByteSlice>(&encoded.as_slice().into())
    }

    /// Reads the item that a byte string of the sequence holds; `None` for a kind that a later
    /// version added, which is passed over.
    ///
    /// # Errors
    /// [`Malformed`] when it is none.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let kind = decoder.array().and_then(|_| decoder.u64());
        if kind.map_err(|_| Malformed::Structure)? >= KINDS {
            cbor::profile::check(bytes)?;
            return Ok(None);
        }
        let item: Self = cbor::decode_message(bytes, ITEM_LIMIT)?;
        if let Self::IssuedRange(range) = &item {
            range.validate()?;
        }
        Ok(Some(item))
    }
}

/// Where an item lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it, without the head of its byte string.
    pub offset: u64,
    /// Its bytes.
    pub length: usize,
}

/// Splits what was read of a file into its items, wherever the reads were cut. Keeps no more than
/// one item and what was read at once.
#[derive(Debug, Default)]
pub struct Splitter {
    received: Vec<u8>,
    consumed: usize,
    /// Bytes of the file before `received`.
    before: u64,
}

impl Splitter {
    /// More of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.drain(..self.consumed);
        self.before += self.consumed as u64;
        self.consumed = 0;
        self.received.extend_from_slice(bytes);
    }

    /// The next item that is whole; `None` when more is to be pushed first.
    ///
    /// # Errors
    /// [`Malformed`] when what comes next is no byte string of an item's size: nothing behind it
    /// can be read.
    pub fn next_item(&mut self) -> Result<Option<(Place, &[u8])>, Malformed> {
        let rest = &self.received[self.consumed..];
        let Some((head, length)) = byte_string_head(rest)? else {
            return Ok(None);
        };
        if rest.len() < head + length {
            return Ok(None);
        }
        let start = self.consumed + head;
        let place = Place {
            offset: self.before + start as u64,
            length,
        };
        self.consumed = start + length;
        Ok(Some((place, &self.received[start..self.consumed])))
    }

    /// Bytes behind the last whole item: with none, the file ends between two.
    #[must_use]
    pub fn left(&self) -> usize {
        self.received.len() - self.consumed
    }
}

/// Length of a byte string's head and of the string; `None` while the head is not whole.
fn byte_string_head(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let argument_bytes = match first {
        0x40..=0x57 => return Ok(Some((1, usize::from(first - 0x40)))),
        0x58..=0x5a => 1 << (first - 0x58),
        // No item has four gigabytes.
        _ => return Err(Malformed::Structure),
    };
    let Some(argument) = rest.get(..argument_bytes) else {
        return Ok(None);
    };
    let length = argument
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    // Shorter lengths have a shorter head.
    let least = [24, 1 << 8, 1 << 16][usize::from(first - 0x58)];
    if length < least {
        return Err(Malformed::NotDeterministic);
    }
    if length > ITEM_LIMIT {
        let limit = ITEM_LIMIT;
        return Err(Malformed::TooLong { length, limit });
    }
    Ok(Some((1 + argument_bytes, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CentralEpoch, Kid, Serial};

    const GATE: GateId = GateId([7; 16]);

    fn items() -> Vec<Item> {
        let number = DocumentNumber {
            epoch: CentralEpoch(1),
            n: 300,
        };
        vec![
            Item::Header(FileHeader::new(Direction::ToGate, GATE, UtcSeconds(9))),
            Item::Heads(vec![1; 200].into()),
            Item::Document(
                DocumentName::StatusList(Kid([2; 8])),
                number,
                vec![3; 70_000].into(),
            ),
            Item::Order(number, vec![4].into()),
            Item::IssuedRange(IssuedRange {
                kid: Kid([2; 8]),
                first: Serial(0),
                digests: vec![5; 16].into(),
            }),
            Item::Acknowledgement(vec![].into()),
            Item::Batch(vec![6; 30].into()),
            Item::End(7),
        ]
    }

    fn file() -> Vec<u8> {
        items().iter().flat_map(Item::to_bytes).collect()
    }

    #[test]
    fn items_are_found_wherever_reads_were_cut() {
        let file = file();
        for at_once in [1, 7, 4_096, file.len()] {
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for bytes in file.chunks(at_once) {
                splitter.push(bytes);
                while let Some((place, bytes)) = splitter.next_item().unwrap() {
                    let start = usize::try_from(place.offset).unwrap();
                    assert_eq!(bytes, &file[start..start + place.length]);
                    found.push(Item::read(bytes).unwrap().unwrap());
                }
            }
            assert_eq!(splitter.left(), 0);
            assert_eq!(found, items());
        }
    }

    #[test]
    fn a_file_that_ends_early_leaves_something_or_lacks_its_end() {
        let file = file();
        for length in 0..file.len() {
            let mut splitter = Splitter::default();
            splitter.push(&file[..length]);
            let mut is_whole = false;
            while let Some((_, bytes)) = splitter.next_item().unwrap() {
                is_whole = matches!(Item::read(bytes), Ok(Some(Item::End(_))));
            }
            assert!(!is_whole, "cut at {length}");
            assert!(splitter.left() <= length);
        }
    }

    #[test]
    fn what_is_no_byte_string_of_an_items_size_ends_the_reading() {
        let refused = |bytes: &[u8]| {
            let mut splitter = Splitter::default();
            splitter.push(bytes);
            splitter.next_item().map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(b"\x89PNG"), Malformed::Structure);
        assert_eq!(refused(&[0x5b, 0, 0, 0, 1]), Malformed::Structure);
        assert_eq!(refused(&[0x5f, 0x41]), Malformed::Structure);
        assert_eq!(refused(&[0x58, 23]), Malformed::NotDeterministic);
        assert_eq!(refused(&[0x59, 0, 255]), Malformed::NotDeterministic);
        assert!(matches!(
            refused(&[0x5a, 0xff, 0xff, 0xff, 0xff]),
            Malformed::TooLong { .. }
        ));
    }

    #[test]
    fn a_kind_that_is_not_known_yet_is_passed_over_and_garbage_is_not() {
        assert_eq!(Item::read(&[0x82, 8, 0x61, b'x']), Ok(None));
        assert!(Item::read(&[0x82, 8, 0x61]).is_err());
        assert!(Item::read(&[0x82, 7, 0x61, b'x']).is_err());
        assert!(Item::read(&[]).is_err());
        let odd = Item::IssuedRange(IssuedRange {
            kid: Kid([2; 8]),
            first: Serial(0),
            digests: vec![5; 15].into(),
        });
        assert!(Item::read(&cbor::encode(&odd)).is_err());
    }

    #[test]
    fn a_header_is_of_this_format_direction_and_gate() {
        let header = FileHeader::new(Direction::ToGate, GATE, UtcSeconds(9));
        assert_eq!(header.check(Direction::ToGate, GATE), Ok(()));
        assert_eq!(
            header.check(Direction::ToCentral, GATE),
            Err(Unreadable::OtherDirection)
        );
        let other = GateId([8; 16]);
        assert_eq!(
            header.check(Direction::ToGate, other),
            Err(Unreadable::OtherGate(GATE))
        );
        let later = FileHeader {
            format: "portcullis/carry/2".into(),
            ..header
        };
        assert_eq!(
            later.check(Direction::ToGate, GATE),
            Err(Unreadable::OtherFormat)
        );
    }
}
