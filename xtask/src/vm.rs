//! `cargo xtask vm`: what only a machine of its own can show, on an emulated one.

mod board;
mod file_system;
mod gate;
mod guest;
mod initramfs;
mod kernel;
mod report;
mod steps;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Vm {
    /// A gate's box: arm64, Debian's kernel, a GPIO chip, cameras, a watchdog.
    Gate(gate::Gate),
}

impl Vm {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Vm::Gate(gate) = self;
        gate.run()
    }
}
