//! The live pass: a holder's proof around a pass, made with a key that never leaves the phone.

use minicbor::Decoder;

use crate::{
    cbor::Malformed,
    cose::{Protected, Sign1},
    time::UtcSeconds,
};

/// External data of the holder's signature.
pub const LIVE_EXTERNAL_DATA: &str = "portcullis/live/1";

/// A holder's proof that was parsed; nothing in it is authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParsedProof<'a> {
    pub(crate) envelope: Sign1<'a>,
    pub(crate) pass_bytes: &'a [u8],
    pub(crate) made_at: UtcSeconds,
}

impl<'a> ParsedProof<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let envelope = Sign1::parse(bytes)?;
        if envelope.protected != Protected::Algorithm {
            return Err(Malformed::Structure);
        }
        let payload = envelope.payload;
        let mut decoder = Decoder::new(payload);
        let members = (|| {
            let length = decoder.array()?;
            Ok::<_, minicbor::decode::Error>((length, decoder.bytes()?, decoder.u64()?))
        })();
        let Ok((Some(2), pass_bytes, made_at)) = members else {
            return Err(Malformed::Structure);
        };
        let canonical =
            1 + header_length(pass_bytes.len() as u64) + pass_bytes.len() + header_length(made_at);
        if decoder.position() != payload.len() {
            return Err(Malformed::TrailingBytes);
        }
        if payload.len() != canonical {
            return Err(Malformed::NotDeterministic);
        }
        Ok(Self {
            envelope,
            pass_bytes,
            made_at: UtcSeconds(made_at),
        })
    }
}

/// Bytes of the shortest head that carries `value` (RFC 8949 §3).
const fn header_length(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}
