//! A small pure authority in memory: roots, registrar, statement and issuer keys made from fixed
//! seeds, and every kind of signed document. It knows no clock, no network and no database; tests
//! of gate-core include it by path. Not for production: everybody knows these keys.

#[path = "authority/place.rs"]
mod place;

pub use place::{
    ENTRY, EXIT, GUARD, LIBRARY, LIBRARY_DOOR, READING_ROOM, SUPERVISOR, TECHNICIAN, TURNSTILE,
    YARD,
};

use ed25519_dalek::{Signer as _, SigningKey};
use shared::{
    configuration::Configuration,
    document::{self, Header, SignedKind},
    gate_api::DocumentName,
    heads::{Acknowledgement, Heads, IssuerHeads, Newest, SignedTime},
    ids::{
        CentralEpoch, Digest, DocumentNumber, GateId, HolderNumber, JournalPosition, Kid,
        PassDigest, PassId, SchoolId, Serial,
    },
    issued_list::{CHAIN_START, Growth, IssuedEntry, IssuedList, extend_chain},
    keys::{PublicKey, Sign, Signature, sha256},
    order::{Order, OrderAction},
    pass::{AccessLevels, Claims, HolderKind, issue, live_text, prove, static_text},
    root_set::{self, ClockReset, RootSet},
    roster::{Roster, RosterEntry},
    status_list::StatusSets,
    time::{UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustList},
};

/// The day on which tests begin: 2027-01-15 08:00 UTC, a Friday.
pub const T0: UtcSeconds = UtcSeconds(1_800_000_000);
/// One day in seconds.
pub const DAY: u64 = 86_400;

/// A private key made from one byte.
#[derive(Clone)]
pub struct SeedKey(SigningKey);

impl SeedKey {
    /// The key of a seed.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

impl Sign for SeedKey {
    fn kid(&self) -> Kid {
        self.public().kid()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

/// A pass that was issued.
#[derive(Clone, Debug)]
pub struct IssuedPass {
    /// Its id.
    pub id: PassId,
    /// Its COSE bytes.
    pub bytes: Vec<u8>,
    /// As the issued list has it.
    pub digest: PassDigest,
}

impl IssuedPass {
    /// The QR text of the static pass.
    #[must_use]
    pub fn text(&self) -> String {
        static_text(&self.bytes)
    }

    /// The QR text of the live pass at a time of making, proven by [`holder_key`].
    #[must_use]
    pub fn live_text(&self, made_at: UtcSeconds) -> String {
        live_text(&prove(&self.bytes, made_at, &holder_key()))
    }
}

/// The key of every holder with a live pass.
#[must_use]
pub fn holder_key() -> SeedKey {
    SeedKey::new(90)
}

/// Central, as far as signing goes.
#[derive(Clone)]
pub struct Authority {
    /// Central's epoch.
    pub epoch: CentralEpoch,
    /// The date of what is signed next.
    pub now: UtcSeconds,
    /// Root keys; all sign.
    pub roots: Vec<SeedKey>,
    /// The registrar's key.
    pub registrar: SeedKey,
    /// The statement key.
    pub statement: SeedKey,
    /// The issuer key.
    pub issuer: SeedKey,
    /// The school.
    pub school: SchoolId,
    /// The gate.
    pub gate: GateId,
    /// Digests of issued passes by serial.
    pub issued: Vec<PassDigest>,
    /// Is the issuer key frozen?
    pub growth: Growth,
    /// Revoked and suspended serials.
    pub status: StatusSets,
    /// The next number of each kind.
    next_n: u64,
    /// What heads name.
    newest: Vec<(DocumentName, Newest)>,
    newest_order: Option<Newest>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A school with one issuer key, one statement key, one registrar, one root.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: CentralEpoch(1),
            now: T0,
            roots: vec![SeedKey::new(1)],
            registrar: SeedKey::new(2),
            statement: SeedKey::new(3),
            issuer: SeedKey::new(4),
            school: SchoolId([5; 16]),
            gate: GateId([6; 16]),
            issued: Vec::new(),
            growth: Growth::Open,
            status: StatusSets::default(),
            next_n: 1,
            newest: Vec::new(),
            newest_order: None,
        }
    }

    /// The issuer key's identifier.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.issuer.kid()
    }

    /// The header of what is signed next: numbers of all kinds count up together.
    pub fn header(&mut self, lifetime_s: u64) -> Header {
        let n = self.next_n;
        self.next_n += 1;
        Header {
            number: DocumentNumber {
                epoch: self.epoch,
                n,
            },
            made_at: self.now,
            expires_at: self.now.plus(lifetime_s),
        }
    }

    /// The root set as it stands, numbered `n` in the epoch.
    #[must_use]
    pub fn root_set(&self, n: u64) -> RootSet {
        let mut roots: Vec<PublicKey> = self.roots.iter().map(SeedKey::public).collect();
        roots.sort_unstable();
        RootSet {
            header: Header {
                number: DocumentNumber {
                    epoch: self.epoch,
                    n,
                },
                made_at: self.now,
                expires_at: self.now.plus(3650 * DAY),
            },
            threshold: u8::try_from(roots.len()).expect("few roots"),
            roots,
            registrars: vec![self.registrar.public()],
        }
    }

    /// Signs a root set by the present roots and by `also`.
    pub fn sign_root_set(&mut self, set: &RootSet, also: &[SeedKey]) -> Vec<u8> {
        let keys: Vec<&dyn Sign> = self
            .roots
            .iter()
            .chain(also)
            .map(|key| key as &dyn Sign)
            .collect();
        let bytes = sign_by_roots(set, &keys);
        self.is_newest(DocumentName::RootSet, set.header.number, &bytes);
        bytes
    }

    /// The trust list as it stands.
    pub fn trust_list(&mut self) -> TrustList {
        TrustList {
            header: self.header(400 * DAY),
            issuer_keys: vec![IssuerKey {
                public_key: self.issuer.public(),
                school: self.school,
                signing: Window {
                    from: T0.minus(30 * DAY),
                    until: T0.plus(365 * DAY),
                },
                verification: Window {
                    from: T0.minus(30 * DAY),
                    until: T0.plus(1000 * DAY),
                },
                standby: None,
                state: IssuerKeyState::Active,
            }],
            statement_keys: vec![self.statement.public()],
        }
    }

    /// Signs a trust list.
    pub fn sign_trust_list(&mut self, list: &TrustList) -> Vec<u8> {
        let bytes = sign(list, &self.registrar);
        self.is_newest(DocumentName::TrustList, list.header.number, &bytes);
        bytes
    }

    /// The configuration of the standard place.
    pub fn configuration(&mut self) -> Configuration {
        let trust_list = self.number_of(DocumentName::TrustList);
        let header = self.header(400 * DAY);
        place::configuration(header, self, trust_list)
    }

    /// Signs a configuration.
    pub fn sign_configuration(&mut self, configuration: &Configuration) -> Vec<u8> {
        let bytes = sign(configuration, &self.statement);
        let number = configuration.header.number;
        self.is_newest(DocumentName::Configuration, number, &bytes);
        bytes
    }

    /// Signs the status list as it stands.
    pub fn sign_status_list(&mut self) -> Vec<u8> {
        let header = self.header(400 * DAY);
        let list = self.status.to_list(header, self.kid());
        let bytes = sign(&list, &self.statement);
        let name = DocumentName::StatusList(self.kid());
        self.is_newest(name, header.number, &bytes);
        bytes
    }

    /// The head of the issued list as it stands.
    pub fn issued_list(&mut self) -> IssuedList {
        IssuedList {
            header: self.header(400 * DAY),
            kid: self.kid(),
            count: u32::try_from(self.issued.len()).expect("few passes"),
            growth: self.growth,
            chain: extend_chain(CHAIN_START, self.issued.iter().copied()),
        }
    }

    /// Signs the head of an issued list.
    pub fn sign_issued_list(&mut self, list: &IssuedList) -> Vec<u8> {
        let bytes = sign(list, &self.statement);
        let name = DocumentName::IssuedList(list.kid);
        self.is_newest(name, list.header.number, &bytes);
        bytes
    }

    /// Signs a roster of (holder, name, passes).
    pub fn sign_roster(&mut self, holders: &[(u32, &str, Vec<PassId>)]) -> Vec<u8> {
        let roster = Roster {
            header: self.header(400 * DAY),
            gate: self.gate,
            holders: holders
                .iter()
                .map(|(holder, name, passes)| RosterEntry {
                    holder: HolderNumber(*holder),
                    passes: passes.clone(),
                    name: (*name).into(),
                    student_number: format!("S{holder}"),
                    language: "en".into(),
                    photo: None,
                    need: None,
                })
                .collect(),
        };
        let bytes = sign(&roster, &self.statement);
        self.is_newest(DocumentName::Roster, roster.header.number, &bytes);
        bytes
    }

    /// Heads that name the newest of everything signed so far.
    ///
    /// # Panics
    /// When a kind that heads must name was never signed.
    pub fn heads(&mut self) -> Heads {
        let named = |name| self.newest_of(name).expect("was signed before");
        let kid = self.kid();
        let mut heads = Heads {
            header: Header {
                number: DocumentNumber {
                    epoch: self.epoch,
                    n: 0,
                },
                made_at: self.now,
                expires_at: self.now.plus(30 * DAY),
            },
            gate: self.gate,
            root_set: named(DocumentName::RootSet),
            trust_list: named(DocumentName::TrustList),
            configuration: named(DocumentName::Configuration),
            roster: self.newest_of(DocumentName::Roster),
            order: self.newest_order,
            issuers: vec![IssuerHeads {
                kid,
                status_list: named(DocumentName::StatusList(kid)),
                issued_list: named(DocumentName::IssuedList(kid)),
            }],
        };
        heads.header.number = self.header(0).number;
        heads
    }

    /// Signs heads.
    #[must_use]
    pub fn sign_heads(&self, heads: &Heads) -> Vec<u8> {
        sign(heads, &self.statement)
    }

    /// Signs the next order, to be taken up within `lifetime_s`.
    pub fn sign_order(&mut self, action: OrderAction, lifetime_s: u64) -> Vec<u8> {
        let n = self.newest_order.map_or(1, |newest| newest.number.n + 1);
        let number = DocumentNumber {
            epoch: self.epoch,
            n,
        };
        let order = Order {
            header: Header {
                number,
                made_at: self.now,
                expires_at: self.now.plus(lifetime_s),
            },
            gate: self.gate,
            action,
        };
        let bytes = sign(&order, &self.statement);
        self.newest_order = Some(Newest {
            number,
            digest: sha256(&bytes),
        });
        bytes
    }

    /// Signs the time for a nonce.
    #[must_use]
    pub fn sign_time(&self, nonce: [u8; 16]) -> Vec<u8> {
        let utc = self.now;
        sign(&SignedTime { nonce, utc }, &self.statement)
    }

    /// Acknowledges the journal up to a place.
    #[must_use]
    pub fn sign_acknowledgement(&self, position: JournalPosition, hash: Digest) -> Vec<u8> {
        let acknowledgement = Acknowledgement {
            gate: self.gate,
            position,
            hash,
            made_at: self.now,
        };
        sign(&acknowledgement, &self.statement)
    }

    /// Signs a reset of the gate's mark by the roots.
    pub fn sign_clock_reset(&mut self, mark: UtcSeconds) -> Vec<u8> {
        let reset = ClockReset {
            header: self.header(DAY),
            gate: self.gate,
            mark,
        };
        let keys: Vec<&dyn Sign> = self.roots.iter().map(|key| key as &dyn Sign).collect();
        sign_by_roots(&reset, &keys)
    }

    /// Claims of an ordinary student for the next serial, valid for a year.
    #[must_use]
    pub fn claims(&self, levels: &[u8]) -> Claims {
        Claims {
            not_before: T0.minus(DAY),
            expires_at: T0.plus(365 * DAY),
            serial: Serial(u32::try_from(self.issued.len()).expect("few passes")),
            holder_key: None,
            kind: HolderKind::Student,
            uses_max: 0,
            levels: AccessLevels::new(levels.iter().copied()).expect("few levels"),
        }
    }

    /// Issues a pass: signs it and enters its digest.
    pub fn issue(&mut self, claims: &Claims) -> IssuedPass {
        let pass = self.forge(claims);
        assert_eq!(pass.id.serial.0 as usize, self.issued.len(), "dense");
        self.issued.push(pass.digest);
        pass
    }

    /// Signs a pass with the true issuer key without entering it anywhere: what a thief of the
    /// key would do.
    #[must_use]
    pub fn forge(&self, claims: &Claims) -> IssuedPass {
        let bytes = issue(claims, &self.issuer);
        let mut digest = PassDigest([0; 8]);
        digest.0.copy_from_slice(&sha256(&bytes).0[..8]);
        let id = PassId {
            kid: self.kid(),
            serial: claims.serial,
        };
        IssuedPass { id, bytes, digest }
    }

    /// What an issued list of the first `count` passes says of one.
    #[must_use]
    pub fn entry(
        &self,
        pass: PassId,
        digest: PassDigest,
        list: Option<(u32, Growth)>,
    ) -> IssuedEntry {
        let Some((count, growth)) = list.filter(|_| pass.kid == self.kid()) else {
            return IssuedEntry::NoList;
        };
        let known = &self.issued[..count as usize];
        let stored = known.get(pass.serial.0 as usize).copied();
        IssuedEntry::of(digest, stored, growth)
    }

    /// Every document a gate needs, signed as things stand, in the order in which it takes them.
    pub fn everything(&mut self) -> Vec<(DocumentName, Vec<u8>)> {
        let set = self.root_set(1);
        let root_set = self.sign_root_set(&set, &[]);
        let list = self.trust_list();
        let trust_list = self.sign_trust_list(&list);
        let configuration = self.configuration();
        let configuration = self.sign_configuration(&configuration);
        let status_list = self.sign_status_list();
        let issued = self.issued_list();
        let issued_list = self.sign_issued_list(&issued);
        let kid = self.kid();
        vec![
            (DocumentName::RootSet, root_set),
            (DocumentName::TrustList, trust_list),
            (DocumentName::Configuration, configuration),
            (DocumentName::StatusList(kid), status_list),
            (DocumentName::IssuedList(kid), issued_list),
        ]
    }

    /// Number and digest of the newest document of a name.
    #[must_use]
    pub fn newest_of(&self, name: DocumentName) -> Option<Newest> {
        let found = self.newest.iter().find(|(newest, _)| *newest == name);
        found.map(|(_, newest)| *newest)
    }

    fn number_of(&self, name: DocumentName) -> DocumentNumber {
        self.newest_of(name).map_or(
            DocumentNumber {
                epoch: self.epoch,
                n: 0,
            },
            |newest| newest.number,
        )
    }

    fn is_newest(&mut self, name: DocumentName, number: DocumentNumber, bytes: &[u8]) {
        let digest = sha256(bytes);
        self.newest.retain(|(known, _)| *known != name);
        self.newest.push((name, Newest { number, digest }));
    }
}

fn sign<T: SignedKind>(document: &T, key: &SeedKey) -> Vec<u8> {
    document::sign(document, key).expect("tests sign what readers take")
}

fn sign_by_roots<T: SignedKind>(document: &T, keys: &[&dyn Sign]) -> Vec<u8> {
    root_set::sign_by_roots(document, keys).expect("tests sign what readers take")
}
