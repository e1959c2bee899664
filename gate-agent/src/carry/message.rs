//! What agent and command say to each other: frames of four bytes of length, big-endian, and a
//! CBOR message. Both are one program, of one version when nothing was updated in between.

use std::io::{self, Read};

use minicbor::{Decode, Encode, bytes::ByteVec};
use shared::{
    cbor::{self, Malformed},
    gate_api::ANSWER_LIMIT,
    ids::{GateId, JournalPosition},
};

/// The version of these messages.
pub const CARRY_VERSION: u16 = 1;
/// Largest message in bytes.
pub const FRAME_LIMIT: usize = ANSWER_LIMIT + 4_096;

/// What the agent says first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// [`CARRY_VERSION`].
    #[n(0)]
    pub version: u16,
    /// Whose stick it needs.
    #[n(1)]
    pub gate: GateId,
}

/// What became of a stick's documents.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TakenIn {
    /// Why its heads were refused.
    #[n(0)]
    pub refused: Option<String>,
    /// What else was refused or is missing.
    #[n(1)]
    pub problems: Vec<String>,
}

/// From the agent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ToCommand {
    /// The first word.
    #[n(0)]
    Welcome(#[n(0)] Welcome),
    /// What does central answer to this?
    #[n(1)]
    Ask {
        /// A path of the gate API.
        #[n(0)]
        path: String,
        /// The request's message.
        #[n(1)]
        body: ByteVec,
    },
    /// Which acknowledgement does the file hold?
    #[n(2)]
    AskAcknowledgement,
    /// Documents were taken in.
    #[n(3)]
    TakenIn(#[n(0)] TakenIn),
    /// A batch of the journal, to be kept.
    #[n(4)]
    Batch {
        /// Its last record.
        #[n(0)]
        to: JournalPosition,
        /// A [`shared::gate_api::JournalBatch`].
        #[n(1)]
        bytes: ByteVec,
    },
    /// The whole journal was given out, as it stood.
    #[n(5)]
    GivenOut {
        /// The last record.
        #[n(0)]
        to: JournalPosition,
    },
}

/// From the command.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ToAgent {
    /// Take in what the stick holds.
    #[n(0)]
    TakeIn,
    /// Give the journal out.
    #[n(1)]
    GiveOut,
    /// To what was asked.
    #[n(2)]
    Answer(#[n(0)] StickAnswer),
}

/// What the command answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum StickAnswer {
    /// What central would answer.
    #[n(0)]
    Found(#[n(0)] ByteVec),
    /// The file lacks it.
    #[n(1)]
    Lacks(#[n(0)] String),
    /// The batch is in the file.
    #[n(2)]
    Written,
    /// The stick cannot be read or written any more.
    #[n(3)]
    Broken(#[n(0)] String),
}

/// The frame of a message.
///
/// # Errors
/// [`Malformed::TooLong`].
pub fn to_frame<T: Encode<()>>(message: &T) -> Result<Vec<u8>, Malformed> {
    let encoded = cbor::encode(message);
    let length = encoded.len();
    let limit = FRAME_LIMIT;
    let prefix = u32::try_from(length)
        .ok()
        .filter(|_| length <= limit)
        .ok_or(Malformed::TooLong { length, limit })?;
    Ok([&prefix.to_be_bytes()[..], &encoded].concat())
}

/// Reads a frame's message; `None` when the other side has ended the conversation.
///
/// # Errors
/// What the socket says, or that it is no message.
pub fn read_frame<T: for<'b> Decode<'b, ()>>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut prefix = [0; 4];
    match from.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut bytes = vec![0; length_of(prefix)?];
    from.read_exact(&mut bytes)?;
    message_of(&bytes).map(Some)
}

/// The length that a prefix says.
pub(super) fn length_of(prefix: [u8; 4]) -> io::Result<usize> {
    usize::try_from(u32::from_be_bytes(prefix))
        .ok()
        .filter(|length| *length <= FRAME_LIMIT)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message of impossible length"))
}

pub(super) fn message_of<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> io::Result<T> {
    cbor::decode_message(bytes, FRAME_LIMIT)
        .map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_their_frames_and_the_end_is_told_from_a_break() {
        let ask = ToCommand::Ask {
            path: "/gate/v1/orders".into(),
            body: vec![1, 2].into(),
        };
        let frame = to_frame(&ask).unwrap();
        assert_eq!(read_frame(&mut &frame[..]).unwrap(), Some(ask));
        assert_eq!(read_frame::<ToCommand>(&mut &[][..]).unwrap(), None);
        assert!(read_frame::<ToCommand>(&mut &frame[..frame.len() - 1]).is_err());
        assert!(read_frame::<ToCommand>(&mut &[0xff; 8][..]).is_err());
        assert!(read_frame::<ToCommand>(&mut &[0, 0, 0, 1, 0xff][..]).is_err());
    }

    #[test]
    fn a_message_beyond_the_limit_is_not_sent() {
        let whole = ToAgent::Answer(StickAnswer::Found(vec![0; ANSWER_LIMIT].into()));
        assert!(to_frame(&whole).is_ok());
        let more = ToAgent::Answer(StickAnswer::Found(vec![0; FRAME_LIMIT].into()));
        assert!(to_frame(&more).is_err());
    }
}
