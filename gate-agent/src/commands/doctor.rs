//! `gate-agent doctor`: looks at everything that a gate stands on, moves nothing, and says what is
//! wrong and what to do.

mod checks;

use std::process::ExitCode;

use serde::Serialize;

use super::{ConfigurationChoice, answer_is_no};
use crate::configuration::AgentConfiguration;

const EXAMPLES: &str = "\
Examples:
  gate-agent doctor
  gate-agent doctor --config gate.toml
  gate-agent doctor --json | jq 'select(.verdict != \"good\")'

Moves no door and changes nothing. While the agent runs, readers and doors are in its hands: what it
says of them is shown. Without it each reader is tried for a few seconds.

Exit code: 0 nothing is bad; 1 something is; 2 wrong command line.";

/// Look at everything that the gate stands on, and say what is wrong and what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// Print a line of JSON for each part.
    #[arg(long)]
    json: bool,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Good,
    /// The gate works, and somebody should know.
    Doubtful,
    /// The gate does not work, or not safely.
    Bad,
}

/// What was found of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    part: String,
    verdict: Verdict,
    said: String,
}

impl Finding {
    fn new(part: impl Into<String>, verdict: Verdict, said: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            verdict,
            said: said.into(),
        }
    }

    /// Good with these words, or bad with the error's.
    fn of(part: impl Into<String>, result: anyhow::Result<String>) -> Self {
        match result {
            Ok(said) => Self::new(part, Verdict::Good, said),
            Err(error) => Self::new(part, Verdict::Bad, format!("{error:#}")),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the runtime cannot be started; what is wrong with the gate is an answer.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut is_bad = false;
    let mut tell = |finding: Finding| {
        is_bad |= finding.verdict == Verdict::Bad;
        if arguments.json {
            let line = serde_json::to_string(&finding).expect("words become JSON");
            println!("{line}");
        } else {
            let mark = match finding.verdict {
                Verdict::Good => "good ",
                Verdict::Doubtful => "LOOK ",
                Verdict::Bad => "BAD  ",
            };
            println!("{mark} {:<26} {}", finding.part, finding.said);
        }
    };
    match AgentConfiguration::read(arguments.configuration.path()) {
        Ok(configuration) => {
            let path = arguments.configuration.path().display();
            tell(Finding::new(
                "configuration",
                Verdict::Good,
                format!("{path} is sound"),
            ));
            checks::all(&configuration, &mut tell)?;
        }
        Err(problem) => tell(Finding::new(
            "configuration",
            Verdict::Bad,
            problem.to_string(),
        )),
    }
    Ok(if is_bad {
        answer_is_no()
    } else {
        ExitCode::SUCCESS
    })
}
