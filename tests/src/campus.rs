//! The smallest real place: a real central on a fresh database, a school with one gate of one
//! turnstile, and a link that can be cut.

use serde_json::{Value, json};
use shared::ids::{AccessPointId, DoorId};

use crate::{
    central::{Central, Rows, Settings},
    database::Database,
    gate::{DoorWiring, Gate, ReaderWiring, Sensors, Source, Wiring},
    link::Link,
    panel::Panel,
    paper_gate::PaperGate,
    school::{DoorSort, GateRow, School},
    scratch::Scratch,
};

/// The place.
pub struct Campus {
    /// Central.
    pub central: Central,
    /// Its database.
    pub database: Database,
    /// Between gates and central.
    pub link: Link,
    /// The school.
    pub school: School,
    /// Its one gate, as central knows it.
    pub row: GateRow,
    /// The gate's turnstile.
    pub door: DoorId,
    /// Into the campus.
    pub entry: AccessPointId,
    /// The access level that admits there, always.
    pub level: i64,
    /// Where the box is set up.
    pub scratch: Scratch,
}

impl Campus {
    /// Starts central and makes the school; no gate is enrolled yet.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn open() -> anyhow::Result<Self> {
        Self::open_with(json!({"push_ms": 50})).await
    }

    /// As [`Campus::open`], with how often the gate talks to central.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn open_with(sync: Value) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let database = Database::fresh().await?;
        let link = Link::open().await?;
        let settings = Settings {
            data_directory: scratch.directory("central")?,
            rows: Rows::Url(database.url.clone()),
            public_url: Some(link.url()),
            log: scratch.path().join("central.log"),
        };
        let central = Central::start(settings).await?;
        link.lead_to(central.address);
        let school = School::found(&central, "Lindenhof School").await?;
        let campus = school.area("Campus").await?;
        let row = school
            .gate("Main gate", json!({"repeat_scan_ms": 0}), sync)
            .await?;
        let door = school.door(&row, "Turnstile", DoorSort::Turnstile).await?;
        let entry = school
            .access_point(door, "Entry", (None, Some(campus)), json!({}))
            .await?;
        let always = school.always().await?;
        let level = school.level("Students", &[entry], always).await?;
        Ok(Self {
            central,
            database,
            link,
            school,
            row,
            door,
            entry,
            level,
            scratch,
        })
    }

    /// Enrols a gate that exists on paper alone.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn paper_gate(&self) -> anyhow::Result<PaperGate> {
        PaperGate::enrol(&self.school.claim(&self.row).await?).await
    }

    /// Sets a box up, enrols it, and starts it.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn real_gate(&self) -> anyhow::Result<(Gate, Panel)> {
        let mut gate = self.enrolled_gate().await?;
        let panel = gate.start().await?;
        Ok((gate, panel))
    }

    /// Sets a box up and enrols it.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn enrolled_gate(&self) -> anyhow::Result<Gate> {
        let gate = self.set_up_gate()?;
        gate.enrol(&self.school.claim(&self.row).await?).await?;
        Ok(gate)
    }

    /// Sets a box up.
    ///
    /// # Errors
    /// When its directory cannot be written.
    pub fn set_up_gate(&self) -> anyhow::Result<Gate> {
        let wiring = Wiring {
            readers: vec![ReaderWiring {
                access_point: self.entry,
                source: Source::Texts,
            }],
            doors: vec![DoorWiring {
                door: self.door,
                sensors: Sensors::Rotation,
                opens_after_ms: 5,
            }],
        };
        Gate::set_up("gate", &self.scratch.directory("gate")?, &wiring)
    }
}
