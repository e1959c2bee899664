//! `gate-agent carry`: takes signed documents in from a stick, and gives the journal out to it. It
//! reads and writes files and answers the running agent's questions; it decides nothing.

mod desk;
mod journal;
mod stick;

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use shared::{
    carry::{documents_file_name, journal_file_name},
    ids::GateId,
    journal::ClockTrust,
    panel_api::PanelState,
};

use self::{
    desk::{Desk, Opened},
    journal::{JournalFile, Kept},
};
use super::{ConfigurationChoice, answer_is_no, status};
use crate::{
    carry::{
        CARRY_VERSION, StickAnswer, TakenIn, ToAgent, ToCommand, Welcome, read_frame, to_frame,
    },
    state_in_words::freshness,
};

const EXAMPLES: &str = "\
Examples:
  gate-agent carry /media/stick          takes documents in, then gives the journal out
  gate-agent carry --in /media/stick     takes documents in
  gate-agent carry --out /media/stick    gives the journal out

The agent must run. The documents are central's file portcullis-GATE.carry; the journal becomes
portcullis-GATE.journal, which central takes in. Both hold names: keep the stick as you would a list
of them. Unmount the stick before you pull it out.

Exit code: 0 all of it is done; 1 something was refused or is missing, in words; 2 wrong command
line; 3 it could not be done: no agent, no stick, a stick that is full.";

/// Carry signed documents in and the journal out by a stick.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// Where the stick is mounted.
    #[arg(value_name = "DIR")]
    stick: PathBuf,
    /// Take documents in, and nothing else.
    #[arg(long = "in", conflicts_with = "only_out")]
    only_in: bool,
    /// Give the journal out, and nothing else.
    #[arg(long = "out")]
    only_out: bool,
    /// The agent's socket for this, in place of the configuration's.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// How one way went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Done,
    /// Something was refused or is missing; it was said.
    NotAll,
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; the message says what to do.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (socket, panel) = match &arguments.socket {
        Some(socket) => (socket.clone(), None),
        None => {
            let configuration = arguments.configuration.read()?;
            (configuration.carry_socket, Some(configuration.panel_socket))
        }
    };
    let stick = &arguments.stick;
    if !stick.is_dir() {
        bail!(
            "{} is no folder: mount the stick and name where",
            stick.display()
        );
    }
    let mut agent = Agent::meet(&socket)?;
    let mut ways = Vec::new();
    if !arguments.only_out {
        ways.push(take_in(&mut agent, stick)?);
        // What panels show; a gate that has been asked enough says nothing of it.
        if let Some(state) = panel.and_then(|panel| status::ask(&panel).ok()) {
            println!("in:  {}", how_it_is(&state));
        }
    }
    if !arguments.only_in {
        ways.push(give_out(&mut agent, stick)?);
    }
    println!("Unmount the stick before you pull it out.");
    Ok(if ways.contains(&Way::NotAll) {
        answer_is_no()
    } else {
        ExitCode::SUCCESS
    })
}

fn take_in(agent: &mut Agent, stick: &Path) -> anyhow::Result<Way> {
    let path = stick.join(documents_file_name(agent.gate));
    let mut desk = match Desk::open(&path, agent.gate)? {
        Opened::Desk(desk) => desk,
        Opened::Missing => {
            println!("in:  {}", what_is_there(stick, agent.gate)?);
            return Ok(Way::NotAll);
        }
        Opened::Refused(why) => {
            println!("in:  REFUSED {}: {why}", path.display());
            return Ok(Way::NotAll);
        }
    };
    println!("in:  {}, made {}", path.display(), desk.made_at);
    if let Some(problem) = &desk.problem {
        println!("in:  LOOK {problem}; what comes before is taken in");
    }
    agent.tell(&ToAgent::TakeIn)?;
    let taken = loop {
        let answer = match agent.hear()? {
            ToCommand::Ask { path, body } => desk.answer(&path, &body),
            ToCommand::AskAcknowledgement => desk.acknowledgement(),
            ToCommand::TakenIn(taken) => break taken,
            ToCommand::Welcome(_) | ToCommand::Batch { .. } | ToCommand::GivenOut { .. } => {
                bail!("the agent speaks out of turn: is it of this program's version?")
            }
        };
        for line in desk.said.drain(..) {
            println!("in:  {line}");
        }
        let broken = match &answer {
            StickAnswer::Broken(why) => Some(why.clone()),
            StickAnswer::Found(_) | StickAnswer::Lacks(_) | StickAnswer::Written => None,
        };
        agent.tell(&ToAgent::Answer(answer))?;
        if let Some(why) = broken {
            bail!("{why}; what the gate has taken in by then stays: carry again");
        }
    };
    Ok(report(&taken, desk.problem.is_some()))
}

fn report(TakenIn { refused, problems }: &TakenIn, is_damaged: bool) -> Way {
    match refused {
        Some(why) => println!(
            "in:  REFUSED its heads: {why}. The gate goes on with what it has; make a new file at central"
        ),
        None => println!("in:  taken in: the gate goes by it from now on"),
    }
    for problem in problems {
        println!("in:  REFUSED {problem}");
    }
    if refused.is_none() && problems.is_empty() && !is_damaged {
        Way::Done
    } else {
        Way::NotAll
    }
}

/// How old what the gate knows is now, and whether it believes its clock: nobody but the stick
/// tells it the time.
fn how_it_is(state: &PanelState) -> String {
    let age = state
        .heads_age_s
        .map_or_else(String::new, |age_s| format!(", {} h old", age_s / 3_600));
    let lists = format!("the gate's lists are {}{age}", freshness(state.freshness));
    match state.clock {
        ClockTrust::Trusted => format!("{lists}; its clock says {}", state.utc),
        ClockTrust::Untrusted => format!(
            "{lists}; LOOK its clock says {} and is not believed: set it (timedatectl set-time), and restart the agent",
            state.utc
        ),
    }
}

/// Why there is nothing for this gate.
fn what_is_there(stick: &Path, gate: GateId) -> anyhow::Result<String> {
    let cannot_read = || format!("cannot read {}", stick.display());
    let mut others = Vec::new();
    for entry in std::fs::read_dir(stick).with_context(cannot_read)? {
        let name = entry.with_context(cannot_read)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("portcullis-") && name.ends_with(".carry") {
            others.push(name.escape_debug().to_string());
        }
    }
    let here = documents_file_name(gate);
    Ok(if others.is_empty() {
        format!("LOOK no {here} on the stick: nothing to take in")
    } else {
        let others = others.join(", ");
        format!("LOOK no {here} on the stick, only for other gates: {others}")
    })
}

fn give_out(agent: &mut Agent, stick: &Path) -> anyhow::Result<Way> {
    let path = stick.join(journal_file_name(agent.gate));
    let mut file = JournalFile::new(&path, agent.gate);
    agent.tell(&ToAgent::GiveOut)?;
    let to = loop {
        match agent.hear()? {
            ToCommand::Batch { to, bytes } => {
                let written = file.write(to, &bytes);
                let answer = match &written {
                    Ok(()) => StickAnswer::Written,
                    Err(why) => StickAnswer::Broken(format!("{why:#}")),
                };
                // The agent may hang up on that; what counts is why the file was not written.
                let told = agent.tell(&ToAgent::Answer(answer));
                written?;
                told?;
            }
            ToCommand::GivenOut { to } => break to,
            ToCommand::Welcome(_)
            | ToCommand::Ask { .. }
            | ToCommand::AskAcknowledgement
            | ToCommand::TakenIn(_) => {
                bail!("the agent speaks out of turn: is it of this program's version?")
            }
        }
    };
    let kept = file.finish()?;
    let shown = path.display();
    Ok(match kept {
        Kept::Nothing => {
            println!("out: central holds the whole journal, up to {to}: nothing to give out");
            Way::Done
        }
        Kept::Written { from, notes } => {
            println!("out: {shown} holds records {from} to {to}: take it to central");
            for note in notes {
                println!("out: {note}");
            }
            Way::Done
        }
        Kept::AlreadyThere => {
            println!("out: {shown} holds it already, up to {to}: take it to central");
            Way::Done
        }
        Kept::OtherHoldsMore { held } => {
            println!(
                "out: LOOK {shown} is left as it is: it holds records up to {held}, this gate has them up to {to} \
                 only. Was the gate put back to an earlier state? Take the file to central first"
            );
            Way::NotAll
        }
    })
}

/// The running agent.
struct Agent {
    stream: UnixStream,
    gate: GateId,
}

impl Agent {
    fn meet(socket: &Path) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(socket).with_context(|| {
            format!(
                "no gate-agent takes a stick at {}: is it running, and are you root or its user?",
                socket.display()
            )
        })?;
        let welcome: Option<ToCommand> = read_frame(&mut stream)
            .context("what answers is no gate-agent, or one of another version")?;
        match welcome {
            Some(ToCommand::Welcome(Welcome {
                version: CARRY_VERSION,
                gate,
            })) => Ok(Self { stream, gate }),
            Some(ToCommand::Welcome(Welcome { version, .. })) => bail!(
                "the agent that runs speaks version {version} of this, and this program {CARRY_VERSION}: restart the agent"
            ),
            None => bail!("the agent does not take a stick from this user: root may carry"),
            Some(_) => bail!("what answers is no gate-agent"),
        }
    }

    fn tell(&mut self, word: &ToAgent) -> anyhow::Result<()> {
        let frame = to_frame(word).context("cannot tell the agent")?;
        self.stream
            .write_all(&frame)
            .context("the agent ended the conversation: its log says why")
    }

    fn hear(&mut self) -> anyhow::Result<ToCommand> {
        read_frame(&mut self.stream)
            .context("the agent says what cannot be understood")?
            .context("the agent ended the conversation: its log says why")
    }
}

#[cfg(test)]
mod tests;
