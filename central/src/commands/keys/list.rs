//! `central keys list`.

use std::fmt::Write as _;

use crate::db::{Db, signing_keys};

pub(super) async fn run(db: &Db) -> anyhow::Result<String> {
    let transaction = db.begin_across_schools().await?;
    let keys = signing_keys::list(&transaction, None).await?;
    let mut lines = String::from("kid               purpose    state    issued    school");
    for key in keys {
        let school = key
            .school_id
            .map_or_else(|| "-".to_owned(), |school| school.to_string());
        let state = if key.is_waiting() {
            "Waiting".to_owned()
        } else {
            format!("{:?}", key.state)
        };
        let purpose = format!("{:?}", key.purpose);
        write!(
            lines,
            "\n{}  {purpose:<9}  {state:<7}  {:>8}  {school}",
            key.kid, key.next_serial
        )?;
    }
    Ok(lines)
}
