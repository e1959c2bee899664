//! What was found of a part of the box, and how it is told: lines for people or for programs.

use std::process::ExitCode;

use serde::Serialize;

use super::answer_is_no;

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// The gate works, and somebody should know.
    Doubtful,
    /// The gate does not work, or not safely.
    Bad,
}

/// What was found of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) part: String,
    pub(super) verdict: Verdict,
    pub(super) said: String,
}

impl Finding {
    pub(super) fn new(part: impl Into<String>, verdict: Verdict, said: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            verdict,
            said: said.into(),
        }
    }

    /// Good with these words, or bad with the error's.
    pub(super) fn of(part: impl Into<String>, result: anyhow::Result<String>) -> Self {
        match result {
            Ok(said) => Self::new(part, Verdict::Good, said),
            Err(error) => Self::new(part, Verdict::Bad, format!("{error:#}")),
        }
    }
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line for people.
    Words,
    /// A line of JSON.
    Json,
}

/// Prints findings as they come, and keeps the worst in mind.
#[derive(Debug)]
pub(super) struct Findings {
    form: Form,
    is_any_bad: bool,
}

impl Findings {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            is_any_bad: false,
        }
    }

    pub(super) fn tell(&mut self, finding: Finding) {
        self.is_any_bad |= finding.verdict == Verdict::Bad;
        match self.form {
            Form::Json => {
                let line = serde_json::to_string(&finding).expect("words become JSON");
                println!("{line}");
            }
            Form::Words => {
                let mark = match finding.verdict {
                    Verdict::Good => "good ",
                    Verdict::Doubtful => "LOOK ",
                    Verdict::Bad => "BAD  ",
                };
                println!("{mark} {:<26} {}", finding.part, finding.said);
            }
        }
    }

    /// No when anything is bad.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.is_any_bad {
            answer_is_no()
        } else {
            ExitCode::SUCCESS
        }
    }
}
