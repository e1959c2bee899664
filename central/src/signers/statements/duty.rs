//! What runs inside the statement signer.

use std::collections::BTreeMap;

use shared::{
    cbor::{self, Malformed},
    configuration::Configuration,
    cose,
    document::SignedKind,
    heads::{Acknowledgement, Heads, SignedTime},
    ids::Kid,
    issued_list::{Growth, IssuedList},
    keys::{PublicKey, Sign as _},
    order::Order,
    roster::Roster,
    status_list::StatusList,
};

use super::{Answer, Request, StatementKind};
use crate::{
    keys::{PrivateKey, Purpose, sealing::KeyEncryptionKey},
    randomness::Randomness,
    signers::{Duty, wire},
};

/// Keys in use and, while keys change, the one before; a trust list names at most eight.
const KEYS_MAX: usize = 8;

/// Holds statement keys and signs with them.
pub struct StatementDuty {
    seals: KeyEncryptionKey,
    keys: Vec<PrivateKey>,
    /// Counts of lists that this process signed as frozen.
    frozen: BTreeMap<Kid, u32>,
}

impl StatementDuty {
    /// A signer whose keys open with `seals`.
    #[must_use]
    pub fn new(seals: KeyEncryptionKey) -> Self {
        Self {
            seals,
            keys: Vec::new(),
            frozen: BTreeMap::new(),
        }
    }

    /// Makes a key; returns its public half and its sealed private half.
    #[must_use]
    pub fn create(&self, randomness: &Randomness) -> (PublicKey, Vec<u8>) {
        let key = PrivateKey::generate(randomness);
        let public = key.public();
        let sealed = self
            .seals
            .seal(Purpose::Statement, &public, &key.seed(), randomness);
        (public, sealed)
    }

    fn hold(&mut self, public_key: PublicKey, sealed: &[u8]) -> Answer {
        match self.seals.open(Purpose::Statement, &public_key, sealed) {
            Ok(seed) => {
                self.keys.retain(|key| key.public() != public_key);
                self.keys.truncate(KEYS_MAX - 1);
                self.keys.insert(0, PrivateKey::from_seed(&seed));
                Answer::Held
            }
            Err(problem) => {
                Answer::Refused(format!("statement key {}: {problem}", public_key.kid()))
            }
        }
    }

    fn sign(&mut self, kid: Kid, kind: StatementKind, payload: &[u8]) -> Answer {
        let Some(key) = self.keys.iter().find(|key| key.kid() == kid) else {
            return Answer::NotHeld;
        };
        let signed = match kind {
            StatementKind::Configuration => checked::<Configuration>(payload, key),
            StatementKind::StatusList => checked::<StatusList>(payload, key),
            StatementKind::IssuedList => match never_thaws(&mut self.frozen, payload) {
                Ok(()) => checked::<IssuedList>(payload, key),
                Err(problem) => return Answer::Refused(problem),
            },
            StatementKind::Roster => checked::<Roster>(payload, key),
            StatementKind::Order => checked::<Order>(payload, key),
            StatementKind::Heads => checked::<Heads>(payload, key),
            StatementKind::SignedTime => checked::<SignedTime>(payload, key),
            StatementKind::Acknowledgement => checked::<Acknowledgement>(payload, key),
        };
        match signed {
            Ok(bytes) => Answer::Signed(bytes),
            Err(problem) => {
                Answer::Refused(format!("not a statement to sign as {kind:?}: {problem}"))
            }
        }
    }
}

impl Duty for StatementDuty {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let answer = match cbor::decode_strict(request, wire::FRAME_LEN_MAX) {
            Ok(Request::Hold { public_key, sealed }) => self.hold(public_key, &sealed),
            Ok(Request::Sign { kid, kind, payload }) => self.sign(kid, kind, &payload),
            Err(problem) => Answer::Refused(format!("not a request: {problem}")),
        };
        cbor::encode(&answer)
    }
}

/// Signs what is the one encoding of a `T` that readers take.
fn checked<T: SignedKind>(payload: &[u8], key: &PrivateKey) -> Result<Vec<u8>, Malformed> {
    let document: T = cbor::decode_strict(payload, T::LIMIT)?;
    document.validate()?;
    let bytes = cose::sign1(key, T::EXTERNAL_DATA, payload);
    if bytes.len() > T::LIMIT {
        return Err(Malformed::TooLong {
            length: bytes.len(),
            limit: T::LIMIT,
        });
    }
    Ok(bytes)
}

/// A list that was once signed as frozen is never signed open or with another count again.
fn never_thaws(frozen: &mut BTreeMap<Kid, u32>, payload: &[u8]) -> Result<(), String> {
    let list: IssuedList = cbor::decode_strict(payload, IssuedList::LIMIT)
        .map_err(|problem| format!("not an issued list: {problem}"))?;
    match (frozen.get(&list.kid), list.growth) {
        (Some(count), Growth::Frozen) if *count == list.count => Ok(()),
        (Some(count), Growth::Open | Growth::Frozen) => Err(format!(
            "the issued list of {} is frozen at {count} and neither grows nor thaws",
            list.kid
        )),
        (None, Growth::Open) => Ok(()),
        (None, Growth::Frozen) => {
            frozen.insert(list.kid, list.count);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        document::{self, Header},
        ids::{CentralEpoch, DocumentNumber, GateId},
        issued_list::CHAIN_START,
        keys::KeyRing,
        order::{DoorMode, OrderAction},
        time::UtcSeconds,
        trust_list::TrustList,
    };

    use super::*;
    use crate::signers::statements::Statement;

    fn signer() -> (StatementDuty, PublicKey) {
        let mut duty = StatementDuty::new(KeyEncryptionKey::generate(&Randomness::System));
        let (public, sealed) = duty.create(&Randomness::System);
        assert_eq!(duty.hold(public, &sealed), Answer::Held);
        (duty, public)
    }

    fn header() -> Header {
        Header {
            number: DocumentNumber {
                epoch: CentralEpoch(1),
                n: 1,
            },
            made_at: UtcSeconds(1_800_000_000),
            expires_at: UtcSeconds(1_800_003_600),
        }
    }

    fn order(action: OrderAction) -> Order {
        Order {
            header: header(),
            gate: GateId([1; 16]),
            action,
        }
    }

    fn issued(count: u32, growth: Growth) -> IssuedList {
        IssuedList {
            header: header(),
            kid: Kid([1; 8]),
            count,
            growth,
            chain: CHAIN_START,
        }
    }

    fn ask<T: Statement>(duty: &mut StatementDuty, kid: Kid, statement: &T) -> Answer {
        duty.sign(kid, T::KIND, &cbor::encode(statement))
    }

    #[test]
    fn a_statement_is_signed_as_its_kind() {
        let (mut duty, public) = signer();
        let order = order(OrderAction::LockDown);
        let Answer::Signed(bytes) = ask(&mut duty, public.kid(), &order) else {
            panic!("not signed");
        };
        let ring = KeyRing::new(&[public]).unwrap();
        let opened = document::open::<Order>(&bytes, &ring).unwrap();
        assert_eq!(opened.document(), &order);
    }

    #[test]
    fn nothing_but_the_asked_kind_is_signed() {
        let (mut duty, public) = signer();
        let trust_list = cbor::encode(&TrustList {
            header: header(),
            issuer_keys: vec![],
            statement_keys: vec![public],
        });
        let claims = [0xa4, 0x04, 0x01, 0x05, 0x00, 0x07, 0x41, 0x00];
        let an_order = cbor::encode(&order(OrderAction::LockDown));
        let with_more = [&an_order[..], &[0]].concat();
        let kinds = [
            StatementKind::Configuration,
            StatementKind::StatusList,
            StatementKind::IssuedList,
            StatementKind::Roster,
            StatementKind::Heads,
            StatementKind::SignedTime,
            StatementKind::Acknowledgement,
        ];
        for kind in kinds {
            for payload in [&trust_list[..], &claims, &an_order, &with_more, &[]] {
                let answer = duty.sign(public.kid(), kind, payload);
                assert!(matches!(answer, Answer::Refused(_)), "{kind:?}: {answer:?}");
            }
        }
        for payload in [&trust_list[..], &claims, &with_more, &[]] {
            let answer = duty.sign(public.kid(), StatementKind::Order, payload);
            assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
        }
        let no_mode = order(OrderAction::SetDoorMode {
            door: shared::ids::DoorId(1),
            mode: DoorMode::Accessed,
        });
        assert!(matches!(
            ask(&mut duty, public.kid(), &no_mode),
            Answer::Refused(_)
        ));
    }

    #[test]
    fn a_frozen_list_is_never_signed_open_or_longer() {
        let (mut duty, public) = signer();
        let mut ask = |list| ask(&mut duty, public.kid(), &list);
        assert!(matches!(ask(issued(0, Growth::Open)), Answer::Signed(_)));
        assert!(matches!(ask(issued(0, Growth::Frozen)), Answer::Signed(_)));
        assert!(matches!(ask(issued(0, Growth::Frozen)), Answer::Signed(_)));
        assert!(matches!(ask(issued(0, Growth::Open)), Answer::Refused(_)));
        assert!(matches!(ask(issued(1, Growth::Frozen)), Answer::Refused(_)));
    }

    #[test]
    fn a_key_sealed_for_another_purpose_is_not_held() {
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let mut duty = StatementDuty::new(kek.clone());
        let key = PrivateKey::generate(&Randomness::System);
        let public = key.public();
        let sealed = kek.seal(Purpose::Issuer, &public, &key.seed(), &Randomness::System);
        assert!(matches!(duty.hold(public, &sealed), Answer::Refused(_)));
        let answer = ask(&mut duty, public.kid(), &order(OrderAction::LockDown));
        assert_eq!(answer, Answer::NotHeld);
    }

    #[test]
    fn garbage_is_answered_and_never_panics() {
        let (mut duty, _) = signer();
        for length in 0..64 {
            let bytes: Vec<u8> = Randomness::System.bytes::<64>()[..length].to_vec();
            assert!(!duty.answer(&bytes).is_empty());
        }
    }
}
