//! Publishes signed documents: each change is stored first and published right after, in a
//! transaction of its own; what is left behind by a crash or a signer that is down is found and
//! published by [`Publisher::catch_up`]. One file for each kind.

mod after_change;
mod catch_up;
mod configuration;
mod issued_list;
mod offsets;
mod order;
mod roster;
mod status_list;
pub mod trust;

pub use after_change::after_change;
pub use catch_up::Which;
pub use roster::RostersDue;

use anyhow::Context;
use shared::{
    cbor,
    cose::{Protected, Sign1},
    document::Header,
    heads::Newest,
    ids::DocumentNumber,
    keys::sha256,
    time::UtcSeconds,
};

use crate::{
    changes::{self, Change, Changes},
    clock::Clock,
    db::{
        Db, Transaction,
        publications::{self, NewDocument, Place, Published},
        signed_documents::{self, Subject},
    },
    ids::SchoolId,
    instant::UtcInstant,
    signers::{Statement, StatementSigner},
};

/// How long a statement may be relied on. A gate must be able to live on what it took just before
/// its link broke for as long as the ladder of freshness lets it, 30 days; the rest is for
/// renewing in time.
pub const STATEMENT_LIFETIME_S: u64 = 40 * Header::DAY_S;
/// A statement that has less than this left is published anew.
pub const RENEW_BEFORE_S: u64 = 35 * Header::DAY_S;
/// Lists that are kept, so that deltas can start from them.
pub const LISTS_KEPT: i64 = 100;
/// Configurations that are kept, for an inquiry: they may have megabytes.
pub const CONFIGURATIONS_KEPT: i64 = 3;
/// Rosters name people: an older one would name who was erased.
pub const ROSTERS_KEPT: i64 = 1;

/// What publishing depends on; clones share it.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// The records.
    pub db: Db,
    /// Signs.
    pub statements: StatementSigner,
    /// The time.
    pub clock: Clock,
    /// Wakes long polls.
    pub changes: Changes,
    /// Has rosters be published before long.
    pub rosters: RostersDue,
}

/// Where a statement goes, who is told, and how many are kept.
#[derive(Clone, Copy, Debug)]
struct Target {
    subject: Subject,
    school_id: SchoolId,
    change: Change,
    kept: i64,
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new document is in force.
    Published(Newest),
    /// The document in force says it all and is good for long enough.
    Unchanged,
}

impl Publisher {
    /// Signs and stores what `make` makes, unless the newest document of the kind says the same,
    /// was signed by the key in use and is good for long enough. The place is locked.
    async fn publish<T: Statement>(
        &self,
        transaction: &Transaction,
        target: Target,
        make: impl Fn(Header) -> T,
    ) -> anyhow::Result<Outcome> {
        let place = Place {
            kind: T::EXTERNAL_DATA,
            subject: target.subject,
        };
        let signer = self.statements.hold(transaction).await?;
        let now = self.clock.now();
        let epoch = signed_documents::epoch(transaction).await?;
        let newest = publications::newest(transaction, place).await?;
        let of_epoch = newest.filter(|newest| newest.number.epoch == epoch);
        if let Some(newest) = &of_epoch {
            let is_fresh = newest.expires_at >= now.plus_seconds(RENEW_BEFORE_S);
            if is_fresh && says_the_same(newest, signer, &make)? {
                return Ok(Outcome::Unchanged);
            }
        }
        let number = DocumentNumber {
            epoch,
            n: of_epoch.map_or(1, |newest| newest.number.n + 1),
        };
        let header = header(number, now, STATEMENT_LIFETIME_S);
        let document = self.statements.sign(&make(header)).await?;
        let newest = store(
            transaction,
            place,
            Some(target.school_id),
            header,
            &document,
        )
        .await?;
        publications::prune(transaction, place, target.kept).await?;
        changes::announce(transaction, target.change).await?;
        Ok(Outcome::Published(newest))
    }

    /// Commits, and wakes this process's long polls when something was published.
    async fn finish(
        &self,
        transaction: Transaction,
        change: Change,
        outcome: Outcome,
    ) -> anyhow::Result<Outcome> {
        transaction.commit().await?;
        match outcome {
            Outcome::Published(_) => self.changes.wake(change),
            Outcome::Unchanged => {}
        }
        Ok(outcome)
    }
}

/// A header that begins now.
fn header(number: DocumentNumber, now: UtcInstant, lifetime_s: u64) -> Header {
    let made_at = UtcSeconds(now.unix_seconds());
    Header {
        number,
        made_at,
        expires_at: made_at.plus(lifetime_s),
    }
}

/// Stores a signed document.
async fn store(
    transaction: &Transaction,
    place: Place,
    school_id: Option<SchoolId>,
    header: Header,
    document: &[u8],
) -> anyhow::Result<Newest> {
    let digest = sha256(document);
    publications::insert(
        transaction,
        &NewDocument {
            place,
            number: header.number,
            school_id,
            made_at: UtcInstant::from_unix_seconds(header.made_at.0),
            expires_at: UtcInstant::from_unix_seconds(header.expires_at.0),
            digest,
            document,
        },
    )
    .await?;
    Ok(Newest {
        number: header.number,
        digest,
    })
}

/// Would `make` make this very document again, by this very key?
fn says_the_same<T: Statement>(
    newest: &Published,
    signer: shared::ids::Kid,
    make: impl Fn(Header) -> T,
) -> anyhow::Result<bool> {
    let envelope = Sign1::parse(&newest.document)
        .with_context(|| format!("a stored {} is no signed document", T::EXTERNAL_DATA))?;
    if envelope.protected != Protected::Key(signer) {
        return Ok(false);
    }
    let again = make(Header {
        number: newest.number,
        made_at: UtcSeconds(newest.made_at.unix_seconds()),
        expires_at: UtcSeconds(newest.expires_at.unix_seconds()),
    });
    Ok(cbor::encode(&again) == envelope.payload)
}
