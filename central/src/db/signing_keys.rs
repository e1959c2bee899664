//! Table `signing_keys`: issuer, standby and statement keys with their sealed private halves.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{ids::Digest, keys::PublicKey};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{Kid, SchoolId},
    instant::UtcInstant,
    issuing::SealedKey,
};

/// What a key in the database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Signs passes.
    Issuer,
    /// Takes an issuer key's place when that is frozen.
    Standby,
    /// Signs statements.
    Statement,
}

/// What may be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It signs.
    Open,
    /// It waits for a trust list to name it, or another has taken its place.
    Closed,
    /// No pass is added under it ever again; those that were issued stay good.
    Frozen,
    /// Nothing under it is good any more.
    Revoked,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its identifier.
    pub kid: Kid,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Whose passes it signs; none for statement keys.
    pub school_id: Option<SchoolId>,
    /// Both halves, the private one sealed.
    pub pair: SealedKey,
    /// What may be done with it.
    pub state: KeyState,
    /// `nbf` of its passes lies within; none for statement keys.
    pub signing: Option<Window>,
    /// Its passes are looked at within; none for statement keys.
    pub verification: Option<Window>,
    /// The key that takes its place.
    pub standby_kid: Option<Kid>,
    /// Serials below were issued.
    pub next_serial: i32,
    /// `h_count` over the issued passes' digests.
    pub issued_chain: Digest,
    /// Counts up with each change of a pass's state.
    pub status_version: i64,
    /// When it was made.
    pub created_at: UtcInstant,
    /// When a trust list first named it.
    pub trusted_at: Option<UtcInstant>,
    /// When another took its place.
    pub closed_at: Option<UtcInstant>,
}

/// From an instant to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first instant inside.
    pub from: UtcInstant,
    /// The first instant outside.
    pub until: UtcInstant,
}

/// A new key.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Both halves, the private one sealed.
    pub pair: &'a SealedKey,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Whose passes it signs; none for statement keys.
    pub school_id: Option<SchoolId>,
    /// `nbf` of its passes lies within.
    pub signing: Option<Window>,
    /// Its passes are looked at within.
    pub verification: Option<Window>,
    /// The key that takes its place.
    pub standby_kid: Option<Kid>,
}

impl SigningKey {
    /// It never signed, and waits for its turn.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state == KeyState::Closed && self.closed_at.is_none()
    }
}

impl Window {
    /// Does `at` lie inside?
    #[must_use]
    pub fn contains(&self, at: UtcInstant) -> bool {
        self.from <= at && at < self.until
    }

    /// As gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> shared::time::Window {
        let seconds = |at: UtcInstant| shared::time::UtcSeconds(at.unix_seconds());
        shared::time::Window {
            from: seconds(self.from),
            until: seconds(self.until),
        }
    }
}

const COLUMNS: &str = "kid, purpose, school_id, public_key, sealed_private, state, signing_from, \
    signing_until, verification_from, verification_until, standby_kid, next_serial, issued_chain, \
    status_version, created_at, trusted_at, closed_at";

fn signing_key(row: &Row) -> anyhow::Result<SigningKey> {
    let Word(purpose) = row.try_get("purpose").context("a key's purpose")?;
    let Word(state) = row.try_get("state").context("a key's state")?;
    let public_key: &[u8] = row.get("public_key");
    let issued_chain: &[u8] = row.get("issued_chain");
    let window = |from: &str, until: &str| {
        let from = row.get::<_, Option<UtcInstant>>(from)?;
        let until = row.get::<_, Option<UtcInstant>>(until)?;
        Some(Window { from, until })
    };
    Ok(SigningKey {
        kid: row.get("kid"),
        purpose,
        school_id: row.get("school_id"),
        pair: SealedKey {
            public_key: PublicKey(public_key.try_into().context("a public key's length")?),
            sealed: row.get("sealed_private"),
        },
        state,
        signing: window("signing_from", "signing_until"),
        verification: window("verification_from", "verification_until"),
        standby_kid: row.get("standby_kid"),
        next_serial: row.get("next_serial"),
        issued_chain: Digest(issued_chain.try_into().context("a chain's length")?),
        status_version: row.get("status_version"),
        created_at: row.get("created_at"),
        trusted_at: row.get("trusted_at"),
        closed_at: row.get("closed_at"),
    })
}

/// Stores a new key, which signs nothing yet: a trust list must name it first.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    key: &NewKey<'_>,
    now: UtcInstant,
) -> anyhow::Result<SigningKey> {
    let kid = Kid(key.pair.public_key.kid());
    let from = |window: Option<Window>| window.map(|window| window.from);
    let until = |window: Option<Window>| window.map(|window| window.until);
    let row = connection
        .query_one(
            &format!(
                "INSERT INTO signing_keys (kid, purpose, school_id, public_key, sealed_private, state, \
                    signing_from, signing_until, verification_from, verification_until, standby_kid, created_at) \
                 VALUES ($1, $2, $3, $4, $5, 'closed', $6, $7, $8, $9, $10, $11) RETURNING {COLUMNS}"
            ),
            &[
                &kid,
                &Word(key.purpose),
                &key.school_id,
                &key.pair.public_key.0.as_slice(),
                &key.pair.sealed,
                &from(key.signing),
                &until(key.signing),
                &from(key.verification),
                &until(key.verification),
                &key.standby_kid,
                &now,
            ],
        )
        .await
        .context("cannot store a key")?;
    signing_key(&row)
}

/// # Errors
/// When the database fails.
pub async fn get(connection: &Connection, kid: Kid) -> anyhow::Result<Option<SigningKey>> {
    let sql = format!("SELECT {COLUMNS} FROM signing_keys WHERE kid = $1");
    let row = connection
        .query_opt(&sql, &[&kid])
        .await
        .with_context(|| format!("cannot read the key {kid}"))?;
    row.as_ref().map(signing_key).transpose()
}

/// Reads a key and locks its row until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &Connection, kid: Kid) -> anyhow::Result<Option<SigningKey>> {
    let sql = format!("SELECT {COLUMNS} FROM signing_keys WHERE kid = $1 FOR NO KEY UPDATE");
    let row = connection
        .query_opt(&sql, &[&kid])
        .await
        .with_context(|| format!("cannot lock the key {kid}"))?;
    row.as_ref().map(signing_key).transpose()
}

/// The school's key that issues. Whoever else would number passes under it waits until the
/// transaction ends. Its row stays free meanwhile: revoking and freezing write there, and do not
/// wait for thousands of signatures.
///
/// # Errors
/// When the database fails.
pub async fn lock_numbering(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<Option<SigningKey>> {
    let mut locked = None;
    loop {
        let key = open_issuer(connection, school_id).await?;
        let kid = key.as_ref().map(|key| key.kid);
        if kid == locked {
            return Ok(key);
        }
        let Some(kid) = kid else { return Ok(None) };
        connection
            .execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('numbering' || encode($1, 'hex'), 0))",
                &[&kid],
            )
            .await
            .with_context(|| format!("cannot wait to number passes under {kid}"))?;
        // It is read again: its count has moved while this waited, or another key took its place.
        locked = Some(kid);
    }
}

async fn open_issuer(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<Option<SigningKey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM signing_keys \
         WHERE school_id = $1 AND purpose = 'issuer' AND state = 'open'"
    );
    let row = connection
        .query_opt(&sql, &[&school_id])
        .await
        .context("cannot look up the school's issuer key")?;
    row.as_ref().map(signing_key).transpose()
}

/// All keys, those of one school or of every one, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: Option<SchoolId>,
) -> anyhow::Result<Vec<SigningKey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM signing_keys WHERE $1::uuid IS NULL OR school_id = $1 \
         ORDER BY created_at, kid"
    );
    let rows = connection
        .query(&sql, &[&school_id])
        .await
        .context("cannot list the keys")?;
    rows.iter().map(signing_key).collect()
}

/// The newest statement key that the newest trust list names.
///
/// # Errors
/// When the database fails.
pub async fn statement_key(connection: &Connection) -> anyhow::Result<Option<SigningKey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM signing_keys WHERE purpose = 'statement' AND state = 'open' \
         ORDER BY trusted_at DESC, created_at DESC LIMIT 1"
    );
    let row = connection
        .query_opt(&sql, &[])
        .await
        .context("cannot look up the statement key")?;
    row.as_ref().map(signing_key).transpose()
}

/// As [`statement_key`], kept as it is until the transaction ends: it is not revoked before what
/// it signs is stored.
///
/// # Errors
/// When the database fails.
pub async fn hold_statement_key(connection: &Connection) -> anyhow::Result<Option<SigningKey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM signing_keys WHERE purpose = 'statement' AND state = 'open' \
         ORDER BY trusted_at DESC, created_at DESC LIMIT 1 FOR SHARE"
    );
    // A key that was revoked while the first query waited for its row is no row of the answer.
    for _ in 0..2 {
        let row = connection
            .query_opt(&sql, &[])
            .await
            .context("cannot look up the statement key")?;
        if let Some(row) = row {
            return signing_key(&row).map(Some);
        }
    }
    Ok(None)
}

/// # Errors
/// When the database fails.
pub async fn set_state(connection: &Connection, kid: Kid, state: KeyState) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE signing_keys SET state = $2 WHERE kid = $1",
            &[&kid, &Word(state)],
        )
        .await
        .with_context(|| format!("cannot change the state of the key {kid}"))?;
    Ok(())
}

/// Ends a key's turn, or passes it over: another takes its place.
///
/// # Errors
/// When the database fails.
pub async fn close(connection: &Connection, kid: Kid, now: UtcInstant) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE signing_keys SET state = 'closed', closed_at = $2 WHERE kid = $1 AND state IN ('open', 'closed')",
            &[&kid, &now],
        )
        .await
        .with_context(|| format!("cannot close the key {kid}"))?;
    Ok(())
}

/// Notes that a trust list names these keys.
///
/// # Errors
/// When the database fails.
pub async fn note_trusted(
    connection: &Connection,
    kids: &[Kid],
    now: UtcInstant,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE signing_keys SET trusted_at = $2 WHERE kid = ANY($1) AND trusted_at IS NULL",
            &[&kids, &now],
        )
        .await
        .context("cannot note which keys are trusted")?;
    Ok(())
}

/// Puts a standby key into the place of the key that it stood by; `false` when it is revoked.
///
/// # Errors
/// When the database fails.
pub async fn promote(
    connection: &Connection,
    standby: Kid,
    predecessor: &SigningKey,
) -> anyhow::Result<bool> {
    let promoted = connection
        .execute(
            "UPDATE signing_keys AS standby SET purpose = 'issuer', state = 'open', \
                signing_from = old.signing_from, signing_until = old.signing_until, \
                verification_from = old.verification_from, verification_until = old.verification_until, \
                trusted_at = old.trusted_at \
             FROM signing_keys AS old WHERE standby.kid = $1 AND standby.purpose = 'standby' AND standby.state = 'closed' \
                 AND old.kid = $2",
            &[&standby, &predecessor.kid],
        )
        .await
        .with_context(|| format!("cannot put the standby key {standby} to use"))?;
    Ok(promoted == 1)
}

/// Notes how far a key's passes go, which were numbered from `key.next_serial` on under the lock of
/// [`lock_numbering`]; `false` when the key was frozen or revoked meanwhile: nothing is added under
/// it any more, and the passes are not to be committed.
///
/// # Errors
/// When the database fails.
pub async fn extend(
    connection: &Connection,
    key: &SigningKey,
    next_serial: i32,
    issued_chain: Digest,
) -> anyhow::Result<bool> {
    let kid = key.kid;
    let extended = connection
        .execute(
            "UPDATE signing_keys SET next_serial = $3, issued_chain = $4 \
             WHERE kid = $1 AND next_serial = $2 AND state IN ('open', 'closed')",
            &[
                &kid,
                &key.next_serial,
                &next_serial,
                &issued_chain.0.as_slice(),
            ],
        )
        .await
        .with_context(|| format!("cannot extend the issued list of {kid}"))?;
    Ok(extended == 1)
}

/// Counts a change of a pass's state, to be published.
///
/// # Errors
/// When the database fails.
pub async fn count_status_change(connection: &Connection, kid: Kid) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE signing_keys SET status_version = status_version + 1 WHERE kid = $1",
            &[&kid],
        )
        .await
        .with_context(|| format!("cannot count a change of status under {kid}"))?;
    Ok(())
}
