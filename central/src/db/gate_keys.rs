//! Table `gate_keys`: every key that a gate ever had, and what a request by one of them meets.

use anyhow::Context;
use shared::{
    ids::{JournalEpoch, Kid},
    keys::PublicKey,
};

use super::Connection;
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// A gate as one of its keys finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The gate.
    pub gate_id: GateId,
    /// Its school.
    pub school_id: SchoolId,
    /// What people call it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// May the key still speak for the gate?
    pub standing: Standing,
}

/// May a key still speak for its gate?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    InForce,
    /// The gate got another key.
    Replaced,
    /// The gate was retired.
    Retired,
}

/// A key that a gate begins to use.
#[derive(Clone, Copy, Debug)]
pub struct NewKey {
    /// The gate.
    pub gate_id: GateId,
    /// Its school.
    pub school_id: SchoolId,
    /// The key.
    pub public_key: PublicKey,
    /// The journal that begins with it.
    pub journal_epoch: JournalEpoch,
    /// When.
    pub enrolled_at: UtcInstant,
}

/// The gate as the key in force finds it; `None` when it has none: it is not enrolled, or retired.
///
/// # Errors
/// When the database fails.
pub async fn in_force(
    connection: &Connection,
    gate_id: GateId,
) -> anyhow::Result<Option<KeyOwner>> {
    let context = || format!("cannot look up the key of gate {gate_id}");
    let row = connection
        .query_opt(
            "SELECT kid FROM gates WHERE gate_id = $1 AND state = 'enrolled'",
            &[&gate_id],
        )
        .await
        .with_context(context)?;
    let Some(row) = row else { return Ok(None) };
    let kid = row.get::<_, &[u8]>(0).try_into();
    let owner = find(connection, Kid(kid.with_context(context)?)).await?;
    Ok(owner.filter(|owner| owner.standing == Standing::InForce))
}

/// Whose key this is; `None` when nobody's.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &Connection, kid: Kid) -> anyhow::Result<Option<KeyOwner>> {
    let statement = connection
        .prepare_cached(
            "SELECT gate_id, school_id, name, gate_keys.public_key, state = 'retired' AS is_retired, \
                 replaced_at IS NOT NULL AS is_replaced \
             FROM gate_keys JOIN gates USING (gate_id, school_id) WHERE gate_keys.kid = $1",
        )
        .await
        .context("cannot look up a gate's key")?;
    let row = connection
        .query_opt(&statement, &[&kid.0.as_slice()])
        .await
        .with_context(|| format!("cannot look up the gate's key {kid}"))?;
    let Some(row) = row else { return Ok(None) };
    let standing = match (row.get("is_retired"), row.get("is_replaced")) {
        (true, _) => Standing::Retired,
        (false, true) => Standing::Replaced,
        (false, false) => Standing::InForce,
    };
    let public_key: &[u8] = row.get("public_key");
    let public_key = public_key
        .try_into()
        .with_context(|| format!("the key {kid} in the database has no 32 bytes"))?;
    Ok(Some(KeyOwner {
        gate_id: row.get("gate_id"),
        school_id: row.get("school_id"),
        name: row.get("name"),
        public_key: PublicKey(public_key),
        standing,
    }))
}

/// Puts a key in force in place of the gate's earlier one; `false` when it ever belonged to a
/// gate, and the transaction is to be given up.
///
/// # Errors
/// When the database fails.
pub async fn put_in_force(connection: &Connection, key: &NewKey) -> anyhow::Result<bool> {
    connection
        .execute(
            "UPDATE gate_keys SET replaced_at = $2 WHERE gate_id = $1 AND replaced_at IS NULL",
            &[&key.gate_id, &key.enrolled_at],
        )
        .await
        .with_context(|| {
            format!(
                "cannot take the earlier key of gate {} out of force",
                key.gate_id
            )
        })?;
    let epoch = i32::try_from(key.journal_epoch.0).context("a journal epoch fits 31 bits")?;
    let inserted = connection
        .execute(
            "INSERT INTO gate_keys (kid, gate_id, school_id, public_key, journal_epoch, enrolled_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &key.public_key.kid().0.as_slice(),
                &key.gate_id,
                &key.school_id,
                &key.public_key.0.as_slice(),
                &epoch,
                &key.enrolled_at,
            ],
        )
        .await
        .with_context(|| format!("cannot store the key of gate {}", key.gate_id))?;
    Ok(inserted == 1)
}
