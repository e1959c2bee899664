//! The decision and its ordered reasons. Codes are stable, on the wire and in the journal.

use minicbor::{Decode, Encode};

macro_rules! deny_reasons {
    ($($(#[doc = $doc:literal])+ $index:literal $name:ident $code:literal,)+) => {
        /// Why a pass was not admitted, in the order in which admission asks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum DenyReason {
            $($(#[doc = $doc])+ #[n($index)] $name,)+
        }

        impl DenyReason {
            /// All reasons in order.
            pub const ALL: &'static [DenyReason] = &[$(DenyReason::$name,)+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(DenyReason::$name => $code,)+ }
            }
        }
    };
}

deny_reasons! {
    /// The text does not begin like one of ours.
    0 NotAPass "not_a_pass",
    /// It begins like one of ours but is not the one encoding of a pass.
    1 PassMalformed "pass_malformed",
    /// A version that this gate does not know.
    2 PassVersionUnsupported "pass_version_unsupported",
    /// No issuer key of this identifier in the trust list.
    3 IssuerUnknown "issuer_unknown",
    /// The trust list revokes the issuer key.
    4 IssuerKeyRevoked "issuer_key_revoked",
    /// The issuer's signature does not hold.
    5 SignatureInvalid "signature_invalid",
    /// `nbf` lies outside the key's signing window, or now outside its verification window.
    6 IssuerKeyOutOfWindow "issuer_key_out_of_window",
    /// Other bytes than were issued, or beyond a frozen count.
    7 PassNotIssued "pass_not_issued",
    /// Beyond the known count of a list that may have grown, or no list.
    8 IssuanceUnknown "issuance_unknown",
    /// The trust list or root set expired.
    9 TrustListExpired "trust_list_expired",
    /// The gate's configuration expired.
    10 ConfigurationExpired "configuration_expired",
    /// The pass expired.
    11 PassExpired "pass_expired",
    /// The pass is not valid yet.
    12 PassNotYetValid "pass_not_yet_valid",
    /// The clock is not believed and the policy does not let that pass.
    13 ClockUntrusted "clock_untrusted",
    /// A pass with a holder key was shown without proof.
    14 ProofMissing "proof_missing",
    /// The holder's proof does not hold.
    15 ProofInvalid "proof_invalid",
    /// The proof was made too long ago, or in the future.
    16 ProofStale "proof_stale",
    /// A proof no later than one that was accepted before.
    17 ProofReplayed "proof_replayed",
    /// The access point takes live passes only.
    18 LivePassRequired "live_pass_required",
    /// Revoked for ever.
    19 PassRevoked "pass_revoked",
    /// Suspended for now.
    20 PassSuspended "pass_suspended",
    /// No status list, or older than the policy allows.
    21 StatusUnknown "status_unknown",
    /// No access level of the pass admits at this access point.
    22 AccessPointNotPermitted "access_point_not_permitted",
    /// An access level admits here, but not now.
    23 OutsideSchedule "outside_schedule",
    /// Used as often as it may be.
    24 UsesExhausted "uses_exhausted",
    /// Must leave before entering again.
    25 AntiPassbackViolated "anti_passback_violated",
    /// The area holds as many people as it may.
    26 AreaFull "area_full",
    /// A second person must follow.
    27 SecondPersonRequired "second_person_required",
    /// The door is blocked.
    28 DoorBlocked "door_blocked",
    /// The door is locked down.
    29 DoorLockedDown "door_locked_down",
    /// The gate cannot do its work (storage, door, clock): a fault denies.
    30 GateFault "gate_fault",
}

impl DenyReason {
    /// The reason of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
    }

    /// The shorter word for the holder: it tells no forger which check failed.
    #[must_use]
    pub const fn holder_message(self) -> HolderMessage {
        match self {
            DenyReason::NotAPass
            | DenyReason::PassMalformed
            | DenyReason::PassVersionUnsupported
            | DenyReason::IssuerUnknown
            | DenyReason::IssuerKeyRevoked
            | DenyReason::SignatureInvalid
            | DenyReason::IssuerKeyOutOfWindow
            | DenyReason::PassNotIssued => HolderMessage::NotValidHere,
            DenyReason::PassExpired => HolderMessage::Expired,
            DenyReason::PassNotYetValid => HolderMessage::NotYetValid,
            DenyReason::ProofMissing
            | DenyReason::ProofInvalid
            | DenyReason::ProofStale
            | DenyReason::ProofReplayed
            | DenyReason::LivePassRequired => HolderMessage::ShowLivePass,
            DenyReason::AccessPointNotPermitted => HolderMessage::NotValidHere,
            DenyReason::OutsideSchedule => HolderMessage::NotNow,
            DenyReason::AntiPassbackViolated | DenyReason::UsesExhausted => {
                HolderMessage::AlreadyUsed
            }
            DenyReason::AreaFull | DenyReason::SecondPersonRequired => HolderMessage::PleaseWait,
            DenyReason::IssuanceUnknown
            | DenyReason::TrustListExpired
            | DenyReason::ConfigurationExpired
            | DenyReason::ClockUntrusted
            | DenyReason::PassRevoked
            | DenyReason::PassSuspended
            | DenyReason::StatusUnknown
            | DenyReason::DoorBlocked
            | DenyReason::DoorLockedDown
            | DenyReason::GateFault => HolderMessage::SeeStaff,
        }
    }
}

/// What the holder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum HolderMessage {
    /// Not valid here.
    #[n(0)]
    NotValidHere,
    /// Expired.
    #[n(1)]
    Expired,
    /// Not valid yet.
    #[n(2)]
    NotYetValid,
    /// Show the pass on the phone that holds it.
    #[n(3)]
    ShowLivePass,
    /// Not at this time.
    #[n(4)]
    NotNow,
    /// Used already.
    #[n(5)]
    AlreadyUsed,
    /// Wait.
    #[n(6)]
    PleaseWait,
    /// Turn to the staff.
    #[n(7)]
    SeeStaff,
}

/// The answer. There is no third one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Decision {
    /// Allowed; whether it was taken is another record.
    #[n(0)]
    Grant,
    /// Not allowed, with *the* reason: the first that failed.
    #[n(1)]
    Deny(#[n(0)] DenyReason),
}

/// May the guard say yes to a denial?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum GuardOffer {
    /// The policy offers nothing; an override with a reason is still the guard's to make.
    #[n(0)]
    None,
    /// The policy asks the guard.
    #[n(1)]
    AskGuard,
}

/// The ladder of freshness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum FreshnessStep {
    /// Heads within minutes.
    #[n(0)]
    Fresh,
    /// Within a day.
    #[n(1)]
    Normal,
    /// Older than a day: the guard is told.
    #[n(2)]
    Warn,
    /// Older than three days.
    #[n(3)]
    Restrict,
    /// Older than thirty days, or never.
    #[n(4)]
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_in_the_order_of_the_checks_and_keep_their_numbers() {
        for (index, reason) in DenyReason::ALL.iter().enumerate() {
            assert_eq!(
                crate::cbor::encode(reason),
                crate::cbor::encode(&(index as u8))
            );
            assert_eq!(DenyReason::from_code(reason.code()), Some(*reason));
        }
        assert!(DenyReason::ALL.is_sorted());
        assert_eq!(DenyReason::ALL.len(), 31);
    }
}
