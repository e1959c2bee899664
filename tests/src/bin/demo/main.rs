//! The whole product at work on real QR pictures: central on the embedded default, a school, two
//! gates, every reason to let somebody in or not, a broken link, a crash, a lockdown, and the
//! record that arrives. Run it by `cargo xtask demo`, which builds the programs first.

mod cases;
mod keep;
mod ledger;
mod outage;
mod scene;
mod transcript;

use std::process::ExitCode;

use clap::Parser;

use scene::Scene;
use transcript::Transcript;

/// Shows the whole product at work.
#[derive(Parser)]
struct Arguments {
    /// Leave everything running until Ctrl-C, and print addresses, a token and commands to try.
    #[arg(long)]
    keep: bool,
}

/// What becomes of the programs when the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    End,
    KeepRunning,
}

#[tokio::main]
async fn main() -> ExitCode {
    let afterwards = match Arguments::parse() {
        Arguments { keep: true } => Afterwards::KeepRunning,
        Arguments { keep: false } => Afterwards::End,
    };
    let mut transcript = Transcript::new();
    let outcome = match until_ctrl_c(show(&mut transcript)).await {
        Ok(scene) => close(scene, afterwards).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) if transcript.is_as_it_should_be() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe demo could not go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Programs that run end with their values when this returns early.
async fn until_ctrl_c<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped by Ctrl-C")),
    }
}

async fn show(transcript: &mut Transcript) -> anyhow::Result<Scene> {
    let mut scene = Scene::set(transcript).await?;
    cases::show(&mut scene, transcript).await?;
    outage::show(&mut scene, transcript).await?;
    ledger::show(&mut scene, transcript).await?;
    transcript.summary();
    Ok(scene)
}

async fn close(scene: Scene, afterwards: Afterwards) -> anyhow::Result<()> {
    match afterwards {
        Afterwards::End => scene.strike().await,
        // Ctrl-C reaches the programs as well, and they end in order by themselves.
        Afterwards::KeepRunning => keep::until_ctrl_c(&scene).await,
    }
}
