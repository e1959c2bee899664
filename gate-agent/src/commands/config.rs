//! `gate-agent config check`: reads the configuration and says what it means.

use std::process::ExitCode;

use super::{ConfigurationChoice, answer_is_no};
use crate::{clock::ClockConfig, configuration::AgentConfiguration, door_io::DoorIoConfig};

const EXAMPLES: &str = "\
Examples:
  gate-agent config check
  gate-agent config check --config /etc/portcullis/gate.toml

Exit code: 0 the configuration is sound; 1 it is not, with the line and what to do; 2 wrong command
line.";

/// Look at the agent's own configuration.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check the configuration without starting anything.
    #[command(after_help = EXAMPLES)]
    Check(ConfigurationChoice),
}

/// Runs the command.
///
/// # Errors
/// Never; an unsound configuration is an answer.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Action::Check(choice) = &arguments.action;
    match AgentConfiguration::read(choice.path()) {
        Ok(configuration) => {
            print!("{}", describe(&configuration));
            println!("{} is sound.", choice.path().display());
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            eprintln!("{problem}");
            Ok(answer_is_no())
        }
    }
}

fn describe(configuration: &AgentConfiguration) -> String {
    let mut lines = vec![
        format!("state         {}", configuration.places.state.display()),
        format!("keys          {}", configuration.places.keys.display()),
        format!("panel socket  {}", configuration.panel_socket.display()),
    ];
    match &configuration.clock {
        ClockConfig::System {} => {}
        ClockConfig::Offset { offset_s } => {
            lines.push(format!(
                "clock         simulated: the machine's {offset_s:+} s"
            ));
        }
        ClockConfig::OffsetFile { path } => {
            lines.push(format!("clock         simulated by {}", path.display()));
        }
    }
    for place in &configuration.readers {
        lines.push(format!(
            "reader        access point {}: {}",
            place.access_point,
            place.source.describe()
        ));
    }
    for place in &configuration.doors {
        let io = match &place.io {
            DoorIoConfig::Simulated(_) => "simulated".to_owned(),
            DoorIoConfig::Gpio(door) => {
                format!("GPIO chip {:?}, lock at line {}", door.chip, door.lock.line)
            }
            DoorIoConfig::Modbus(door) => format!(
                "Modbus unit {} at {}, lock at relay {}",
                door.unit,
                door.port.display(),
                door.lock.relay
            ),
            DoorIoConfig::Lcus(door) => format!(
                "LCUS board at {}, lock at relay {}",
                door.port.display(),
                door.lock.relay
            ),
        };
        lines.push(format!("door {:<8} {io}", place.door));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
