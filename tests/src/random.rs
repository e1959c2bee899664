//! Random choices that a printed seed repeats.

use std::fmt;

/// A stream of numbers (SplitMix64): the same seed gives the same stream.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

/// Names a seed given by hand.
pub const SEED_VARIABLE: &str = "PORTCULLIS_TEST_SEED";

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// From the seed in `PORTCULLIS_TEST_SEED`, otherwise from one that nobody chose. It is printed,
    /// which a test shows only when it fails.
    ///
    /// # Panics
    /// When the variable is no number.
    #[must_use]
    pub fn for_test() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{SEED_VARIABLE} must be a number")),
            Err(_) => getrandom::u64().expect("the machine has randomness"),
        };
        let random = Self::from_seed(seed);
        println!("{random}");
        random
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0. Its bias is below 2^-32 for the bounds of tests.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).expect("an index fits")]
    }

    /// Overwrites `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} (repeat with {SEED_VARIABLE}={})",
            self.seed, self.seed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_another_does_not() {
        let numbers = |seed| {
            let mut random = Random::from_seed(seed);
            [random.number(), random.number(), random.below(10)]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        // The reference implementation's first number for seed 1234567.
        assert_eq!(
            Random::from_seed(1_234_567).number(),
            6_457_827_717_110_365_317
        );
    }
}
