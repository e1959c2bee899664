//! The deterministic profile alone, without knowing what is encoded: for messages, whose unknown
//! members are ignored and so cannot be encoded again and compared.

use super::Malformed;

/// Deepest nesting of arrays and maps; our own formats reach six.
pub const DEPTH_LIMIT: usize = 16;

/// Is `bytes` exactly one CBOR item in deterministic encoding (RFC 8949 §4.2.1) without tags,
/// floating-point numbers and simple values other than false, true and null?
///
/// # Errors
/// [`Malformed`] when it is not.
pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
    let mut walk = Walk { bytes, at: 0 };
    walk.item(DEPTH_LIMIT)?;
    if walk.at == bytes.len() {
        Ok(())
    } else {
        Err(Malformed::TrailingBytes)
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// One item with at most `depth` levels of arrays and maps.
    fn item(&mut self, depth: usize) -> Result<(), Malformed> {
        let (major, value) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.take(value).map(drop),
            3 => core::str::from_utf8(self.take(value)?)
                .map(drop)
                .map_err(|_| Malformed::Structure),
            4 => {
                let depth = depth.checked_sub(1).ok_or(Malformed::Structure)?;
                // Each turn consumes a byte or fails, so a huge count costs nothing.
                (0..value).try_for_each(|_| self.item(depth))
            }
            5 => self.map(value, depth.checked_sub(1).ok_or(Malformed::Structure)?),
            7 if (20..=22).contains(&value) => Ok(()),
            _ => Err(Malformed::Structure),
        }
    }

    fn map(&mut self, members: u64, depth: usize) -> Result<(), Malformed> {
        let mut last: &[u8] = &[];
        for _ in 0..members {
            let start = self.at;
            self.item(depth)?;
            let key = &self.bytes[start..self.at];
            if key <= last {
                return Err(Malformed::NotDeterministic);
            }
            last = key;
            self.item(depth)?;
        }
        Ok(())
    }

    /// Major type and argument, the argument in its shortest form.
    fn head(&mut self) -> Result<(u8, u64), Malformed> {
        let first = self.take(1)?[0];
        let (major, short) = (first >> 5, first & 0x1f);
        let length = match short {
            0..=23 => return Ok((major, u64::from(short))),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(Malformed::NotDeterministic),
        };
        if major == 7 {
            return Err(Malformed::Structure);
        }
        let value = self
            .take(length)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        let shortest_from = match length {
            1 => 24,
            2 => 0x100,
            4 => 0x1_0000,
            _ => 0x1_0000_0000,
        };
        if value < shortest_from {
            return Err(Malformed::NotDeterministic);
        }
        Ok((major, value))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).map_err(|_| Malformed::Structure)?;
        let taken = rest.get(..length).ok_or(Malformed::Structure)?;
        self.at += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_deterministic_encoding_holds_and_every_other_is_refused() {
        let good: [&[u8]; 8] = [
            &[0x00],
            &[0x18, 24],
            &[0x39, 1, 0],
            &[0x42, 1, 2],
            &[0x63, 0x67, 0xc3, 0xbc],
            &[0x83, 0xf4, 0xf5, 0xf6],
            &[0xa2, 0x00, 0x01, 0x20, 0x02],
            &[0xa1, 0x00, 0xa0],
        ];
        for bytes in good {
            assert_eq!(check(bytes), Ok(()), "{bytes:02x?}");
        }
        for (bytes, why) in [
            (&[][..], Malformed::Structure),
            (&[0x18, 23], Malformed::NotDeterministic),
            (&[0x19, 0, 255], Malformed::NotDeterministic),
            (&[0x1a, 0, 0, 255, 255], Malformed::NotDeterministic),
            (
                &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
                Malformed::NotDeterministic,
            ),
            (&[0x9f, 0xff], Malformed::NotDeterministic),
            (&[0x5f, 0x41, 0, 0xff], Malformed::NotDeterministic),
            (&[0xa2, 0x01, 0x00, 0x00, 0x00], Malformed::NotDeterministic),
            (&[0xa2, 0x00, 0x00, 0x00, 0x01], Malformed::NotDeterministic),
            (&[0xc1, 0x00], Malformed::Structure),
            (&[0xf7], Malformed::Structure),
            (&[0xf8, 0xf6], Malformed::Structure),
            (&[0xf9, 0, 0], Malformed::Structure),
            (&[0x61, 0xff], Malformed::Structure),
            (
                &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
                Malformed::Structure,
            ),
            (
                &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
                Malformed::Structure,
            ),
            (
                &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
                Malformed::Structure,
            ),
            (&[0x00, 0x00], Malformed::TrailingBytes),
        ] {
            assert_eq!(check(bytes), Err(why), "{bytes:02x?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert_eq!(check(&nested(DEPTH_LIMIT)), Ok(()));
        assert_eq!(check(&nested(DEPTH_LIMIT + 1)), Err(Malformed::Structure));
        assert!(check(&nested(1 << 20)).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes);
        }
    }
}
