//! `central keys root create`: root keys as files, and a file that says which there are.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use shared::{
    ids::Digest,
    keys::{PublicKey, Sign as _},
    root_set::ROOT_KEYS_LIMIT,
};

use super::secrets::Seal;
use crate::{
    keys::{
        PrivateKey, Purpose,
        credentials::{make_private_directory, write_private_file},
        file,
    },
    randomness::Randomness,
};

const ROOTS_FILE: &str = "roots.json";

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// How many root keys must sign: 3 of 5 is advised, 1 of 1 is enough for a small school
    #[arg(long, value_name = "K")]
    threshold: u8,
    /// How many root keys to make
    #[arg(long, value_name = "N")]
    count: u8,
    /// Directory for the files; each belongs in a safe of its own
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    seal: Seal,
}

/// The public halves: all that a root set says about roots.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roots {
    threshold: u8,
    roots: Vec<String>,
}

impl Roots {
    /// Reads `roots.json`.
    pub(super) fn read(path: &std::path::Path) -> anyhow::Result<(u8, Vec<PublicKey>)> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let roots: Self = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is no file that `central keys root create` wrote"))?;
        let keys = roots.roots.iter().map(|text| {
            Digest::from_hex(text)
                .map(|bytes| PublicKey(bytes.0))
                .with_context(|| format!("{shown}: {text:?} is no public key"))
        });
        Ok((roots.threshold, keys.collect::<Result<_, _>>()?))
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (threshold, count) = (arguments.threshold, arguments.count);
    ensure!(
        threshold >= 1 && threshold <= count && usize::from(count) <= ROOT_KEYS_LIMIT,
        "--threshold must be 1 to --count, and --count at most {ROOT_KEYS_LIMIT}"
    );
    make_private_directory(&arguments.out)?;
    let mut roots = Roots {
        threshold,
        roots: Vec::new(),
    };
    for index in 1..=count {
        let path = arguments.out.join(format!("root-{index}.key"));
        let protection = arguments.seal.for_new(&path)?;
        let key = PrivateKey::generate(&Randomness::System);
        file::write(&path, Purpose::Root, &key, &protection, &Randomness::System)?;
        roots.roots.push(Digest(key.public().0).to_string());
        println!("root key  {}  {}", key.kid(), path.display());
    }
    let path = arguments.out.join(ROOTS_FILE);
    let text = serde_json::to_string_pretty(&roots).context("cannot write roots.json")?;
    write_private_file(&path, format!("{text}\n").as_bytes())?;
    eprintln!(
        "Next: `central keys root-set draft --roots {} --registrar FILE --out FILE`.",
        path.display()
    );
    Ok(())
}
