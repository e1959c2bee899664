//! An emulated arm64 machine (QEMU's `virt`) whose first program runs what it is told on the
//! serial console.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use crate::{
    bounded,
    clock::{Deadline, Stopwatch},
    cross::arm64::QEMU_SYSTEM,
};

/// From the start of the emulator to the first program, on a loaded machine: some 3 s otherwise.
const BOOT_WITHIN: Duration = Duration::from_secs(120);
/// How much of the console is shown when something goes wrong.
const SHOWN_LINES: usize = 20;
const EVIDENCE_WITHIN: Duration = Duration::from_secs(10);
/// From one try to the next, of what is to become so.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// What to start.
pub(super) struct Machine {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    /// Where the emulator's sockets are put.
    pub(super) sockets: PathBuf,
    pub(super) memory_mib: u32,
}

impl Machine {
    /// The emulator's view of the board.
    pub(super) fn board_socket(&self) -> PathBuf {
        self.sockets.join("board")
    }

    /// The emulator's own command line.
    pub(super) fn monitor_socket(&self) -> PathBuf {
        self.sockets.join("monitor")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(QEMU_SYSTEM);
        // A Raspberry Pi 3's processor, of which QEMU emulates the fastest.
        command.args(["-machine", "virt", "-cpu", "cortex-a53", "-smp", "2"]);
        command.args([
            "-m",
            &self.memory_mib.to_string(),
            "-accel",
            "tcg,thread=multi",
        ]);
        command.arg("-kernel").arg(&self.kernel);
        command.arg("-initrd").arg(&self.initramfs);
        command.args([
            "-append",
            "console=ttyAMA0 quiet loglevel=3 panic=-1 audit=0 systemd.show_status=false",
        ]);
        command.args([
            "-nodefaults",
            "-nographic",
            "-serial",
            "stdio",
            "-no-reboot",
        ]);
        for (option, socket) in [
            ("-qtest", self.board_socket()),
            ("-monitor", self.monitor_socket()),
        ] {
            command.arg(option);
            command.arg(format!("unix:{},server=on,wait=off", socket.display()));
        }
        command.args(["-qtest-log", "/dev/null"]);
        command
    }
}

/// What a command in the guest did.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) code: i32,
    /// What it printed, errors included.
    pub(super) text: String,
}

/// The running machine.
pub(super) struct Guest {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    /// Everything that came over the console.
    console: Vec<String>,
    commands: u32,
}

impl Guest {
    /// Starts it; [`Guest::wait_until_up`] waits for it.
    ///
    /// # Errors
    /// When the emulator cannot be started.
    pub(super) fn start(machine: &Machine) -> anyhow::Result<Self> {
        let mut child = machine
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {QEMU_SYSTEM}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let text = String::from_utf8_lossy(&line);
                if sender
                    .send(text.trim_end_matches(['\r', '\n']).to_owned())
                    .is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        Ok(Self {
            child,
            stdin,
            lines,
            console: Vec::new(),
            commands: 0,
        })
    }

    /// Waits for the first program; gives how long the kernel took by its own clock, in seconds.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn wait_until_up(&mut self) -> anyhow::Result<String> {
        let deadline = Deadline::within(BOOT_WITHIN);
        loop {
            let line = self.line(deadline).context("the guest does not come up")?;
            if let Some(seconds) = line.strip_prefix("@@ready ") {
                return Ok(seconds.to_owned());
            }
        }
    }

    /// Runs a command of the guest's shell, whatever comes of it.
    ///
    /// # Errors
    /// When it does not end in time, or the guest does.
    pub(super) fn run(&mut self, command: &str, limit: Duration) -> anyhow::Result<Output> {
        ensure!(
            !command.contains('\n'),
            "a command is one line: {command:?}"
        );
        self.commands += 1;
        let number = self.commands;
        let stdin = self.stdin.as_mut().context("the guest was ended")?;
        writeln!(stdin, "{number} {command}")
            .and_then(|()| stdin.flush())
            .with_context(|| format!("cannot tell the guest `{command}`"))?;
        let deadline = Deadline::within(limit);
        let mut text = String::new();
        loop {
            let line = self
                .line(deadline)
                .with_context(|| format!("`{command}` in the guest"))?;
            if let Some(code) = end_of(number, &line) {
                let text = text.trim_end().to_owned();
                return Ok(Output { code, text });
            }
            text.push_str(&line);
            text.push('\n');
        }
    }

    /// Runs a command that has to succeed; gives what it printed.
    ///
    /// # Errors
    /// When it fails or does not end in time, or the guest does.
    pub(super) fn succeed(&mut self, command: &str, limit: Duration) -> anyhow::Result<String> {
        let Output { code, text } = self.run(command, limit)?;
        ensure!(
            code == 0,
            "`{command}` in the guest ended with {code}: {text}"
        );
        Ok(text)
    }

    /// Runs a command again and again until it succeeds; gives what it printed then.
    ///
    /// # Errors
    /// When it has not succeeded in time.
    pub(super) fn becomes(&mut self, command: &str, limit: Duration) -> anyhow::Result<String> {
        let stopwatch = Stopwatch::start();
        loop {
            let Output { code, text } = self.run(command, limit)?;
            if code == 0 {
                return Ok(text);
            }
            if stopwatch.elapsed() > limit {
                bail!(
                    "`{command}` in the guest did not succeed within {} s; at last it ended with \
                     {code}: {text}",
                    limit.as_secs()
                );
            }
            thread::sleep(TRY_EVERY);
        }
    }

    /// Waits until the machine resets itself, which ends the emulator.
    ///
    /// # Errors
    /// When it goes on running.
    pub(super) fn resets_within(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        bounded::wait(&mut self.child, limit).context("the guest was to reset itself")
    }

    /// What there is to see when a step has failed: the end of the agent's log and of the kernel's
    /// own, as far as the guest still answers, and of the console.
    pub(super) fn evidence(&mut self) -> String {
        let mut text = String::new();
        for command in ["tail -n 30 /run/agent.log", "dmesg | tail -n 10"] {
            let shown = match self.run(command, EVIDENCE_WITHIN) {
                Ok(output) => output.text,
                Err(error) => format!("{error:#}"),
            };
            let _ = write!(text, "\n$ {command}\n{shown}\n");
        }
        self.console.extend(self.lines.try_iter());
        let first = self.console.len().saturating_sub(SHOWN_LINES);
        let _ = write!(text, "\nThe console\n{}", self.console[first..].join("\n"));
        text
    }

    fn line(&mut self, deadline: Deadline) -> anyhow::Result<String> {
        let left = deadline.left().context("took too long")?;
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                if !line.is_empty() && !line.starts_with("@@end ") {
                    self.console.push(line.clone());
                }
                Ok(line)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("took too long"),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the emulator has ended"),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code in `@@end 7 0`, when it is this command's end.
fn end_of(number: u32, line: &str) -> Option<i32> {
    let (ended, code) = line.strip_prefix("@@end ")?.split_once(' ')?;
    if ended.parse() != Ok(number) {
        return None;
    }
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_end_ends_a_command() {
        assert_eq!(end_of(7, "@@end 7 0"), Some(0));
        assert_eq!(end_of(7, "@@end 7 127"), Some(127));
        assert_eq!(end_of(7, "@@end 6 0"), None);
        assert_eq!(end_of(7, "@@end 7"), None);
        assert_eq!(end_of(7, "a line of output"), None);
    }
}
