//! The commands that everyone starts with: `cargo xtask test`, `demo`, `bench`, `sim`, `cross`,
//! `vm`. They set up what they need; they test and build nothing by themselves that cargo and the
//! programs can.

mod bench;
mod bounded;
mod build;
mod clock;
mod cross;
mod debian;
mod demo;
mod packages;
mod postgres;
mod prerequisites;
mod sim;
mod test;
mod vm;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test, those with real programs and a real PostgreSQL too.
    Test(test::Test),
    /// Show the whole product at work on real QR pictures.
    Demo(demo::Demo),
    /// Measure what docs/performance.md states.
    Bench(bench::Bench),
    /// Simulations that run for as long as one likes.
    #[command(subcommand)]
    Sim(sim::Sim),
    /// Build gate-agent for the 64-bit Raspberry Pi and run tests on an emulated one.
    Cross(cross::Cross),
    /// Emulated machines.
    #[command(subcommand)]
    Vm(vm::Vm),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(test) => test.run(),
        Command::Demo(demo) => demo.run(),
        Command::Bench(bench) => bench.run(),
        Command::Sim(sim) => sim.run(),
        Command::Cross(cross) => cross.run(),
        Command::Vm(vm) => vm.run(),
    }
}
