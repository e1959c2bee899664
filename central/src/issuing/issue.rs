//! Issues one pass or thousands: numbered under a lock that issuing alone takes, signed in batches
//! while the batch before is stored, chained into the issued list, all in one transaction. The key's
//! row is written at the end: whoever revokes or freezes meanwhile does not wait for signatures.

use anyhow::Context;
use shared::{
    ids::{PassDigest, Serial},
    issued_list::extend_chain,
    keys::{PublicKey, sha256},
    pass::{AccessLevels, Claims, LEVELS_PER_PASS, SERIALS_PER_KEY},
    time::UtcSeconds,
};

use super::{BATCH_LEN_MAX, IssuingSigner};
use crate::{
    db::{
        Transaction, behind,
        passes::{self, Columns, HolderKind, Template},
        signing_keys::{self, SigningKey, Window},
    },
    ids::{AccessLevelId, Kid, SchoolId, StudentId},
    instant::UtcInstant,
};

/// What all passes of a request have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassTemplate {
    /// What kind of people the holders are.
    pub holder_kind: HolderKind,
    /// The first instant at which they are good; whole seconds.
    pub not_before: UtcInstant,
    /// The first instant at which they are good no more; whole seconds.
    pub expires_at: UtcInstant,
    /// How often each may be used; 0 is without limit.
    pub uses_max: u32,
    /// Where and when they admit; ascending and unique.
    pub levels: Vec<AccessLevelId>,
}

/// For whom a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The student, if it is one.
    pub student_id: Option<StudentId>,
    /// Their key, for a live pass.
    pub holder_key: Option<PublicKey>,
}

/// Which serials were given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The issuer key.
    pub kid: Kid,
    /// The first serial.
    pub first: i32,
    /// How many.
    pub count: i32,
}

/// Why no pass was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The school has no key that issues.
    #[error("the school has no open issuer key")]
    NoOpenKey,
    /// `nbf` has to lie in the key's signing window.
    #[error("must lie in the issuer key's signing window, from {} to before {}", .0.from, .0.until)]
    OutsideSigningWindow(Window),
    /// Passes are not looked at after the key's verification window.
    #[error("must not lie after {0}, when the issuer key's passes are looked at no more")]
    BeyondVerification(UtcInstant),
    /// Serials are used up.
    #[error("the issuer key has {0} serials left")]
    KeyFull(i32),
    /// The key was frozen or revoked while passes were signed with it.
    #[error("the issuer key {0} was frozen or revoked while passes were issued under it")]
    KeyWithdrawn(Kid),
    /// Dates that no pass can have.
    #[error("must lie after not_before")]
    ExpiresTooEarly,
    /// More levels than a pass can have.
    #[error("a pass has at most {LEVELS_PER_PASS} access levels")]
    TooManyLevels,
    /// A database or signer that fails.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Issues a pass to each of `holders`, who are not none, within `transaction`. Once that is
/// committed, the issued list is to be published.
///
/// # Errors
/// [`IssueError`]; the transaction is to be dropped then.
pub async fn issue(
    signer: &IssuingSigner,
    transaction: &Transaction,
    school_id: SchoolId,
    template: &PassTemplate,
    holders: &[Holder],
    now: UtcInstant,
) -> Result<Issued, IssueError> {
    let claims = first_claims(template)?;
    let key = signing_keys::lock_numbering(transaction, school_id)
        .await?
        .ok_or(IssueError::NoOpenKey)?;
    check_windows(&key, template, now)?;
    let count = i32::try_from(holders.len()).unwrap_or(i32::MAX);
    let left = i32::try_from(SERIALS_PER_KEY).unwrap_or(i32::MAX) - key.next_serial;
    if count > left {
        return Err(IssueError::KeyFull(left));
    }
    let stored = Template {
        kid: key.kid,
        school_id,
        holder_kind: template.holder_kind,
        not_before: template.not_before,
        expires_at: template.expires_at,
        uses_max: template.uses_max,
        levels: &template.levels,
        created_at: now,
    };
    let next_serial = key.next_serial + count;
    signer.begin(key.kid.0, key.next_serial..next_serial).await;
    let chain = sign_and_store(signer, transaction, &key, &stored, &claims, holders).await?;
    if !signing_keys::extend(transaction, &key, next_serial, chain).await? {
        return Err(IssueError::KeyWithdrawn(key.kid));
    }
    behind::count_roster_change(transaction, school_id).await?;
    Ok(Issued {
        kid: key.kid,
        first: key.next_serial,
        count,
    })
}

/// The claims that all passes share; serial and holder key are each pass's own.
fn first_claims(template: &PassTemplate) -> Result<Claims, IssueError> {
    if template.not_before >= template.expires_at {
        return Err(IssueError::ExpiresTooEarly);
    }
    let levels = template
        .levels
        .iter()
        .map(|level| shared::ids::AccessLevelId::from(*level).0);
    let levels = AccessLevels::new(levels).map_err(|_| IssueError::TooManyLevels)?;
    Ok(Claims {
        not_before: UtcSeconds(template.not_before.unix_seconds()),
        expires_at: UtcSeconds(template.expires_at.unix_seconds()),
        serial: Serial(0),
        holder_key: None,
        kind: template.holder_kind.into(),
        uses_max: template.uses_max,
        levels,
    })
}

fn check_windows(
    key: &SigningKey,
    template: &PassTemplate,
    now: UtcInstant,
) -> Result<(), IssueError> {
    let (Some(signing), Some(verification)) = (key.signing, key.verification) else {
        return Err(IssueError::NoOpenKey);
    };
    if !signing.contains(template.not_before) || now >= signing.until {
        return Err(IssueError::OutsideSigningWindow(signing));
    }
    if template.expires_at > verification.until {
        return Err(IssueError::BeyondVerification(verification.until));
    }
    Ok(())
}

/// Signs batch by batch, each while the one before is stored; returns the chain's new end.
async fn sign_and_store(
    signer: &IssuingSigner,
    transaction: &Transaction,
    key: &SigningKey,
    template: &Template<'_>,
    claims: &Claims,
    holders: &[Holder],
) -> anyhow::Result<shared::ids::Digest> {
    let mut chain = key.issued_chain;
    let mut serial = key.next_serial;
    let mut signed: Option<(i32, Columns)> = None;
    for batch in holders.chunks(BATCH_LEN_MAX) {
        let claims = claims_of(claims, serial, batch)?;
        let store = async {
            match &signed {
                Some((first, columns)) => {
                    passes::insert(transaction, template, *first, columns).await
                }
                None => Ok(()),
            }
        };
        let (passes, ()) = tokio::try_join!(signer.sign(&key.pair, &claims), store)?;
        let mut columns = Columns::default();
        let mut digests = Vec::with_capacity(passes.len());
        for (holder, pass) in batch.iter().zip(passes) {
            let digest = digest_of(&pass);
            digests.push(digest);
            columns.push(holder.student_id, holder.holder_key, pass, digest);
        }
        chain = extend_chain(chain, digests);
        signed = Some((serial, columns));
        serial += i32::try_from(batch.len()).context("a batch is small")?;
    }
    if let Some((first, columns)) = &signed {
        passes::insert(transaction, template, *first, columns).await?;
    }
    Ok(chain)
}

fn claims_of(template: &Claims, first: i32, batch: &[Holder]) -> anyhow::Result<Vec<Claims>> {
    let first = u32::try_from(first).context("a serial is not negative")?;
    let each = (first..).zip(batch).map(|(serial, holder)| Claims {
        serial: Serial(serial),
        holder_key: holder.holder_key,
        ..template.clone()
    });
    Ok(each.collect())
}

fn digest_of(pass_bytes: &[u8]) -> PassDigest {
    let mut digest = [0; 8];
    digest.copy_from_slice(&sha256(pass_bytes).0[..8]);
    PassDigest(digest)
}
