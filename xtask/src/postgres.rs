//! One private PostgreSQL for a run of tests. A program of `tests/` starts it as central would;
//! it ends when the pipe to it closes, so it ends with this process however that ends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, bail};

use crate::build::{self, Profile};

/// Names the PostgreSQL that tests use. Set by hand, none is started.
pub(crate) const VARIABLE: &str = "PORTCULLIS_TEST_POSTGRES";

/// Is what it commits kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// As in a school: a commit waits for the disk.
    Kept,
    /// As tests want it: nothing waits.
    ThrownAway,
}

/// The running PostgreSQL.
pub(crate) struct Postgres {
    child: Child,
    pipe: Option<ChildStdin>,
    url: String,
}

impl Postgres {
    /// Starts it; `test-postgres` must be built.
    pub(crate) fn start(profile: Profile, durability: Durability) -> anyhow::Result<Self> {
        let program = build::program(profile, "test-postgres");
        let mut command = Command::new(&program);
        match durability {
            Durability::Kept => {
                command.arg("--durable");
            }
            Durability::ThrownAway => {}
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pipe = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        let mut url = String::new();
        BufReader::new(stdout)
            .read_line(&mut url)
            .context("cannot hear from the tests' PostgreSQL")?;
        let url = url.trim().to_owned();
        if url.is_empty() {
            let status = child.wait().context("cannot wait for test-postgres")?;
            bail!("the tests' PostgreSQL did not start ({status}); the reason stands above");
        }
        Ok(Self { child, pipe, url })
    }

    /// What the variable is set to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}
