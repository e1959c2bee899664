//! The strict CBOR profile of every signed or chained byte string: deterministic encoding
//! (RFC 8949 §4.2.1), enforced by decoding, encoding again and comparing.

pub mod profile;

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

/// Why bytes are not the one encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than this kind may be.
    #[error("{length} bytes, at most {limit} are allowed")]
    TooLong {
        /// Length of the input in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not CBOR, or not the expected shape.
    #[error("not the expected CBOR structure")]
    Structure,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    TrailingBytes,
    /// The value has another, shorter or differently ordered encoding.
    #[error("not the deterministic encoding")]
    NotDeterministic,
    /// A member lies outside the range that the format allows.
    #[error("a member is out of range: {0}")]
    OutOfRange(&'static str),
}

/// The deterministic encoding of `value`.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        Err(_) => unreachable!("writing to a Vec cannot fail and no encoder of ours refuses"),
    }
}

/// Decodes the one encoding of a `T`; anything else is refused.
///
/// # Errors
/// [`Malformed`] when `bytes` are too long, no `T`, followed by more, or spelled differently.
pub fn decode_strict<'b, T>(bytes: &'b [u8], limit: usize) -> Result<T, Malformed>
where
    T: Decode<'b, ()> + Encode<()>,
{
    let value = decode_within(bytes, limit)?;
    if encode(&value) != bytes {
        return Err(Malformed::NotDeterministic);
    }
    Ok(value)
}

/// Decodes a message, whose format lets a reader ignore members that it does not know; all else
/// of the profile holds (see [`profile`]).
///
/// # Errors
/// [`Malformed`] when `bytes` are too long, no `T`, followed by more, or spelled differently.
pub fn decode_message<'b, T: Decode<'b, ()>>(
    bytes: &'b [u8],
    limit: usize,
) -> Result<T, Malformed> {
    let value = decode_within(bytes, limit)?;
    profile::check(bytes)?;
    Ok(value)
}

fn decode_within<'b, T: Decode<'b, ()>>(bytes: &'b [u8], limit: usize) -> Result<T, Malformed> {
    if bytes.len() > limit {
        return Err(Malformed::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| Malformed::Structure)?;
    if decoder.position() != bytes.len() {
        return Err(Malformed::TrailingBytes);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Sample {
        #[n(0)]
        a: u32,
        #[n(1)]
        b: Option<u32>,
    }

    #[test]
    fn optional_members_are_null_or_left_out_in_one_way_only() {
        let bytes = encode(&Sample { a: 1, b: None });
        assert_eq!(
            decode_strict::<Sample>(&bytes, 10),
            Ok(Sample { a: 1, b: None })
        );
        let spellings: [&[u8]; 2] = [&[0x81, 1], &[0x82, 1, 0xf6]];
        let accepted = spellings
            .iter()
            .filter(|s| decode_strict::<Sample>(s, 10).is_ok())
            .count();
        assert_eq!(accepted, 1);
    }

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Message {
        #[n(0)]
        a: u32,
        #[n(1)]
        b: Option<u32>,
    }

    #[test]
    fn a_message_may_have_members_that_its_reader_does_not_know() {
        let known = Message { a: 1, b: None };
        let read = |bytes: &[u8]| decode_message::<Message>(bytes, 100);
        assert_eq!(encode(&known), [0xa1, 0, 1]);
        assert_eq!(
            read(&[0xa2, 0, 1, 7, 0x82, 0x41, 0, 0xf6]).as_ref(),
            Ok(&known)
        );
        assert_eq!(read(&[0xa2, 0, 1, 0, 1]), Err(Malformed::NotDeterministic));
        assert_eq!(read(&[0xa2, 7, 0, 0, 1]), Err(Malformed::NotDeterministic));
        assert_eq!(read(&[0xbf, 0, 1, 0xff]), Err(Malformed::NotDeterministic));
        assert_eq!(read(&[0xa1, 1, 1]), Err(Malformed::Structure));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (bytes, why) in [
            (&[0x82, 0x18, 1, 2][..], Malformed::NotDeterministic),
            (&[0x9f, 1, 2, 0xff], Malformed::NotDeterministic),
            (&[0x82, 1, 2, 0], Malformed::TrailingBytes),
            (&[0x83, 1, 2, 3], Malformed::NotDeterministic),
            (&[0x82, 1], Malformed::Structure),
            (&[0x80], Malformed::Structure),
            (&[], Malformed::Structure),
        ] {
            assert_eq!(decode_strict::<Sample>(bytes, 10), Err(why), "{bytes:02x?}");
        }
        assert!(matches!(
            decode_strict::<Sample>(&[0x82, 1, 2], 2),
            Err(Malformed::TooLong {
                length: 3,
                limit: 2
            })
        ));
    }
}
