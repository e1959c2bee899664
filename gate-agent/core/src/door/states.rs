//! Every state of a door with every input: one table, `states.txt`, a row for each pair. The test
//! walks it, and the diagrams of `docs/door-states.md` are drawn from it.
//! `PORTCULLIS_WRITE_VECTORS=1 cargo test -p gate-core door::states` writes both anew.

extern crate std;

mod drawing;
mod regions;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use std::{env, fs, path::PathBuf};

use super::*;

/// One row: in this state, this input brings that state and has these effects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    region: &'static str,
    from: String,
    input: &'static str,
    to: String,
    effects: String,
}

impl Row {
    fn line(&self) -> String {
        let line = format!(
            "{:<9} {:<32} {:<14} {:<32} {}",
            self.region, self.from, self.input, self.to, self.effects
        );
        line.trim_end().to_string()
    }
}

/// What the machine does, every pair of a reachable state and an input.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for region in regions::ALL {
        let mut seen = BTreeSet::new();
        let mut open = Vec::from([(region.first)()]);
        while let Some(from) = open.pop() {
            if !seen.insert(from.clone()) {
                continue;
            }
            for (input, apply) in region.inputs {
                let mut door = (region.build)(&from);
                door.take_outputs();
                let sensed = apply(&mut door);
                let to = (region.name)(&door);
                rows.push(Row {
                    region: region.name_of_region,
                    from: from.clone(),
                    input,
                    to: to.clone(),
                    effects: effects(door.take_outputs(), sensed),
                });
                open.push(to);
            }
        }
    }
    rows.sort();
    rows
}

fn effects(outputs: Vec<DoorOutput>, sensed: Sensed) -> String {
    let outputs = outputs.into_iter().map(|output| match output {
        DoorOutput::Command(DoorCommand::Release { .. }) => "RELEASE".into(),
        DoorOutput::Command(DoorCommand::Lock) => "LOCK".into(),
        DoorOutput::Command(DoorCommand::HoldReleased) => "HOLD".into(),
        DoorOutput::Command(DoorCommand::Signal(signal)) => format!("show {signal:?}"),
        DoorOutput::Event(DoorEvent::AlarmRaised(alarm)) => format!("raise {alarm:?}"),
        DoorOutput::Event(DoorEvent::AlarmEnded(alarm)) => format!("end {alarm:?}"),
        DoorOutput::Event(event) => format!("record {event:?}"),
    });
    let passage = match sensed {
        Sensed::Nothing => None,
        Sensed::Passage => Some(String::from("passage")),
    };
    let effects: Vec<String> = outputs.chain(passage).collect();
    effects.join(", ")
}

fn table_of(rows: &[Row]) -> String {
    let mut text = String::from(
        "# region  state                            input          next state                       effects\n",
    );
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    text
}

fn place(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn is_committed(relative: &str, expected: &str) {
    let path = place(relative);
    if env::var_os("PORTCULLIS_WRITE_VECTORS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let different = committed
        .lines()
        .zip(expected.lines())
        .find(|(committed, expected)| committed != expected);
    assert!(
        committed == expected,
        "{} differs from what the machine does, first at {different:?}: when the change is meant, \
         write it anew with PORTCULLIS_WRITE_VECTORS=1 cargo test -p gate-core door::states",
        path.display()
    );
}

#[test]
fn the_machine_does_what_the_table_says_for_every_state_and_input() {
    is_committed("src/door/states.txt", &table_of(&rows()));
}

#[test]
fn the_diagrams_of_the_handbook_are_drawn_from_the_table() {
    is_committed("../../docs/door-states.md", &drawing::page(&rows()));
}

#[test]
fn every_reachable_state_has_a_row_for_every_input() {
    let mut inputs: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let rows = rows();
    for row in &rows {
        *inputs.entry((row.region, row.from.clone())).or_default() += 1;
    }
    for row in &rows {
        let region = regions::ALL
            .iter()
            .find(|it| it.name_of_region == row.region);
        let expected = region.expect("a region").inputs.len();
        assert_eq!(inputs[&(row.region, row.to.clone())], expected, "{row:?}");
    }
    assert!(rows.len() > 400, "{} rows", rows.len());
}

/// What must hold of the table whatever the machine does: written against the rows, not the code.
#[test]
fn no_row_breaks_a_promise_of_the_door() {
    for row in rows() {
        let has = |effect: &str| row.effects.split(", ").any(|it| it == effect);
        let is_held = |state: &str| {
            state.contains("fire")
                || (!state.contains("lockdown")
                    && (state.starts_with("unlocked")
                        || state.starts_with("locked_open")
                        || state.starts_with("locked hours")))
        };
        if row.region == "lock" {
            let opens = has("RELEASE") || has("HOLD");
            match row.input {
                "pass" => {
                    let admits = !row.from.contains("lockdown")
                        && !row.from.contains("blocked")
                        && !row.from.contains("locked_down");
                    assert!(admits || !opens, "a pass opens: {row:?}");
                }
                "exit" => assert!(
                    has("RELEASE") || is_held(&row.from),
                    "egress is refused: {row:?}"
                ),
                "fire" => assert!(is_held(&row.to), "fire does not open: {row:?}"),
                "lockdown" => {
                    let stays = row.from.contains("fire")
                        || row.from.ends_with("exit")
                        || (row.from.contains("lockdown") && row.to == row.from);
                    assert!(
                        stays || row.to == format!("{} lockdown", base(&row.from)),
                        "a lockdown leaves it open: {row:?}"
                    );
                }
                "fire_over" => assert!(
                    row.from.contains("fire") || row.effects.is_empty(),
                    "the end of no fire does something: {row:?}"
                ),
                "lines_anew" => {
                    let expected = if is_held(&row.from) {
                        "HOLD"
                    } else if row.from.ends_with("exit") {
                        "RELEASE"
                    } else {
                        "LOCK"
                    };
                    assert_eq!(row.effects, expected, "{row:?}");
                }
                _ => {}
            }
            assert!(
                !(has("LOCK") && row.to.contains("fire")),
                "locked while there is fire: {row:?}"
            );
            let is_held_anew = is_held(&row.to) && row.input == "lines_anew";
            assert_eq!(
                is_held_anew || is_held(&row.to) && !is_held(&row.from),
                has("HOLD"),
                "{row:?}"
            );
        }
        if row.region == "leaf" {
            let forced = row.from.starts_with("closed locked") && row.input == "opened";
            assert_eq!(forced, has("raise ForcedOpen"), "{row:?}");
            if row.input == "closed" {
                assert!(
                    row.to.starts_with("closed") || row.to.starts_with("just"),
                    "{row:?}"
                );
            }
        }
    }
}

/// The state without what passes.
fn base(state: &str) -> &str {
    let state = state.strip_suffix(" accessed").unwrap_or(state);
    state.strip_suffix(" lockdown").unwrap_or(state)
}
