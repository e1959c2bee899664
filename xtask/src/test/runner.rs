//! The test runner: cargo-nextest where it is installed, otherwise `cargo test`.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use super::{Extent, Test};
use crate::build;

/// Runs the tests that were chosen; the last line of the output says how many passed.
///
/// # Errors
/// When one of them fails.
pub(super) fn run(
    test: &Test,
    extent: Extent,
    environment: &[(&str, OsString)],
) -> anyhow::Result<()> {
    if has_nextest() {
        // nextest leaves examples in the documentation out.
        if extent == Extent::All {
            build::run(
                build::cargo()
                    .args(["test", "--quiet", "--workspace", "--doc"])
                    .envs(environment.iter().cloned()),
            )?;
        }
        return nextest(test, extent, environment);
    }
    cargo_test(test, extent, environment)
}

fn has_nextest() -> bool {
    let output = build::cargo().args(["nextest", "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn nextest(test: &Test, extent: Extent, environment: &[(&str, OsString)]) -> anyhow::Result<()> {
    let mut command = build::cargo();
    command.args(["nextest", "run", "--no-fail-fast"]);
    choose_package(&mut command, test);
    match extent {
        Extent::All => {
            command.args(["--run-ignored", "all"]);
        }
        Extent::WithoutDefects => {}
    }
    command.args(&test.filters);
    build::run(command.envs(environment.iter().cloned()))
}

fn choose_package(command: &mut Command, test: &Test) {
    match &test.package {
        Some(package) => command.args(["--package", package]),
        None => command.arg("--workspace"),
    };
}

/// `cargo test` runs one test program after the other and has a closing line for each; the sum of
/// them closes the run.
fn cargo_test(test: &Test, extent: Extent, environment: &[(&str, OsString)]) -> anyhow::Result<()> {
    let mut command = build::cargo();
    command.args(["test", "--no-fail-fast"]);
    choose_package(&mut command, test);
    command.arg("--").args(&test.filters);
    match extent {
        Extent::All => {
            command.arg("--include-ignored");
        }
        Extent::WithoutDefects => {}
    }
    command.envs(environment.iter().cloned());
    let words = build::words(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{words}`"))?;
    let stdout = child.stdout.take().expect("it is piped");
    let mut sum = Counts::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what the tests print")?;
        sum.add(&line);
        writeln!(std::io::stdout(), "{line}").context("cannot print")?;
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{words}`"))?;
    let Counts {
        passed,
        failed,
        ignored,
    } = sum;
    println!("{passed} passed, {failed} failed, {ignored} skipped");
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    if passed == 0 {
        bail!("no test was run: no name contains {:?}", test.filters);
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Takes `test result: ok. 3 passed; 0 failed; 1 ignored; …` and leaves other lines alone.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        let rest = rest.split_once(". ").map_or(rest, |(_, counts)| counts);
        for part in rest.split(';') {
            let mut words = part.split_whitespace();
            let Some(Ok(count)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed") => self.failed += count,
                Some("ignored") => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_all_test_programs_add_up() {
        let mut counts = Counts::default();
        counts.add("running 3 tests");
        counts.add("test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        counts.add("test result: FAILED. 4 passed; 5 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s");
        let sum = Counts {
            passed: 6,
            failed: 5,
            ignored: 1,
        };
        assert_eq!(counts, sum);
    }
}
