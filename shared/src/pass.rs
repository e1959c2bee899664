//! The pass: what is signed, how a text becomes a checked pass, and the texts `SP1:` and `SL1:`.

mod claims;
mod encode;
mod verify;

pub use claims::{AccessLevels, Claims, HolderKind, LEVELS_PER_PASS, SERIALS_PER_KEY};
pub use encode::{issue, live_text, prove, static_text};
pub use verify::{PassRefused, Presentation, VerifiedPass, verify_pass};

/// At most this many characters of a QR text are looked at: a live pass has 366, and a longer
/// text costs nothing more than its length.
pub const TEXT_LIMIT: usize = 512;

/// Prefix of a static pass, version 1.
pub const STATIC_PREFIX: &str = "SP1:";
/// Prefix of a live pass, version 1.
pub const LIVE_PREFIX: &str = "SL1:";
/// External data of the issuer's signature (design §2: empty).
pub const PASS_EXTERNAL_DATA: &str = "";

/// Largest COSE bytes of a pass: 16 levels of two bytes, a holder key, a 5-byte `uses_max`.
pub const PASS_BYTES_LIMIT: usize = 200;
