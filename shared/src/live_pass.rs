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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cose::{sign1_with, tests::TestKey};

    fn parsed(payload: &[u8], protected: Protected) -> bool {
        let bytes = sign1_with(protected, &TestKey::new(2), LIVE_EXTERNAL_DATA, payload);
        ParsedProof::parse(&bytes).is_ok()
    }

    #[test]
    fn a_proof_has_one_spelling_even_when_its_holder_signs_another() {
        let time = [0x1a, 0x6b, 0x49, 0xd2, 0x00];
        let long_time = [0x1b, 0, 0, 0, 0, 0x6b, 0x49, 0xd2, 0x00];
        let good = [&[0x82, 0x42, 1, 2], &time[..]].concat();
        assert!(parsed(&good, Protected::Algorithm));
        for other in [
            [&[0x98, 0x02, 0x42, 1, 2], &time[..]].concat(),
            [&[0x82, 0x58, 0x02, 1, 2], &time[..]].concat(),
            [&[0x82, 0x42, 1, 2], &long_time[..]].concat(),
            [&[0x9f, 0x42, 1, 2], &time[..], &[0xff]].concat(),
            [&[0x83, 0x42, 1, 2], &time[..], &[0x00]].concat(),
            [&good[..], &[0x00]].concat(),
        ] {
            assert!(!parsed(&other, Protected::Algorithm), "{other:02x?}");
        }
        let kid = TestKey::new(2).public().kid();
        assert!(!parsed(&good, Protected::Key(kid)), "a header with a kid");
    }
}
