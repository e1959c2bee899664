//! The checks between signed bytes and a document in force.

use shared::{
    configuration::Configuration,
    document::{self, Header, SignedKind, Verified},
    gate_api::DocumentName,
    heads::{Acknowledgement, Heads, SignedTime},
    ids::{DocumentNumber, GateId, Kid},
    issued_list::{Growth, IssuedList},
    keys::sha256,
    order::{Order, OrderAction},
    root_set::{ClockReset, RootSet, open_by_roots, open_first_root_set, open_next_root_set},
    roster::Roster,
    status_list::StatusList,
    time::UtcSeconds,
    trust_list::{self, TrustList},
};

use super::{
    DocumentProblem as Problem,
    in_force::{Documents, NumberAndDigest, bitmaps_of},
    set_aside::read_checked,
};
use crate::action::StoredKind;

/// How far past the newest trust list's date a statement may move the mark: as long as a trust
/// list lasts. Whoever steals the statement key cannot push every gate's clock to the year 2100.
pub(crate) const MARK_REACH_S: u64 = 400 * 86_400;

/// What the caller knows that the documents in force do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    /// It is at least this late.
    pub(crate) at_least: UtcSeconds,
    /// A document of the kind that was checked and is being stored.
    pub(crate) arriving: Option<NumberAndDigest>,
    /// Its bytes.
    pub(crate) arriving_bytes: Option<&'a [u8]>,
}

/// A document that was checked and is to be stored, then put in force.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    RootSet(Verified<RootSet>),
    TrustList(Verified<TrustList>),
    Configuration(Verified<Configuration>),
    /// The store keeps its entries.
    Roster(NumberAndDigest),
    StatusList(Verified<StatusList>),
    IssuedList(Verified<IssuedList>),
    Heads(Verified<Heads>),
}

/// What became of bytes that stood every check.
#[derive(Clone, Debug)]
pub(crate) enum Checked<T> {
    New(T, NumberAndDigest),
    /// The very bytes are at hand or on their way to the store.
    AtHand,
}

/// An order that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckedOrder {
    pub(crate) id: NumberAndDigest,
    pub(crate) action: OrderAction,
    pub(crate) takeable: Takeable,
}

/// May the order still be taken up?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeable {
    Now,
    TooLate,
}

impl Documents {
    /// Checks bytes that central delivered under `name`.
    pub(crate) fn check(
        &self,
        name: DocumentName,
        bytes: &[u8],
        known: Known<'_>,
    ) -> Result<Checked<Incoming>, Problem> {
        let kind = StoredKind::Named(name);
        if self.is_at_hand(kind, bytes, known) {
            return Ok(Checked::AtHand);
        }
        match name {
            DocumentName::RootSet => self.check_root_set(bytes, known),
            DocumentName::TrustList => self.check_trust_list(bytes, known),
            DocumentName::Configuration => {
                let it = self.open_statement::<Configuration>(bytes)?;
                self.for_this_gate(it.document().gate)?;
                let id = self.check_statement(kind, &it, it.document().header, known)?;
                self.trust_list_is_new_enough(it.document().trust_list)?;
                Ok(Checked::New(Incoming::Configuration(it), id))
            }
            DocumentName::Roster => {
                let it = self.open_statement::<Roster>(bytes)?;
                self.for_this_gate(it.document().gate)?;
                let id = self.check_statement(kind, &it, it.document().header, known)?;
                Ok(Checked::New(Incoming::Roster(id), id))
            }
            DocumentName::StatusList(kid) => {
                let it = self.open_statement::<StatusList>(bytes)?;
                self.of_issuer(kid, it.document().kid)?;
                let id = self.check_statement(kind, &it, it.document().header, known)?;
                self.continues_status_list(it.document(), known)?;
                Ok(Checked::New(Incoming::StatusList(it), id))
            }
            DocumentName::IssuedList(kid) => {
                let it = self.open_statement::<IssuedList>(bytes)?;
                self.of_issuer(kid, it.document().kid)?;
                let id = self.check_statement(kind, &it, it.document().header, known)?;
                self.continues_issued_list(it.document(), known)?;
                Ok(Checked::New(Incoming::IssuedList(it), id))
            }
        }
    }

    /// Checks signed heads.
    pub(crate) fn check_heads(
        &self,
        bytes: &[u8],
        known: Known<'_>,
    ) -> Result<Checked<Verified<Heads>>, Problem> {
        if self.is_at_hand(StoredKind::Heads, bytes, known) {
            return Ok(Checked::AtHand);
        }
        let heads = self.open_statement::<Heads>(bytes)?;
        self.for_this_gate(heads.document().gate)?;
        let header = heads.document().header;
        let id = self.check_statement(StoredKind::Heads, &heads, header, known)?;
        Ok(Checked::New(heads, id))
    }

    /// Checks an order. Orders come one after the other, from 1 in each epoch of central.
    pub(crate) fn check_order(
        &self,
        bytes: &[u8],
        known: Known<'_>,
    ) -> Result<Checked<CheckedOrder>, Problem> {
        if self.is_at_hand(StoredKind::Order, bytes, known) {
            return Ok(Checked::AtHand);
        }
        let order = self.open_statement::<Order>(bytes)?;
        self.for_this_gate(order.document().gate)?;
        let header = order.document().header;
        self.right_epoch(header.number)?;
        let id = self.new_number(StoredKind::Order, &order, header, known)?;
        self.as_heads_name(StoredKind::Order, id)?;
        self.within_reach(header.made_at)?;
        let found = id.number;
        let held = self.newest(StoredKind::Order, known);
        let held = held
            .filter(|held| held.epoch == found.epoch)
            .unwrap_or(DocumentNumber { n: 0, ..found });
        if held.n + 1 != found.n {
            return Err(Problem::NotNext { held, found });
        }
        let takeable = if header.expires_at <= known.at_least {
            Takeable::TooLate
        } else {
            Takeable::Now
        };
        let action = order.document().action;
        let checked = CheckedOrder {
            id,
            action,
            takeable,
        };
        Ok(Checked::New(checked, id))
    }

    /// Checks a time that central signed for `nonce`.
    pub(crate) fn check_time(&self, bytes: &[u8], nonce: [u8; 16]) -> Result<UtcSeconds, Problem> {
        let time = self.open_statement::<SignedTime>(bytes)?.into_document();
        if time.nonce != nonce {
            return Err(Problem::OtherNonce);
        }
        self.within_reach(time.utc)?;
        Ok(time.utc)
    }

    /// Checks an acknowledgement of this gate's journal.
    pub(crate) fn check_acknowledgement(&self, bytes: &[u8]) -> Result<Acknowledgement, Problem> {
        let it = self
            .open_statement::<Acknowledgement>(bytes)?
            .into_document();
        self.for_this_gate(it.gate)?;
        self.within_reach(it.made_at)?;
        Ok(it)
    }

    /// Checks a reset of the clock's mark by roots. Whether it is still good is asked of the bare
    /// wall clock: the mark is what the reset is about.
    pub(crate) fn check_clock_reset(
        &self,
        bytes: &[u8],
        wall: UtcSeconds,
        newest: Option<DocumentNumber>,
    ) -> Result<ClockReset, Problem> {
        let root_set = self.root_set.as_ref().ok_or(Problem::NoRootSet)?;
        let reset = open_by_roots::<ClockReset>(bytes, &root_set.document)?.into_document();
        self.for_this_gate(reset.gate)?;
        self.right_epoch(reset.header.number)?;
        if let Some(held) = newest
            && reset.header.number <= held
        {
            let found = reset.header.number;
            return Err(Problem::OlderThanHeld { held, found });
        }
        not_expired(reset.header, wall)?;
        Ok(reset)
    }

    fn check_root_set(&self, bytes: &[u8], known: Known<'_>) -> Result<Checked<Incoming>, Problem> {
        let Some(current) = &self.root_set else {
            let first = open_first_root_set(bytes)?;
            if first.digest() != self.pinned_root_set {
                return Err(Problem::NotPinned);
            }
            let id = id_of(&first, first.document().header);
            return Ok(Checked::New(Incoming::RootSet(first), id));
        };
        let next = open_next_root_set(bytes, &current.document)?;
        let kind = StoredKind::Named(DocumentName::RootSet);
        let id = self.new_number(kind, &next, next.document().header, known)?;
        let held = current.id.number;
        if id.number.epoch == held.epoch && id.number.n != held.n + 1 {
            let found = id.number;
            return Err(Problem::NotNext { held, found });
        }
        not_expired(next.document().header, known.at_least)?;
        Ok(Checked::New(Incoming::RootSet(next), id))
    }

    fn check_trust_list(
        &self,
        bytes: &[u8],
        known: Known<'_>,
    ) -> Result<Checked<Incoming>, Problem> {
        let list = self.open_trust_list(bytes)?;
        let kind = StoredKind::Named(DocumentName::TrustList);
        let header = list.document().header;
        self.right_epoch(header.number)?;
        let id = self.new_number(kind, &list, header, known)?;
        self.as_heads_name(kind, id)?;
        not_expired(header, known.at_least)?;
        Ok(Checked::New(Incoming::TrustList(list), id))
    }

    pub(super) fn open_trust_list(&self, bytes: &[u8]) -> Result<Verified<TrustList>, Problem> {
        let root_set = self.root_set.as_ref().ok_or(Problem::NoRootSet)?;
        Ok(trust_list::open_trust_list(bytes, &root_set.document)?)
    }

    pub(super) fn open_statement<T: SignedKind>(
        &self,
        bytes: &[u8],
    ) -> Result<Verified<T>, Problem> {
        let trust = self.vouching_trust().ok_or(Problem::NoTrustList)?;
        Ok(document::open(bytes, &trust.statements)?)
    }

    fn check_statement<T>(
        &self,
        kind: StoredKind,
        verified: &Verified<T>,
        header: Header,
        known: Known<'_>,
    ) -> Result<NumberAndDigest, Problem> {
        self.right_epoch(header.number)?;
        let id = self.new_number(kind, verified, header, known)?;
        self.as_heads_name(kind, id)?;
        not_expired(header, known.at_least)?;
        self.within_reach(header.made_at)?;
        Ok(id)
    }

    fn is_at_hand(&self, kind: StoredKind, bytes: &[u8], known: Known<'_>) -> bool {
        let digest = sha256(bytes);
        let is_same = |id: NumberAndDigest| id.digest == digest;
        known.arriving.or(self.held(kind)).is_some_and(is_same)
    }

    fn newest(&self, kind: StoredKind, known: Known<'_>) -> Option<DocumentNumber> {
        let held = known.arriving.or(self.held(kind)).map(|id| id.number);
        held.max(self.floors.get(&kind).copied())
    }

    /// Rollback and exchange: the number must be above whatever was taken before.
    fn new_number<T>(
        &self,
        kind: StoredKind,
        verified: &Verified<T>,
        header: Header,
        known: Known<'_>,
    ) -> Result<NumberAndDigest, Problem> {
        let id = id_of(verified, header);
        #[cfg(portcullis_defects)]
        if shared::defects::is_planted(shared::defects::Defect::NumberCheckSkipped) {
            return Ok(id);
        }
        match self.newest(kind, known) {
            Some(held) if id.number < held => {
                let found = id.number;
                Err(Problem::OlderThanHeld { held, found })
            }
            // A floor without the document: the bytes may be the very ones that were damaged. An
            // order is done and not to be done again.
            Some(held)
                if id.number == held
                    && (kind == StoredKind::Order || !self.is_floor_alone(kind, known)) =>
            {
                Err(Problem::OtherBytes(held))
            }
            Some(_) | None => Ok(id),
        }
    }

    fn is_floor_alone(&self, kind: StoredKind, known: Known<'_>) -> bool {
        known.arriving.is_none() && self.held(kind).is_none()
    }

    /// Mix-and-match: what heads name has the digest that they name, and nothing older is taken.
    fn as_heads_name(&self, kind: StoredKind, id: NumberAndDigest) -> Result<(), Problem> {
        #[cfg(portcullis_defects)]
        if shared::defects::is_planted(shared::defects::Defect::NumberCheckSkipped) {
            return Ok(());
        }
        let Some(named) = self.named_by_heads(kind) else {
            return Ok(());
        };
        if id.number == named.number && id.digest != named.digest {
            return Err(Problem::OtherThanHeads(id.number));
        }
        // Orders come one after the other, the newest last.
        if id.number < named.number && kind != StoredKind::Order {
            return Err(Problem::OlderThanHeads {
                named: named.number,
                found: id.number,
            });
        }
        Ok(())
    }

    fn named_by_heads(&self, kind: StoredKind) -> Option<NumberAndDigest> {
        let heads = &self.heads.as_ref()?.document;
        let issuer = |kid: Kid| heads.issuers.iter().find(|issuer| issuer.kid == kid);
        let newest = match kind {
            StoredKind::Heads | StoredKind::FormerTrustList | StoredKind::FormerRootSet => None,
            StoredKind::Order => heads.order,
            StoredKind::Named(name) => match name {
                // One step at a time: a root set in between is older than what heads name.
                DocumentName::RootSet => None,
                DocumentName::TrustList => Some(heads.trust_list),
                DocumentName::Configuration => Some(heads.configuration),
                DocumentName::Roster => heads.roster,
                DocumentName::StatusList(kid) => issuer(kid).map(|it| it.status_list),
                DocumentName::IssuedList(kid) => issuer(kid).map(|it| it.issued_list),
            },
        };
        newest.map(NumberAndDigest::from)
    }

    pub(super) fn for_this_gate(&self, gate: GateId) -> Result<(), Problem> {
        if gate == self.gate {
            Ok(())
        } else {
            Err(Problem::OtherGate(gate))
        }
    }

    pub(super) fn of_issuer(&self, expected: Kid, found: Kid) -> Result<(), Problem> {
        if expected != found {
            return Err(Problem::OtherIssuer { expected, found });
        }
        let trust = self.trust.as_ref().ok_or(Problem::NoTrustList)?;
        if trust.issuers.get(found).is_none() {
            return Err(Problem::IssuerUnknown(found));
        }
        Ok(())
    }

    fn right_epoch(&self, number: DocumentNumber) -> Result<(), Problem> {
        let root_set = self.root_set.as_ref().ok_or(Problem::NoRootSet)?;
        let expected = root_set.id.number.epoch;
        if number.epoch == expected {
            Ok(())
        } else {
            let found = number.epoch;
            Err(Problem::OtherEpoch { expected, found })
        }
    }

    fn within_reach(&self, made_at: UtcSeconds) -> Result<(), Problem> {
        let trust = self.trust.as_ref().ok_or(Problem::NoTrustList)?;
        let limit = trust.list.document.header.made_at.plus(MARK_REACH_S);
        if made_at <= limit {
            Ok(())
        } else {
            Err(Problem::TooFarAhead { made_at, limit })
        }
    }

    fn trust_list_is_new_enough(&self, needed: DocumentNumber) -> Result<(), Problem> {
        let held = self.trust.as_ref().map(|trust| trust.list.id.number);
        if held >= Some(needed) {
            Ok(())
        } else {
            Err(Problem::TrustListTooOld { needed })
        }
    }

    /// Revoked is for ever, as long as the central epoch lasts: whoever steals the statement key
    /// takes no revocation back. An epoch that roots start after a restore begins with what the
    /// backup knew.
    fn continues_status_list(&self, new: &StatusList, known: Known<'_>) -> Result<(), Problem> {
        let kind = StoredKind::Named(DocumentName::StatusList(new.kid));
        let arriving = known.arriving_bytes.and_then(read_checked::<StatusList>);
        let arriving = arriving.as_ref().map(bitmaps_of);
        let held = arriving.as_ref().or(self.status_bitmaps(new.kid));
        let is_of_this_epoch = self
            .newest(kind, known)
            .is_some_and(|newest| newest.epoch == new.header.number.epoch);
        match held.and_then(|held| held.first_dropped_by(&bitmaps_of(new))) {
            Some(serial) if is_of_this_epoch => Err(Problem::RevocationDropped { serial }),
            Some(_) | None => Ok(()),
        }
    }

    /// A frozen list never thaws and never grows; an open one never shrinks and never rewrites.
    fn continues_issued_list(&self, new: &IssuedList, known: Known<'_>) -> Result<(), Problem> {
        let arriving = known.arriving_bytes.and_then(read_checked::<IssuedList>);
        let Some(held) = arriving.as_ref().or(self.issued_list(new.kid)) else {
            return Ok(());
        };
        if held.growth == Growth::Frozen
            && (new.growth != Growth::Frozen || new.count != held.count)
        {
            return Err(Problem::Thawed { count: held.count });
        }
        if new.count < held.count {
            return Err(Problem::Shrunk {
                held: held.count,
                found: new.count,
            });
        }
        if new.count == held.count && new.chain != held.chain {
            return Err(Problem::Rewritten { count: new.count });
        }
        Ok(())
    }
}

fn id_of<T>(verified: &Verified<T>, header: Header) -> NumberAndDigest {
    NumberAndDigest {
        number: header.number,
        digest: verified.digest(),
    }
}

fn not_expired(header: Header, at_least: UtcSeconds) -> Result<(), Problem> {
    if header.expires_at > at_least {
        Ok(())
    } else {
        let expires_at = header.expires_at;
        Err(Problem::Expired { expires_at })
    }
}
