//! `gate-agent status`: asks the running agent how the gate is.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use shared::panel_api::{
    self, PANEL_API_VERSION, PanelAnswer, PanelAsk, PanelMessage, PanelRequest, PanelState,
    split_frame, to_frame,
};

use super::ConfigurationChoice;
use crate::state_in_words::{clock, freshness, link, lock, mode, name_of_alarm, position};

const EXAMPLES: &str = "\
Examples:
  gate-agent status
  gate-agent status --json | jq .faults
  gate-agent status --socket /run/portcullis/panel.sock

Exit code: 0 the agent answers; 2 wrong command line; 3 it does not.";

/// How long an agent may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Ask the running agent how the gate is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// The panel's socket, in place of the configuration's.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When no agent answers.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let socket = match &arguments.socket {
        Some(socket) => socket.clone(),
        None => arguments.configuration.read()?.panel_socket,
    };
    let state = ask(&socket)?;
    if arguments.json {
        println!("{:#}", to_json(&state));
    } else {
        print!("{}", to_text(&state));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn ask(socket: &Path) -> anyhow::Result<PanelState> {
    let mut stream = UnixStream::connect(socket).with_context(|| {
        format!(
            "no gate-agent answers at {}: is it running, and may this user connect?",
            socket.display()
        )
    })?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let request = PanelRequest {
        version: PANEL_API_VERSION,
        request: 1,
        ask: PanelAsk::State,
    };
    stream
        .write_all(&to_frame(&request).context("cannot make a request")?)
        .context("the agent takes no request")?;
    let mut received = Vec::new();
    loop {
        if let Some(frame) = split_frame(&received).context("what answers is no gate-agent")? {
            let message: PanelMessage =
                panel_api::read(frame.message).context("what answers is no gate-agent")?;
            return match message {
                PanelMessage::Answer {
                    answer: PanelAnswer::State(state),
                    ..
                } => Ok(state),
                PanelMessage::Answer {
                    answer: PanelAnswer::Refused { why },
                    ..
                } => bail!("the agent refuses: {why}"),
                other => bail!("the agent answers something else: {other:?}"),
            };
        }
        let mut chunk = [0; 4_096];
        let length = stream
            .read(&mut chunk)
            .context("the agent does not answer")?;
        if length == 0 {
            bail!("the agent ended the connection");
        }
        received.extend_from_slice(&chunk[..length]);
    }
}

fn to_json(state: &PanelState) -> serde_json::Value {
    serde_json::json!({
        "gate": state.gate_name,
        "link": link(state.link),
        "freshness": freshness(state.freshness),
        "heads_age_s": state.heads_age_s,
        "clock": clock(state.clock),
        "utc": state.utc.to_string(),
        "unacknowledged_records": state.unacknowledged_records,
        "faults": state.faults,
        "doors": state.doors.iter().map(|door| serde_json::json!({
            "door": door.door.0,
            "name": door.name,
            "mode": mode(door.mode),
            "position": position(door.position),
            "lock": lock(door.lock),
            "alarms": door.alarms.iter().map(|alarm| name_of_alarm(*alarm)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "areas": state.areas.iter().map(|area| serde_json::json!({
            "area": area.area.0,
            "name": area.name,
            "inside": area.inside,
            "capacity": area.capacity,
        })).collect::<Vec<_>>(),
        "access_points": state.access_points.iter().map(|point| serde_json::json!({
            "access_point": point.access_point.0,
            "name": point.name,
            "door": point.door.0,
        })).collect::<Vec<_>>(),
    })
}

fn to_text(state: &PanelState) -> String {
    let age = match state.heads_age_s {
        None => "never heard from central".to_owned(),
        Some(age_s) => format!("heard from central {age_s} s ago"),
    };
    let name = if state.gate_name.is_empty() {
        "(not configured yet)"
    } else {
        &state.gate_name
    };
    let mut lines = vec![
        format!("gate       {name}"),
        format!("link       {}", link(state.link)),
        format!("lists      {}, {age}", freshness(state.freshness)),
        format!("clock      {}, {}", state.utc, clock(state.clock)),
        format!(
            "records    {} not acknowledged by central",
            state.unacknowledged_records
        ),
    ];
    for door in &state.doors {
        let alarms: Vec<&str> = door
            .alarms
            .iter()
            .map(|alarm| name_of_alarm(*alarm))
            .collect();
        let alarms = if alarms.is_empty() {
            String::new()
        } else {
            format!(", ALARM: {}", alarms.join(", "))
        };
        lines.push(format!(
            "door {:<5} {}: mode {}, {}, {}{alarms}",
            door.door,
            door.name,
            mode(door.mode),
            position(door.position),
            lock(door.lock)
        ));
    }
    for area in &state.areas {
        let capacity = area
            .capacity
            .map_or_else(String::new, |capacity| format!(" of {capacity}"));
        lines.push(format!(
            "area {:<5} {}: {}{capacity} inside",
            area.area, area.name, area.inside
        ));
    }
    lines.extend(
        state
            .faults
            .iter()
            .map(|fault| format!("FAULT      {fault}")),
    );
    lines.iter().map(|line| format!("{line}\n")).collect()
}
