//! Root sets and trust lists: signed by root and registrar keys, which only commands hold.

use std::{cmp::Reverse, collections::BTreeSet};

use anyhow::{Context, bail, ensure};
use shared::{
    document::{self, Header, SignedKind as _},
    ids::DocumentNumber,
    keys::{PublicKey, Sign as _},
    root_set::{RootSet, open_first_root_set, open_next_root_set},
    trust_list::{IssuerKey, IssuerKeyState, STATEMENT_KEYS_LIMIT, TrustList, open_trust_list},
};

use super::{STATEMENT_LIFETIME_S, header, store};
use crate::{
    changes::{self, Change},
    db::{
        Connection, Transaction, behind,
        publications::{self, Place, Published},
        signed_documents::{self, Subject},
        signing_keys::{self, KeyPurpose, KeyState, SigningKey},
    },
    ids::{Kid, SchoolId},
    instant::UtcInstant,
    keys::PrivateKey,
};

/// A trust list lasts 400 days (design §3): a school that renews it each summer has time.
pub const TRUST_LIST_LIFETIME_S: u64 = 400 * Header::DAY_S;
/// From here on central warns.
pub const TRUST_LIST_WARN_BEFORE_S: u64 = 60 * Header::DAY_S;
/// A root set lasts ten years.
pub const ROOT_SET_LIFETIME_S: u64 = 3652 * Header::DAY_S;

const ROOT_SET: Place = Place {
    kind: RootSet::EXTERNAL_DATA,
    subject: Subject::Central,
};
const TRUST_LIST: Place = Place {
    kind: TrustList::EXTERNAL_DATA,
    subject: Subject::Central,
};

/// The root set in force.
///
/// # Errors
/// When the database fails, or holds what is none.
pub async fn root_set(connection: &Connection) -> anyhow::Result<Option<RootSet>> {
    let newest = publications::newest(connection, ROOT_SET).await?;
    newest
        .map(|newest| {
            let opened = open_first_root_set(&newest.document)
                .context("the root set in the database does not verify")?;
            Ok(opened.into_document())
        })
        .transpose()
}

/// The trust list in force, unopened.
///
/// # Errors
/// When the database fails.
pub async fn trust_list(connection: &Connection) -> anyhow::Result<Option<Published>> {
    publications::newest(connection, TRUST_LIST).await
}

/// A root set that follows the one in force, not signed yet.
///
/// # Errors
/// When the database fails.
pub async fn draft_root_set(
    connection: &Connection,
    threshold: u8,
    mut roots: Vec<PublicKey>,
    mut registrars: Vec<PublicKey>,
    now: UtcInstant,
) -> anyhow::Result<RootSet> {
    roots.sort_unstable();
    registrars.sort_unstable();
    let number = next_number(connection, ROOT_SET).await?;
    let set = RootSet {
        header: header(number, now, ROOT_SET_LIFETIME_S),
        threshold,
        roots,
        registrars,
    };
    document::check(&set).context("gates would refuse this root set")?;
    Ok(set)
}

/// Puts a signed root set in force: enough of its own roots signed it, and enough of those of the
/// set before.
///
/// # Errors
/// When signatures are missing, its number does not follow, or the database fails.
pub async fn publish_root_set(transaction: &Transaction, signed: &[u8]) -> anyhow::Result<RootSet> {
    publications::lock(transaction, ROOT_SET).await?;
    let opened = match root_set(transaction).await? {
        Some(current) => open_next_root_set(signed, &current)
            .context("the root set is not signed by enough roots of the old and of the new set")?,
        None => open_first_root_set(signed)
            .context("the root set is not signed by enough of its own roots")?,
    };
    let set = opened.into_document();
    let number = next_number(transaction, ROOT_SET).await?;
    ensure!(
        set.header.number == number,
        "this root set has the number {} and the next one is {number}: draft it again",
        set.header.number
    );
    store(transaction, ROOT_SET, None, set.header, signed).await?;
    changes::announce(transaction, Change::Everything).await?;
    Ok(set)
}

/// Signs and publishes a trust list of all keys in the database, opens keys that waited for it,
/// and has everything else be published again.
///
/// # Errors
/// When the registrar is none that the root set names, gates would refuse the list, or the
/// database fails.
pub async fn publish_trust_list(
    transaction: &Transaction,
    registrar: &PrivateKey,
    now: UtcInstant,
) -> anyhow::Result<TrustList> {
    publications::lock(transaction, TRUST_LIST).await?;
    let roots = root_set(transaction)
        .await?
        .context("there is no root set yet: see `central keys root-set --help`")?;
    ensure!(
        roots.registrars.contains(&registrar.public()),
        "the root set does not name the registrar key {}: draft, sign and publish a root set that does",
        registrar.kid()
    );
    let keys = signing_keys::list(transaction, None).await?;
    let statement_keys = statement_keys(&keys, now);
    let issuers = issuer_keys(&keys, now)?;
    let number = next_number(transaction, TRUST_LIST).await?;
    let list = TrustList {
        header: header(number, now, TRUST_LIST_LIFETIME_S),
        issuer_keys: sorted(issuers.iter().map(|(_, key)| key.clone()).collect()),
        statement_keys: {
            let mut keys: Vec<_> = statement_keys
                .iter()
                .map(|key| key.pair.public_key)
                .collect();
            keys.sort_unstable();
            keys
        },
    };
    let signed = document::sign(&list, registrar)
        .context("gates would refuse this trust list; is there a statement key?")?;
    open_trust_list(&signed, &roots).context("gates would refuse this trust list")?;
    store(transaction, TRUST_LIST, None, list.header, &signed).await?;
    let named: Vec<Kid> = statement_keys
        .iter()
        .map(|key| key.kid)
        .chain(issuers.iter().map(|(key, _)| key.kid))
        .chain(issuers.iter().filter_map(|(key, _)| key.standby_kid))
        .collect();
    open_waiting(transaction, &keys, now).await?;
    signing_keys::note_trusted(transaction, &named, now).await?;
    behind::forget_all(transaction).await?;
    changes::announce(transaction, Change::Everything).await?;
    Ok(list)
}

/// The newest issuer key of each school that waited signs from now on in place of the one before.
/// A statement key does so only when there is none: otherwise gates are to know it beforehand,
/// and [`switch_statement_key`] gives it its turn.
async fn open_waiting(
    transaction: &Transaction,
    keys: &[SigningKey],
    now: UtcInstant,
) -> anyhow::Result<()> {
    let schools: BTreeSet<Option<SchoolId>> = keys.iter().map(|key| key.school_id).collect();
    for school_id in schools {
        let purpose = match school_id {
            Some(_) => KeyPurpose::Issuer,
            None => KeyPurpose::Statement,
        };
        let of_school = || {
            keys.iter()
                .filter(move |key| key.school_id == school_id && key.purpose == purpose)
        };
        let open = of_school().find(|key| key.state == KeyState::Open);
        // Keys come oldest first.
        let waiting: Vec<_> = of_school().filter(|key| key.is_waiting()).collect();
        let Some((newest, passed_over)) = waiting.split_last() else {
            continue;
        };
        if purpose == KeyPurpose::Statement && open.is_some() {
            continue;
        }
        for key in open.iter().chain(passed_over) {
            signing_keys::close(transaction, key.kid, now).await?;
        }
        signing_keys::set_state(transaction, newest.kid, KeyState::Open).await?;
    }
    Ok(())
}

/// Has the newest statement key that gates know sign from now on; `None` when there is none but
/// the one in use. Running servers take it up within a minute.
///
/// # Errors
/// When the database fails.
pub async fn switch_statement_key(
    transaction: &Transaction,
    now: UtcInstant,
) -> anyhow::Result<Option<Kid>> {
    publications::lock(transaction, TRUST_LIST).await?;
    let keys = signing_keys::list(transaction, None).await?;
    let of_statements = || {
        keys.iter()
            .filter(|key| key.purpose == KeyPurpose::Statement)
    };
    let next = of_statements().rfind(|key| key.is_waiting() && key.trusted_at.is_some());
    let Some(next) = next else { return Ok(None) };
    for key in of_statements().filter(|key| key.state == KeyState::Open) {
        signing_keys::close(transaction, key.kid, now).await?;
    }
    signing_keys::set_state(transaction, next.kid, KeyState::Open).await?;
    behind::forget_all(transaction).await?;
    changes::announce(transaction, Change::Everything).await?;
    Ok(Some(next.kid))
}

/// The key in use, those that wait, and those before for as long as statements of theirs are
/// good; the newest when they are too many.
fn statement_keys(keys: &[SigningKey], now: UtcInstant) -> Vec<&SigningKey> {
    let is_spent = |key: &SigningKey| {
        key.closed_at
            .is_some_and(|closed| closed.plus_seconds(STATEMENT_LIFETIME_S) <= now)
    };
    let mut listed: Vec<_> = keys
        .iter()
        .filter(|key| {
            key.purpose == KeyPurpose::Statement && key.state != KeyState::Revoked && !is_spent(key)
        })
        .collect();
    let open_first = |key: &&SigningKey| (key.state != KeyState::Open, Reverse(key.created_at));
    listed.sort_by_key(open_first);
    listed.truncate(STATEMENT_KEYS_LIMIT);
    listed
}

/// Issuer keys under which a pass may still be shown, each with its standby key.
fn issuer_keys(
    keys: &[SigningKey],
    now: UtcInstant,
) -> anyhow::Result<Vec<(&SigningKey, IssuerKey)>> {
    let mut listed = Vec::new();
    for key in keys.iter().filter(|key| key.purpose == KeyPurpose::Issuer) {
        let (Some(school_id), Some(signing), Some(verification)) =
            (key.school_id, key.signing, key.verification)
        else {
            bail!("issuer key {} has no school or no windows", key.kid);
        };
        if verification.until <= now {
            continue;
        }
        let standby = keys.iter().find(|other| {
            Some(other.kid) == key.standby_kid
                && other.purpose == KeyPurpose::Standby
                && other.state != KeyState::Revoked
        });
        let issuer = IssuerKey {
            public_key: key.pair.public_key,
            school: school_id.into(),
            signing: signing.to_wire(),
            verification: verification.to_wire(),
            // Under a revoked key nothing is good, so nothing may take its place unseen.
            standby: standby
                .filter(|_| key.state != KeyState::Revoked)
                .map(|standby| standby.pair.public_key),
            state: match key.state {
                KeyState::Revoked => IssuerKeyState::Revoked,
                KeyState::Open | KeyState::Closed | KeyState::Frozen => IssuerKeyState::Active,
            },
        };
        listed.push((key, issuer));
    }
    Ok(listed)
}

fn sorted(mut keys: Vec<IssuerKey>) -> Vec<IssuerKey> {
    keys.sort_unstable_by_key(|key| key.public_key);
    keys
}

async fn next_number(connection: &Connection, place: Place) -> anyhow::Result<DocumentNumber> {
    let epoch = signed_documents::epoch(connection).await?;
    let newest = publications::newest(connection, place).await?;
    let n = newest
        .filter(|newest| newest.number.epoch == epoch)
        .map_or(1, |newest| newest.number.n + 1);
    Ok(DocumentNumber { epoch, n })
}

/// Freezes an issuer key: no pass is added under it ever again, those that were issued stay good,
/// and its standby key takes its place. The issued list is to be published right after.
///
/// # Errors
/// When it is no issuer key of the school or is revoked, or the database fails.
pub async fn freeze(
    transaction: &Transaction,
    kid: Kid,
) -> anyhow::Result<Option<(SchoolId, Option<Kid>)>> {
    let Some(key) = signing_keys::lock(transaction, kid).await? else {
        return Ok(None);
    };
    let Some(school_id) = key.school_id.filter(|_| key.purpose == KeyPurpose::Issuer) else {
        bail!(
            "{kid} is a {:?} key; only issuer keys are frozen",
            key.purpose
        );
    };
    match key.state {
        KeyState::Frozen => return Ok(Some((school_id, None))),
        KeyState::Revoked => bail!("{kid} is revoked, which is more than frozen"),
        KeyState::Open | KeyState::Closed => {}
    }
    signing_keys::set_state(transaction, kid, KeyState::Frozen).await?;
    let was_open = key.state == KeyState::Open;
    let standby = key.standby_kid.filter(|_| was_open);
    let successor = match standby {
        Some(standby) if signing_keys::promote(transaction, standby, &key).await? => Some(standby),
        Some(_) | None => None,
    };
    // Gates are to hold the lists of the key that issues now.
    behind::count_configuration_change(transaction, school_id).await?;
    Ok(Some((school_id, successor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestCentral, keys::central_with_keys};

    async fn set_state(central: &TestCentral, kid: &str, state: KeyState) {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        signing_keys::set_state(&transaction, kid.parse().unwrap(), state)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_trust_list_names_issuer_keys_with_their_standby_keys_and_says_which_are_revoked() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let list = central.trust_list().await.into_document();
        assert_eq!(list.issuer_keys.len(), 1);
        assert_eq!(list.issuer_keys[0].state, IssuerKeyState::Active);
        assert!(list.issuer_keys[0].standby.is_some());
        assert_eq!(
            list.header.expires_at.since(list.header.made_at),
            TRUST_LIST_LIFETIME_S
        );
        set_state(&central, &kid, KeyState::Revoked).await;
        keys.publish_trust_list(&central).await;
        let list = central.trust_list().await.into_document();
        assert_eq!(list.issuer_keys[0].state, IssuerKeyState::Revoked);
        assert_eq!(list.issuer_keys[0].standby, None);
    }

    #[tokio::test]
    async fn after_a_freeze_the_standby_key_is_named_for_itself() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let before = central.trust_list().await.into_document();
        let freeze = format!("{school}/issuer-keys/{kid}/freeze");
        central.post(&freeze, serde_json::json!(null)).await;
        keys.publish_trust_list(&central).await;
        let after = central.trust_list().await.into_document();
        assert_eq!(after.issuer_keys.len(), 2);
        let standby = before.issuer_keys[0].standby.unwrap();
        let promoted = after
            .issuer_keys
            .iter()
            .find(|key| key.public_key == standby)
            .unwrap();
        assert_eq!(promoted.signing, before.issuer_keys[0].signing);
        assert_eq!(promoted.verification, before.issuer_keys[0].verification);
    }

    #[tokio::test]
    async fn a_standby_key_that_is_revoked_is_named_no_more_and_takes_no_place() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let standby = central.trust_list().await.into_document().issuer_keys[0].standby;
        set_state(
            &central,
            &standby.unwrap().kid().to_string(),
            KeyState::Revoked,
        )
        .await;
        keys.publish_trust_list(&central).await;
        let list = central.trust_list().await.into_document();
        assert_eq!(list.issuer_keys[0].standby, None);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let (_, successor) = freeze(&transaction, kid.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(successor, None);
    }

    #[tokio::test]
    async fn a_statement_key_is_named_as_long_as_statements_of_it_are_good() {
        let (central, keys) = central_with_keys().await;
        let named = async || {
            let list = central.trust_list().await.into_document();
            list.statement_keys.len()
        };
        keys.make_statement_key(&central).await;
        keys.publish_trust_list(&central).await;
        assert_eq!(named().await, 2);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        switch_statement_key(&transaction, central.clock.now())
            .await
            .unwrap()
            .unwrap();
        transaction.commit().await.unwrap();
        let day = std::time::Duration::from_secs(86_400);
        for (days, expected) in [(39, 2), (1, 1)] {
            central.clock.advance(days * day);
            keys.publish_trust_list(&central).await;
            assert_eq!(named().await, expected);
        }
    }

    #[tokio::test]
    async fn a_registrar_whom_the_root_set_does_not_name_publishes_nothing() {
        let (central, _) = central_with_keys().await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let stranger = PrivateKey::from_seed(&[99; 32]);
        let now = central.clock.now();
        let problem = publish_trust_list(&transaction, &stranger, now)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("does not name the registrar key"),
            "{problem}"
        );
    }

    #[tokio::test]
    async fn of_two_keys_that_wait_the_newer_one_issues() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let path = format!("{school}/issuer-keys");
        for _ in 0..2 {
            central.clock.advance(std::time::Duration::from_secs(1));
            central.post(&path, serde_json::json!({})).await;
        }
        for _ in 0..2 {
            keys.publish_trust_list(&central).await;
            let list = central.get(&path).await.json;
            let states: Vec<_> = list["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|key| key["state"] != "standby")
                .map(|key| key["state"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(states, ["closed", "open"]);
        }
    }
}
