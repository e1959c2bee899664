//! `gate-agent doctor`: looks at everything that a gate stands on, moves nothing, and says what is
//! wrong and what to do.

use std::process::ExitCode;

use super::{
    ConfigurationChoice, checks,
    finding::{Finding, Findings, Form, Verdict},
    owner,
};
use crate::configuration::AgentConfiguration;

const EXAMPLES: &str = "\
Examples:
  gate-agent doctor
  gate-agent doctor --config gate.toml
  gate-agent doctor --json | jq 'select(.verdict != \"good\")'

Moves no door and changes nothing. While the agent runs, readers and doors are in its hands: what it
says of them is shown. Without it each reader is tried for a few seconds. `gate-agent selftest` tries
doors, lamps and readers with somebody who looks on.

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

/// Runs the command.
///
/// # Errors
/// When the runtime cannot be started; what is wrong with the gate is an answer.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let form = if arguments.json {
        Form::Json
    } else {
        Form::Words
    };
    let mut findings = Findings::new(form);
    match AgentConfiguration::read(arguments.configuration.path()) {
        Ok(configuration) => {
            let path = arguments.configuration.path().display();
            findings.tell(Finding::new(
                "configuration",
                Verdict::Good,
                format!("{path} is sound"),
            ));
            owner::work_as_owner_of(&configuration.places.state)?;
            checks::standing(&configuration, &mut findings);
            checks::agent_or_its_parts(&configuration, &mut findings)?;
        }
        Err(problem) => findings.tell(Finding::new(
            "configuration",
            Verdict::Bad,
            problem.to_string(),
        )),
    }
    Ok(findings.exit_code())
}
