//! Erasing a person: what says whose a record is goes, from what is held and from what gates send
//! later. The chain holds the commitment and verifies without.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use shared::{document::SignedKind as _, roster::Roster};
use tokio_postgres::Row;

use super::{Connection, journal_records::Facts};
use crate::{
    ids::{GateId, Kid, SchoolId, StudentId},
    instant::UtcInstant,
};

/// Stands where the name and the number of an erased student stood.
const ERASED: &str = "erased";

/// What says of records whose they are.
const FORGET_PERSON: &str = "UPDATE journal_records AS record \
    SET salt = NULL, personal_part = NULL, kid = NULL, serial = NULL, holder_number = NULL";
const BY_PASS: &str =
    "(record.kid, record.serial) IN (SELECT kid, serial FROM passes WHERE student_id = $1)";
const BY_HOLDER: &str = "(record.school_id, record.holder_number) = \
    (SELECT school_id, holder_number FROM students WHERE student_id = $1)";

/// Which passes and holders, of those that were asked about, are those of erased persons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    passes: BTreeSet<(Kid, i32)>,
    holders: BTreeSet<i32>,
}

impl Erased {
    /// Is it a record of one of them?
    #[must_use]
    pub fn concerns(&self, facts: &Facts) -> bool {
        let pass = facts.kid.map(Kid).zip(facts.serial);
        pass.is_some_and(|pass| self.passes.contains(&pass))
            || facts
                .holder_number
                .is_some_and(|holder| self.holders.contains(&holder))
    }
}

/// Nobody of the school is erased until the transaction ends: to be called before [`among`], by
/// whoever stores records.
///
/// # Errors
/// When the database fails.
pub async fn hold_off(connection: &Connection, school_id: SchoolId) -> anyhow::Result<()> {
    let statement = connection
        .prepare_cached(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended('erasure' || $1::uuid::text, 0))",
        )
        .await
        .context("cannot hold erasures off")?;
    connection
        .execute(&statement, &[&school_id])
        .await
        .context("cannot hold erasures off")?;
    Ok(())
}

/// Which of the passes and holders that `records` name belong to erased persons of the school.
///
/// # Errors
/// When the database fails.
pub async fn among(
    connection: &Connection,
    school_id: SchoolId,
    records: impl Iterator<Item = Facts> + Clone,
) -> anyhow::Result<Erased> {
    let passes: BTreeSet<(Kid, i32)> = records
        .clone()
        .filter_map(|facts| facts.kid.map(Kid).zip(facts.serial))
        .collect();
    let holders: BTreeSet<i32> = records.filter_map(|facts| facts.holder_number).collect();
    let (passes, holders) = tokio::try_join!(
        erased_passes(connection, &passes),
        erased_holders(connection, school_id, &holders),
    )?;
    Ok(Erased { passes, holders })
}

async fn erased_passes(
    connection: &Connection,
    passes: &BTreeSet<(Kid, i32)>,
) -> anyhow::Result<BTreeSet<(Kid, i32)>> {
    if passes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (kids, serials): (Vec<_>, Vec<_>) = passes.iter().copied().unzip();
    let statement = connection
        .prepare_cached(
            // One look-up for each: a join may read all students to find the few that are erased.
            "SELECT kid, serial FROM unnest($1::bytea[], $2::integer[]) AS named (kid, serial) \
             WHERE (SELECT deleted_at IS NOT NULL FROM passes JOIN students USING (student_id) \
                 WHERE passes.kid = named.kid AND passes.serial = named.serial)",
        )
        .await
        .context("cannot ask for passes of erased persons")?;
    let rows = connection
        .query(&statement, &[&kids, &serials])
        .await
        .context("cannot ask for passes of erased persons")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn erased_holders(
    connection: &Connection,
    school_id: SchoolId,
    holders: &BTreeSet<i32>,
) -> anyhow::Result<BTreeSet<i32>> {
    if holders.is_empty() {
        return Ok(BTreeSet::new());
    }
    let holders: Vec<i32> = holders.iter().copied().collect();
    let statement = connection
        .prepare_cached(
            "SELECT holder_number FROM students \
             WHERE school_id = $1 AND holder_number = ANY($2) AND deleted_at IS NOT NULL",
        )
        .await
        .context("cannot ask for erased holders")?;
    let rows = connection
        .query(&statement, &[&school_id, &holders])
        .await
        .context("cannot ask for erased holders")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Removes what says who the student was: from the row, from records, from answers that are kept
/// for repeated requests, and from rosters that nobody will publish anew. The row stays, since
/// passes name it. The student is locked.
///
/// # Errors
/// When the database fails.
pub async fn erase(
    connection: &Connection,
    school_id: SchoolId,
    student_id: StudentId,
    now: UtcInstant,
) -> anyhow::Result<()> {
    erase_records(connection, school_id, student_id)
        .await
        .with_context(|| format!("cannot erase the records of student {student_id}"))?;
    connection
        .execute(
            "UPDATE idempotency_keys SET body = '{}' \
             WHERE position(convert_to($1, 'UTF8') IN body) > 0 \
                AND position('\"student_number\"'::bytea IN body) > 0",
            &[&student_id.to_string()],
        )
        .await
        .with_context(|| format!("cannot erase answers about student {student_id}"))?;
    connection
        .execute(
            "DELETE FROM signed_documents WHERE kind = $2 AND subject IN \
                (SELECT uuid_send(gate_id) FROM gates WHERE school_id = $1 AND state = 'retired')",
            &[&school_id, &Roster::EXTERNAL_DATA],
        )
        .await
        .with_context(|| format!("cannot erase old rosters with student {student_id}"))?;
    connection
        .execute(
            "UPDATE students SET name = $2, student_number = $2, language = 'en', release_time = 'usual', \
                deleted_at = $3 \
             WHERE student_id = $1",
            &[&student_id, &ERASED, &now],
        )
        .await
        .with_context(|| format!("cannot erase the student {student_id}"))?;
    Ok(())
}

/// Years of records are gone through while gates go on sending. What arrived meanwhile is gone
/// through once no batch is under way, and whoever takes one in afterwards finds the student erased.
async fn erase_records(
    connection: &Connection,
    school_id: SchoolId,
    student_id: StudentId,
) -> anyhow::Result<()> {
    let before = marks(connection, school_id).await?;
    // Apart, so that each finds its index.
    for whose in [BY_PASS, BY_HOLDER] {
        let sql = format!("{FORGET_PERSON} WHERE {whose}");
        connection.execute(&sql, &[&student_id]).await?;
    }
    connection
        .execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('erasure' || $1::uuid::text, 0))",
            &[&school_id],
        )
        .await?;
    // Gate by gate, so that each finds the end of its journal and nothing before it is read.
    let sql = format!(
        "{FORGET_PERSON} WHERE record.gate_id = $2 AND (record.journal_epoch, record.seq) > ($3, $4) \
            AND ({BY_PASS} OR {BY_HOLDER})"
    );
    for (gate_id, mark) in marks(connection, school_id).await? {
        let (epoch, seq) = before.get(&gate_id).copied().unwrap_or_default();
        if mark != (epoch, seq) {
            connection
                .execute(&sql, &[&student_id, &gate_id, &epoch, &seq])
                .await?;
        }
    }
    Ok(())
}

/// How far the journal of each gate of the school has arrived: epoch and number.
async fn marks(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<BTreeMap<GateId, (i32, i64)>> {
    let rows = connection
        .query(
            "SELECT gate_id, journal_epoch, journal_seq FROM gates WHERE school_id = $1",
            &[&school_id],
        )
        .await?;
    let mark = |row: &Row| (row.get(0), (row.get(1), row.get(2)));
    Ok(rows.iter().map(mark).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use shared::{
        gate_api::path,
        ids::{Digest, HolderNumber, PassId, Serial},
        journal::{ChainState, Event, PersonalPart, Record, SaltedPart},
    };

    use super::*;
    use crate::{
        db::{self, students},
        testing::{self, Site, TestCentral, TestGate},
    };

    const KID: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    /// Of the person who is erased, and of another.
    const ONE: u32 = 0;
    const OTHER: u32 = 1;

    struct Ready {
        central: TestCentral,
        site: Site,
        gate: TestGate,
        student: String,
    }

    /// Two students, each with a pass that is revoked, and a gate whose first record has arrived.
    async fn ready() -> Ready {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        let students = format!("{}/students", site.school);
        let mut ids = Vec::new();
        for serial in [ONE, OTHER] {
            let body = json!({"student_number": serial.to_string(), "name": "Amara Nwosu"});
            let made = central.post(&students, body).await;
            let id = made.json["student_id"].as_str().unwrap().to_owned();
            ids.push(id);
        }
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let passes = "INSERT INTO signing_keys (kid, purpose, school_id, public_key, sealed_private, state, \
                signing_from, signing_until, verification_from, verification_until, created_at) \
            SELECT '\\x0102030405060708', 'issuer', school_id, sha256('x'), '', 'open', \
                now(), now() + interval '1 day', now(), now() + interval '1 day', now() FROM schools; \
            INSERT INTO passes (kid, serial, school_id, student_id, holder_kind, not_before, expires_at, uses_max, \
                levels, pass_bytes, digest, created_at, state) \
            SELECT '\\x0102030405060708', holder_number - 1, school_id, student_id, 0, now(), '2027-09-01', 0, \
                '{0}', '', '\\x0102030405060708', now(), 'revoked' FROM students";
        transaction.batch_execute(passes).await.unwrap();
        transaction.commit().await.unwrap();
        scan(&central, &mut gate, personal(Some(OTHER), None));
        upload(&central, &mut gate, 1, 1).await;
        Ready {
            student: format!("{students}/{}", ids[0]),
            central,
            site,
            gate,
        }
    }

    fn personal(serial: Option<u32>, holder: Option<u32>) -> PersonalPart {
        PersonalPart {
            pass: serial.map(|serial| PassId {
                kid: shared::ids::Kid(KID),
                serial: Serial(serial),
            }),
            holder: holder.map(HolderNumber),
            ..PersonalPart::default()
        }
    }

    fn scan(central: &TestCentral, gate: &mut TestGate, personal: PersonalPart) {
        gate.record(central, Event::Stopped, Some(&personal));
    }

    /// The erased person's by pass, by holder and by both, and the other's.
    fn scan_four(central: &TestCentral, gate: &mut TestGate) {
        scan(central, gate, personal(Some(ONE), None));
        scan(central, gate, personal(None, Some(ONE + 1)));
        scan(central, gate, personal(Some(ONE), Some(ONE + 1)));
        scan(central, gate, personal(Some(OTHER), Some(OTHER + 1)));
    }

    async fn upload(central: &TestCentral, gate: &mut TestGate, first: u64, last: u64) {
        let batch = gate.batch(first, last);
        let answer = gate.send(central, path::JOURNAL, &batch).await;
        assert_eq!(answer.status, 200, "{:?}", answer.refusal());
    }

    /// Numbers of the records that still say whose they are, after the whole journal as central
    /// holds it was verified against the gate's.
    async fn verified(ready: &Ready) -> Vec<u64> {
        let transaction = ready.central.app.db.begin_across_schools().await.unwrap();
        let rows = transaction
            .query(
                "SELECT public_part, commitment, salt, personal_part, \
                     salt IS NOT NULL OR kid IS NOT NULL OR serial IS NOT NULL OR holder_number IS NOT NULL \
                 FROM journal_records ORDER BY seq",
                &[],
            )
            .await
            .unwrap();
        let gate: GateId = ready.gate.gate_id;
        let mut chain = ChainState::start(gate.into(), ready.gate.state.position.epoch);
        let mut known = Vec::new();
        for row in rows {
            let salt: Option<Vec<u8>> = row.get(2);
            let part: Option<Vec<u8>> = row.get(3);
            assert_eq!(salt.is_some(), part.is_some());
            let record = Record {
                public: row.get::<_, Vec<u8>>(0).into(),
                commitment: Digest(row.get::<_, Vec<u8>>(1).try_into().unwrap()),
                personal: salt.zip(part).map(|(salt, part)| SaltedPart {
                    salt: salt.try_into().unwrap(),
                    part: part.into(),
                }),
            };
            chain = chain.append(&record).unwrap();
            if row.get(4) {
                known.push(chain.position.seq);
            }
        }
        assert_eq!(chain, ready.gate.state);
        known
    }

    #[tokio::test]
    async fn records_that_come_after_the_erasure_come_without_the_person() {
        let mut ready = ready().await;
        assert_eq!(ready.central.delete(&ready.student).await.status, 204);
        scan_four(&ready.central, &mut ready.gate);
        upload(&ready.central, &mut ready.gate, 2, 5).await;
        assert_eq!(verified(&ready).await, [1, 5]);
        // Whoever reads the journal is told what became of the parts.
        let journal = format!("{}/gates/{}/journal", ready.site.school, ready.site.gate_id);
        let page = ready.central.get(&journal).await.json;
        let states: Vec<&Value> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["personal_state"])
            .collect();
        assert_eq!(states, ["present", "erased", "erased", "erased", "present"]);
        // Sent again, they stay erased.
        upload(&ready.central, &mut ready.gate, 1, 5).await;
        assert_eq!(verified(&ready).await, [1, 5]);
    }

    #[tokio::test]
    async fn records_that_came_before_the_erasure_lose_the_person() {
        let mut ready = ready().await;
        scan_four(&ready.central, &mut ready.gate);
        upload(&ready.central, &mut ready.gate, 2, 5).await;
        assert_eq!(verified(&ready).await, [1, 2, 3, 4, 5]);
        assert_eq!(ready.central.delete(&ready.student).await.status, 204);
        assert_eq!(verified(&ready).await, [1, 5]);
        upload(&ready.central, &mut ready.gate, 1, 5).await;
        assert_eq!(verified(&ready).await, [1, 5]);
    }

    /// Until `count` statements wait for a lock in this database.
    async fn until_waiting(central: &TestCentral, count: i64) {
        let owner = db::connect(&central.database.owner).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let wait = async {
            loop {
                let row = owner.query_one(waiting, &[]).await.unwrap();
                if row.get::<_, i64>(0) >= count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), wait).await;
        waited.unwrap_or_else(|_| panic!("{count} statements are to wait"));
    }

    #[tokio::test]
    async fn an_erasure_waits_for_records_that_are_being_taken_in() {
        let mut ready = ready().await;
        scan_four(&ready.central, &mut ready.gate);
        // Stands where the second record is to be stored.
        let stray = ready.central.app.db.begin_across_schools().await.unwrap();
        let sql = "INSERT INTO journal_records (gate_id, school_id, journal_epoch, seq, recorded_at, received_at, \
                public_part, commitment, hash, event_kind) \
            SELECT gate_id, school_id, journal_epoch, 2, recorded_at, received_at, '', '', '', 1 \
            FROM journal_records WHERE seq = 1";
        assert_eq!(stray.execute(sql, &[]).await.unwrap(), 1);
        let batch = shared::cbor::encode(&ready.gate.batch(2, 5));
        let request = ready.gate.request(&ready.central, path::JOURNAL, batch);
        let upload = tokio::spawn(testing::send(ready.central.router(), request));
        until_waiting(&ready.central, 1).await;
        // At another central.
        let other = ready.central.another();
        let student = ready.student.clone();
        let erasure = tokio::spawn(async move { other.delete(&student).await });
        until_waiting(&ready.central, 2).await;
        drop(stray);
        assert_eq!(upload.await.unwrap().status, 200);
        assert_eq!(erasure.await.unwrap().status, 204);
        assert_eq!(verified(&ready).await, [1, 5]);
    }

    #[tokio::test]
    async fn records_wait_for_an_erasure_that_is_about_to_commit() {
        let mut ready = ready().await;
        let (school_id, now) = (ready.site.school_id, ready.central.clock.now());
        let id = ready.student.rsplit('/').next().unwrap().parse().unwrap();
        let transaction = ready
            .central
            .app
            .db
            .begin_in_school(school_id)
            .await
            .unwrap();
        assert!(students::lock(&transaction, id).await.unwrap().is_some());
        erase(&transaction, school_id, id, now).await.unwrap();
        scan_four(&ready.central, &mut ready.gate);
        let batch = shared::cbor::encode(&ready.gate.batch(2, 5));
        let request = ready.gate.request(&ready.central, path::JOURNAL, batch);
        let upload = tokio::spawn(testing::send(ready.central.router(), request));
        until_waiting(&ready.central, 1).await;
        transaction.commit().await.unwrap();
        assert_eq!(upload.await.unwrap().status, 200);
        assert_eq!(verified(&ready).await, [1, 5]);
    }
}
