//! The trust list: which issuer keys and statement keys to believe, signed by a registrar key.

use alloc::{collections::BTreeMap, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Kid, SchoolId},
    keys::{CheckedKey, KeyRing, KeyUnusable, PublicKey},
    time::Window,
};

/// Most issuer keys in a trust list: a chain of a thousand schools over ten years.
pub const ISSUER_KEYS_LIMIT: usize = 10_000;
/// Most statement keys: one in use, one next, and room for a change in a hurry.
pub const STATEMENT_KEYS_LIMIT: usize = 8;

/// May passes under this key be believed at all?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum IssuerKeyState {
    /// Yes, within its windows and its issued list.
    #[n(0)]
    Active,
    /// No pass under it is good any more.
    #[n(1)]
    Revoked,
}

/// One issuer key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuerKey {
    /// The key; its identifier is derived, never stated.
    #[n(0)]
    pub public_key: PublicKey,
    /// Whose passes it signs.
    #[n(1)]
    pub school: SchoolId,
    /// `nbf` of every pass under it lies in this window.
    #[n(2)]
    pub signing: Window,
    /// Passes under it are looked at within this window.
    #[n(3)]
    pub verification: Window,
    /// Takes over when the key is frozen.
    #[n(4)]
    pub standby: Option<PublicKey>,
    /// Active or revoked.
    #[n(5)]
    pub state: IssuerKeyState,
}

/// The trust list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TrustList {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// Issuer keys, ascending by public key, unique (standby keys included).
    #[n(1)]
    pub issuer_keys: Vec<IssuerKey>,
    /// Keys that may sign statements, ascending.
    #[n(2)]
    pub statement_keys: Vec<PublicKey>,
}

impl SignedKind for TrustList {
    const EXTERNAL_DATA: &'static str = "portcullis/trust-list/1";
    const LIMIT: usize = 2 << 20;

    fn validate(&self) -> Result<(), Malformed> {
        let keys: Vec<PublicKey> = self.issuer_keys.iter().map(|key| key.public_key).collect();
        let standby = self.issuer_keys.iter().filter_map(|key| key.standby);
        let mut kids: Vec<Kid> = keys
            .iter()
            .copied()
            .chain(standby)
            .chain(self.statement_keys.iter().copied())
            .map(|key| key.kid())
            .collect();
        let total = kids.len();
        kids.sort_unstable();
        kids.dedup();
        let sorted =
            keys.is_sorted_by(|a, b| a < b) && self.statement_keys.is_sorted_by(|a, b| a < b);
        if !sorted || kids.len() != total {
            return Err(Malformed::OutOfRange("keys must be ascending and unique"));
        }
        if keys.len() > ISSUER_KEYS_LIMIT || self.statement_keys.len() > STATEMENT_KEYS_LIMIT {
            return Err(Malformed::OutOfRange("too many keys"));
        }
        let usable = keys
            .iter()
            .chain(&self.statement_keys)
            .all(|key| key.decompress().is_ok());
        if usable {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("unusable key"))
        }
    }
}

impl TrustList {
    /// The keys that may sign statements.
    ///
    /// # Errors
    /// [`KeyUnusable`] never for a list that [`crate::document::open`] returned.
    pub fn statement_ring(&self) -> Result<KeyRing, KeyUnusable> {
        KeyRing::new(&self.statement_keys)
    }
}

/// An issuer key ready to check signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// The decompressed key.
    pub key: CheckedKey,
    /// Whose passes it signs.
    pub school: SchoolId,
    /// `nbf` of every pass under it lies in this window.
    pub signing: Window,
    /// Passes under it are looked at within this window.
    pub verification: Window,
    /// Active or revoked.
    pub state: IssuerKeyState,
}

/// Issuer keys by identifier. There is no "try all keys".
#[derive(Clone, Debug, Default)]
pub struct TrustedIssuers(BTreeMap<Kid, TrustedIssuer>);

impl TrustedIssuers {
    /// Decompresses the keys of a trust list.
    ///
    /// # Errors
    /// [`KeyUnusable`] when one of them is no usable key.
    pub fn new(keys: &[IssuerKey]) -> Result<Self, KeyUnusable> {
        let ready = |issuer: &IssuerKey| {
            let key = issuer.public_key.decompress()?;
            let trusted = TrustedIssuer {
                school: issuer.school,
                signing: issuer.signing,
                verification: issuer.verification,
                state: issuer.state,
                key,
            };
            Ok((trusted.key.kid(), trusted))
        };
        Ok(Self(keys.iter().map(ready).collect::<Result<_, _>>()?))
    }

    /// The key of this identifier.
    #[must_use]
    pub fn get(&self, kid: Kid) -> Option<&TrustedIssuer> {
        self.0.get(&kid)
    }

    /// Identifiers of all keys, ascending.
    pub fn kids(&self) -> impl Iterator<Item = Kid> + '_ {
        self.0.keys().copied()
    }
}
