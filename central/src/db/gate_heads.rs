//! What a gate's heads are made of: the newest documents that concern it, and in its row of
//! `gates` the number of its last heads and what they named.

use anyhow::Context;
use shared::{
    configuration::Configuration,
    document::SignedKind as _,
    heads::{IssuerHeads, Newest},
    ids::{Digest, Kid},
    issued_list::IssuedList,
    order::Order,
    root_set::RootSet,
    roster::Roster,
    status_list::StatusList,
    trust_list::TrustList,
};

use super::{Connection, signed_documents};
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// The newest documents that concern a gate, as far as there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewestDocuments {
    /// The root set.
    pub root_set: Option<Newest>,
    /// The trust list.
    pub trust_list: Option<Newest>,
    /// The gate's configuration.
    pub configuration: Option<Newest>,
    /// The gate's roster.
    pub roster: Option<Newest>,
    /// The newest order to the gate.
    pub order: Option<Newest>,
    /// Of each issuer key that has both lists, ascending by kid.
    pub issuers: Vec<IssuerHeads>,
}

/// The last heads that a gate was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastHeads {
    /// Their number within the epoch; 0: there were none.
    pub n: u64,
    /// SHA-256 of what they named.
    pub content: Option<Digest>,
}

const NEWEST: &str = "WITH wanted (kind, subject) AS ( \
        VALUES ($3::text, ''::bytea), ($4, ''), ($5, $1::bytea), ($6, $1), ($7, $1) \
        UNION ALL \
        SELECT list.kind, signing_keys.kid FROM signing_keys, (VALUES ($8::text), ($9)) AS list (kind) \
        WHERE school_id = $2 AND purpose = 'issuer' AND verification_until > $10) \
    SELECT kind, subject, epoch, n, digest FROM wanted CROSS JOIN LATERAL ( \
        SELECT epoch, n, digest FROM signed_documents \
        WHERE signed_documents.kind = wanted.kind AND signed_documents.subject = wanted.subject \
        ORDER BY epoch DESC, n DESC LIMIT 1) AS newest \
    ORDER BY subject, kind";

/// The newest documents that concern a gate of a school. Lists of issuer keys that nobody
/// verifies any more are left out.
///
/// # Errors
/// When the database fails.
pub async fn newest(
    connection: &Connection,
    gate_id: GateId,
    school_id: SchoolId,
    now: UtcInstant,
) -> anyhow::Result<NewestDocuments> {
    let context = || format!("cannot look for the newest documents of gate {gate_id}");
    let statement = connection
        .prepare_cached(NEWEST)
        .await
        .with_context(context)?;
    let rows = connection
        .query(
            &statement,
            &[
                &gate_id.0.as_bytes().as_slice(),
                &school_id,
                &RootSet::EXTERNAL_DATA,
                &TrustList::EXTERNAL_DATA,
                &Configuration::EXTERNAL_DATA,
                &Roster::EXTERNAL_DATA,
                &Order::EXTERNAL_DATA,
                &StatusList::EXTERNAL_DATA,
                &IssuedList::EXTERNAL_DATA,
                &now,
            ],
        )
        .await
        .with_context(context)?;
    let mut newest = NewestDocuments::default();
    let mut lists: Vec<(Kid, Option<Newest>, Option<Newest>)> = Vec::new();
    for row in &rows {
        let name = signed_documents::name(row)?;
        match row.get::<_, &str>("kind") {
            RootSet::EXTERNAL_DATA => newest.root_set = Some(name),
            TrustList::EXTERNAL_DATA => newest.trust_list = Some(name),
            Configuration::EXTERNAL_DATA => newest.configuration = Some(name),
            Roster::EXTERNAL_DATA => newest.roster = Some(name),
            Order::EXTERNAL_DATA => newest.order = Some(name),
            kind => {
                let kid = row.get::<_, &[u8]>("subject").try_into();
                let kid = Kid(kid.context("an issuer key's identifier has no 8 bytes")?);
                if lists.last().is_none_or(|(last, ..)| *last != kid) {
                    lists.push((kid, None, None));
                }
                let (_, status, issued) = lists.last_mut().expect("one was pushed");
                let place = if kind == StatusList::EXTERNAL_DATA {
                    status
                } else {
                    issued
                };
                *place = Some(name);
            }
        }
    }
    newest.issuers = lists.into_iter().filter_map(both).collect();
    Ok(newest)
}

/// A key whose lists are not both published yet admits nobody yet either.
fn both((kid, status, issued): (Kid, Option<Newest>, Option<Newest>)) -> Option<IssuerHeads> {
    Some(IssuerHeads {
        kid,
        status_list: status?,
        issued_list: issued?,
    })
}

/// Locks the gate's row and reads what its last heads were; `None` when it is not enrolled with
/// the key `kid`.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &Connection,
    gate_id: GateId,
    kid: Kid,
) -> anyhow::Result<Option<LastHeads>> {
    let context = || format!("cannot read the heads of gate {gate_id}");
    let statement = connection
        .prepare_cached(
            "SELECT heads_n, heads_content FROM gates WHERE gate_id = $1 AND kid = $2 AND state = 'enrolled' \
             FOR NO KEY UPDATE",
        )
        .await
        .with_context(context)?;
    let row = connection
        .query_opt(&statement, &[&gate_id, &kid.0.as_slice()])
        .await
        .with_context(context)?;
    let Some(row) = row else { return Ok(None) };
    let content = row
        .get::<_, Option<&[u8]>>(1)
        .map(<[u8; 32]>::try_from)
        .transpose()
        .with_context(context)?;
    Ok(Some(LastHeads {
        n: u64::try_from(row.get::<_, i64>(0)).with_context(context)?,
        content: content.map(Digest),
    }))
}

/// Notes what a gate's newest heads are; its row is locked.
///
/// # Errors
/// When the database fails.
pub async fn note(
    connection: &Connection,
    gate_id: GateId,
    n: u64,
    content: Digest,
) -> anyhow::Result<()> {
    let context = || format!("cannot note the heads of gate {gate_id}");
    let n = i64::try_from(n).with_context(context)?;
    let statement = connection
        .prepare_cached("UPDATE gates SET heads_n = $2, heads_content = $3 WHERE gate_id = $1")
        .await
        .with_context(context)?;
    connection
        .execute(&statement, &[&gate_id, &n, &content.0.as_slice()])
        .await
        .with_context(context)?;
    Ok(())
}
