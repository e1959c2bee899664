//! Stores passes that were just signed, a batch at a time.

use anyhow::Context;
use shared::{ids::PassDigest, keys::PublicKey};

use super::HolderKind;
use crate::{
    db::Connection,
    ids::{AccessLevelId, Kid, SchoolId, StudentId},
    instant::UtcInstant,
};

/// What all passes of a batch have in common.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// The issuer key.
    pub kid: Kid,
    /// Its school.
    pub school_id: SchoolId,
    /// What kind of people the holders are.
    pub holder_kind: HolderKind,
    /// The first instant at which they are good.
    pub not_before: UtcInstant,
    /// The first instant at which they are good no more.
    pub expires_at: UtcInstant,
    /// How often each may be used; 0 is without limit.
    pub uses_max: u32,
    /// Where and when they admit, ascending.
    pub levels: &'a [AccessLevelId],
    /// When they were issued.
    pub created_at: UtcInstant,
}

/// What each pass of a batch has for itself; all of one length.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Holders.
    pub student_ids: Vec<Option<StudentId>>,
    /// Their keys.
    pub holder_keys: Vec<Option<Vec<u8>>>,
    /// Signed passes.
    pub pass_bytes: Vec<Vec<u8>>,
    /// Their digests.
    pub digests: Vec<Vec<u8>>,
}

impl Columns {
    /// Adds a pass.
    pub fn push(
        &mut self,
        student_id: Option<StudentId>,
        holder_key: Option<PublicKey>,
        pass_bytes: Vec<u8>,
        digest: PassDigest,
    ) {
        self.student_ids.push(student_id);
        self.holder_keys.push(holder_key.map(|key| key.0.to_vec()));
        self.pass_bytes.push(pass_bytes);
        self.digests.push(digest.0.to_vec());
    }
}

const INSERT: &str = "INSERT INTO passes (kid, serial, school_id, student_id, holder_kind, \
        not_before, expires_at, uses_max, levels, created_at, holder_key, pass_bytes, digest) \
    SELECT $1, $2 + place::integer - 1, $3, student_id, $4, $5, $6, $7, $8, $9, holder_key, pass_bytes, digest \
    FROM unnest($10::uuid[], $11::bytea[], $12::bytea[], $13::bytea[]) WITH ORDINALITY \
        AS each (student_id, holder_key, pass_bytes, digest, place)";

/// Stores passes with serials from `first_serial` on. COPY is closed to tables behind row-level
/// security; arrays cost little more.
///
/// # Errors
/// When a serial is taken, or the database fails.
pub async fn insert(
    connection: &Connection,
    template: &Template<'_>,
    first_serial: i32,
    columns: &Columns,
) -> anyhow::Result<()> {
    let statement = connection
        .prepare_cached(INSERT)
        .await
        .context("cannot store passes")?;
    connection
        .execute(
            &statement,
            &[
                &template.kid,
                &first_serial,
                &template.school_id,
                &template.holder_kind.number(),
                &template.not_before,
                &template.expires_at,
                &i64::from(template.uses_max),
                &template.levels,
                &template.created_at,
                &columns.student_ids,
                &columns.holder_keys,
                &columns.pass_bytes,
                &columns.digests,
            ],
        )
        .await
        .context("cannot store passes")?;
    Ok(())
}
