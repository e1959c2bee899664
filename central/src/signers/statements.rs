//! The statement signer: what it signs, and how the server asks for it. It decodes each payload
//! strictly as the kind that was asked for and signs nothing else, so it is no oracle.

mod duty;
mod handle;

pub use duty::StatementDuty;
pub use handle::StatementSigner;

use minicbor::{Decode, Encode};
use shared::{
    configuration::Configuration,
    document::SignedKind,
    heads::{Acknowledgement, Heads, SignedTime},
    ids::Kid,
    issued_list::IssuedList,
    keys::PublicKey,
    order::Order,
    roster::Roster,
    status_list::StatusList,
};

/// What the statement key may sign (design §3): never a trust list, a root set or a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StatementKind {
    /// A gate's configuration.
    #[n(0)]
    Configuration,
    /// An issuer key's status list.
    #[n(1)]
    StatusList,
    /// An issuer key's issued list.
    #[n(2)]
    IssuedList,
    /// A gate's roster.
    #[n(3)]
    Roster,
    /// An order to a gate.
    #[n(4)]
    Order,
    /// What is newest for a gate.
    #[n(5)]
    Heads,
    /// The time, bound to a nonce.
    #[n(6)]
    SignedTime,
    /// Journal records were stored.
    #[n(7)]
    Acknowledgement,
}

/// A kind that the statement key signs.
pub trait Statement: SignedKind {
    /// Which.
    const KIND: StatementKind;
}

macro_rules! statements {
    ($($kind:ident),*) => {
        $(impl Statement for $kind {
            const KIND: StatementKind = StatementKind::$kind;
        })*
    };
}

statements!(
    Configuration,
    StatusList,
    IssuedList,
    Roster,
    Order,
    Heads,
    SignedTime,
    Acknowledgement
);

/// From the server to the signer.
#[derive(Encode, Decode)]
#[cbor(flat)]
enum Request {
    #[n(0)]
    Hold {
        #[n(0)]
        public_key: PublicKey,
        #[cbor(n(1), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
    #[n(1)]
    Sign {
        #[n(0)]
        kid: Kid,
        #[n(1)]
        kind: StatementKind,
        #[cbor(n(2), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
}

/// From the signer to the server.
#[derive(Debug, PartialEq, Encode, Decode)]
#[cbor(flat)]
enum Answer {
    #[n(0)]
    Held,
    #[n(1)]
    Signed(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The key is to be handed over first.
    #[n(2)]
    NotHeld,
    #[n(3)]
    Refused(#[n(0)] String),
}
