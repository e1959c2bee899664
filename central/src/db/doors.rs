//! Table `doors`.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::configuration as wire;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{DoorId, GateId, ScheduleId, SchoolId},
    number::Bounded,
    paging::PageRequest,
    text::Name,
};

/// A release longer than ten minutes is a door mode, not a release.
type ReleaseTimeMs = Bounded<100, 600_000>;
/// Up to an hour.
type OpenTimeMs = Bounded<100, 3_600_000>;
type PreAlarmMs = Bounded<0, 3_600_000>;

/// Any barrier, at a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Door {
    /// Its id.
    pub door_id: DoorId,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: DoorFields,
}

/// What is said about a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorFields {
    /// The gate that has its lines.
    pub gate_id: GateId,
    /// What people call it.
    #[schema(example = "Turnstile 1")]
    pub name: Name,
    /// What it is.
    pub kind: DoorKind,
    /// What its lock does without power.
    pub lock_type: LockType,
    /// Is there a contact that says whether it is open?
    pub contact: ContactSensing,
    /// What settles a grant as taken or not taken.
    pub passage: PassageSensing,
    /// How long a release lasts.
    #[schema(value_type = i32, minimum = 100, maximum = 600_000)]
    #[serde(default = "release_time_ms")]
    pub release_time_ms: ReleaseTimeMs,
    /// How long it lasts for holders who need longer.
    #[schema(value_type = i32, minimum = 100, maximum = 600_000)]
    #[serde(default = "extended_release_time_ms")]
    pub extended_release_time_ms: ReleaseTimeMs,
    /// How long it may stand open before it is *held open*.
    #[schema(value_type = i32, minimum = 100, maximum = 3_600_000)]
    #[serde(default = "open_time_ms")]
    pub open_time_ms: OpenTimeMs,
    /// How long before *held open* the pre-alarm sounds.
    #[schema(value_type = i32, minimum = 0, maximum = 3_600_000)]
    #[serde(default = "pre_alarm_ms")]
    pub pre_alarm_ms: PreAlarmMs,
    /// Another door of the gate: of the two at most one is released for a pass or by staff, and
    /// only while the other is shut. The other door names this one by itself. Never in the way of
    /// those who want out.
    #[serde(default)]
    pub interlock_door_id: Option<DoorId>,
    /// When it stands unlocked for everybody.
    #[serde(default)]
    pub unlocked_hours: Option<UnlockedHours>,
}

/// When a door stands unlocked for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockedHours {
    /// A schedule of the school.
    pub schedule_id: ScheduleId,
    /// What begins them.
    pub begin: HoursBegin,
}

/// What begins a door's unlocked hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoursBegin {
    /// The schedule.
    WithSchedule,
    /// The first holder who goes in while the schedule holds: an empty building stays locked.
    WithFirstPerson,
}

fn release_time_ms() -> ReleaseTimeMs {
    const { Bounded::new(5_000).expect("within its bounds") }
}

fn extended_release_time_ms() -> ReleaseTimeMs {
    const { Bounded::new(15_000).expect("within its bounds") }
}

fn open_time_ms() -> OpenTimeMs {
    const { Bounded::new(30_000).expect("within its bounds") }
}

fn pre_alarm_ms() -> PreAlarmMs {
    const { Bounded::new(10_000).expect("within its bounds") }
}

/// What kind of barrier a door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoorKind {
    /// A leaf with a lock.
    Door,
    /// A turnstile that turns for one person.
    Turnstile,
    /// A speed gate.
    SpeedGate,
}

/// What an unpowered lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockType {
    /// Stays locked.
    FailSecure,
    /// Opens.
    FailSafe,
}

/// Is there a contact that says whether the door is open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactSensing {
    /// No: held open and forced open cannot be seen.
    Absent,
    /// Yes.
    Present,
}

/// What settles a grant as taken or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassageSensing {
    /// Nothing: a grant counts as taken at once.
    None,
    /// The door contact opened.
    DoorContact,
    /// The turnstile turned.
    Rotation,
}

impl Door {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> wire::Door {
        let ms = |time: i32| time.unsigned_abs();
        wire::Door {
            id: self.door_id.into(),
            name: self.fields.name.as_str().to_owned(),
            kind: match self.fields.kind {
                DoorKind::Door => wire::DoorKind::Door,
                DoorKind::Turnstile => wire::DoorKind::Turnstile,
                DoorKind::SpeedGate => wire::DoorKind::SpeedGate,
            },
            lock: match self.fields.lock_type {
                LockType::FailSecure => wire::LockType::FailSecure,
                LockType::FailSafe => wire::LockType::FailSafe,
            },
            contact: match self.fields.contact {
                ContactSensing::Absent => wire::ContactSensing::Absent,
                ContactSensing::Present => wire::ContactSensing::Present,
            },
            passage: match self.fields.passage {
                PassageSensing::None => wire::PassageSensing::None,
                PassageSensing::DoorContact => wire::PassageSensing::DoorContact,
                PassageSensing::Rotation => wire::PassageSensing::Rotation,
            },
            release_time_ms: ms(self.fields.release_time_ms.get()),
            extended_release_time_ms: ms(self.fields.extended_release_time_ms.get()),
            open_time_ms: ms(self.fields.open_time_ms.get()),
            pre_alarm_ms: ms(self.fields.pre_alarm_ms.get()),
            interlock: self.fields.interlock_door_id.map(Into::into),
            hours: self.fields.unlocked_hours.map(|hours| wire::UnlockedHours {
                schedule: hours.schedule_id.into(),
                begin: match hours.begin {
                    HoursBegin::WithSchedule => wire::HoursBegin::WithSchedule,
                    HoursBegin::WithFirstPerson => wire::HoursBegin::WithFirstPerson,
                },
            }),
        }
    }
}

const COLUMNS: &str = "door_id, gate_id, name, kind, lock_type, has_contact, passage, \
    release_time_ms, extended_release_time_ms, open_time_ms, pre_alarm_ms, \
    interlock_door_id, hours_schedule_id, hours_begin";

fn door(row: &Row) -> anyhow::Result<Door> {
    let Word(kind) = row
        .try_get("kind")
        .context("a door's kind in the database")?;
    let Word(lock_type) = row
        .try_get("lock_type")
        .context("a door's lock in the database")?;
    let Word(passage) = row
        .try_get("passage")
        .context("a door's passage in the database")?;
    let has_contact: bool = row.get("has_contact");
    let begin: Option<Word<HoursBegin>> = row
        .try_get("hours_begin")
        .context("what begins a door's hours in the database")?;
    let schedule: Option<ScheduleId> = row.get("hours_schedule_id");
    let hours = schedule.zip(begin);
    let time = "a door's time in the database is out of bounds";
    Ok(Door {
        door_id: row.get("door_id"),
        fields: DoorFields {
            gate_id: row.get("gate_id"),
            name: row.get("name"),
            kind,
            lock_type,
            contact: if has_contact {
                ContactSensing::Present
            } else {
                ContactSensing::Absent
            },
            passage,
            release_time_ms: Bounded::new(row.get("release_time_ms")).context(time)?,
            extended_release_time_ms: Bounded::new(row.get("extended_release_time_ms"))
                .context(time)?,
            open_time_ms: Bounded::new(row.get("open_time_ms")).context(time)?,
            pre_alarm_ms: Bounded::new(row.get("pre_alarm_ms")).context(time)?,
            interlock_door_id: row.get("interlock_door_id"),
            unlocked_hours: hours
                .map(|(schedule_id, Word(begin))| UnlockedHours { schedule_id, begin }),
        },
    })
}

/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    fields: &DoorFields,
) -> anyhow::Result<Door> {
    let row = connection
        .query_one(
            &format!(
                "INSERT INTO doors (school_id, gate_id, name, kind, lock_type, has_contact, passage, \
                    release_time_ms, extended_release_time_ms, open_time_ms, pre_alarm_ms, \
                    hours_schedule_id, hours_begin) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                 RETURNING {COLUMNS}"
            ),
            &[
                &school_id,
                &fields.gate_id,
                &fields.name,
                &Word(fields.kind),
                &Word(fields.lock_type),
                &(fields.contact == ContactSensing::Present),
                &Word(fields.passage),
                &fields.release_time_ms.get(),
                &fields.extended_release_time_ms.get(),
                &fields.open_time_ms.get(),
                &fields.pre_alarm_ms.get(),
                &fields.unlocked_hours.map(|hours| hours.schedule_id),
                &fields.unlocked_hours.map(|hours| Word(hours.begin)),
            ],
        )
        .await
        .context("cannot store a door")?;
    let mut door = door(&row)?;
    if let Some(other) = fields.interlock_door_id {
        interlock(connection, door.door_id, Some(other)).await?;
        door.fields.interlock_door_id = Some(other);
    }
    Ok(door)
}

/// Has a door and its companion name each other, and nobody else name either.
async fn interlock(
    connection: &Connection,
    door_id: DoorId,
    other: Option<DoorId>,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE doors SET interlock_door_id = \
                CASE door_id WHEN $1 THEN $2::integer WHEN $2 THEN $1 END \
             WHERE door_id IN ($1, $2) OR interlock_door_id IN ($1, $2)",
            &[&door_id, &other],
        )
        .await
        .with_context(|| format!("cannot interlock the door {door_id}"))?;
    Ok(())
}

/// # Errors
/// When the database fails.
pub async fn get(connection: &Connection, door_id: DoorId) -> anyhow::Result<Option<Door>> {
    let sql = format!("SELECT {COLUMNS} FROM doors WHERE door_id = $1");
    let row = connection
        .query_opt(&sql, &[&door_id])
        .await
        .with_context(|| format!("cannot read the door {door_id}"))?;
    row.as_ref().map(door).transpose()
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<DoorId>,
) -> anyhow::Result<Vec<Door>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM doors \
         WHERE school_id = $1 AND ($2::integer IS NULL OR door_id > $2) ORDER BY door_id LIMIT $3"
    );
    let rows = connection
        .query(&sql, &[&school_id, &page.after, &page.sql_limit()])
        .await
        .context("cannot list the doors")?;
    rows.iter().map(door).collect()
}

/// Those of one gate, ascending.
///
/// # Errors
/// When the database fails.
pub async fn of_gate(connection: &Connection, gate_id: GateId) -> anyhow::Result<Vec<Door>> {
    let sql = format!("SELECT {COLUMNS} FROM doors WHERE gate_id = $1 ORDER BY door_id");
    let rows = connection
        .query(&sql, &[&gate_id])
        .await
        .with_context(|| format!("cannot list the doors of the gate {gate_id}"))?;
    rows.iter().map(door).collect()
}

/// The door as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &Connection,
    door_id: DoorId,
    fields: &DoorFields,
) -> anyhow::Result<Option<Door>> {
    let row = connection
        .query_opt(
            &format!(
                "UPDATE doors SET gate_id = $2, name = $3, kind = $4, lock_type = $5, has_contact = $6, \
                    passage = $7, release_time_ms = $8, extended_release_time_ms = $9, \
                    open_time_ms = $10, pre_alarm_ms = $11, \
                    hours_schedule_id = $12, hours_begin = $13 \
                 WHERE door_id = $1 RETURNING {COLUMNS}"
            ),
            &[
                &door_id,
                &fields.gate_id,
                &fields.name,
                &Word(fields.kind),
                &Word(fields.lock_type),
                &(fields.contact == ContactSensing::Present),
                &Word(fields.passage),
                &fields.release_time_ms.get(),
                &fields.extended_release_time_ms.get(),
                &fields.open_time_ms.get(),
                &fields.pre_alarm_ms.get(),
                &fields.unlocked_hours.map(|hours| hours.schedule_id),
                &fields.unlocked_hours.map(|hours| Word(hours.begin)),
            ],
        )
        .await
        .with_context(|| format!("cannot change the door {door_id}"))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut door = door(&row)?;
    if door.fields.interlock_door_id != fields.interlock_door_id {
        interlock(connection, door_id, fields.interlock_door_id).await?;
        door.fields.interlock_door_id = fields.interlock_door_id;
    }
    Ok(Some(door))
}

/// How many doors that were: one or none.
///
/// # Errors
/// When an access point names it, or the database fails.
pub async fn delete(connection: &Connection, door_id: DoorId) -> anyhow::Result<u64> {
    connection
        .execute("DELETE FROM doors WHERE door_id = $1", &[&door_id])
        .await
        .with_context(|| format!("cannot delete the door {door_id}"))
}
