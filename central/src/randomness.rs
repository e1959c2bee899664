//! Where random bytes come from: the operating system, or a seed in tests.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::instant::UtcInstant;

/// A source of random bytes.
#[derive(Clone, Debug)]
pub enum Randomness {
    /// The operating system's, fit for keys and secrets.
    System,
    /// The same bytes for the same seed: for tests whose answers are compared to a snapshot.
    Seeded(SeededRandomness),
}

/// A reproducible stream of bytes; clones share their place in it.
#[derive(Clone, Debug)]
pub struct SeededRandomness {
    seed: u64,
    block: Arc<Mutex<u64>>,
}

impl Randomness {
    /// Fills `bytes`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing can be done safely then.
    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => {
                getrandom::fill(bytes).expect("the operating system gives randomness");
            }
            Self::Seeded(source) => source.fill(bytes),
        }
    }

    /// An array of random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A new UUID of version 7, which sorts by its time of making.
    #[must_use]
    pub fn uuid(&self, now: UtcInstant) -> Uuid {
        let millis = u64::try_from(now.timestamp().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}

impl SeededRandomness {
    /// A stream that `seed` determines.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            block: Arc::default(),
        }
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            let digest = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(block.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&digest[..chunk.len()]);
            *block += 1;
        }
    }
}
