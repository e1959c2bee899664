//! The trust list: which issuer keys and statement keys to believe, signed by a registrar key.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{self, DocumentRejected, Header, SignedKind, Verified},
    ids::{Kid, SchoolId},
    keys::{CheckedKey, KeyRing, KeyUnusable, PublicKey},
    root_set::RootSet,
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
    /// Takes over when the key is frozen: believed for the same school and windows.
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

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        if self.issuer_keys.len() > ISSUER_KEYS_LIMIT
            || self.statement_keys.len() > STATEMENT_KEYS_LIMIT
        {
            return Err(Malformed::OutOfRange("too many keys"));
        }
        let sorted = self
            .issuer_keys
            .is_sorted_by(|a, b| a.public_key < b.public_key)
            && self.statement_keys.is_sorted_by(|a, b| a < b);
        let kids: BTreeSet<Kid> = self.all_keys().map(PublicKey::kid).collect();
        if !sorted || kids.len() != self.all_keys().count() {
            return Err(Malformed::OutOfRange("keys must be ascending and unique"));
        }
        if self.statement_keys.is_empty() {
            return Err(Malformed::OutOfRange("no statement key"));
        }
        let is_window = |window: &Window| window.from < window.until;
        if !self
            .issuer_keys
            .iter()
            .all(|key| is_window(&key.signing) && is_window(&key.verification))
        {
            return Err(Malformed::OutOfRange("window of an issuer key"));
        }
        if self.all_keys().all(|key| key.decompress().is_ok()) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("unusable key"))
        }
    }
}

/// Opens a trust list under the registrar keys of `roots`, and refuses one that would give a
/// root or registrar key a second purpose.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open_trust_list(
    bytes: &[u8],
    roots: &RootSet,
) -> Result<Verified<TrustList>, DocumentRejected> {
    let ring = roots
        .registrar_ring()
        .map_err(|_| Malformed::OutOfRange("unusable key"))?;
    let list: Verified<TrustList> = document::open(bytes, &ring)?;
    let above: BTreeSet<Kid> = roots
        .roots
        .iter()
        .chain(&roots.registrars)
        .map(PublicKey::kid)
        .collect();
    if list
        .document()
        .all_keys()
        .any(|key| above.contains(&key.kid()))
    {
        return Err(Malformed::OutOfRange("a key has two purposes").into());
    }
    Ok(list)
}

impl TrustList {
    fn all_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.issuer_keys
            .iter()
            .flat_map(|key| core::iter::once(&key.public_key).chain(&key.standby))
            .chain(&self.statement_keys)
    }

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
    /// Decompresses the keys of a trust list, standby keys included: when an issuer key is
    /// frozen, its standby signs at once, while the registrar's key stays in its safe. Revoking
    /// an issuer key says nothing of its standby.
    ///
    /// # Errors
    /// [`KeyUnusable`] when one of them is no usable key.
    pub fn new(keys: &[IssuerKey]) -> Result<Self, KeyUnusable> {
        let ready = |issuer: &IssuerKey, key: &PublicKey, state| {
            let trusted = TrustedIssuer {
                school: issuer.school,
                signing: issuer.signing,
                verification: issuer.verification,
                state,
                key: key.decompress()?,
            };
            Ok((trusted.key.kid(), trusted))
        };
        let mut trusted = BTreeMap::new();
        for issuer in keys {
            let standby = issuer.standby.as_ref();
            trusted.extend([ready(issuer, &issuer.public_key, issuer.state)?]);
            if let Some(standby) = standby {
                trusted.extend([ready(issuer, standby, IssuerKeyState::Active)?]);
            }
        }
        Ok(Self(trusted))
    }

    /// The key of this identifier.
    #[must_use]
    pub fn get(&self, kid: Kid) -> Option<&TrustedIssuer> {
        self.0.get(&kid)
    }

    /// Identifiers of all keys, standby keys included, ascending.
    pub fn kids(&self) -> impl Iterator<Item = Kid> + '_ {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        cose::tests::TestKey,
        ids::{CentralEpoch, DocumentNumber},
        time::UtcSeconds,
    };

    fn window(from: u64, until: u64) -> Window {
        Window {
            from: UtcSeconds(from),
            until: UtcSeconds(until),
        }
    }

    fn issuer(seed: u8) -> IssuerKey {
        IssuerKey {
            public_key: TestKey::new(seed).public(),
            school: SchoolId([1; 16]),
            signing: window(1, 2),
            verification: window(1, 3),
            standby: None,
            state: IssuerKeyState::Active,
        }
    }

    fn list(issuer_keys: Vec<IssuerKey>) -> TrustList {
        TrustList {
            header: Header {
                number: DocumentNumber {
                    epoch: CentralEpoch(1),
                    n: 1,
                },
                made_at: UtcSeconds(1_800_000_000),
                expires_at: UtcSeconds(1_800_000_000 + 400 * Header::DAY_S),
            },
            issuer_keys,
            statement_keys: vec![TestKey::new(60).public()],
        }
    }

    fn roots() -> RootSet {
        RootSet {
            header: list(vec![]).header,
            threshold: 1,
            roots: vec![TestKey::new(70).public()],
            registrars: vec![TestKey::new(71).public()],
        }
    }

    #[test]
    fn a_key_has_one_purpose() {
        let registrar = TestKey::new(71);
        let signed = |list: &TrustList| document::sign(list, &registrar);
        let good = signed(&list(vec![issuer(1)])).unwrap();
        assert!(open_trust_list(&good, &roots()).is_ok());
        for above in [70, 71] {
            let bad = signed(&list(vec![issuer(above)])).unwrap();
            assert!(
                open_trust_list(&bad, &roots()).is_err(),
                "root or registrar"
            );
        }
        let doubled = IssuerKey {
            standby: Some(TestKey::new(60).public()),
            ..issuer(1)
        };
        assert!(
            signed(&list(vec![doubled])).is_err(),
            "standby and statement"
        );
        let own = IssuerKey {
            standby: Some(issuer(1).public_key),
            ..issuer(1)
        };
        assert!(signed(&list(vec![own])).is_err(), "its own standby");
    }

    #[test]
    fn windows_and_keys_must_be_usable() {
        let with = |change: fn(&mut IssuerKey)| {
            let mut key = issuer(1);
            change(&mut key);
            list(vec![key]).validate()
        };
        assert!(with(|_| {}).is_ok());
        assert!(with(|key| key.signing = window(2, 2)).is_err());
        assert!(with(|key| key.verification = window(3, 2)).is_err());
        assert!(with(|key| key.public_key = PublicKey([0; 32])).is_err());
        assert!(with(|key| key.standby = Some(PublicKey([0; 32]))).is_err());
        let mut without_statement_key = list(vec![]);
        without_statement_key.statement_keys.clear();
        assert!(without_statement_key.validate().is_err());
    }

    #[test]
    fn a_standby_key_is_believed_even_when_its_issuer_key_is_revoked() {
        let revoked = IssuerKey {
            standby: Some(TestKey::new(2).public()),
            state: IssuerKeyState::Revoked,
            ..issuer(1)
        };
        let trusted = TrustedIssuers::new(&[revoked]).unwrap();
        let state = |seed| {
            trusted
                .get(TestKey::new(seed).public().kid())
                .unwrap()
                .state
        };
        assert_eq!(state(1), IssuerKeyState::Revoked);
        assert_eq!(state(2), IssuerKeyState::Active);
        assert_eq!(trusted.kids().count(), 2);
    }
}
