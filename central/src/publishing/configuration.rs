//! The configuration of a gate: everything that central's records say about it.

use std::collections::BTreeSet;

use anyhow::Context;
use shared::{
    configuration as wire,
    document::{Header, SignedKind as _},
    ids::{AreaId, DocumentNumber},
    schedule::OffsetTable,
    text::{NAME_LIMIT, cut},
    time::UtcSeconds,
    trust_list::TrustList,
};

use super::{CONFIGURATIONS_KEPT, Outcome, Publisher, STATEMENT_LIFETIME_S, Target, offsets};
use crate::{
    changes::Change,
    db::{
        Connection, access_levels, access_points, areas, behind, doors, gate_staff, gates,
        gates::Gate,
        publications::{self, Place},
        schedules, schools,
        signed_documents::Subject,
        signing_keys::{self, KeyPurpose, KeyState},
    },
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// Offsets go on for a year after the configuration expires, so that a gate which was cut off
/// still tells the time as the school does.
const OFFSETS_BEYOND_S: u64 = 366 * Header::DAY_S;
/// And begin before it was made, for a gate whose clock is behind.
const OFFSETS_BEFORE_S: u64 = 366 * Header::DAY_S;
/// What people call the area in front of every outer door.
const OUTSIDE: &str = "Outside";

/// What a configuration is made of, but for its header and the offsets that depend on it.
struct Content {
    gate: Gate,
    school_id: SchoolId,
    time_zone: String,
    areas: Vec<wire::Area>,
    doors: Vec<wire::Door>,
    access_points: Vec<wire::AccessPoint>,
    access_levels: Vec<shared::access_level::AccessLevel>,
    schedules: Vec<shared::schedule::Schedule>,
    staff: Vec<wire::Staff>,
    peers: Vec<wire::Peer>,
    issuers: Vec<shared::ids::Kid>,
    trust_list: DocumentNumber,
}

impl Publisher {
    /// Publishes a gate's configuration, unless it says what the one in force says.
    ///
    /// # Errors
    /// When the database or the statement signer fails, or no trust list was published yet: the
    /// configuration is behind then.
    pub async fn configuration(&self, gate_id: GateId) -> anyhow::Result<Outcome> {
        self.statements.kid().await?;
        let transaction = self.db.begin_across_schools().await?;
        let subject = Subject::Gate(gate_id);
        let place = Place {
            kind: wire::Configuration::EXTERNAL_DATA,
            subject,
        };
        publications::lock(&transaction, place).await?;
        let Some(versions) = behind::access_versions(&transaction, gate_id).await? else {
            return Ok(Outcome::Unchanged);
        };
        let context = || format!("cannot publish the configuration of gate {gate_id}");
        let now = self.clock.now();
        let content = Content::read(&transaction, versions.school_id, gate_id, now)
            .await
            .with_context(context)?;
        // The zone is checked once; afterwards the same call cannot fail.
        content.offsets(UtcSeconds(now.unix_seconds()))?;
        let target = Target {
            subject,
            school_id: versions.school_id,
            change: Change::Gate(gate_id),
            kept: CONFIGURATIONS_KEPT,
        };
        let outcome = self
            .publish(&transaction, target, |header| content.assemble(header))
            .await
            .with_context(context)?;
        behind::note_configuration(&transaction, gate_id, versions.configuration).await?;
        self.finish(transaction, target.change, outcome).await
    }
}

impl Content {
    async fn read(
        connection: &Connection,
        school_id: SchoolId,
        gate_id: GateId,
        now: UtcInstant,
    ) -> anyhow::Result<Self> {
        let school = schools::get(connection, school_id)
            .await?
            .context("there is no such school")?;
        let gate = gates::get(connection, gate_id)
            .await?
            .context("there is no such gate")?;
        let doors = doors::of_gate(connection, gate_id).await?;
        let points = access_points::of_gate(connection, gate_id).await?;
        let access_points: Vec<_> = points.iter().map(|point| point.to_wire()).collect();
        let access_levels = levels_at(connection, school_id, &points).await?;
        let named: Vec<_> = access_levels
            .iter()
            .flat_map(|level| level.fields.grants.iter().map(|grant| grant.schedule_id))
            .chain(
                doors
                    .iter()
                    .filter_map(|door| door.fields.unlocked_hours)
                    .map(|hours| hours.schedule_id),
            )
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let schedules = schedules::read(connection, &named).await?;
        let trust_list = Place {
            kind: TrustList::EXTERNAL_DATA,
            subject: Subject::Central,
        };
        let trust_list = publications::newest(connection, trust_list)
            .await?
            .context("there is no trust list: run `central keys trust-list publish`")?;
        Ok(Self {
            time_zone: school.time_zone.as_str().to_owned(),
            areas: areas_of(connection, &access_points).await?,
            peers: peers(connection, school_id, gate_id, &points).await?,
            doors: doors.iter().map(doors::Door::to_wire).collect(),
            access_points,
            access_levels: access_levels
                .iter()
                .map(access_levels::AccessLevel::to_wire)
                .collect(),
            schedules: schedules.iter().map(schedules::Schedule::to_wire).collect(),
            staff: staff(connection, school_id).await?,
            issuers: issuers(connection, school_id, now).await?,
            trust_list: trust_list.number,
            gate,
            school_id,
        })
    }

    fn offsets(&self, made_at: UtcSeconds) -> anyhow::Result<OffsetTable> {
        offsets::offset_table(
            &self.time_zone,
            made_at.minus(OFFSETS_BEFORE_S),
            made_at.plus(STATEMENT_LIFETIME_S + OFFSETS_BEYOND_S),
        )
    }

    fn assemble(&self, header: Header) -> wire::Configuration {
        let name = |text: &str| cut(text, NAME_LIMIT);
        let named = |text: &mut String| *text = cut(text, NAME_LIMIT);
        let mut made = wire::Configuration {
            header,
            gate: self.gate.gate_id.into(),
            school: self.school_id.into(),
            name: name(self.gate.fields.name.as_str()),
            areas: self.areas.clone(),
            doors: self.doors.clone(),
            access_points: self.access_points.clone(),
            access_levels: self.access_levels.clone(),
            schedules: self.schedules.clone(),
            offsets: self
                .offsets(header.made_at)
                .expect("the zone was found and the instants lie in its calendar"),
            freshness: self.gate.fields.policies.freshness.into(),
            policies: self.gate.fields.policies.into(),
            staff: self.staff.clone(),
            issuers: self.issuers.clone(),
            peers: self.peers.clone(),
            tls_keys: Vec::new(),
            trust_list: self.trust_list,
            sync: self.gate.fields.sync.into(),
        };
        // A name of 200 characters may have more bytes than gates take.
        made.areas.iter_mut().for_each(|area| named(&mut area.name));
        made.doors.iter_mut().for_each(|door| named(&mut door.name));
        made.access_points
            .iter_mut()
            .for_each(|point| named(&mut point.name));
        made.access_levels
            .iter_mut()
            .for_each(|level| named(&mut level.name));
        made.schedules
            .iter_mut()
            .for_each(|schedule| named(&mut schedule.name));
        made.staff
            .iter_mut()
            .for_each(|staff| named(&mut staff.name));
        made
    }
}

/// The levels that admit at these access points, with the grants there alone.
async fn levels_at(
    connection: &Connection,
    school_id: SchoolId,
    points: &[access_points::AccessPoint],
) -> anyhow::Result<Vec<access_levels::AccessLevel>> {
    let here: BTreeSet<_> = points.iter().map(|point| point.access_point_id).collect();
    let ids: Vec<_> = here.iter().copied().collect();
    let levels = access_levels::admitting_at(connection, school_id, &ids).await?;
    let mut levels = access_levels::read(connection, school_id, &levels).await?;
    for level in &mut levels {
        level
            .fields
            .grants
            .retain(|grant| here.contains(&grant.access_point_id));
    }
    Ok(levels)
}

/// The areas that access points lead from and to; outside is one of them.
async fn areas_of(
    connection: &Connection,
    points: &[wire::AccessPoint],
) -> anyhow::Result<Vec<wire::Area>> {
    let ids: BTreeSet<AreaId> = points
        .iter()
        .flat_map(|point| [point.from, point.to])
        .collect();
    let stored: Vec<_> = ids
        .iter()
        .filter(|id| **id != AreaId::OUTSIDE)
        .map(|id| i32::try_from(id.0).map(crate::ids::AreaId))
        .collect::<Result<_, _>>()
        .context("an area's number")?;
    let mut areas = Vec::new();
    if ids.contains(&AreaId::OUTSIDE) {
        areas.push(wire::Area {
            id: AreaId::OUTSIDE,
            name: OUTSIDE.to_owned(),
            capacity: None,
        });
    }
    let read = areas::read(connection, &stored).await?;
    areas.extend(read.iter().map(areas::Area::to_wire));
    Ok(areas)
}

async fn peers(
    connection: &Connection,
    school_id: SchoolId,
    gate_id: GateId,
    points: &[access_points::AccessPoint],
) -> anyhow::Result<Vec<wire::Peer>> {
    let areas: Vec<_> = points
        .iter()
        .flat_map(|point| [point.fields.from_area_id, point.fields.to_area_id])
        .flatten()
        .collect();
    let peers = gates::sharing_areas(connection, school_id, gate_id, &areas).await?;
    if peers.len() > wire::PEERS_LIMIT {
        tracing::warn!(
            gate.id = %gate_id,
            peers = peers.len(),
            "gate {gate_id} shares areas with {} gates and hears of {} of them: divide the area",
            peers.len(),
            wire::PEERS_LIMIT
        );
    }
    let peer = |(gate, key): (GateId, _)| wire::Peer {
        gate: gate.into(),
        key,
    };
    Ok(peers
        .into_iter()
        .take(wire::PEERS_LIMIT)
        .map(peer)
        .collect())
}

async fn staff(connection: &Connection, school_id: SchoolId) -> anyhow::Result<Vec<wire::Staff>> {
    let staff = gate_staff::all(connection, school_id).await?;
    Ok(staff
        .iter()
        .take(wire::STAFF_LIMIT)
        .map(gate_staff::StaffRow::to_wire)
        .collect())
}

/// Keys whose lists the gate must hold: those under which a pass may be good.
async fn issuers(
    connection: &Connection,
    school_id: SchoolId,
    now: UtcInstant,
) -> anyhow::Result<Vec<shared::ids::Kid>> {
    let keys = signing_keys::list(connection, Some(school_id)).await?;
    let mut kids: Vec<_> = keys
        .iter()
        .filter(|key| {
            key.purpose == KeyPurpose::Issuer
                && key.state != KeyState::Revoked
                && key.trusted_at.is_some()
                && key.verification.is_some_and(|window| now < window.until)
        })
        .map(|key| key.kid.0)
        .collect();
    kids.sort_unstable();
    Ok(kids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{configuration::Configuration, keys::Sign as _};

    use super::*;
    use crate::{
        keys::PrivateKey,
        publishing::Which,
        testing::{TestCentral, keys::central_with_keys},
    };

    async fn told(central: &TestCentral, gate_id: GateId) -> Configuration {
        let newest = central.newest(Subject::Gate(gate_id)).await;
        newest.into_document()
    }

    /// As enrolment leaves the gate's row.
    async fn enrol(central: &TestCentral, gate_id: GateId, key: &PrivateKey) {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .execute(
                "UPDATE gates SET state = 'enrolled', public_key = $2, kid = $3 WHERE gate_id = $1",
                &[
                    &gate_id,
                    &key.public().0.as_slice(),
                    &key.kid().0.as_slice(),
                ],
            )
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_gate_is_told_what_concerns_it_and_nothing_of_other_gates() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        let kid = keys.issuer(&central, &site.school).await;
        let make = async |what: &str, id: &str, body| {
            let made = central.post(&format!("{}/{what}", site.school), body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            made.json[id].clone()
        };
        let library = make("gates", "gate_id", json!({"name": "Library"})).await;
        let door = json!({
            "gate_id": library, "name": "Door", "kind": "door", "lock_type": "fail_secure",
            "contact": "present", "passage": "door_contact",
        });
        let door = make("doors", "door_id", door).await;
        let point = json!({"door_id": door, "name": "In", "to_area_id": site.area_id});
        let point = make("access-points", "access_point_id", point).await;
        let evenings = make("schedules", "schedule_id", json!({"name": "Evenings"})).await;
        let grant = |point, schedule| json!({"access_point_id": point, "schedule_id": schedule});
        let both = [
            grant(point.clone(), evenings.clone()),
            grant(json!(site.exit_id), json!(site.schedule_id)),
        ];
        make(
            "access-levels",
            "level",
            json!({"name": "Both", "grants": both}),
        )
        .await;
        let there = [grant(point, evenings)];
        make(
            "access-levels",
            "level",
            json!({"name": "There", "grants": there}),
        )
        .await;
        central.app.publisher().catch_up(Which::All).await.unwrap();

        let told = told(&central, site.gate_id).await;
        assert_eq!(told.name, "Main gate");
        let names: Vec<_> = told.access_levels.iter().map(|level| &level.name).collect();
        assert_eq!(names, ["Students", "Both"]);
        assert_eq!(told.access_levels[1].grants.len(), 1);
        assert_eq!(told.schedules.len(), 1);
        assert_eq!((told.doors.len(), told.access_points.len()), (1, 2));
        let areas: Vec<_> = told.areas.iter().map(|area| area.name.as_str()).collect();
        assert_eq!(areas, ["Outside", "Campus"]);
        assert_eq!(told.issuers, [kid.parse::<crate::ids::Kid>().unwrap().0]);
        assert_eq!(told.trust_list.n, 2);
        assert_eq!(told.offsets.zone, "Europe/London");
        assert_eq!(
            told.offsets.until,
            told.header.expires_at.plus(OFFSETS_BEYOND_S)
        );
    }

    #[tokio::test]
    async fn what_changes_nothing_is_not_published_again() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let number = async || told(&central, site.gate_id).await.header.number.n;
        let before = number().await;
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let gate = central.get(&path).await.json;
        let same = json!({"name": gate["name"]});
        assert_eq!(central.put(&path, same.clone()).await.status, 200);
        assert_eq!(number().await, before);
        assert_eq!(
            central
                .put(&path, json!({"name": "North gate"}))
                .await
                .status,
            200
        );
        assert_eq!(number().await, before + 1);
        assert_eq!(told(&central, site.gate_id).await.name, "North gate");
    }

    #[tokio::test]
    async fn enrolled_gates_that_share_an_area_know_each_others_keys() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let gates = format!("{}/gates", site.school);
        let other = central.post(&gates, json!({"name": "Library"})).await.json;
        let other: GateId = other["gate_id"].as_str().unwrap().parse().unwrap();
        let door = json!({
            "gate_id": other, "name": "Door", "kind": "door", "lock_type": "fail_secure",
            "contact": "absent", "passage": "none",
        });
        let door = central
            .post(&format!("{}/doors", site.school), door)
            .await
            .json["door_id"]
            .clone();
        let point = json!({"door_id": door, "name": "In", "from_area_id": site.area_id});
        central
            .post(&format!("{}/access-points", site.school), point)
            .await;
        assert!(told(&central, site.gate_id).await.peers.is_empty());
        let key = PrivateKey::from_seed(&[21; 32]);
        enrol(&central, other, &key).await;
        central.app.publisher().tell_gates(site.school_id).await;
        let peers = told(&central, site.gate_id).await.peers;
        assert_eq!(peers.len(), 1);
        assert_eq!((peers[0].gate, peers[0].key), (other.into(), key.public()));
    }

    #[tokio::test]
    async fn a_name_with_more_bytes_than_gates_take_is_cut_and_not_refused() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let long = "門".repeat(200);
        assert_eq!(central.put(&path, json!({"name": long})).await.status, 200);
        assert_eq!(told(&central, site.gate_id).await.name, "門".repeat(66));
    }

    #[tokio::test]
    async fn another_statement_key_signs_everything_anew() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        central.app.publisher().catch_up(Which::All).await.unwrap();
        let signed_by = async || {
            let newest = central
                .newest::<Configuration>(Subject::Gate(site.gate_id))
                .await;
            newest.signed_by()
        };
        let before = signed_by().await;
        central.clock.advance(std::time::Duration::from_secs(60));
        keys.make_statement_key(&central).await;
        keys.publish_trust_list(&central).await;
        central.app.statements.reload().await.unwrap();
        central.app.publisher().catch_up(Which::All).await.unwrap();
        assert_eq!(signed_by().await, before, "it waits for its turn");

        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let now = central.clock.now();
        let next = crate::publishing::trust::switch_statement_key(&transaction, now)
            .await
            .unwrap()
            .unwrap();
        transaction.commit().await.unwrap();
        central.app.statements.reload().await.unwrap();
        central.app.publisher().catch_up(Which::All).await.unwrap();
        assert_eq!(signed_by().await, next.0);
        assert_ne!(next.0, before);
    }
}
