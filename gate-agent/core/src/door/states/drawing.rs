//! The page of the states: diagrams and the whole table.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use super::Row;

const HEAD: &str = "\
# The states of a door

Written from the table of the door's machine (`gate-agent/core/src/door/states.txt`), which a test
compares with the machine, pair by pair. Do not edit: change the machine, look at what changed in the
table, and write both anew with

    PORTCULLIS_WRITE_VECTORS=1 cargo test -p gate-core door::states

A door's state has parts that do not disturb each other: what its **lock** does, and why; where its
**leaf** stands; whether its **turnstile** has just turned; which **alarms** stand. Words in capitals
are commands to the lock: RELEASE for the release time, HOLD until told otherwise, LOCK. *raise* and
*end* are alarms, which are recorded at once; *passage* settles a grant as taken.
";

/// Regions, and what to say above each.
const REGIONS: [(&str, &str); 4] = [
    (
        "lock",
        "What the lock does. The first word is the mode that somebody wants for the door; `lockdown` \
         is the whole gate's and stands over it, `fire` stands over both. `accessed` is a release \
         for a pass or by staff, `exit` one for request-to-exit, which no lockdown ends. `hours` are \
         the door's unlocked hours, which staff may end with *lock* (`locked_by_staff`). Drawn \
         without `fire`, which leads from every state to the same state with `fire` and back; \
         and without modes other than *locked*, which behave as the table says.",
    ),
    (
        "leaf",
        "Where the leaf stands, and what its lock does meanwhile. `just_locked` is the second after \
         a release, in which an opening still belongs to it; `just_closed` the half second in \
         which a contact bounces.",
    ),
    (
        "turnstile",
        "A turnstile has no leaf: a turn while it is locked is an alarm for a moment.",
    ),
    (
        "alarms",
        "Tamper and fault. With a fault no pass opens the door; staff and egress still do.",
    ),
];

pub(super) fn page(rows: &[Row]) -> String {
    let mut page = String::from(HEAD);
    for (region, words) in REGIONS {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.region == region).collect();
        page.push_str(&format!("\n## {region}\n\n{words}\n\n```mermaid\n"));
        page.push_str(&diagram(&rows));
        page.push_str("```\n\n| state | input | next | effects |\n|---|---|---|---|\n");
        for row in rows {
            let next = if row.to == row.from { "" } else { &row.to };
            page.push_str(&format!(
                "| {} | {} | {next} | {} |\n",
                row.from, row.input, row.effects
            ));
        }
    }
    page
}

/// Arrows between different states; several inputs with one effect share an arrow.
fn diagram(rows: &[&Row]) -> String {
    let mut arrows: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        if row.from != row.to && is_drawn(row) {
            let arrow = arrows.entry((&row.from, &row.to)).or_default();
            arrow.insert(row.input);
        }
    }
    let mut text = String::from("stateDiagram-v2\n");
    for ((from, to), inputs) in arrows {
        let inputs: Vec<&str> = inputs.into_iter().collect();
        let (from, to) = (id(from), id(to));
        text.push_str(&format!("    {from} --> {to}: {}\n", inputs.join(" / ")));
    }
    text
}

fn is_drawn(row: &Row) -> bool {
    let is_plain = |state: &str| state.starts_with("locked") && !state.starts_with("locked_");
    row.region != "lock"
        || [&row.from, &row.to]
            .into_iter()
            .all(|state| !state.contains("fire") && is_plain(state))
}

fn id(state: &str) -> String {
    state.replace(' ', "__").replace('+', "_and_")
}
