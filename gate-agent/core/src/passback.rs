//! Anti-passback: must leave before entering again.

use shared::{ids::AreaId, policy::AntiPassbackPolicy, time::UtcSeconds};

use crate::memory::Presence;

/// How long peers that share an area have not been heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// The configuration names no peer.
    None,
    /// The one that has been silent longest was last heard so many seconds ago.
    Silent {
        /// Seconds; `u64::MAX` when never heard.
        for_s: u64,
    },
}

/// What anti-passback says of one passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// In order, or nothing is known.
    InOrder,
    /// Broken, and the policy denies.
    Violated,
    /// Broken, and the policy only tells.
    ViolatedAlert,
}

/// Judges a passage from one area to another.
///
/// Somebody who is known to be elsewhere than where the passage begins violates. On the way out
/// only somebody who is already out does: a person who was let through an inner door by another
/// is not to be kept in.
pub(crate) fn judge(
    policy: AntiPassbackPolicy,
    presence: Option<Presence>,
    (from, to): (AreaId, AreaId),
    now: UtcSeconds,
    peers: Peers,
) -> Judgement {
    let Some(presence) = presence else {
        return Judgement::InOrder;
    };
    let violates = if to == AreaId::OUTSIDE {
        presence.area == AreaId::OUTSIDE
    } else {
        presence.area != from
    };
    match policy {
        _ if !violates => Judgement::InOrder,
        AntiPassbackPolicy::Off => Judgement::InOrder,
        AntiPassbackPolicy::Alert => Judgement::ViolatedAlert,
        AntiPassbackPolicy::Enforce { forget_after_s, .. }
            if now.since(presence.since) > forget_after_s =>
        {
            Judgement::InOrder
        }
        AntiPassbackPolicy::Enforce { peer_silence_s, .. } => match peers {
            Peers::Silent { for_s } if peer_silence_s > 0 && for_s > peer_silence_s => {
                Judgement::ViolatedAlert
            }
            Peers::Silent { .. } | Peers::None => Judgement::Violated,
        },
    }
}

#[cfg(test)]
mod tests {
    use shared::{ids::HolderNumber, order::Subject};

    use super::*;

    const OUT: AreaId = AreaId::OUTSIDE;
    const YARD: AreaId = AreaId(1);
    const LIBRARY: AreaId = AreaId(2);
    const ENFORCE: AntiPassbackPolicy = AntiPassbackPolicy::Enforce {
        forget_after_s: 100,
        peer_silence_s: 60,
    };

    fn judged(
        policy: AntiPassbackPolicy,
        area: Option<AreaId>,
        way: (AreaId, AreaId),
        age_s: u64,
        peers: Peers,
    ) -> Judgement {
        let presence = area.map(|area| Presence {
            subject: Subject::Holder(HolderNumber(1)),
            area,
            since: UtcSeconds(1000),
        });
        judge(policy, presence, way, UtcSeconds(1000 + age_s), peers)
    }

    #[test]
    fn entering_twice_is_a_violation_and_leaving_between_is_not() {
        let judged = |area, way| judged(ENFORCE, area, way, 5, Peers::None);
        assert_eq!(judged(None, (OUT, YARD)), Judgement::InOrder);
        assert_eq!(judged(Some(YARD), (OUT, YARD)), Judgement::Violated);
        assert_eq!(judged(Some(YARD), (YARD, OUT)), Judgement::InOrder);
        assert_eq!(judged(Some(OUT), (OUT, YARD)), Judgement::InOrder);
        assert_eq!(judged(Some(LIBRARY), (OUT, YARD)), Judgement::Violated);
        assert_eq!(judged(Some(YARD), (YARD, LIBRARY)), Judgement::InOrder);
    }

    #[test]
    fn on_the_way_out_only_somebody_who_is_out_already_violates() {
        let judged = |area| judged(ENFORCE, area, (YARD, OUT), 5, Peers::None);
        assert_eq!(judged(Some(LIBRARY)), Judgement::InOrder);
        assert_eq!(judged(Some(OUT)), Judgement::Violated);
    }

    #[test]
    fn the_policy_says_what_follows() {
        let judged = |policy, age, peers| judged(policy, Some(YARD), (OUT, YARD), age, peers);
        let none = Peers::None;
        assert_eq!(judged(AntiPassbackPolicy::Off, 5, none), Judgement::InOrder);
        assert_eq!(
            judged(AntiPassbackPolicy::Alert, 5, none),
            Judgement::ViolatedAlert
        );
        assert_eq!(judged(ENFORCE, 100, none), Judgement::Violated);
        assert_eq!(judged(ENFORCE, 101, none), Judgement::InOrder, "forgotten");
        let silent = |for_s| Peers::Silent { for_s };
        assert_eq!(judged(ENFORCE, 5, silent(60)), Judgement::Violated);
        assert_eq!(judged(ENFORCE, 5, silent(61)), Judgement::ViolatedAlert);
        let waits_for_nobody = AntiPassbackPolicy::Enforce {
            forget_after_s: 100,
            peer_silence_s: 0,
        };
        assert_eq!(judged(waits_for_nobody, 5, silent(61)), Judgement::Violated);
    }
}
