use super::*;

const T: Uptime = Uptime(1_000_000);
const LOCK: u16 = 0;
const LAMP: u16 = 3;
const READ: What = What::ReadInputs { count: 3 };

const fn write(coil: u16, to: Switch) -> What {
    What::WriteCoil { coil, to }
}

fn unit() -> Unit {
    let mut unit = Unit::new(50);
    unit.has_output(LAMP, Role::Lamp, Switch::Off);
    unit.has_output(LOCK, Role::Lock, Switch::Off);
    unit.has_input(2);
    unit
}

fn works() -> Unit {
    let mut unit = unit();
    for what in [READ, write(LOCK, Switch::Off)] {
        assert_eq!(unit.answered(T, what), Change::Nothing);
    }
    assert_eq!(unit.answered(T, write(LAMP, Switch::Off)), Change::Works);
    unit
}

fn asks(unit: &Unit, now: Uptime) -> Option<What> {
    unit.question(now).map(|(_, what)| what)
}

#[test]
fn fire_is_known_before_the_lock_moves_and_the_lock_moves_before_lamps() {
    let mut unit = unit();
    for what in [READ, write(LOCK, Switch::Off), write(LAMP, Switch::Off)] {
        assert_eq!(asks(&unit, T), Some(what));
        unit.answered(T, what);
    }
    assert_eq!(asks(&unit, T), None);
    assert!(unit.is_settled());
}

#[test]
fn a_lock_is_told_again_each_second_and_between_it_inputs_are_looked_at() {
    let mut unit = works();
    let mut looks = 0;
    for ms in 1..=3 * TELL_AGAIN_MS {
        let now = T.plus_ms(ms);
        while let Some(what) = asks(&unit, now) {
            looks += u64::from(what == READ);
            if what == write(LOCK, Switch::Off) {
                assert_eq!(ms % TELL_AGAIN_MS, 0);
            }
            unit.answered(now, what);
        }
    }
    assert_eq!(looks, 3 * TELL_AGAIN_MS / 50);
}

#[test]
fn what_failed_is_known_to_work_only_once_everything_of_it_is() {
    let mut unit = works();
    for _ in 1..TRIES_MAX {
        assert_eq!(unit.missed(T, READ, Misheard::Silence), Change::Nothing);
    }
    let Change::Fails(problem) = unit.missed(T, READ, Misheard::Silence) else {
        panic!("it fails");
    };
    assert!(problem.contains("does not answer"), "{problem}");
    assert!(!unit.is_settled());
    let mut now = T;
    for wait_ms in [1_000, 2_000, 4_000, 4_000] {
        assert_eq!(asks(&unit, now.plus_ms(wait_ms - 1)), None);
        now = now.plus_ms(wait_ms);
        let what = asks(&unit, now).unwrap();
        assert_eq!(what, write(LOCK, Switch::Off));
        assert_eq!(unit.missed(now, what, Misheard::Silence), Change::Nothing);
    }
    // A command is worth another try at once.
    unit.want(now, LOCK, Switch::On);
    assert_eq!(asks(&unit, now), Some(write(LOCK, Switch::On)));
    for what in [write(LOCK, Switch::On), READ] {
        assert_eq!(unit.answered(now, what), Change::Nothing);
    }
    assert_eq!(unit.answered(now, write(LAMP, Switch::Off)), Change::Works);
}

#[test]
fn a_relay_that_was_told_to_move_and_has_not_answered_is_not_what_it_was() {
    let mut unit = works();
    unit.want(T, LOCK, Switch::On);
    unit.is_asked(T, write(LOCK, Switch::On));
    unit.want(T, LOCK, Switch::Off);
    assert!(!unit.is_settled());
    assert_eq!(asks(&unit, T), Some(write(LOCK, Switch::Off)));
}

#[test]
fn a_refused_relay_keeps_nothing_else_from_its_turn() {
    let mut unit = unit();
    let refusal = Misheard::Exception { code: 2 };
    unit.answered(T, READ);
    unit.answered(T, write(LOCK, Switch::Off));
    let change = unit.missed(T, write(LAMP, Switch::Off), refusal);
    assert!(matches!(change, Change::Fails(problem) if problem.starts_with("relay 3: ")));
    assert!(unit.is_settled(), "its lamp is not waited for");
    assert_eq!(asks(&unit, T.plus_ms(50)), Some(READ));
    unit.want(T, LOCK, Switch::On);
    assert_eq!(asks(&unit, T), Some(write(LOCK, Switch::On)));
    assert_eq!(unit.answered(T, write(LOCK, Switch::On)), Change::Nothing);
    let later = T.plus_ms(RETRY_MOST_MS);
    assert_eq!(unit.answered(later, write(LAMP, Switch::Off)), Change::Works);
}

#[test]
fn who_was_asked_longest_ago_has_the_next_turn() {
    let (mut first, second) = (unit(), unit());
    first.is_asked(T, READ);
    let pressing = |unit: &Unit| unit.question(T).unwrap().0;
    assert!(pressing(&second) < pressing(&first));
    let mut moved = works();
    moved.is_asked(T, READ);
    moved.want(T, LOCK, Switch::On);
    let mut silent = works();
    silent.fails(T, "silent".into());
    silent.retry(T);
    assert!(pressing(&moved) < pressing(&silent));
}
