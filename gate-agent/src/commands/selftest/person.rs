//! Somebody who stands before the gate and answers. Without one every question is left open.

use std::{
    io::{self, BufRead as _},
    thread,
};

use anyhow::Context as _;
use tokio::sync::mpsc;

/// What was said to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is so.
    Yes,
    /// It is not.
    No,
    /// Not to be tried.
    Skip,
    /// Nobody is there.
    Nothing,
}

/// Lines from standard input.
#[derive(Debug)]
pub(super) struct Person {
    lines: mpsc::Receiver<String>,
}

impl Person {
    pub(super) fn at_standard_input() -> anyhow::Result<Self> {
        let (said, lines) = mpsc::channel(1);
        // Waits for a line for as long as the program lives.
        thread::Builder::new()
            .name("person".to_owned())
            .spawn(move || {
                for line in io::stdin().lock().lines() {
                    let Ok(line) = line else { return };
                    if said.blocking_send(line).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start the thread that reads answers")?;
        Ok(Self { lines })
    }

    /// Asks until the answer can be understood.
    pub(super) async fn asked(&mut self, question: &str) -> Said {
        loop {
            eprint!("{question} [y/n/s] ");
            let Some(line) = self.lines.recv().await else {
                eprintln!();
                return Said::Nothing;
            };
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Said::Yes,
                "n" | "no" => return Said::No,
                "s" | "skip" => return Said::Skip,
                _ => eprintln!("Answer y (it is so), n (it is not) or s (skip)."),
            }
        }
    }

    /// Returns once somebody wants to skip what is waited for; never when nobody is there.
    pub(super) async fn skips(&mut self) {
        loop {
            match self.lines.recv().await {
                Some(line) if line.trim().eq_ignore_ascii_case("s") => return,
                Some(_) => eprintln!("Waiting; s skips it."),
                None => std::future::pending().await,
            }
        }
    }
}
