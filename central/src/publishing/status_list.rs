//! The status list of an issuer key.

use anyhow::Context;
use shared::{document::SignedKind as _, status_list::StatusList};

use super::{LISTS_KEPT, Outcome, Publisher, Target};
use crate::{
    changes::Change,
    db::{
        behind, passes,
        publications::{self, Place},
        signed_documents::Subject,
        signing_keys,
    },
    ids::Kid,
};

impl Publisher {
    /// Publishes which passes of the key are revoked or suspended. When this returns, the list in
    /// the database holds every change that was committed before the call.
    ///
    /// # Errors
    /// When the database or the statement signer fails: the list is behind then.
    pub async fn status_list(&self, kid: Kid) -> anyhow::Result<Outcome> {
        self.statements.kid().await?;
        let transaction = self.db.begin_across_schools().await?;
        let place = Place {
            kind: StatusList::EXTERNAL_DATA,
            subject: Subject::Issuer(kid.0),
        };
        publications::lock(&transaction, place).await?;
        // Before the sets: a change in between is published twice and not never.
        let key = signing_keys::get(&transaction, kid)
            .await?
            .with_context(|| format!("there is no key {kid}"))?;
        let school_id = key
            .school_id
            .with_context(|| format!("{kid} is no issuer key"))?;
        let sets = passes::status_sets(&transaction, kid).await?;
        let target = Target {
            subject: Subject::Issuer(kid.0),
            school_id,
            change: Change::School(school_id),
            kept: LISTS_KEPT,
        };
        let outcome = self
            .publish(&transaction, target, |header| sets.to_list(header, kid.0))
            .await
            .with_context(|| format!("cannot publish the status list of {kid}"))?;
        behind::note_status(&transaction, kid, key.status_version).await?;
        self.finish(transaction, target.change, outcome).await
    }
}
