//! `cargo xtask bench decode`: how well codes are read over the generated set and over folders of
//! photographs, and what a frame costs, beside every other reader in the same run.

mod bench;
mod clock;
mod generated;
mod photos;
mod readers;
mod times;

use std::path::PathBuf;

use clap::Parser;

use bench::{summary, table};

/// Measure the reading of codes.
#[derive(Parser)]
struct Arguments {
    /// A quarter of the pictures and frames: for a first look.
    #[arg(long)]
    quick: bool,
    /// Read these folders of photographs instead of the generated set; what a picture holds stands
    /// in a file beside it that ends in `.txt`.
    #[arg(long, value_name = "DIR")]
    photos: Vec<PathBuf>,
    /// Name each picture that is not read.
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Readers that panic are counted as having read nothing.
    std::panic::set_hook(Box::new(|_| {}));
    if !arguments.photos.is_empty() {
        return photos::compare(&arguments.photos, arguments.list);
    }
    let extent = if arguments.quick {
        generated::Extent::Quick
    } else {
        generated::Extent::Full
    };
    let mut figures = times::measure(extent);
    figures.extend(generated::measure(extent, arguments.list));
    print!("{}", table(&figures));
    println!("\n{}", summary(&figures));
    Ok(())
}
