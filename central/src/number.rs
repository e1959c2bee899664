//! Numbers with bounds, checked as they are read.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounded<const MIN: i32, const MAX: i32>(i32);

impl<const MIN: i32, const MAX: i32> Bounded<MIN, MAX> {
    /// The number; `None` when it is out of bounds.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number < MIN || number > MAX {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The number itself, where `MIN` is not negative.
    #[must_use]
    pub const fn unsigned(self) -> u64 {
        const { assert!(MIN >= 0) };
        self.0.unsigned_abs() as u64
    }
}

impl<const MIN: i32, const MAX: i32> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.0)
    }
}

impl<'de, const MIN: i32, const MAX: i32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let bounded = i32::try_from(number).ok().and_then(Self::new);
        bounded
            .ok_or_else(|| de::Error::custom(format_args!("must be {MIN} to {MAX}, not {number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_bounds_is_refused_with_the_bounds() {
        assert_eq!(serde_json::from_str::<Bounded<1, 9>>("9").unwrap().get(), 9);
        for bad in ["0", "10", "99999999999", "-1"] {
            let error = serde_json::from_str::<Bounded<1, 9>>(bad)
                .unwrap_err()
                .to_string();
            assert!(error.contains("must be 1 to 9"), "{error}");
        }
    }
}
