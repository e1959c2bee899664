//! `central keys list`: the keys in the database, and what is above them.

use shared::keys::PublicKey;

use super::Work;
use crate::{
    db::signing_keys::{self, KeyPurpose, KeyState, SigningKey},
    publishing::trust,
};

pub(super) async fn run(work: &Work) -> anyhow::Result<()> {
    let transaction = work.db.begin_across_schools().await?;
    let Some(set) = trust::root_set(&transaction).await? else {
        println!("There are no keys yet: `central keys init --small-school` makes them.");
        return Ok(());
    };
    println!(
        "root set    {}  {} of {} roots, until {}",
        set.header.number,
        set.threshold,
        set.roots.len(),
        set.header.expires_at
    );
    let kids = |keys: &[PublicKey]| {
        let kids: Vec<_> = keys.iter().map(|key| key.kid().to_string()).collect();
        kids.join(", ")
    };
    println!("roots       {}", kids(&set.roots));
    println!("registrars  {}", kids(&set.registrars));
    if let Some(list) = trust::trust_list(&transaction).await? {
        println!("trust list  {}  until {}", list.number, list.expires_at);
    }
    println!();
    println!("kid               purpose    state    issued  signing until         school");
    for key in signing_keys::list(&transaction, None).await? {
        println!("{}", line(&key));
    }
    Ok(())
}

fn line(key: &SigningKey) -> String {
    let purpose = match key.purpose {
        KeyPurpose::Issuer => "issuer",
        KeyPurpose::Standby => "standby",
        KeyPurpose::Statement => "statement",
    };
    let state = match key.state {
        KeyState::Open => "open",
        KeyState::Closed if key.is_waiting() => "waiting",
        KeyState::Closed => "closed",
        KeyState::Frozen => "frozen",
        KeyState::Revoked => "revoked",
    };
    let until = key
        .signing
        .map_or(String::new(), |window| window.until.to_string());
    let school = key.school_id.map_or(String::new(), |id| id.to_string());
    format!(
        "{}  {purpose:<9}  {state:<7}  {:>6}  {until:<20}  {school}",
        key.kid, key.next_serial
    )
    .trim_end()
    .to_owned()
}
