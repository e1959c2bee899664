//! The roster of a gate: the holders that its access points may admit, and nobody else.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use shared::{
    cbor,
    cose::Sign1,
    document::SignedKind as _,
    ids::{HolderNumber, PassId},
    roster::{HOLDERS_PER_GATE, PASSES_PER_HOLDER, Roster, RosterEntry},
    text::{NAME_LIMIT, cut},
};
use tokio::sync::Notify;

use super::{Outcome, Publisher, ROSTERS_KEPT, Target};
use crate::{
    changes::Change,
    db::{
        Transaction, behind,
        passes::{self, RosterRow},
        publications::{self, Place},
        signed_documents::Subject,
    },
    ids::GateId,
    instant::UtcInstant,
};

/// A roster of up to this many bytes is published with every change.
const SMALL_ROSTER_LEN: usize = 256 << 10;
/// A larger one is megabytes for each gate to fetch: it waits for more changes. A pass is good
/// before its holder stands in a roster.
const LARGE_ROSTER_INTERVAL_S: u64 = 60;

/// Word that rosters are behind; clones share it. A roster may take a hundred times longer to make
/// than the pass that changed it, so one follows many changes.
#[derive(Clone, Debug, Default)]
pub struct RostersDue(Arc<Notify>);

impl RostersDue {
    /// Has rosters be published before long.
    pub fn publish_soon(&self) {
        self.0.notify_one();
    }

    /// Waits until rosters are to be published.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Why a roster is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Something changed, or it expires before long.
    Change,
    /// This holder was erased.
    Erasure(HolderNumber),
}

impl Publisher {
    /// Publishes a gate's roster, unless it says what the one in force says, or is large and was
    /// published just now: it stays behind then. One that names an erased holder never waits.
    ///
    /// # Errors
    /// When the database or the statement signer fails: the roster is behind then.
    pub(super) async fn roster(
        &self,
        gate_id: GateId,
        occasion: Occasion,
    ) -> anyhow::Result<Outcome> {
        self.statements.kid().await?;
        let transaction = self.db.begin_across_schools().await?;
        let subject = Subject::Gate(gate_id);
        let place = Place {
            kind: Roster::EXTERNAL_DATA,
            subject,
        };
        publications::lock(&transaction, place).await?;
        let now = self.clock.now();
        let may_stay = match occasion {
            Occasion::Change => {
                let newest = publications::newest_size(&transaction, place).await?;
                newest.is_some_and(|newest| must_wait(newest, now))
            }
            Occasion::Erasure(holder) => !names(&transaction, place, holder).await?,
        };
        if may_stay {
            return Ok(Outcome::Unchanged);
        }
        let Some(versions) = behind::access_versions(&transaction, gate_id).await? else {
            return Ok(Outcome::Unchanged);
        };
        let rows = passes::roster_rows(&transaction, gate_id, now).await?;
        let holders = holders(rows, gate_id);
        let target = Target {
            subject,
            school_id: versions.school_id,
            change: Change::Gate(gate_id),
            kept: ROSTERS_KEPT,
        };
        let make = |header| Roster {
            header,
            gate: gate_id.into(),
            holders: holders.clone(),
        };
        let outcome = self
            .publish(&transaction, target, make)
            .await
            .with_context(|| format!("cannot publish the roster of gate {gate_id}"))?;
        behind::note_roster(&transaction, gate_id, versions.roster).await?;
        self.finish(transaction, target.change, outcome).await
    }
}

fn must_wait((made_at, length): (UtcInstant, usize), now: UtcInstant) -> bool {
    length > SMALL_ROSTER_LEN && now < made_at.plus_seconds(LARGE_ROSTER_INTERVAL_S)
}

/// Does the roster in force name the holder?
async fn names(
    transaction: &Transaction,
    place: Place,
    holder: HolderNumber,
) -> anyhow::Result<bool> {
    let Some(newest) = publications::newest(transaction, place).await? else {
        return Ok(false);
    };
    let envelope = Sign1::parse(&newest.document).context("a stored roster is not signed")?;
    let roster: Roster = cbor::decode_strict(envelope.payload, Roster::LIMIT)
        .context("a stored roster is malformed")?;
    Ok(roster.holders.iter().any(|entry| entry.holder == holder))
}

/// One entry for each holder, with their newest passes. Rows come newest pass first.
fn holders(rows: Vec<RosterRow>, gate_id: GateId) -> Vec<RosterEntry> {
    let mut holders: BTreeMap<HolderNumber, RosterEntry> = BTreeMap::new();
    for row in rows {
        let entry = holders.entry(row.holder).or_insert_with(|| RosterEntry {
            holder: row.holder,
            passes: Vec::new(),
            name: cut(&row.name, NAME_LIMIT),
            student_number: cut(&row.student_number, NAME_LIMIT),
            language: row.language,
            photo: None,
            need: row.release_time.to_wire(),
        });
        if entry.passes.len() < PASSES_PER_HOLDER {
            entry.passes.push(PassId {
                kid: row.kid.0,
                serial: row.serial,
            });
        }
    }
    if holders.len() > HOLDERS_PER_GATE {
        tracing::warn!(
            gate.id = %gate_id,
            holders = holders.len(),
            "gate {gate_id} admits {} holders and recognises {HOLDERS_PER_GATE} of them",
            holders.len()
        );
    }
    let mut holders: Vec<_> = holders.into_values().take(HOLDERS_PER_GATE).collect();
    for entry in &mut holders {
        entry.passes.sort_unstable();
    }
    holders
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use shared::roster::DoorNeed;

    use super::*;
    use crate::{
        publishing::Which,
        testing::{Site, TestCentral, keys::central_with_keys},
    };

    async fn roster(central: &TestCentral, site: &Site) -> Vec<RosterEntry> {
        central
            .app
            .publisher()
            .catch_up(Which::Rosters)
            .await
            .unwrap();
        let newest = central.newest::<Roster>(Subject::Gate(site.gate_id)).await;
        newest.into_document().holders
    }

    async fn student(central: &TestCentral, site: &Site, number: &str) -> Value {
        let body = json!({"student_number": number, "name": "Amara Nwosu", "language": "fr"});
        let made = central
            .post(&format!("{}/students", site.school), body)
            .await;
        made.json["student_id"].clone()
    }

    async fn pass(central: &TestCentral, site: &Site, student: &Value, levels: &[i64]) -> Value {
        let body = json!({
            "student_id": student, "expires_at": "2027-07-31T00:00:00Z", "levels": levels,
        });
        let made = central.post(&format!("{}/passes", site.school), body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json
    }

    #[tokio::test]
    async fn a_gate_knows_only_whom_its_access_points_may_admit() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        keys.issuer(&central, &site.school).await;
        let elsewhere = json!({"name": "Elsewhere"});
        let elsewhere = central
            .post(&format!("{}/access-levels", site.school), elsewhere)
            .await
            .json["level"]
            .as_i64()
            .unwrap();
        let [one, two, three] = [
            student(&central, &site, "1").await,
            student(&central, &site, "2").await,
            student(&central, &site, "3").await,
        ];
        pass(&central, &site, &one, &[site.level]).await;
        pass(&central, &site, &one, &[elsewhere]).await;
        pass(&central, &site, &two, &[elsewhere]).await;
        let lost = pass(&central, &site, &three, &[site.level]).await;
        let numbers = |roster: &[RosterEntry]| -> Vec<u32> {
            roster.iter().map(|entry| entry.holder.0).collect()
        };
        let all = roster(&central, &site).await;
        assert_eq!(numbers(&all), [1, 3]);
        assert_eq!(all[0].passes.len(), 2, "a lost card is still hers");
        assert_eq!(all[0].language, "fr");
        let kid = lost["kid"].as_str().unwrap();
        let path = format!("{}/passes/{kid}/{}/revoke", site.school, lost["serial"]);
        assert_eq!(central.post(&path, json!({})).await.status, 200);
        assert_eq!(numbers(&roster(&central, &site).await), [1]);
    }

    /// So many that their roster is a large one, with a pass each.
    async fn many_students(central: &TestCentral, site: &Site, kid: &str) {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let many = format!(
            "INSERT INTO students (student_id, school_id, holder_number, student_number, name, created_at) \
             SELECT gen_random_uuid(), school_id, 100 + n, 'S' || n, repeat('x', 190), now() \
             FROM schools, generate_series(1, 1500) AS n; \
             INSERT INTO passes (kid, serial, school_id, student_id, holder_kind, not_before, expires_at, uses_max, \
                 levels, pass_bytes, digest, created_at) \
             SELECT '\\x{kid}', holder_number, school_id, student_id, 0, now(), '2027-09-01', 0, '{{{level}}}', '', \
                 '\\x0102030405060708', now() FROM students WHERE holder_number > 100",
            level = site.level
        );
        transaction.batch_execute(&many).await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn whom_doors_give_more_time_is_said_to_gates_as_soon_as_it_changes() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        keys.issuer(&central, &site.school).await;
        let one = student(&central, &site, "1").await;
        pass(&central, &site, &one, &[site.level]).await;
        assert_eq!(roster(&central, &site).await[0].need, None);
        let path = format!("{}/students/{}", site.school, one.as_str().unwrap());
        let longer = json!({
            "student_number": "1", "name": "Amara Nwosu", "release_time": "extended",
        });
        let changed = central.put(&path, longer).await;
        assert_eq!(
            (changed.status, &changed.json["release_time"]),
            (200, &json!("extended"))
        );
        assert_eq!(
            roster(&central, &site).await[0].need,
            Some(DoorNeed::ExtendedRelease)
        );
    }

    #[tokio::test]
    async fn no_roster_names_an_erased_holder_when_the_erasure_is_answered() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        let kid = keys.issuer(&central, &site.school).await;
        let [one, two] = [
            student(&central, &site, "1").await,
            student(&central, &site, "2").await,
        ];
        many_students(&central, &site, &kid).await;
        for student in [&one, &two] {
            let pass = pass(&central, &site, student, &[site.level]).await;
            let path = format!("{}/passes/{kid}/{}/revoke", site.school, pass["serial"]);
            // The roster says it while the pass is good, and then is too large to follow at once.
            roster(&central, &site).await;
            central.clock.advance(std::time::Duration::from_secs(61));
            assert_eq!(central.post(&path, json!({})).await.status, 200);
        }
        let has = async |number: u32| {
            let newest = central.newest::<Roster>(Subject::Gate(site.gate_id)).await;
            let holders = &newest.document().holders;
            holders.iter().any(|entry| entry.holder.0 == number)
        };
        assert!(has(2).await);
        let path =
            |student: &Value| format!("{}/students/{}", site.school, student.as_str().unwrap());
        assert_eq!(central.delete(&path(&two)).await.status, 204);
        assert!(!has(2).await);
        // Without her in it, it is not made again.
        let number = async || {
            let newest = central.newest::<Roster>(Subject::Gate(site.gate_id)).await;
            newest.document().header.number
        };
        let before = number().await;
        assert_eq!(central.delete(&path(&one)).await.status, 204);
        assert_eq!(number().await, before);
    }

    #[tokio::test]
    async fn an_erasure_stands_whose_roster_cannot_be_signed_yet() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        let kid = keys.issuer(&central, &site.school).await;
        let one = student(&central, &site, "1").await;
        pass(&central, &site, &one, &[site.level]).await;
        assert_eq!(roster(&central, &site).await.len(), 1);
        let path = format!("{}/passes/{kid}/0/revoke", site.school);
        assert_eq!(central.post(&path, json!({})).await.status, 200);
        let set_statement_key = async |state: &str| {
            let transaction = central.app.db.begin_across_schools().await.unwrap();
            let sql =
                format!("UPDATE signing_keys SET state = '{state}' WHERE purpose = 'statement'");
            assert_eq!(transaction.execute(&sql, &[]).await.unwrap(), 1);
            transaction.commit().await.unwrap();
            central.app.statements.reload().await.unwrap();
        };
        set_statement_key("closed").await;
        let path = format!("{}/students/{}", site.school, one.as_str().unwrap());
        let delayed = central.delete(&path).await;
        assert_eq!(
            (delayed.status, &delayed.json["code"]),
            (503, &json!("publication_delayed"))
        );
        assert_eq!(central.get(&path).await.status, 404);
        set_statement_key("open").await;
        assert!(roster(&central, &site).await.is_empty());
    }

    #[tokio::test]
    async fn passes_of_a_holder_are_the_newest_sixteen() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        keys.issuer(&central, &site.school).await;
        let one = student(&central, &site, "1").await;
        for _ in 0..PASSES_PER_HOLDER + 2 {
            central.clock.advance(std::time::Duration::from_secs(1));
            pass(&central, &site, &one, &[site.level]).await;
        }
        let serials: Vec<u32> = roster(&central, &site).await[0]
            .passes
            .iter()
            .map(|pass| pass.serial.0)
            .collect();
        assert_eq!(serials, (2..18).collect::<Vec<_>>());
    }

    #[test]
    fn a_large_roster_waits_for_more_changes_and_a_small_one_does_not() {
        let made_at = UtcInstant::from_unix_seconds(1_788_249_600);
        let large = (made_at, SMALL_ROSTER_LEN + 1);
        assert!(must_wait(large, made_at.plus_seconds(59)));
        assert!(!must_wait(large, made_at.plus_seconds(60)));
        assert!(!must_wait((made_at, SMALL_ROSTER_LEN), made_at));
    }
}
