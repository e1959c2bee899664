//! `cargo xtask vm gate`: builds the box and its file system, starts it, and goes through the
//! steps.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use super::{
    board::Board,
    file_system::{self, Parts},
    guest::{Guest, Machine},
    kernel::Kernel,
    report::Report,
    steps,
};
use crate::{
    build::{self, Profile},
    clock::Stopwatch,
    cross::{self, Choice},
    debian::Archive,
    packages::Package,
    prerequisites,
};

/// The file system with systemd, twice for a moment, and the agent fit with room to spare.
const MEMORY_MIB: u32 = 1024;

const EXAMPLES: &str = "\
Examples:
  cargo xtask vm gate                       everything
  cargo xtask vm gate --short               without the machine that starts systemd
  cargo xtask vm gate --agent gate-agent    with a program that was built before

An emulated arm64 machine (QEMU's virt) with Debian's kernel starts from a file system in memory,
with gate-agent in it. The emulator tells what the program does to the GPIO chip's lines, and holds
its inputs. Exit code: 0 when everything was seen that is to be seen, 1 otherwise, with what was
seen in its place and the end of the machine's console.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Gate {
    /// Only what is shown without systemd: some twenty seconds.
    #[arg(long)]
    short: bool,
    /// gate-agent for arm64; built with `cargo xtask cross` when it is not said.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where the compiler comes from.
    #[arg(long, value_enum, default_value = "auto")]
    toolchain: Choice,
}

impl Gate {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let packages = [
            Package::GccArm64,
            Package::QemuUser,
            Package::QemuSystemArm64,
        ];
        prerequisites::ensure(&packages)?;
        let agent = match self.agent {
            Some(agent) => agent,
            None => cross::gate_agent(self.toolchain, Profile::Bench)?,
        };
        let archive = Archive::open()?;
        let directory = build::target().join("vm");
        let prepared = prepare_gate(&directory)?;
        let kernel = Kernel::fetch(&archive)?;
        let parts = Parts {
            debian: &file_system::packages(&archive)?,
            kernel: &kernel,
            agent: &agent,
            gate: &prepared.directory,
        };
        let mut report = Report::start();
        let memory = file_system::minimal(&parts)?;
        show(
            &parts,
            "a shell",
            &memory,
            steps::SHELL,
            &prepared,
            &mut report,
        )?;
        if !self.short {
            let memory = file_system::with_systemd(&parts)?;
            show(
                &parts,
                "systemd",
                &memory,
                steps::SYSTEMD,
                &prepared,
                &mut report,
            )?;
        }
        report.end();
        Ok(())
    }
}

/// A folder for the emulator's sockets, whose paths must be short.
struct Sockets(PathBuf);

impl Sockets {
    fn new() -> anyhow::Result<Self> {
        let name = format!("portcullis-vm-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What of a prepared gate the steps need to know.
pub(super) struct Prepared {
    directory: PathBuf,
    /// Seconds of UTC at which the gate is started.
    pub(super) utc: String,
}

impl Prepared {
    /// The text of a pass.
    pub(super) fn text(&self, pass: &str) -> anyhow::Result<String> {
        read(&self.directory.join(format!("passes/{pass}.txt")))
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn prepare_gate(directory: &Path) -> anyhow::Result<Prepared> {
    let mut cargo = build::cargo();
    cargo.args([
        "build",
        "--package",
        "system-tests",
        "--bin",
        "prepared-gate",
    ]);
    build::run(&mut cargo)?;
    let place = directory.join("prepared");
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    let program = build::program(Profile::Dev, "prepared-gate");
    build::run(std::process::Command::new(program).arg(&place))?;
    Ok(Prepared {
        utc: read(&place.join("utc"))?,
        directory: place,
    })
}

/// Starts a machine with a file system and goes through steps.
fn show(
    parts: &Parts<'_>,
    first_program: &str,
    memory: &[u8],
    steps: &[steps::Named],
    prepared: &Prepared,
    report: &mut Report,
) -> anyhow::Result<()> {
    let kernel = parts.kernel;
    report.part(&format!(
        "Starting Debian's {} with {first_program} on an emulated arm64 machine",
        kernel.release
    ));
    let sockets = Sockets::new()?;
    let initramfs = build::target().join("vm/gate.cpio");
    fs::write(&initramfs, memory)
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
    let machine = Machine {
        kernel: kernel.image.clone(),
        initramfs,
        sockets: sockets.0.clone(),
        memory_mib: MEMORY_MIB,
    };
    let stopwatch = Stopwatch::start();
    let mut guest = Guest::start(&machine)?;
    let shown = (|| {
        let mut board = Board::connect(&machine)?;
        let seconds = guest.wait_until_up()?;
        report.holds(&format!(
            "it is up {:.1} s after the emulator was started; by the kernel's own clock {seconds} s",
            stopwatch.elapsed().as_secs_f64()
        ));
        let mut stage = steps::Stage {
            guest: &mut guest,
            board: &mut board,
            prepared,
            report,
        };
        steps::run(&mut stage, steps)
    })();
    if let Err(error) = &shown {
        println!("  FAILS  {error:#}");
        println!("{}", guest.evidence());
    }
    shown
}
