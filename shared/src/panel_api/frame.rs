//! Frames: four bytes of length, big-endian, and a message.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use super::FRAME_LIMIT;
use crate::cbor::{self, Malformed};

const LENGTH_BYTES: usize = 4;

/// The frame of a message.
///
/// # Errors
/// [`Malformed::TooLong`] when the message is larger than [`FRAME_LIMIT`].
pub fn to_frame<T: Encode<()>>(message: &T) -> Result<Vec<u8>, Malformed> {
    let mut frame = [0; LENGTH_BYTES].to_vec();
    frame.append(&mut cbor::encode(message));
    let length = frame.len() - LENGTH_BYTES;
    let too_long = Malformed::TooLong {
        length,
        limit: FRAME_LIMIT,
    };
    let prefix = u32::try_from(length).map_err(|_| too_long)?;
    if length > FRAME_LIMIT {
        return Err(too_long);
    }
    frame[..LENGTH_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame)
}

/// The first message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message's bytes, not yet read.
    pub message: &'a [u8],
    /// What was received behind it.
    pub rest: &'a [u8],
}

/// Takes the first frame off what was received; `None` while it is not whole.
///
/// # Errors
/// [`Malformed`] for a length of zero or above [`FRAME_LIMIT`]: the connection is of no more use.
pub fn split_frame(received: &[u8]) -> Result<Option<Frame<'_>>, Malformed> {
    let Some((prefix, rest)) = received.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    if length == 0 {
        return Err(Malformed::Structure);
    }
    if length > FRAME_LIMIT {
        return Err(Malformed::TooLong {
            length,
            limit: FRAME_LIMIT,
        });
    }
    Ok(rest
        .split_at_checked(length)
        .map(|(message, rest)| Frame { message, rest }))
}

/// Reads the message of a frame.
///
/// # Errors
/// [`Malformed`] when it is no `T`.
pub fn read<'b, T: Decode<'b, ()>>(message: &'b [u8]) -> Result<T, Malformed> {
    cbor::decode_message(message, FRAME_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel_api::{PANEL_API_VERSION, PanelAsk, PanelRequest};

    #[test]
    fn frames_are_split_wherever_they_were_cut() {
        let request = |number| PanelRequest {
            version: PANEL_API_VERSION,
            request: number,
            ask: PanelAsk::State,
        };
        let two = [
            to_frame(&request(1)).unwrap(),
            to_frame(&request(2)).unwrap(),
        ]
        .concat();
        let Frame { message, rest } = split_frame(&two).unwrap().expect("a whole frame");
        assert_eq!(read(message), Ok(request(1)));
        for cut in 0..rest.len() {
            assert_eq!(split_frame(&rest[..cut]), Ok(None));
        }
        let Frame { message, rest } = split_frame(rest).unwrap().expect("a whole frame");
        assert_eq!(read(message), Ok(request(2)));
        assert!(rest.is_empty());
    }

    #[test]
    fn frames_that_are_empty_or_too_long_are_refused_at_once() {
        assert_eq!(split_frame(&[0, 0, 0, 0]), Err(Malformed::Structure));
        assert!(split_frame(&[255, 255, 255, 255]).is_err());
        assert!(split_frame(&[0, 4, 0, 1]).is_err());
        assert_eq!(split_frame(&[0, 4, 0, 0]), Ok(None));
    }
}
