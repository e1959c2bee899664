//! Issues passes. The only place in central that can name a private issuer key's type: it lives
//! in `duty`, which runs inside the issuing signer, and is not exported.

mod duty;
mod handle;
mod issue;
#[cfg(test)]
mod tests;

pub use duty::IssuingDuty;
pub use handle::{IssuingSigner, SealedKey};
pub use issue::{Holder, IssueError, Issued, PassTemplate, issue};

use minicbor::{Decode, Encode, bytes::ByteVec};
use shared::{ids::Kid, keys::PublicKey};

/// Passes in one request to the signer: 50 ms of signing, so that a single pass that is wanted
/// meanwhile does not wait for long.
pub const BATCH_LEN_MAX: usize = 1_000;

/// From the server to the signer.
#[derive(Encode, Decode)]
#[cbor(flat)]
enum Request {
    #[n(0)]
    Create,
    #[n(1)]
    Hold {
        #[n(0)]
        public_key: PublicKey,
        #[cbor(n(1), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
    #[n(2)]
    Sign {
        #[n(0)]
        kid: Kid,
        #[n(1)]
        claims: Vec<ByteVec>,
    },
}

/// From the signer to the server.
#[derive(Debug, PartialEq, Encode, Decode)]
#[cbor(flat)]
enum Answer {
    #[n(0)]
    Created {
        #[n(0)]
        public_key: PublicKey,
        #[cbor(n(1), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
    #[n(1)]
    Held,
    #[n(2)]
    Signed(#[n(0)] Vec<ByteVec>),
    /// The key is to be handed over first.
    #[n(3)]
    NotHeld,
    #[n(4)]
    Refused(#[n(0)] String),
}
