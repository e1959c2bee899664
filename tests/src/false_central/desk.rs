//! Signs every kind of document there is, with whatever number and date the test wants.

use shared::{
    access_level::AccessLevel,
    cbor,
    configuration::{Configuration, FreshnessLimits, GatePolicies, SyncIntervals},
    cose,
    document::{self, Header, SignedKind},
    heads::{Heads, IssuerHeads, Newest},
    ids::{
        AccessLevelId, AccessPointId, AreaId, CentralEpoch, DocumentNumber, GateId, JournalEpoch,
        PassDigest, SchoolId, Serial,
    },
    issued_list::{CHAIN_START, Growth, IssuedList, extend_chain},
    journal::ChainState,
    keys::{PublicKey, Sign, sha256},
    order::{Order, OrderAction},
    pass::{self, AccessLevels, Claims, HolderKind},
    policy::{FullJournalPolicy, UnknownOutcomePolicy},
    root_set::{RootSet, sign_by_roots},
    roster::Roster,
    schedule::OffsetTable,
    status_list::{StatusList, StatusSets},
    time::{UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustList},
};

use super::{
    ClockOffset, place,
    shelf::{Filed, Shelf},
};
use crate::{clock, phone::TestKey};

/// The access point into the campus.
pub const ENTRY: AccessPointId = AccessPointId(1);
/// The access point out of it.
pub const EXIT: AccessPointId = AccessPointId(2);
/// The access level that admits at both, always.
pub const LEVEL: u8 = 1;

const EPOCH: CentralEpoch = CentralEpoch(1);
const CAMPUS: AreaId = AreaId(1);
const YEAR_S: u64 = 365 * Header::DAY_S;

/// The keys and what they were used for.
pub struct Desk {
    /// One root of one.
    pub root: TestKey,
    /// Signs trust lists.
    pub registrar: TestKey,
    /// Signs all statements.
    pub statements: TestKey,
    /// Signs passes.
    pub issuer: TestKey,
    /// The one gate.
    pub gate: GateId,
    /// Its key, once it has enrolled.
    pub gate_key: Option<PublicKey>,
    /// The secret of its claim.
    pub claim_secret: [u8; 32],
    /// Where the clock stands that dates documents.
    pub clock: ClockOffset,
    /// Digests of issued passes, by serial.
    pub issued: Vec<PassDigest>,
    /// What the status list says.
    pub status: StatusSets,
    last_number: u64,
    /// Orders and root sets follow each other without a gap.
    last_order: u64,
    last_root_set: u64,
}

impl Desk {
    /// New keys, nothing issued.
    pub(super) fn new() -> Self {
        let seed = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("the machine has randomness");
            seed
        };
        let mut gate = GateId([0; 16]);
        gate.0.copy_from_slice(&seed()[..16]);
        Self {
            root: TestKey::random(),
            registrar: TestKey::random(),
            statements: TestKey::random(),
            issuer: TestKey::random(),
            gate,
            gate_key: None,
            claim_secret: seed(),
            clock: ClockOffset::default(),
            issued: Vec::new(),
            status: StatusSets::default(),
            last_number: 0,
            last_order: 0,
            last_root_set: 0,
        }
    }

    /// What the clock says that dates documents.
    #[must_use]
    pub fn utc(&self) -> UtcSeconds {
        self.clock.apply(clock::utc())
    }

    /// The next number, dated now, good for `days`.
    pub fn header(&mut self, days: u64) -> Header {
        self.last_number += 1;
        self.header_numbered(self.last_number, days)
    }

    /// Any number, dated now, good for `days`.
    #[must_use]
    pub fn header_numbered(&self, n: u64, days: u64) -> Header {
        let made_at = self.utc();
        Header {
            number: DocumentNumber { epoch: EPOCH, n },
            made_at,
            expires_at: made_at.plus(days * Header::DAY_S),
        }
    }

    /// Signs what the statement key signs.
    ///
    /// # Panics
    /// When no reader would take the document.
    #[must_use]
    pub fn statement<T: SignedKind>(&self, statement: &T) -> Vec<u8> {
        document::sign(statement, &self.statements).expect("the document keeps its own rules")
    }

    fn filed<T: SignedKind>(&self, header: Header, statement: &T) -> Filed {
        Filed {
            number: header.number,
            bytes: self.statement(statement),
        }
    }

    /// The next root set; the keys stay.
    ///
    /// # Panics
    /// Never.
    pub fn root_set(&mut self) -> Filed {
        self.last_root_set += 1;
        let header = self.header_numbered(self.last_root_set, 3_000);
        let set = RootSet {
            header,
            threshold: 1,
            roots: vec![self.root.public()],
            registrars: vec![self.registrar.public()],
        };
        Filed {
            number: header.number,
            bytes: sign_by_roots(&set, &[&self.root]).expect("the set keeps its own rules"),
        }
    }

    /// The trust list.
    pub fn trust_list(&mut self) -> Filed {
        let header = self.header(400);
        self.trust_list_of(header)
    }

    /// The trust list under any header.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn trust_list_of(&self, header: Header) -> Filed {
        // Around both clocks: the machine's and the one that dates documents.
        let window = Window {
            from: UtcSeconds(clock::utc().0.min(self.utc().0).saturating_sub(YEAR_S)),
            until: UtcSeconds(clock::utc().0.max(self.utc().0) + 2 * YEAR_S),
        };
        let list = TrustList {
            header,
            issuer_keys: vec![IssuerKey {
                public_key: self.issuer.public(),
                school: self.school(),
                signing: window,
                verification: window,
                standby: None,
                state: IssuerKeyState::Active,
            }],
            statement_keys: vec![self.statements.public()],
        };
        Filed {
            number: header.number,
            bytes: document::sign(&list, &self.registrar).expect("the list keeps its own rules"),
        }
    }

    /// The status list as it stands.
    pub fn status_list(&mut self) -> Filed {
        let header = self.header(60);
        self.status_list_of(header)
    }

    /// The status list as it stands, under any header.
    #[must_use]
    pub fn status_list_of(&self, header: Header) -> Filed {
        let list: StatusList = self.status.to_list(header, self.issuer.kid());
        self.filed(header, &list)
    }

    /// The status list as it stands, signed as if it were an order.
    #[must_use]
    pub fn status_list_signed_as_another_kind(&self, header: Header) -> Filed {
        let list: StatusList = self.status.to_list(header, self.issuer.kid());
        let kind = Order::EXTERNAL_DATA;
        Filed {
            number: header.number,
            bytes: cose::sign1(&self.statements, kind, &cbor::encode(&list)),
        }
    }

    /// The issued list as it stands.
    pub fn issued_list(&mut self, growth: Growth) -> Filed {
        let header = self.header(60);
        self.issued_list_of(header, growth)
    }

    /// The issued list as it stands, under any header.
    ///
    /// # Panics
    /// Never with less than 2^24 passes.
    #[must_use]
    pub fn issued_list_of(&self, header: Header, growth: Growth) -> Filed {
        let list = IssuedList {
            header,
            kid: self.issuer.kid(),
            count: u32::try_from(self.issued.len()).expect("few passes"),
            growth,
            chain: extend_chain(CHAIN_START, self.issued.iter().copied()),
        };
        self.filed(header, &list)
    }

    /// The gate's configuration.
    pub fn configuration(&mut self, trust_list: DocumentNumber) -> Filed {
        let header = self.header(60);
        self.configuration_of(header, trust_list)
    }

    /// The gate's configuration under any header.
    #[must_use]
    pub fn configuration_of(&self, header: Header, trust_list: DocumentNumber) -> Filed {
        let configuration = self.plain_configuration(header, trust_list);
        self.filed(header, &configuration)
    }

    /// The gate's configuration before it is signed.
    #[must_use]
    pub fn plain_configuration(&self, header: Header, trust_list: DocumentNumber) -> Configuration {
        Configuration {
            header,
            gate: self.gate,
            school: self.school(),
            name: "Main gate".into(),
            areas: vec![
                place::area(AreaId::OUTSIDE, "Outside"),
                place::area(CAMPUS, "Campus"),
            ],
            doors: vec![place::turnstile()],
            access_points: vec![
                place::access_point(ENTRY, "Entry", AreaId::OUTSIDE, CAMPUS),
                place::access_point(EXIT, "Exit", CAMPUS, AreaId::OUTSIDE),
            ],
            access_levels: vec![AccessLevel {
                id: AccessLevelId(LEVEL),
                name: "Students".into(),
                grants: vec![place::grant(ENTRY), place::grant(EXIT)],
            }],
            schedules: vec![place::always()],
            offsets: OffsetTable {
                zone: "Etc/UTC".into(),
                first_offset_s: 0,
                changes: Vec::new(),
                until: header.expires_at.plus(2 * YEAR_S),
            },
            freshness: FreshnessLimits::STANDARD,
            policies: GatePolicies {
                unknown_outcome: UnknownOutcomePolicy::CountAsTaken,
                full_journal: FullJournalPolicy::Deny,
                repeat_scan_ms: 0,
                proof_tolerance_s: 30,
            },
            staff: Vec::new(),
            issuers: vec![self.issuer.kid()],
            peers: Vec::new(),
            tls_keys: Vec::new(),
            trust_list,
            sync: SyncIntervals {
                pull_s: 1,
                long_poll_s: 20,
                heartbeat_s: 60,
                push_ms: 50,
            },
        }
    }

    /// A roster that knows nobody.
    pub fn roster(&mut self) -> Filed {
        let header = self.header(60);
        let roster = Roster {
            header,
            gate: self.gate,
            holders: Vec::new(),
        };
        self.filed(header, &roster)
    }

    /// The next order.
    pub fn order(&mut self, action: OrderAction) -> Filed {
        self.last_order += 1;
        let header = self.header_numbered(self.last_order, 1);
        let order = Order {
            header,
            gate: self.gate,
            action,
        };
        self.filed(header, &order)
    }

    /// Heads that name what the shelf holds.
    pub fn heads(&mut self, shelf: &Shelf) -> Filed {
        self.altered_heads(shelf, |_| {})
    }

    /// Heads that name what the shelf holds but for what is altered in them.
    pub fn altered_heads(&mut self, shelf: &Shelf, alter: impl FnOnce(&mut Heads)) -> Filed {
        let header = self.header(60);
        let mut heads = Heads {
            header,
            gate: self.gate,
            root_set: newest(&shelf.root_set),
            trust_list: newest(&shelf.trust_list),
            configuration: newest(&shelf.configuration),
            roster: shelf.roster.as_ref().map(newest),
            order: shelf.orders.last().map(newest),
            issuers: vec![IssuerHeads {
                kid: self.issuer.kid(),
                status_list: newest(&shelf.status_list),
                issued_list: newest(&shelf.issued_list),
            }],
        };
        alter(&mut heads);
        self.filed(heads.header, &heads)
    }

    /// Issues a pass that is good from yesterday for a year of the clock that dates documents; the
    /// issued list that names it is for the test to publish.
    ///
    /// # Panics
    /// Never with less than 2^24 passes.
    pub fn issue(&mut self, holder_key: Option<PublicKey>) -> String {
        let serial = Serial(u32::try_from(self.issued.len()).expect("few passes"));
        let claims = Claims {
            not_before: UtcSeconds(self.utc().0 - Header::DAY_S),
            expires_at: self.utc().plus(YEAR_S),
            serial,
            holder_key,
            kind: HolderKind::Student,
            uses_max: 0,
            levels: AccessLevels::new([LEVEL]).expect("one level"),
        };
        let bytes = pass::issue(&claims, &self.issuer);
        let mut digest = PassDigest([0; 8]);
        digest.0.copy_from_slice(&sha256(&bytes).0[..8]);
        self.issued.push(digest);
        pass::static_text(&bytes)
    }

    /// Where the gate's journal begins.
    pub(super) fn journal_start(&self, epoch: JournalEpoch) -> ChainState {
        ChainState::start(self.gate, epoch)
    }

    fn school(&self) -> SchoolId {
        SchoolId(self.gate.0)
    }
}

/// How heads name a document.
#[must_use]
pub(super) fn newest(filed: &Filed) -> Newest {
    Newest {
        number: filed.number,
        digest: sha256(&filed.bytes),
    }
}
