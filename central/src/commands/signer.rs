//! `central signer`: one of the two signer processes, which `central serve` starts for itself.
//! Reads requests from the socket that is its standard input until that closes.

use std::{
    io::stdin,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::Args;
use rustix::{
    net::sockopt::socket_type,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    issuing::IssuingDuty,
    keys::{credentials, sealing::KeyEncryptionKey},
    randomness::Randomness,
    signers::{Duty, SignerKind, StatementDuty, wire},
};

#[derive(Args)]
pub(super) struct Arguments {
    /// Which signer
    #[arg(long, value_enum)]
    kind: SignerKind,
    /// File of the key-encryption key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let kind = arguments.kind;
    if socket_type(stdin().as_fd()).is_err() {
        bail!("`central signer` is started by `central serve`, which speaks to it over a socket");
    }
    keep_memory_to_itself()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen for signals")?;
    let _entered = runtime.enter();
    // It ends when the server does, so that requests under way are still signed.
    let _caught = (
        signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
    );
    let seals = KeyEncryptionKey::new(&*credentials::read_file(&arguments.key_file)?);
    let mut duty: Box<dyn Duty> = match kind {
        SignerKind::Issuing => Box::new(IssuingDuty::new(seals, Randomness::System)),
        SignerKind::Statements => Box::new(StatementDuty::new(seals)),
    };
    let socket = stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("cannot use standard input")?;
    answer_all(&mut *duty, UnixStream::from(socket))
        .with_context(|| format!("the {kind} signer lost its socket"))
}

fn answer_all(duty: &mut dyn Duty, mut socket: UnixStream) -> std::io::Result<()> {
    wire::write(&mut socket, wire::READY)?;
    while let Some(request) = wire::read(&mut socket)? {
        wire::write(&mut socket, &duty.answer(&request))?;
    }
    Ok(())
}

/// No core dump, and no debugger but root's.
fn keep_memory_to_itself() -> anyhow::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot forbid debuggers")?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("cannot forbid core dumps")
}
