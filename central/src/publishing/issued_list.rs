//! The issued list of an issuer key.

use anyhow::Context;
use shared::{
    document::SignedKind as _,
    issued_list::{Growth, IssuedList},
};

use super::{LISTS_KEPT, Outcome, Publisher, Target};
use crate::{
    changes::Change,
    db::{
        behind,
        publications::{self, Place},
        signed_documents::Subject,
        signing_keys::{self, KeyState},
    },
    ids::Kid,
};

impl Publisher {
    /// Publishes how many passes were issued under the key, and whether it is frozen.
    ///
    /// # Errors
    /// When the database or the statement signer fails: the list is behind then.
    pub async fn issued_list(&self, kid: Kid) -> anyhow::Result<Outcome> {
        self.statements.kid().await?;
        let transaction = self.db.begin_across_schools().await?;
        let place = Place {
            kind: IssuedList::EXTERNAL_DATA,
            subject: Subject::Issuer(kid.0),
        };
        publications::lock(&transaction, place).await?;
        let key = signing_keys::get(&transaction, kid)
            .await?
            .with_context(|| format!("there is no key {kid}"))?;
        let school_id = key
            .school_id
            .with_context(|| format!("{kid} is no issuer key"))?;
        let count = u32::try_from(key.next_serial).context("a count is negative")?;
        let growth = match key.state {
            // A revoked key may have been frozen before, and no gate takes a list that thaws.
            KeyState::Frozen | KeyState::Revoked => Growth::Frozen,
            KeyState::Open | KeyState::Closed => Growth::Open,
        };
        let target = Target {
            subject: Subject::Issuer(kid.0),
            school_id,
            change: Change::School(school_id),
            kept: LISTS_KEPT,
        };
        let make = |header| IssuedList {
            header,
            kid: kid.0,
            count,
            growth,
            chain: key.issued_chain,
        };
        let outcome = self
            .publish(&transaction, target, make)
            .await
            .with_context(|| format!("cannot publish the issued list of {kid}"))?;
        behind::note_issued(&transaction, kid, key.next_serial, key.state).await?;
        self.finish(transaction, target.change, outcome).await
    }
}
