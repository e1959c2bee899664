use proptest::prelude::*;

use super::*;
use crate::door_io::wiring::WiredLock;

const RELEASE: DoorCommand = DoorCommand::Release { for_ms: 5_000 };
const T: Uptime = Uptime(100_000);

fn latch(lock: WiredLock) -> Latch {
    Latch::new(SafeLevels::of(lock))
}

fn with(at_crash: LastLevel) -> Latch {
    Latch::new(SafeLevels {
        at_crash,
        ..SafeLevels::default()
    })
}

fn to(to: Level, cause: Cause) -> Option<Move> {
    Some(Move {
        to,
        cause,
        for_ms: None,
    })
}

#[test]
fn a_door_begins_as_its_lock_does_without_power() {
    assert_eq!(latch(WiredLock::FailSecure).level(), Level::Locked);
    assert_eq!(latch(WiredLock::FailSafe).level(), Level::Released);
}

#[test]
fn a_release_ends_at_its_time_counted_from_the_decision() {
    let mut latch = latch(WiredLock::FailSecure);
    let later = T.plus_ms(300);
    latch.obey(later, T, RELEASE).unwrap();
    assert_eq!(latch.next_due(), Some(T.plus_ms(5_000)));
    assert_eq!(latch.due(T.plus_ms(4_999), Agent::Speaks), None);
    assert_eq!(
        latch.due(T.plus_ms(5_000), Agent::Speaks),
        to(Level::Locked, Cause::EndOfRelease)
    );
}

#[test]
fn no_release_is_longer_than_the_box_allows_or_begins_late() {
    let levels = SafeLevels {
        longest_release_ms: 1_000,
        ..SafeLevels::default()
    };
    let mut latch = Latch::new(levels);
    let moved = latch.obey(T, T, RELEASE).unwrap().unwrap();
    assert_eq!(moved.for_ms, Some(1_000));
    assert_eq!(latch.next_due(), Some(T.plus_ms(1_000)));
    // From a clock that runs ahead: counted from now.
    latch.obey(T, T.plus_ms(60_000), RELEASE).unwrap();
    assert_eq!(latch.next_due(), Some(T.plus_ms(1_000)));

    let mut latch = with(LastLevel::Locked);
    let late = T.plus_ms(RELEASE_AGE_MAX_MS + 1);
    assert!(latch.obey(late, T, RELEASE).is_err());
    assert_eq!(latch.level(), Level::Locked);
    assert_eq!(latch.obey(late, T, DoorCommand::Lock), Ok(None));
}

#[test]
fn a_silent_agents_release_runs_to_its_end_and_then_what_is_configured_holds() {
    for (at_crash, ends) in [
        (LastLevel::Locked, to(Level::Locked, Cause::EndOfRelease)),
        (
            LastLevel::AsCommanded,
            to(Level::Locked, Cause::EndOfRelease),
        ),
        (LastLevel::Released, None),
    ] {
        let mut latch = with(at_crash);
        latch.obey(T, T, RELEASE).unwrap();
        assert_eq!(latch.agent_is_silent(), None, "{at_crash:?}");
        assert_eq!(latch.level(), Level::Released);
        assert_eq!(latch.due(T.plus_ms(5_000), Agent::Silent), ends);
    }
}

#[test]
fn what_was_commanded_to_last_lasts_behind_a_crash_as_configured() {
    for (at_crash, commanded, left) in [
        (
            LastLevel::AsCommanded,
            DoorCommand::HoldReleased,
            Level::Released,
        ),
        (LastLevel::AsCommanded, DoorCommand::Lock, Level::Locked),
        (LastLevel::Locked, DoorCommand::HoldReleased, Level::Locked),
        (LastLevel::Locked, DoorCommand::Lock, Level::Locked),
        (
            LastLevel::Released,
            DoorCommand::HoldReleased,
            Level::Released,
        ),
        (LastLevel::Released, DoorCommand::Lock, Level::Released),
    ] {
        for gone in [false, true] {
            let mut latch = with(at_crash);
            latch.obey(T, T, commanded).unwrap();
            if gone {
                latch.agent_is_gone(T);
            } else {
                latch.agent_is_silent();
            }
            assert_eq!(latch.level(), left, "{at_crash:?} {commanded:?}");
        }
    }
}

#[test]
fn a_dead_agents_long_release_is_cut_so_that_the_next_one_gets_the_lines() {
    let mut latch = latch(WiredLock::FailSecure);
    let long = DoorCommand::Release { for_ms: 3_600_000 };
    latch.obey(T, T, long).unwrap();
    latch.agent_is_gone(T);
    assert_eq!(latch.next_due(), Some(T.plus_ms(ORPHANED_RELEASE_MAX_MS)));
}

#[test]
fn fire_releases_at_once_and_no_command_locks_until_it_is_over() {
    let mut latch = latch(WiredLock::FailSecure);
    assert_eq!(
        latch.fire(FireInput::Raised),
        to(Level::Released, Cause::Fire)
    );
    assert_eq!(latch.obey(T, T, DoorCommand::Lock), Ok(None));
    latch.agent_is_gone(T);
    assert_eq!(latch.level(), Level::Released);
    assert!(!latch.rests(), "its line must be held while there is fire");
    assert_eq!(latch.fire(FireInput::Ended), to(Level::Locked, Cause::Fire));
    assert!(latch.rests());
}

#[test]
fn the_end_of_the_process_ends_a_release_and_leaves_what_is_configured() {
    for (last, command, moved) in [
        (
            LastLevel::AsCommanded,
            RELEASE,
            to(Level::Locked, Cause::Abandoned),
        ),
        (
            LastLevel::Locked,
            RELEASE,
            to(Level::Locked, Cause::Abandoned),
        ),
        (LastLevel::Released, RELEASE, None),
        (LastLevel::AsCommanded, DoorCommand::HoldReleased, None),
        (
            LastLevel::Locked,
            DoorCommand::HoldReleased,
            to(Level::Locked, Cause::End),
        ),
        (
            LastLevel::Released,
            DoorCommand::Lock,
            to(Level::Released, Cause::End),
        ),
    ] {
        let levels = SafeLevels {
            at_stop: last,
            at_crash: LastLevel::Released,
            ..SafeLevels::default()
        };
        let mut latch = Latch::new(levels);
        latch.obey(T, T, command).unwrap();
        assert_eq!(latch.end(Ending::InOrder), moved, "{last:?} {command:?}");
        let levels = SafeLevels {
            at_stop: LastLevel::Released,
            at_crash: last,
            ..levels
        };
        let mut latch = Latch::new(levels);
        latch.obey(T, T, command).unwrap();
        assert_eq!(latch.end(Ending::Broken), moved, "{last:?} {command:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Command(DoorCommand),
    Silent,
    Gone,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u32..600_000).prop_map(|for_ms| Step::Command(DoorCommand::Release { for_ms })),
        Just(Step::Command(DoorCommand::Lock)),
        Just(Step::Silent),
        Just(Step::Gone),
        (0u64..20_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn no_timed_release_outlasts_the_longest_whatever_happens(
        steps in proptest::collection::vec(any_step(), 0..60),
        at_crash in prop::sample::select(vec![LastLevel::Locked, LastLevel::AsCommanded]),
    ) {
        let longest_release_ms = 7_000;
        let mut latch = Latch::new(SafeLevels { longest_release_ms, at_crash, ..SafeLevels::default() });
        let mut now = T;
        let mut released_at = T;
        let mut agent = Agent::Speaks;
        for step in steps {
            match step {
                Step::Command(command) => {
                    agent = Agent::Speaks;
                    latch.obey(now, now, command).unwrap();
                    released_at = now;
                }
                Step::Silent => { agent = Agent::Silent; latch.agent_is_silent(); }
                Step::Gone => { agent = Agent::Silent; latch.agent_is_gone(now); }
                Step::Wait(ms) => {
                    now = now.plus_ms(ms);
                    latch.due(now, agent);
                }
            }
            if latch.level() == Level::Released {
                prop_assert!(now.since_ms(released_at) < u64::from(longest_release_ms));
                prop_assert!(latch.next_due().is_some(), "somebody will end it");
            }
        }
    }
}
