use proptest::prelude::*;

use super::*;
use crate::door_io::{DoorIoConfig, DoorPlace, SafeLevels, SimulatedDoor};

fn wiring() -> BoxWiring {
    let place = |door| DoorPlace {
        door: DoorId(door),
        levels: SafeLevels::default(),
        io: DoorIoConfig::Simulated(SimulatedDoor {
            trace: Some("/box/trace".into()),
            ..SimulatedDoor::default()
        }),
    };
    BoxWiring {
        hold: "/box/doors.hold".into(),
        doors: (1..=8).map(place).collect(),
    }
}

fn asks() -> Vec<Ask> {
    let command = |command| Ask::Command {
        door: DoorId(7),
        decided_at: Uptime(1 << 40),
        command,
    };
    let signals = [
        DoorSignal::Granted,
        DoorSignal::Denied,
        DoorSignal::PreAlarm,
        DoorSignal::Alarm,
        DoorSignal::Quiet,
    ];
    let mut asks = vec![
        Ask::Begin {
            version: VERSION,
            wiring: wiring(),
        },
        command(DoorCommand::Lock),
        command(DoorCommand::HoldReleased),
        command(DoorCommand::Release { for_ms: 1 }),
        command(DoorCommand::Release {
            for_ms: DOOR_TIME_LIMIT_MS,
        }),
        Ask::Heartbeat { number: 5 },
        Ask::Rest,
    ];
    asks.extend(signals.map(|signal| command(DoorCommand::Signal(signal))));
    asks
}

fn reports() -> Vec<Report> {
    let door = DoorId(3);
    let mut reports = vec![
        Report::Ready { version: VERSION },
        Report::Fault {
            door,
            problem: Some("no chip".into()),
        },
        Report::Fault {
            door,
            problem: None,
        },
        Report::Alive { number: 9 },
        Report::WasAlone,
        Report::Holding,
    ];
    reports.extend((0..10).map(|number| Report::Input {
        door,
        input: input_of(number).unwrap(),
    }));
    reports
}

fn round_trip<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    let mut bytes = message.to_bytes();
    for end in 0..bytes.len() {
        let mut part = bytes[..end].to_vec();
        assert_eq!(take_message::<M>(&mut part).unwrap(), None);
        assert_eq!(part.len(), end, "nothing is taken of half a message");
    }
    bytes.push(77);
    assert_eq!(take_message(&mut bytes).unwrap().as_ref(), Some(message));
    assert_eq!(bytes, [77]);
}

#[test]
fn messages_come_back_as_they_were_sent() {
    asks().iter().for_each(round_trip);
    reports().iter().for_each(round_trip);
}

#[test]
fn what_is_out_of_range_is_refused() {
    let release = |for_ms| {
        let command = DoorCommand::Release { for_ms };
        let ask = Ask::Command {
            door: DoorId(1),
            decided_at: Uptime(0),
            command,
        };
        Ask::read(&ask.to_bytes()[2..])
    };
    for for_ms in [0, DOOR_TIME_LIMIT_MS + 1, u32::MAX] {
        assert_eq!(release(for_ms), Err(Garbled::ReleaseTime { for_ms }));
    }
    let mut long = u16::MAX.to_le_bytes().to_vec();
    assert_eq!(
        take_message::<Ask>(&mut long),
        Err(Garbled::TooLong { bytes: 65_535 })
    );
    let mut begin = asks()[0].to_bytes();
    begin[3] = 99;
    assert_eq!(
        Ask::read(&begin[2..]),
        Err(Garbled::Version { version: 99 })
    );
    let unknown = b"\x01\x02\x00\x00\x00{\"hold\":\"/h\",\"doors\":[],\"more\":1}";
    assert!(matches!(Ask::read(unknown), Err(Garbled::Wiring { .. })));
}

#[test]
fn a_long_problem_is_cut_between_characters() {
    let fault = |problem: String| Report::Fault {
        door: DoorId(1),
        problem: Some(problem),
    };
    let bytes = fault("ä".repeat(PROBLEM_BYTES_MAX)).to_bytes();
    let cut = fault("ä".repeat(PROBLEM_BYTES_MAX / 2));
    assert_eq!(Report::read(&bytes[2..]), Ok(cut));
}

proptest! {
    #[test]
    fn garbage_is_never_more_than_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut received = bytes.clone();
        if let Ok(Some(report)) = take_message::<Report>(&mut received) {
            let again = report.to_bytes();
            prop_assert_eq!(&again[..], &bytes[..again.len()], "one spelling for each message");
        }
        let mut received = bytes.clone();
        match take_message::<Ask>(&mut received) {
            Ok(Some(Ask::Begin { .. })) | Ok(None) | Err(_) => {}
            Ok(Some(ask)) => {
                let again = ask.to_bytes();
                prop_assert_eq!(&again[..], &bytes[..again.len()], "one spelling for each message");
            }
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_another_one(which in 0usize..12, at in 0usize..40, byte in any::<u8>()) {
        let mut bytes = asks()[which].to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some(ask @ (Ask::Command { .. } | Ask::Heartbeat { .. } | Ask::Rest))) = take_message::<Ask>(&mut bytes.clone()) {
            let again = ask.to_bytes();
            prop_assert_eq!(&again[..], &bytes[..again.len()]);
        }
    }
}
