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

use super::{OTHERS_KEPT, Outcome, Publisher, STATEMENT_LIFETIME_S, Target, offsets};
use crate::{
    changes::Change,
    db::{
        Connection, access_levels, access_points, areas, doors, gate_staff, gates,
        gates::Gate,
        publications::{self, Place},
        schedules, schools,
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
        let subject = gate_id.0.as_bytes().as_slice();
        let place = Place {
            kind: wire::Configuration::EXTERNAL_DATA,
            subject,
        };
        publications::lock(&transaction, place).await?;
        let Some(versions) = publications::access_versions(&transaction, gate_id).await? else {
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
            kept: OTHERS_KEPT,
        };
        let outcome = self
            .publish(&transaction, target, |header| content.assemble(header))
            .await
            .with_context(context)?;
        publications::note_configuration(&transaction, gate_id, versions.configuration).await?;
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
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let schedules = schedules::read(connection, &named).await?;
        let trust_list = Place {
            kind: TrustList::EXTERNAL_DATA,
            subject: &[],
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
