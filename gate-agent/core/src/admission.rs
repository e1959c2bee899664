//! Is this pass admitted here and now, and why not? The ordered checks as one list, a pure
//! function of facts. It accepts nothing less than a [`VerifiedPass`]; central's *would this pass
//! be admitted?* asks the same list through [`simulate`], whose answer no gate can act on.

mod checks;
mod span;

use alloc::vec::Vec;

use shared::{
    configuration::{AccessPoint, Configuration},
    decision::{Decision, DenyReason, GuardOffer},
    ids::{PassId, SchoolId},
    issued_list::IssuedEntry,
    pass::{Claims, Presentation, VerifiedPass},
    status_list::PassState,
    time::{UtcSeconds, Window},
};

use crate::{door::DoorAdmits as Door, freshness::GateTime, memory::Presence, passback::Peers};

pub use crate::door::DoorAdmits;
use checks::CHECKS;

/// Everything that bears on the decision besides the pass itself.
#[derive(Clone, Debug)]
pub struct AdmissionFacts<'a> {
    /// What the gate knows of the time.
    pub time: GateTime,
    /// First second at which root set or trust list, whichever ends first, is no longer relied on.
    pub trust_expires_at: UtcSeconds,
    /// The gate's configuration.
    pub configuration: &'a Configuration,
    /// Is the configuration signed by a key that the trust list still names?
    pub configuration_standing: Standing,
    /// Where the pass is shown; one of the configuration's.
    pub access_point: &'a AccessPoint,
    /// What the issued list says.
    pub issued: IssuedEntry,
    /// What the status list says.
    pub status: StatusKnown,
    /// Seconds since the last signed heads; none: never.
    pub heads_age_s: Option<u64>,
    /// Time of making of the newest proof that was accepted for the pass.
    pub last_proof: Option<UtcSeconds>,
    /// How often the pass was used.
    pub uses: u32,
    /// Where the subject is.
    pub presence: Option<Presence>,
    /// How long peers have been silent.
    pub peers: Peers,
    /// How many are in the area that the access point leads to.
    pub inside: u32,
    /// Has another holder been admitted but for the second person, just now?
    pub other_person: OtherPerson,
    /// What the door allows.
    pub door: Door,
}

/// Is a statement still vouched for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The trust list names the key that signed it.
    VouchedFor,
    /// The key was taken out of the trust list since.
    NoLonger,
}

/// What is known of a pass's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKnown {
    /// No status list of its issuer key is at hand.
    NoList,
    /// A list is.
    Listed {
        /// What it says.
        state: PassState,
        /// First second at which it may no longer be relied on for *valid*.
        expires_at: UtcSeconds,
    },
}

/// For access points that ask for a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherPerson {
    /// Nobody has been here within the time.
    Absent,
    /// Another holder has.
    Present,
}

/// The answer, with everything that records and screens tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Grant, or deny with *the* reason.
    pub decision: Decision,
    /// Further checks that failed, in order.
    pub also: Vec<DenyReason>,
    /// What an alert policy lets pass.
    pub alerts: Vec<DenyReason>,
    /// May the guard say yes? Only when nothing failed but what the policies leave to the guard.
    pub offer: GuardOffer,
    /// Seconds by which the holder's phone is ahead of the gate's clock, for a stale proof.
    pub phone_clock_off_s: Option<i64>,
}

/// The answer about a pass that nobody showed. Not an [`Admission`]: it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedAdmission(pub Admission);

/// A pass as central knows it, without a signature, for [`simulate`] alone.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedPass<'a> {
    /// The pass.
    pub id: PassId,
    /// School of the issuer key.
    pub school: SchoolId,
    /// Its claims.
    pub claims: &'a Claims,
    /// How it would be shown.
    pub presentation: Presentation,
    /// The issuer key's signing window.
    pub signing: Window,
    /// The issuer key's verification window.
    pub verification: Window,
}

/// Decides about a pass whose signature was checked.
#[must_use]
pub fn admit(pass: &VerifiedPass, facts: &AdmissionFacts<'_>) -> Admission {
    let shown = Shown {
        school: pass.school(),
        claims: pass.claims(),
        presentation: pass.presentation(),
        signing: pass.issuer().signing,
        verification: pass.issuer().verification,
    };
    decide(&shown, facts)
}

/// Says what [`admit`] would, of a pass that is only known by its claims.
#[must_use]
pub fn simulate(pass: &SimulatedPass<'_>, facts: &AdmissionFacts<'_>) -> SimulatedAdmission {
    let shown = Shown {
        school: pass.school,
        claims: pass.claims,
        presentation: pass.presentation,
        signing: pass.signing,
        verification: pass.verification,
    };
    SimulatedAdmission(decide(&shown, facts))
}

/// What the checks look at.
struct Shown<'a> {
    school: SchoolId,
    claims: &'a Claims,
    presentation: Presentation,
    signing: Window,
    verification: Window,
}

/// What one check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Passes,
    /// Passes, but somebody should know.
    Alerts,
    Fails,
    /// Fails, and the policy leaves it to the guard.
    FailsAskGuard,
}

fn decide(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Admission {
    let mut failed = Vec::new();
    let mut alerts = Vec::new();
    let mut hard = 0;
    for (reason, check) in CHECKS {
        match check(shown, facts) {
            Finding::Passes => {}
            Finding::Alerts => alerts.push(*reason),
            Finding::Fails => {
                failed.push(*reason);
                hard += 1;
            }
            Finding::FailsAskGuard => failed.push(*reason),
        }
    }
    if failed.is_empty() {
        return Admission {
            decision: Decision::Grant,
            also: Vec::new(),
            alerts,
            offer: GuardOffer::None,
            phone_clock_off_s: None,
        };
    }
    let reason = failed.remove(0);
    let is_stale = reason == DenyReason::ProofStale || failed.contains(&DenyReason::ProofStale);
    Admission {
        decision: Decision::Deny(reason),
        also: failed,
        alerts,
        offer: if hard == 0 {
            GuardOffer::AskGuard
        } else {
            GuardOffer::None
        },
        phone_clock_off_s: if is_stale {
            checks::phone_clock_off_s(shown, facts)
        } else {
            None
        },
    }
}

#[cfg(test)]
mod tests;
