//! The emulated board from outside: what the guest does to the lines of its GPIO chip (a PL061),
//! and what the wall does to them. Speaks QEMU's qtest protocol, beside a guest that runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use super::guest::Machine;
use crate::clock::{Deadline, Stopwatch};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The emulator makes its sockets when it starts.
const SOCKET_WITHIN: Duration = Duration::from_secs(30);
const PROMPT: &str = "(qemu) ";
/// The PL061's type in the emulator's tree.
const CHIP: &str = "(pl061)";

/// A line's level, as voltage: what it means is the wiring's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Low,
    High,
}

/// The guest changed an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) line: u32,
    pub(super) level: Level,
    /// Since [`Board::connect`].
    pub(super) at: Duration,
}

enum Message {
    Answer(String),
    Change(Change),
}

/// The connection to the board.
pub(super) struct Board {
    stream: UnixStream,
    messages: mpsc::Receiver<Message>,
    changes: Vec<Change>,
    /// How the emulator calls the chip.
    chip: String,
}

impl Board {
    /// Looks for the chip and begins to watch its outputs.
    ///
    /// # Errors
    /// When the emulator does not answer or has no such chip.
    pub(super) fn connect(machine: &Machine) -> anyhow::Result<Self> {
        let chip = find_chip(&machine.monitor_socket())?;
        let stream = connect(&machine.board_socket())?;
        let reader = stream.try_clone().context("cannot share a socket")?;
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let stopwatch = Stopwatch::start();
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let message = match change(&line) {
                    Some((line, level)) => Message::Change(Change {
                        line,
                        level,
                        at: stopwatch.elapsed(),
                    }),
                    None => Message::Answer(line),
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut this = Self {
            stream,
            messages,
            changes: Vec::new(),
            chip,
        };
        let watch = format!("irq_intercept_out {}", this.chip);
        this.ask(&watch)?;
        Ok(this)
    }

    /// Holds an input at a level, as a wire from the wall would.
    ///
    /// # Errors
    /// When the emulator does not take it.
    pub(super) fn set_input(&mut self, line: u32, level: Level) -> anyhow::Result<()> {
        let level = match level {
            Level::Low => 0,
            Level::High => 1,
        };
        let ask = format!("set_irq_in {} unnamed-gpio-in {line} {level}", self.chip);
        self.ask(&ask)
    }

    /// Waits until the guest has brought an output to a level; gives the change. Changes before
    /// it are passed over.
    ///
    /// # Errors
    /// When it does not within the limit; the message says what it did.
    pub(super) fn output_becomes(
        &mut self,
        line: u32,
        level: Level,
        limit: Duration,
    ) -> anyhow::Result<Change> {
        let deadline = Deadline::within(limit);
        let mut others = Vec::new();
        loop {
            while !self.changes.is_empty() {
                let change = self.changes.remove(0);
                if change.line == line && change.level == level {
                    return Ok(change);
                }
                others.push(format!("{} {:?}", change.line, change.level));
            }
            let left = deadline.left().unwrap_or_default();
            match self.messages.recv_timeout(left) {
                Ok(Message::Change(change)) => self.changes.push(change),
                Ok(Message::Answer(answer)) => bail!("the emulator answered unasked: {answer}"),
                Err(_) => bail!(
                    "line {line} was to become {level:?} within {} s; seen: [{}]",
                    limit.as_secs(),
                    others.join(", ")
                ),
            }
        }
    }

    /// Forgets what outputs did so far; gives it.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        for message in self.messages.try_iter() {
            if let Message::Change(change) = message {
                self.changes.push(change);
            }
        }
        std::mem::take(&mut self.changes)
    }

    fn ask(&mut self, words: &str) -> anyhow::Result<()> {
        writeln!(self.stream, "{words}").context("the emulator does not listen")?;
        let deadline = Deadline::within(ANSWER_WITHIN);
        loop {
            let left = deadline.left().unwrap_or_default();
            match self.messages.recv_timeout(left) {
                Ok(Message::Change(change)) => self.changes.push(change),
                Ok(Message::Answer(answer)) => {
                    ensure!(answer.starts_with("OK"), "`{words}`: {answer}");
                    return Ok(());
                }
                Err(_) => bail!("the emulator did not answer `{words}`"),
            }
        }
    }
}

/// `IRQ raise 3` and `IRQ lower 3`.
fn change(line: &str) -> Option<(u32, Level)> {
    let (what, line) = line.strip_prefix("IRQ ")?.split_once(' ')?;
    let level = match what {
        "raise" => Level::High,
        "lower" => Level::Low,
        _ => return None,
    };
    Some((line.trim().parse().ok()?, level))
}

fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    let deadline = Deadline::within(SOCKET_WITHIN);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(_) if deadline.left().is_some() => thread::sleep(Duration::from_millis(20)),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("nobody listens on {}", socket.display()));
            }
        }
    }
}

fn find_chip(monitor: &Path) -> anyhow::Result<String> {
    let mut stream = connect(monitor)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    read_until_prompt(&mut stream)?;
    stream.write_all(b"info qom-tree\n")?;
    let tree = read_until_prompt(&mut stream)?;
    chip_in(&tree).with_context(|| format!("the emulated machine has no chip {CHIP}"))
}

fn read_until_prompt(stream: &mut UnixStream) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    while !text.ends_with(PROMPT.as_bytes()) {
        let count = stream
            .read(&mut part)
            .context("the emulator's monitor does not answer")?;
        ensure!(count > 0, "the emulator's monitor has gone");
        text.extend_from_slice(&part[..count]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The path of the chip in a tree in which each level is indented by two spaces more.
fn chip_in(tree: &str) -> Option<String> {
    let mut path: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let Some((indent, rest)) = line.find('/').map(|at| line.split_at(at)) else {
            continue;
        };
        if !indent.bytes().all(|byte| byte == b' ') {
            continue;
        }
        let name = rest.split(" (").next().unwrap_or(rest);
        path.truncate(indent.len() / 2);
        path.push(name);
        if rest.trim_end().ends_with(CHIP) {
            return Some(path.concat());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chip_is_found_in_the_tree() {
        let tree = "info qom-tree\r\n/machine (virt-7.2-machine)\r\n  /fw_cfg (fw_cfg_mem)\r\n    \
                    /a[0] (memory-region)\r\n  /unattached (container)\r\n    /device[6] (pl031)\r\n    \
                    /device[7] (pl061)\r\n      /pl061[0] (memory-region)\r\n(qemu) ";
        let chip = chip_in(tree);
        assert_eq!(chip.as_deref(), Some("/machine/unattached/device[7]"));
        assert_eq!(chip_in("/machine (none)\r\n(qemu) "), None);
    }

    #[test]
    fn changes_of_outputs_are_told_from_answers() {
        assert_eq!(change("IRQ raise 0"), Some((0, Level::High)));
        assert_eq!(change("IRQ lower 7"), Some((7, Level::Low)));
        assert_eq!(change("OK"), None);
        assert_eq!(change("OK 0x4"), None);
    }
}
