//! The CWT claims set of a pass (RFC 8392), in its one encoding.

use alloc::vec::Vec;

use minicbor::{Decoder, Encoder, decode, encode};

use crate::{cbor::Malformed, ids::Serial, keys::PublicKey, time::UtcSeconds};

/// Passes per issuer key: a serial fits three bytes and a bitmap 2 MiB.
pub const SERIALS_PER_KEY: u32 = 1 << 24;
/// Most access levels in a pass: with them a static pass still fits QR version 10.
pub const LEVELS_PER_PASS: usize = 16;

const CLAIM_EXP: i64 = 4;
const CLAIM_NBF: i64 = 5;
const CLAIM_CTI: i64 = 7;
const CLAIM_CNF: i64 = 8;
const CLAIM_ACCESS: i64 = -65_537;

/// What a pass says about its holder: nothing but what kind of person it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum HolderKind {
    /// A student.
    #[n(0)]
    Student,
    /// A member of staff.
    #[n(1)]
    Staff,
    /// A visitor.
    #[n(2)]
    Visitor,
}

/// Access levels of one pass: ascending, unique, at most 16.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessLevels(Vec<u8>);

impl AccessLevels {
    /// Sorts and checks the levels.
    ///
    /// # Errors
    /// [`Malformed::OutOfRange`] with more than [`LEVELS_PER_PASS`] different levels.
    pub fn new(levels: impl IntoIterator<Item = u8>) -> Result<Self, Malformed> {
        let mut levels: Vec<u8> = levels.into_iter().collect();
        levels.sort_unstable();
        levels.dedup();
        if levels.len() > LEVELS_PER_PASS {
            return Err(Malformed::OutOfRange("access levels"));
        }
        Ok(Self(levels))
    }

    /// The levels, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// The claims of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `nbf`: first second of validity.
    pub not_before: UtcSeconds,
    /// `exp`: first second after validity.
    pub expires_at: UtcSeconds,
    /// `cti`: the serial under the issuer key.
    pub serial: Serial,
    /// `cnf`: the holder's key; present in passes that must be shown live.
    pub holder_key: Option<PublicKey>,
    /// What kind of person the holder is.
    pub kind: HolderKind,
    /// How often the pass may be used; 0 is without limit.
    pub uses_max: u32,
    /// Access levels of the issuer key's school.
    pub levels: AccessLevels,
}

type Infallible = encode::Error<core::convert::Infallible>;

impl Claims {
    /// The deterministic encoding of the claims set.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(80));
        self.write(&mut encoder)
            .expect("writing to a Vec cannot fail");
        encoder.into_writer()
    }

    fn write(&self, encoder: &mut Encoder<Vec<u8>>) -> Result<(), Infallible> {
        encoder.map(4 + u64::from(self.holder_key.is_some()))?;
        encoder.i64(CLAIM_EXP)?.u64(self.expires_at.0)?;
        encoder.i64(CLAIM_NBF)?.u64(self.not_before.0)?;
        encoder
            .i64(CLAIM_CTI)?
            .bytes(shortest(&self.serial.0.to_be_bytes()))?;
        if let Some(key) = &self.holder_key {
            encoder.i64(CLAIM_CNF)?.map(1)?.u8(1)?;
            encoder.writer_mut().extend_from_slice(&key.cose_key());
        }
        encoder
            .i64(CLAIM_ACCESS)?
            .array(2 + self.levels.0.len() as u64)?;
        encoder.encode(self.kind)?.u32(self.uses_max)?;
        self.levels
            .0
            .iter()
            .try_for_each(|level| encoder.u8(*level).map(drop))
    }

    /// Reads the one encoding of a claims set.
    ///
    /// # Errors
    /// [`Malformed`] for any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let claims = Self::read(&mut decoder).map_err(|_| Malformed::Structure)?;
        if decoder.position() != bytes.len() {
            return Err(Malformed::TrailingBytes);
        }
        if claims.encode() != bytes {
            return Err(Malformed::NotDeterministic);
        }
        if claims.serial.0 >= SERIALS_PER_KEY {
            return Err(Malformed::OutOfRange("serial"));
        }
        if claims.not_before >= claims.expires_at {
            return Err(Malformed::OutOfRange("validity"));
        }
        Ok(claims)
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, decode::Error> {
        let members = decoder.map()?.ok_or_else(unexpected)?;
        expect_key(decoder, CLAIM_EXP)?;
        let expires_at = UtcSeconds(decoder.u64()?);
        expect_key(decoder, CLAIM_NBF)?;
        let not_before = UtcSeconds(decoder.u64()?);
        expect_key(decoder, CLAIM_CTI)?;
        let serial = read_serial(decoder.bytes()?)?;
        let holder_key = match members {
            4 => None,
            5 => Some(read_confirmation(decoder)?),
            _ => return Err(unexpected()),
        };
        expect_key(decoder, CLAIM_ACCESS)?;
        let length = decoder.array()?.ok_or_else(unexpected)?;
        let kind = decoder.decode()?;
        let uses_max = decoder.u32()?;
        let count = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_sub(2));
        let count = count
            .filter(|count| *count <= LEVELS_PER_PASS)
            .ok_or_else(unexpected)?;
        let mut levels = Vec::with_capacity(count);
        for _ in 0..count {
            levels.push(decoder.u8()?);
        }
        if !levels.is_sorted_by(|a, b| a < b) {
            return Err(unexpected());
        }
        let levels = AccessLevels(levels);
        Ok(Self {
            not_before,
            expires_at,
            serial,
            holder_key,
            kind,
            uses_max,
            levels,
        })
    }
}

fn shortest(bytes: &[u8; 4]) -> &[u8] {
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

fn read_serial(bytes: &[u8]) -> Result<Serial, decode::Error> {
    if bytes.is_empty() || bytes.len() > 4 {
        return Err(unexpected());
    }
    let value = bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte));
    Ok(Serial(value))
}

fn read_confirmation(decoder: &mut Decoder<'_>) -> Result<PublicKey, decode::Error> {
    expect_key(decoder, CLAIM_CNF)?;
    if decoder.map()? != Some(1) || decoder.u8()? != 1 {
        return Err(unexpected());
    }
    let rest = decoder
        .input()
        .get(decoder.position()..)
        .unwrap_or_default();
    let key = rest
        .get(..40)
        .and_then(PublicKey::from_cose_key)
        .ok_or_else(unexpected)?;
    decoder.set_position(decoder.position() + 40);
    Ok(key)
}

fn expect_key(decoder: &mut Decoder<'_>, key: i64) -> Result<(), decode::Error> {
    if decoder.i64()? == key {
        Ok(())
    } else {
        Err(unexpected())
    }
}

fn unexpected() -> decode::Error {
    decode::Error::message("not the claims set of a pass")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_claims() -> impl Strategy<Value = Claims> {
        (
            (any::<u32>(), 1u64..1 << 33),
            0..SERIALS_PER_KEY,
            any::<Option<[u8; 32]>>(),
            prop_oneof![
                Just(HolderKind::Student),
                Just(HolderKind::Staff),
                Just(HolderKind::Visitor)
            ],
            any::<u32>(),
            proptest::collection::vec(any::<u8>(), 0..=LEVELS_PER_PASS),
        )
            .prop_map(
                |((from, length), serial, key, kind, uses_max, levels)| Claims {
                    not_before: UtcSeconds(u64::from(from)),
                    expires_at: UtcSeconds(u64::from(from) + length),
                    serial: Serial(serial),
                    holder_key: key.map(PublicKey),
                    kind,
                    uses_max,
                    levels: AccessLevels::new(levels).expect("at most sixteen"),
                },
            )
    }

    proptest! {
        #[test]
        fn claims_come_back(claims in any_claims()) {
            prop_assert_eq!(Claims::decode(&claims.encode()), Ok(claims));
        }

        #[test]
        fn bytes_that_decode_are_the_only_spelling(
            claims in any_claims(), at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            let mut bytes = claims.encode();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = Claims::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Claims::decode(&bytes);
        }
    }

    #[test]
    fn the_claim_numbers_are_those_of_rfc_8392() {
        // RFC 8392 appendix A.1 has exp (4), nbf (5) and cti (7) in this very encoding.
        let bytes = [
            0xa4, 0x04, 0x1a, 0x56, 0x12, 0xae, 0xb0, 0x05, 0x1a, 0x56, 0x10, 0xd9, 0xf0, 0x07,
            0x42, 0x0b, 0x71, 0x3a, 0x00, 0x01, 0x00, 0x00, 0x83, 0x00, 0x00, 0x05,
        ];
        let claims = Claims::decode(&bytes).expect("our profile of the appendix");
        assert_eq!(claims.expires_at, UtcSeconds(1_444_064_944));
        assert_eq!(claims.not_before, UtcSeconds(1_443_944_944));
        assert_eq!(claims.serial, Serial(0x0b71));
    }

    #[test]
    fn a_serial_of_zero_is_one_zero_byte() {
        assert_eq!(shortest(&0u32.to_be_bytes()), [0]);
        assert_eq!(shortest(&255u32.to_be_bytes()), [255]);
        assert_eq!(shortest(&256u32.to_be_bytes()), [1, 0]);
    }
}
