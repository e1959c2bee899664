//! As much of an X.509 certificate (RFC 5280 §4.1) as a gate that knows central by its key needs:
//! the key and the dates. DER is read strictly; anything odd is no certificate.

use shared::time::UtcSeconds;

/// What a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The SubjectPublicKeyInfo, whole.
    pub public_key_info: &'a [u8],
    /// First second at which it is good.
    pub not_before: UtcSeconds,
    /// Last second at which it is good.
    pub not_after: UtcSeconds,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`: the version.
const VERSION: u8 = 0xa0;

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it is none.
    #[must_use]
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(der);
        let mut certificate = Reader(outer.element(SEQUENCE)?.content);
        let mut to_be_signed = Reader(certificate.element(SEQUENCE)?.content);
        if to_be_signed.0.first() == Some(&VERSION) {
            to_be_signed.element(VERSION)?;
        }
        to_be_signed.element(INTEGER)?; // serial number
        to_be_signed.element(SEQUENCE)?; // signature algorithm
        to_be_signed.element(SEQUENCE)?; // issuer
        let mut validity = Reader(to_be_signed.element(SEQUENCE)?.content);
        let not_before = validity.time()?;
        let not_after = validity.time()?;
        to_be_signed.element(SEQUENCE)?; // subject
        let public_key_info = to_be_signed.element(SEQUENCE)?.whole;
        (outer.0.is_empty() && validity.0.is_empty()).then_some(Self {
            public_key_info,
            not_before,
            not_after,
        })
    }
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                // DER has one length: the shortest.
                if bytes[0] == 0 || length < 0x80 {
                    return None;
                }
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Element { whole, content })
    }

    /// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
    fn time(&mut self) -> Option<UtcSeconds> {
        match *self.0.first()? {
            UTC_TIME => {
                let content = self.element(UTC_TIME)?.content;
                let two_digits = number(content.get(..2)?)?;
                let century = if two_digits >= 50 { 1900 } else { 2000 };
                instant(century + two_digits, content.get(2..)?)
            }
            GENERALIZED_TIME => {
                let content = self.element(GENERALIZED_TIME)?.content;
                instant(number(content.get(..4)?)?, content.get(4..)?)
            }
            _ => None,
        }
    }
}

fn instant(year: u64, rest: &[u8]) -> Option<UtcSeconds> {
    let [rest @ .., b'Z'] = rest else {
        return None;
    };
    if rest.len() != 10 {
        return None;
    }
    let two = |at: usize| number(&rest[at..at + 2]);
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    let date = jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    )
    .ok()?;
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_second();
    // A certificate from before 1970 was good then already.
    Some(UtcSeconds(u64::try_from(seconds).unwrap_or(0)))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = char::from(*digit).to_digit(10)?;
        Some(number * 10 + u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::keys::sha256;

    use super::*;

    const P256: &[u8] = include_bytes!("../../tests/fixtures/tls/central-p256.der");
    const ED25519: &[u8] = include_bytes!("../../tests/fixtures/tls/ed25519.der");
    const RSA: &[u8] = include_bytes!("../../tests/fixtures/tls/rsa2048.der");

    #[test]
    fn key_and_dates_are_those_that_openssl_reads() {
        // openssl x509 -pubkey | openssl pkey -pubin -outform DER | sha256sum
        let digests = [
            (
                P256,
                "9b09a582323b6a9f52235f568f6798355dc5a1b458874def4135b9852afe2db1",
            ),
            (
                ED25519,
                "063b95ca4952bb7cc8894f2fea9bd1e323c990208c719dd4187939325a6078f0",
            ),
            (
                RSA,
                "03766c0c56132b863cb0b597a7b29aa17b29d54cf238f92e286b0a7ca123bcd4",
            ),
        ];
        for (der, digest) in digests {
            let certificate = Certificate::parse(der).unwrap();
            assert_eq!(sha256(certificate.public_key_info).to_string(), digest);
        }
        let certificate = Certificate::parse(P256).unwrap();
        assert_eq!(certificate.not_before.to_string(), "2026-11-23T19:05:54Z");
        // Beyond 2049 a date has another type.
        assert_eq!(certificate.not_after.to_string(), "2126-10-30T19:05:54Z");
    }

    #[test]
    fn what_was_cut_or_has_more_is_no_certificate() {
        for end in 0..P256.len() {
            assert_eq!(Certificate::parse(&P256[..end]), None, "{end} bytes");
        }
        assert_eq!(Certificate::parse(&[P256, &[0]].concat()), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Certificate::parse(&bytes);
        }

        #[test]
        fn an_altered_certificate_never_panics(
            at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            let mut bytes = P256.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = Certificate::parse(&bytes);
        }
    }
}
