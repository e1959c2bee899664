//! `gate-agent verify TEXT`: what a pass says, when it verifies. Whether it would be admitted is
//! another question.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use gate_core::action::StoredKind;
use serde_json::{Value, json};
use shared::{
    gate_api::DocumentName,
    pass::{HolderKind, PassRefused, Presentation, VerifiedPass, verify_pass},
    root_set::open_first_root_set,
    trust_list::{TrustedIssuers, open_trust_list},
};

use super::{ConfigurationChoice, answer_is_no};
use crate::store::StoreReader;

const EXAMPLES: &str = "\
Examples:
  gate-agent verify 'SP1:6BF…'                          against this gate's trust list
  gate-agent verify 'SP1:6BF…' --root-set roots.cose --trust-list trust.cose

Exit code: 0 the pass verifies; 1 it does not; 2 wrong command line; 3 it could not be found out.";

/// Say what a pass says, when its signature holds; otherwise why not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// The text of the code.
    #[arg(value_name = "TEXT")]
    text: String,
    /// A signed trust list, in place of the gate's.
    #[arg(long, value_name = "FILE", requires = "root_set")]
    trust_list: Option<PathBuf>,
    /// The signed root set that the trust list is checked by.
    #[arg(long, value_name = "FILE", requires = "trust_list")]
    root_set: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When there is no trust list to go by.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let issuers = issuers(arguments)?;
    match verify_pass(arguments.text.trim(), &issuers) {
        Ok(pass) => {
            print(&says(&pass), arguments.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => {
            print(&refusal(&refused), arguments.json);
            Ok(answer_is_no())
        }
    }
}

fn issuers(arguments: &Arguments) -> anyhow::Result<TrustedIssuers> {
    let (root_set, trust_list) = match (&arguments.root_set, &arguments.trust_list) {
        (Some(root_set), Some(trust_list)) => (read(root_set)?, read(trust_list)?),
        (_, _) => stored(arguments)?,
    };
    let roots = open_first_root_set(&root_set).context("the root set does not hold")?;
    let list = open_trust_list(&trust_list, roots.document())
        .context("the trust list does not hold under this root set")?;
    TrustedIssuers::new(&list.document().issuer_keys).context("a key of the trust list")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn stored(arguments: &Arguments) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let configuration = arguments.configuration.read()?;
    let documents = StoreReader::open(&configuration.places)?.load()?.documents;
    let find = |name| {
        let kind = StoredKind::Named(name);
        let found = documents.iter().find(|document| document.kind == kind);
        found.map(|document| document.bytes.clone())
    };
    let root_set = find(DocumentName::RootSet).context("the gate has no root set")?;
    let trust_list = find(DocumentName::TrustList)
        .context("the gate has no trust list: connect it to central")?;
    Ok((root_set, trust_list))
}

fn says(pass: &VerifiedPass) -> Value {
    let claims = pass.claims();
    let kind = match claims.kind {
        HolderKind::Student => "student",
        HolderKind::Staff => "staff",
        HolderKind::Visitor => "visitor",
    };
    let shown = match pass.presentation() {
        Presentation::Static => json!("static"),
        Presentation::Live { made_at } => json!({ "live_proof_made_at": made_at.to_string() }),
        Presentation::LiveProofInvalid => json!("live, with a proof that does not hold"),
    };
    json!({
        "verifies": true,
        "kid": pass.id().kid.to_string(),
        "serial": pass.id().serial.0,
        "school": pass.school().to_string(),
        "kind": kind,
        "not_before": claims.not_before.to_string(),
        "expires_at": claims.expires_at.to_string(),
        "uses_max": claims.uses_max,
        "access_levels": claims.levels.as_slice(),
        "needs_live_proof": claims.holder_key.is_some(),
        "shown": shown,
    })
}

/// Nothing inside bytes that were not authenticated is shown: the reason, and which key was named.
fn refusal(refused: &PassRefused) -> Value {
    json!({
        "verifies": false,
        "reason": refused.reason.code(),
        "kid": refused.kid.map(|kid| kid.to_string()),
    })
}

fn print(answer: &Value, is_json: bool) {
    if is_json {
        println!("{answer:#}");
        return;
    }
    let Value::Object(members) = answer else {
        unreachable!("answers are objects");
    };
    for (name, value) in members {
        match value {
            Value::Null => {}
            Value::String(text) => println!("{name:<17} {text}"),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                println!("{name:<17} {value}");
            }
        }
    }
}
