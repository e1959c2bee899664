//! Digests of issued passes in the order of their serials, from the table `passes`.

use anyhow::{Context, ensure};
use shared::ids::{Kid, Serial};

use super::Connection;

/// Eight bytes for each pass from `first` on, at most `count` of them; `None` when `first` itself
/// was not issued.
///
/// # Errors
/// When the database fails, or lacks a pass in between.
pub async fn read(
    connection: &Connection,
    kid: Kid,
    (first, count): (Serial, u32),
) -> anyhow::Result<Option<Vec<u8>>> {
    let context = || format!("cannot read digests of passes {kid}/{first} and on");
    let first = i32::try_from(first.0).with_context(context)?;
    let count = i32::try_from(count).with_context(context)?;
    let statement = connection
        .prepare_cached(
            "SELECT count(*), min(serial), string_agg(digest, ''::bytea ORDER BY serial), \
                 max(serial) - min(serial) + 1 \
             FROM passes WHERE kid = $1 AND serial >= $2 AND serial < $2 + $3",
        )
        .await
        .with_context(context)?;
    let row = connection
        .query_one(&statement, &[&kid.0.as_slice(), &first, &count])
        .await
        .with_context(context)?;
    let found: i64 = row.get(0);
    if found == 0 {
        return Ok(None);
    }
    let is_dense = row.get::<_, i32>(1) == first && i64::from(row.get::<_, i32>(3)) == found;
    ensure!(
        is_dense,
        "passes of issuer key {kid} are missing among serials from {first} on"
    );
    Ok(Some(row.get(2)))
}
