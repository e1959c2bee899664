//! An issuer key and its standby key, as they are made: both at once, both waiting for a trust
//! list to name them.

use std::time::Duration;

use crate::{
    db::{
        Transaction,
        signing_keys::{self, KeyPurpose, NewKey, SigningKey, Window},
    },
    ids::{Kid, SchoolId},
    instant::UtcInstant,
    issuing::SealedKey,
};

/// A school year, and a day for whoever renews keys each year on the same date.
const SIGNING: Duration = Duration::from_secs(366 * 86_400);
/// The last pass that a key signs may last another school year.
const VERIFICATION_BEYOND: Duration = Duration::from_secs(400 * 86_400);

/// When a key signs and when its passes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWindows {
    /// The first instant at which a pass may begin.
    pub signing_from: UtcInstant,
    /// No pass begins from here on.
    pub signing_until: UtcInstant,
    /// No pass is looked at from here on.
    pub verification_until: UtcInstant,
}

impl KeyWindows {
    /// A school year from `from` on, or until `until`; and what passes made then may need.
    #[must_use]
    pub fn usual(from: UtcInstant, until: Option<UtcInstant>) -> Self {
        let signing_from = from.whole_seconds();
        let signing_until = until.map_or(signing_from.plus(SIGNING), UtcInstant::whole_seconds);
        Self {
            signing_from,
            signing_until,
            verification_until: signing_until.plus(VERIFICATION_BEYOND),
        }
    }
}

/// Stores an issuer key with its standby key.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    transaction: &Transaction,
    school_id: SchoolId,
    windows: KeyWindows,
    issuer: &SealedKey,
    standby: &SealedKey,
    now: UtcInstant,
) -> anyhow::Result<SigningKey> {
    let standby_key = NewKey {
        pair: standby,
        purpose: KeyPurpose::Standby,
        school_id: Some(school_id),
        signing: None,
        verification: None,
        standby_kid: None,
    };
    signing_keys::insert(transaction, &standby_key, now).await?;
    let window = |from, until| Some(Window { from, until });
    let issuer_key = NewKey {
        pair: issuer,
        purpose: KeyPurpose::Issuer,
        school_id: Some(school_id),
        signing: window(windows.signing_from, windows.signing_until),
        verification: window(windows.signing_from, windows.verification_until),
        standby_kid: Some(Kid(standby.public_key.kid())),
    };
    signing_keys::insert(transaction, &issuer_key, now).await
}
