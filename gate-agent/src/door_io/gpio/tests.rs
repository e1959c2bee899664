use gate_core::{action::DoorSignal, input::DoorInput};

use super::{
    fake::{FakeChip, Taking},
    *,
};
use crate::door_io::latch::{Cause, Move};

const DOOR: DoorId = DoorId(4);

fn wiring(text: &str) -> GpioDoor {
    toml::from_str(text).unwrap()
}

fn whole() -> GpioDoor {
    wiring(
        r#"
        chip = "fake-chip"
        lock = { line = "LOCK", locked = "low" }
        green = { line = 2 }
        red = { line = 3, active = "low", drive = "open_drain" }
        buzzer = { line = 4 }
        contact = { line = 5 }
        request_to_exit = { line = 6 }
        tamper = { line = 7, debounce_ms = 100 }
        fire = { line = 8, active = "low", bias = "disabled" }
        "#,
    )
}

fn open(chip: &FakeChip, wiring: &GpioDoor, level: Level) -> anyhow::Result<GpioLines> {
    open_as(DOOR, chip, wiring, level)
}

fn open_as(
    door: DoorId,
    chip: &FakeChip,
    wiring: &GpioDoor,
    level: Level,
) -> anyhow::Result<GpioLines> {
    let chips = Chips::Fake(chip.clone());
    GpioLines::open_on(chips, door, wiring, level, Clock::system())
}

async fn sensed(lines: &mut GpioLines) -> DoorInput {
    loop {
        let news = tokio::time::timeout(Duration::from_secs(20), lines.news()).await;
        if let News::Sensed(Sensed { door: DOOR, input }) = news.unwrap().unwrap() {
            return input;
        }
    }
}

fn inputs_of(standing: Vec<News>) -> Vec<DoorInput> {
    let inputs = standing.into_iter().filter_map(|news| match news {
        News::Sensed(sensed) => Some(sensed.input),
        News::State { .. } | News::Settled => None,
    });
    inputs.collect()
}

fn lock(to: Level) -> Drive {
    Drive::Lock(Move {
        to,
        cause: Cause::Command,
        for_ms: None,
    })
}

#[test]
fn the_lock_is_at_its_level_from_the_first_moment_and_at_the_voltage_that_the_file_says() {
    for (locked, level, expected) in [
        ("low", Level::Locked, Voltage::Low),
        ("low", Level::Released, Voltage::High),
        ("high", Level::Locked, Voltage::High),
        ("high", Level::Released, Voltage::Low),
    ] {
        let chip = FakeChip::default();
        let text = format!("chip = \"fake-chip\"\nlock = {{ line = 1, locked = \"{locked}\" }}");
        let mut lines = open(&chip, &wiring(&text), level).unwrap();
        assert_eq!(chip.drives(1), Some(expected), "{locked} {level:?}");
        lines.drive(lock(Level::Locked)).unwrap();
        let is_locked_at_low = chip.drives(1) == Some(Voltage::Low);
        assert_eq!(is_locked_at_low, locked == "low");
        lines.drive(lock(Level::Released)).unwrap();
        assert_ne!(chip.drives(1) == Some(Voltage::Low), is_locked_at_low);
        drop(lines);
        assert_eq!(chip.taking(1), None, "a dropped line is free");
    }
}

#[test]
fn lines_are_taken_as_wired() {
    let chip = FakeChip::default();
    let _lines = open(&chip, &whole(), Level::Locked).unwrap();
    let Some(Taking::Input(contact)) = chip.taking(5) else {
        panic!("an input");
    };
    assert_eq!(contact.bias, LineBias::PullUp);
    assert_eq!((contact.active, contact.debounce_ms), (Voltage::High, 20));
    let Some(Taking::Input(exit)) = chip.taking(6) else {
        panic!("an input");
    };
    assert_eq!(exit.active, Voltage::Low);
    let Some(Taking::Input(tamper)) = chip.taking(7) else {
        panic!("an input");
    };
    assert_eq!(tamper.debounce_ms, 100);
    let Some(Taking::Input(fire)) = chip.taking(8) else {
        panic!("an input");
    };
    assert_eq!((fire.active, fire.bias), (Voltage::Low, LineBias::Disabled));
    let Some(Taking::Output(red)) = chip.taking(3) else {
        panic!("an output");
    };
    assert_eq!(
        (red.active, red.drive),
        (Voltage::Low, LineDrive::OpenDrain)
    );
    assert_eq!(chip.drives(3), Some(Voltage::High), "dark");
}

#[tokio::test]
async fn sensors_say_what_their_voltages_mean() {
    let chip = FakeChip::default();
    let mut lines = open(&chip, &whole(), Level::Locked).unwrap();
    for (offset, voltage, input) in [
        (5, Voltage::High, DoorInput::Opened),
        (5, Voltage::Low, DoorInput::Closed),
        (6, Voltage::Low, DoorInput::RequestToExit),
        (7, Voltage::High, DoorInput::TamperRaised),
        (7, Voltage::Low, DoorInput::TamperEnded),
        (8, Voltage::Low, DoorInput::FireRaised),
        (8, Voltage::High, DoorInput::FireEnded),
    ] {
        chip.pull(offset, voltage);
        assert_eq!(sensed(&mut lines).await, input);
    }
    // A button that is let go says nothing.
    chip.pull(6, Voltage::High);
    chip.pull(5, Voltage::High);
    assert_eq!(sensed(&mut lines).await, DoorInput::Opened);
}

#[tokio::test]
async fn whoever_begins_to_listen_or_lost_edges_is_told_how_things_stand() {
    let chip = FakeChip::default();
    chip.pull(5, Voltage::Low);
    chip.pull(6, Voltage::Low);
    let mut lines = open(&chip, &whole(), Level::Locked).unwrap();
    // Nothing pulls the tamper loop low, so it is open; the fire line is high and active low.
    let standing = [
        DoorInput::Closed,
        DoorInput::TamperRaised,
        DoorInput::FireEnded,
    ];
    assert_eq!(inputs_of(lines.standing().unwrap()), standing);

    chip.pull(7, Voltage::Low);
    assert_eq!(sensed(&mut lines).await, DoorInput::TamperEnded);
    chip.pull_unheard(5, Voltage::High);
    chip.pull(8, Voltage::Low);
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(sensed(&mut lines).await);
    }
    assert_eq!(
        heard,
        [
            DoorInput::FireRaised,
            DoorInput::Opened,
            DoorInput::TamperEnded,
            DoorInput::FireRaised,
        ]
    );
}

#[tokio::test]
async fn lamps_follow_signals_and_the_pre_alarm_beeps() {
    let chip = FakeChip::default();
    let mut lines = open(&chip, &whole(), Level::Locked).unwrap();
    lines.drive(Drive::Signal(DoorSignal::Granted)).unwrap();
    assert_eq!(chip.drives(2), Some(Voltage::High));
    lines.drive(Drive::Signal(DoorSignal::Denied)).unwrap();
    assert_eq!(chip.drives(2), Some(Voltage::Low));
    assert_eq!(chip.drives(3), Some(Voltage::Low), "lit, active low");
    lines.drive(Drive::Signal(DoorSignal::PreAlarm)).unwrap();
    assert_eq!(chip.drives(4), Some(Voltage::High));
    let quiet = async {
        while chip.drives(4) == Some(Voltage::High) {
            let waited = Duration::from_millis(20);
            let sensed = tokio::time::timeout(waited, lines.news()).await;
            assert!(sensed.is_err(), "{sensed:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), quiet)
        .await
        .expect("it beeps");
}

#[test]
fn a_line_that_has_two_uses_is_refused_with_both_names() {
    let chip = FakeChip::default();
    // Line 1 is the one that is called LOCK.
    let twice = "chip = \"fake-chip\"\nlock = { line = 1, locked = \"low\" }\n\
                 contact = { line = \"LOCK\" }";
    let error = open(&chip, &wiring(twice), Level::Locked).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("line 1 of") && error.contains("lock (1) and contact (\"LOCK\")"),
        "{error}"
    );
    assert_eq!(chip.taking(1), None);

    let first = "chip = \"fake-chip\"\nlock = { line = 1, locked = \"low\" }";
    let second = "chip = \"fake-chip\"\nlock = { line = 2, locked = \"low\" }\n\
                  green = { line = \"LOCK\" }";
    let _first = open_as(DoorId(1), &chip, &wiring(first), Level::Locked).unwrap();
    let error = open(&chip, &wiring(second), Level::Locked).unwrap_err();
    let error = error.to_string();
    let words = "line \"LOCK\" (green) is wired to door 1 too";
    assert!(error.contains(words), "{error}");
}

#[tokio::test]
async fn a_lock_that_is_taken_in_a_fire_is_never_locked() {
    let chip = FakeChip::default();
    chip.pull(8, Voltage::Low);
    let lines = open(&chip, &whole(), Level::Locked).unwrap();
    assert_eq!(chip.was_set(1), [Stands::Active], "released at once");
    let standing = inputs_of(lines.standing().unwrap());
    assert!(standing.contains(&DoorInput::FireRaised), "{standing:?}");
}

#[tokio::test]
async fn a_sensors_line_that_cannot_be_had_is_a_fault_and_the_lock_is_driven_all_the_same() {
    let chip = FakeChip::default();
    let other = "chip = \"fake-chip\"\nlock = { line = 5, locked = \"low\" }";
    let other = open_as(DoorId(1), &chip, &wiring(other), Level::Locked).unwrap();
    let mut lines = open(&chip, &whole(), Level::Locked).unwrap();
    let News::State {
        problem: Some(problem),
        ..
    } = &lines.standing().unwrap()[0]
    else {
        panic!("a fault");
    };
    assert!(
        problem.contains("line 5 (contact) is wired to door 1 too"),
        "{problem}"
    );
    lines.drive(lock(Level::Released)).unwrap();
    assert_eq!(chip.drives(1), Some(Voltage::High));

    drop(other);
    let news = tokio::time::timeout(Duration::from_secs(20), lines.news()).await;
    let works = News::State {
        door: DOOR,
        problem: None,
    };
    assert_eq!(news.unwrap().unwrap(), works);
    assert_eq!(sensed(&mut lines).await, DoorInput::Opened);
    assert_eq!(
        chip.was_set(1),
        [Stands::Idle, Stands::Active],
        "not taken anew"
    );
}

#[test]
fn what_is_not_there_is_listed_with_what_to_write() {
    let chip = FakeChip::default();
    for (text, words) in [
        (
            "chip = \"pinctrl-rp1\"\nlock = { line = 1, locked = \"low\" }",
            vec![
                "pinctrl-rp1",
                "/dev/gpiochip7 [fake-chip] (10 lines)",
                "chip = ",
            ],
        ),
        (
            "chip = \"fake-chip\"\nlock = { line = \"GPIO17\", locked = \"low\" }",
            vec!["no line \"GPIO17\"", "1 \"LOCK\"", "0 to 9"],
        ),
        (
            "chip = \"fake-chip\"\nlock = { line = 10, locked = \"low\" }",
            vec!["no line 10", "0 to 9"],
        ),
        (
            "chip = \"fake-chip\"\nlock = { line = 9, locked = \"low\" }",
            vec!["line 9 (lock) is used by \"spi0 CS0\"", "device tree"],
        ),
    ] {
        let error = open(&chip, &wiring(text), Level::Locked).unwrap_err();
        for word in words {
            assert!(error.to_string().contains(word), "{error:#}");
        }
    }
    let nowhere = GpioLines::open(DOOR, &whole(), Level::Locked, Clock::system());
    let error = nowhere.unwrap_err().to_string();
    // This machine has no GPIO chip, or other ones.
    assert!(error.contains("GPIO chip"), "{error}");
}

#[test]
fn what_is_written_wrong_is_named() {
    for (text, word) in [
        ("chip = \"c\"\nlock = { line = 1 }", "locked"),
        ("chip = \"c\"\nlock = { line = 1, locked = \"off\" }", "off"),
        (
            "chip = \"c\"\nlock = { line = true, locked = \"low\" }",
            "offset",
        ),
        ("lock = { line = 1, locked = \"low\" }", "chip"),
        (
            "chip = \"c\"\nlock = { line = 1, locked = \"low\" }\nlamp = { line = 3 }",
            "lamp",
        ),
    ] {
        let error = toml::from_str::<GpioDoor>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
