//! What is printed: who was let in, who was not and why, how long it took, and whether all of it
//! is as it should be. `NO_COLOR` is respected (no-color.org).

use std::io::IsTerminal;

use shared::{
    decision::{Decision, DenyReason, GuardOffer},
    journal::PassageOutcome,
};
use system_tests::{clock::Stopwatch, panel::Seen};

/// What should come of somebody who shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Let in.
    Granted,
    /// Not let in, for this reason.
    Denied(DenyReason),
    /// A picture in which nothing can be read.
    Unreadable,
}

#[derive(Clone, Copy)]
enum Color {
    Green,
    Red,
    Yellow,
    Grey,
    Bold,
}

/// Everything said so far.
pub(crate) struct Transcript {
    is_colored: bool,
    started: Stopwatch,
    times_ms: Vec<u64>,
    granted: usize,
    denied: usize,
    checks: usize,
    wrong: Vec<String>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_colored: !no_color && std::io::stdout().is_terminal(),
            started: Stopwatch::start(),
            times_ms: Vec::new(),
            granted: 0,
            denied: 0,
            checks: 0,
            wrong: Vec::new(),
        }
    }

    fn paint(&self, color: Color, text: &str) -> String {
        if !self.is_colored {
            return text.to_owned();
        }
        let code = match color {
            Color::Green => "32",
            Color::Red => "31",
            Color::Yellow => "33",
            Color::Grey => "90",
            Color::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A new part of the story.
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{}", self.paint(Color::Bold, title));
    }

    /// What happens around it.
    pub(crate) fn say(&self, text: &str) {
        println!("  {}", self.paint(Color::Grey, text));
    }

    /// What must be known to judge honestly.
    pub(crate) fn mind(&self, text: &str) {
        println!("  {}", self.paint(Color::Yellow, text));
    }

    /// Something that must hold.
    pub(crate) fn check(&mut self, what: &str, holds: Holds) {
        self.checks += 1;
        match holds {
            Holds::Yes => println!("  {} {what}", self.paint(Color::Green, "holds")),
            Holds::No(why) => {
                println!("  {} {what}: {why}", self.paint(Color::Red, "BROKEN"));
                self.wrong.push(format!("{what}: {why}"));
            }
        }
    }

    /// What a gate made of somebody.
    pub(crate) fn seen(&mut self, who: &str, place: &str, seen: &Seen, expect: Expect) {
        let (word, why, elapsed_ms) = told(seen);
        self.times_ms.extend(elapsed_ms);
        let is_granted = seen.is_granted();
        if is_granted {
            self.granted += 1;
        } else {
            self.denied += 1;
        }
        let color = if is_granted { Color::Green } else { Color::Red };
        let time = elapsed_ms.map_or_else(String::new, |ms| format!("{ms} ms"));
        println!(
            "  {} {who:<58} {:<16} {:>7}  {why}",
            self.paint(color, &format!("{word:<10}")),
            self.paint(Color::Grey, place),
            time
        );
        if !is_as_expected(seen, expect) {
            let wrong = format!("{who}: {word} {why}, and {expect:?} was expected");
            println!("  {} {wrong}", self.paint(Color::Red, "WRONG"));
            self.wrong.push(wrong);
        }
    }

    /// What came of a grant.
    pub(crate) fn passage(&mut self, outcome: PassageOutcome, expected: PassageOutcome) {
        let words = match outcome {
            PassageOutcome::Taken => "went through",
            PassageOutcome::NotTaken => "did not go through: nothing counts as used",
            PassageOutcome::UnknownCountedTaken => "nobody saw; counted as gone through",
            PassageOutcome::UnknownCountedNotTaken => "nobody saw; counted as not gone through",
        };
        println!("             {}", self.paint(Color::Grey, words));
        if outcome != expected {
            let wrong = format!("{outcome:?}, and {expected:?} was expected");
            println!("  {} {wrong}", self.paint(Color::Red, "WRONG"));
            self.wrong.push(wrong);
        }
    }

    /// Is nothing wrong?
    pub(crate) fn is_as_it_should_be(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The end of the story.
    pub(crate) fn summary(&self) {
        self.chapter("Summary");
        let mut times = self.times_ms.clone();
        times.sort_unstable();
        println!(
            "  {} let in, {} not let in, {} further checks, {} s in all",
            self.granted,
            self.denied,
            self.checks,
            self.started.elapsed().as_secs()
        );
        if let Some(most) = times.last() {
            println!(
                "  from picture to decision, reading and durable record included: median {} ms, most {most} ms",
                times[times.len() / 2]
            );
        }
        if self.wrong.is_empty() {
            println!(
                "  {}",
                self.paint(Color::Green, "Everything is as it should be.")
            );
            return;
        }
        let count = self.wrong.len();
        println!(
            "  {}",
            self.paint(
                Color::Red,
                &format!("{count} things are not as they should be:")
            )
        );
        for wrong in &self.wrong {
            println!("  - {wrong}");
        }
    }
}

/// Does a claim hold?
pub(crate) enum Holds {
    Yes,
    No(String),
}

impl Holds {
    /// Yes when the two are the same.
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Self {
        if found == expected {
            Self::Yes
        } else {
            Self::No(format!("{found:?}, and {expected:?} was expected"))
        }
    }
}

fn is_as_expected(seen: &Seen, expect: Expect) -> bool {
    match expect {
        Expect::Granted => seen.is_granted(),
        Expect::Denied(reason) => {
            !matches!(seen, Seen::Unreadable { .. }) && seen.denied() == Some(reason)
        }
        Expect::Unreadable => matches!(seen, Seen::Unreadable { .. }),
    }
}

/// The big word, the reason, the time.
fn told(seen: &Seen) -> (&'static str, String, Option<u64>) {
    match seen {
        Seen::Decided(decided) => {
            let elapsed = Some(decided.elapsed_ms);
            match decided.decision {
                Decision::Grant => ("LET IN", String::new(), elapsed),
                Decision::Deny(reason) => {
                    let offer = match decided.offer {
                        GuardOffer::None => "",
                        GuardOffer::AskGuard => " (the guard is asked)",
                    };
                    ("NOT LET IN", format!("{}{offer}", words(reason)), elapsed)
                }
            }
        }
        Seen::Refused {
            reason, elapsed_ms, ..
        } => ("NOT LET IN", words(*reason), Some(*elapsed_ms)),
        Seen::Unreadable { problem, .. } => ("NOT READ", problem.clone(), None),
    }
}

/// The stable code, and what it says.
fn words(reason: DenyReason) -> String {
    let meaning = match reason {
        DenyReason::NotAPass => "no code of ours",
        DenyReason::PassMalformed => "not the one spelling of a pass",
        DenyReason::SignatureInvalid => "the signature does not hold",
        DenyReason::IssuerUnknown => "signed by nobody we know",
        DenyReason::PassNotIssued => "truly signed, never issued",
        DenyReason::IssuanceUnknown => "truly signed, not yet on the list",
        DenyReason::PassExpired => "its time is over",
        DenyReason::PassNotYetValid => "its time has not come",
        DenyReason::ProofMissing => "a phone's pass without the phone's proof",
        DenyReason::ProofStale => "the proof was made too long ago",
        DenyReason::ProofReplayed => "the proof was used before",
        DenyReason::PassRevoked => "revoked for ever",
        DenyReason::PassSuspended => "suspended for now",
        DenyReason::AccessPointNotPermitted => "not valid at this place",
        DenyReason::OutsideSchedule => "not valid at this time",
        DenyReason::AntiPassbackViolated => "is inside already",
        DenyReason::DoorLockedDown => "lockdown",
        _ => "",
    };
    match meaning {
        "" => reason.code().to_owned(),
        meaning => format!("{}: {meaning}", reason.code()),
    }
}
