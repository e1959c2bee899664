//! Runs programs that are given so much time and no more.

use std::{
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{build, clock::Deadline};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs a command; its failure is ours, and so is taking longer.
///
/// # Errors
/// When it cannot be run, fails or takes too long.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    let words = build::words(command);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run `{words}`"))?;
    let status = wait(&mut child, limit).with_context(|| format!("`{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// When it cannot be run, fails or takes too long.
pub(crate) fn output(command: &mut Command, limit: Duration) -> anyhow::Result<String> {
    let words = build::words(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{words}`"))?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let status = wait(&mut child, limit).with_context(|| format!("`{words}`"))?;
    let text = match reader.join() {
        Ok(text) => text.with_context(|| format!("cannot read what `{words}` printed"))?,
        Err(_) => bail!("reading what `{words}` printed panicked"),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    if !status.success() {
        bail!("`{words}` failed ({status}): {}", text.trim());
    }
    Ok(text)
}

/// Waits for a child; one that takes longer is killed.
///
/// # Errors
/// When it took too long.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> anyhow::Result<ExitStatus> {
    let deadline = Deadline::within(limit);
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            return Ok(status);
        }
        let Some(left) = deadline.left() else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("took longer than {} s and was ended", limit.as_secs());
        };
        thread::sleep(left.min(LOOK_EVERY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let limit = Duration::from_millis(50);
        let error = run(Command::new("sleep").arg("60"), limit).unwrap_err();
        assert!(format!("{error:#}").contains("took longer"), "{error:#}");
    }

    #[test]
    fn what_a_program_prints_and_its_failure_are_told() {
        let limit = Duration::from_secs(30);
        let text = output(Command::new("sh").args(["-c", "echo yes"]), limit).unwrap();
        assert_eq!(text, "yes\n");
        assert!(output(Command::new("sh").args(["-c", "exit 3"]), limit).is_err());
    }
}
