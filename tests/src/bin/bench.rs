//! Measures what `docs/performance.md` states; `cargo xtask bench` builds and runs it. Ends with 0
//! when everything could be measured: whether a goal that is missed matters is for people to say.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use system_tests::{
    bench::{self, BENCHMARKS, Effort, Setting, machine, machine::Machine, report},
    clock,
};

#[derive(Parser)]
struct Arguments {
    /// Only benchmarks whose name contains one of these.
    names: Vec<String>,
    /// A tenth of the rounds.
    #[arg(long)]
    quick: bool,
    /// Where the gate's databases are put, which should be no memory file system.
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let chosen = bench::chosen(&arguments.names);
    if chosen.is_empty() {
        let names: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
        bail!(
            "no benchmark has such a name; there are: {}",
            names.join(", ")
        );
    }
    let scratch = tempfile::Builder::new()
        .prefix("portcullis-bench-")
        .tempdir_in(&arguments.directory)
        .with_context(|| {
            format!(
                "cannot make a directory in {}",
                arguments.directory.display()
            )
        })?;
    let setting = Setting {
        effort: if arguments.quick {
            Effort::Quick
        } else {
            Effort::Full
        },
        directory: scratch.path().to_owned(),
    };
    let begun = (clock::utc(), machine::load());
    let mut figures = Vec::new();
    let mut notes = Vec::new();
    for benchmark in chosen {
        eprintln!("{}: {} …", benchmark.name, benchmark.about);
        let measured = (benchmark.run)(&setting)
            .with_context(|| format!("the benchmark `{}` failed", benchmark.name))?;
        figures.extend(measured.figures);
        notes.extend(measured.notes);
    }
    println!("{}", Machine::this(scratch.path())?);
    notes.dedup();
    for note in notes {
        println!("{note}");
    }
    println!(
        "{}, load {} at the start and {} at the end\n",
        begun.0,
        begun.1,
        machine::load()
    );
    println!("{}", report::table(&figures));
    println!("{}", report::summary(&figures));
    Ok(())
}
