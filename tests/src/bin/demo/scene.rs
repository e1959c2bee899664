//! The stage: central on the embedded default, a school with 200 students, the main gate with an
//! entry and an exit, the library's gate, and a link between them that can be cut.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use image::GrayImage;
use serde_json::json;
use shared::{
    decision::FreshnessStep,
    ids::{AccessPointId, DoorId},
    panel_api::{Link as LinkState, PanelState},
};
use system_tests::{
    central::{Central, Rows, Settings},
    gate::{DoorWiring, Gate, ReaderWiring, Sensors, Source, Wiring},
    link::Link,
    panel::{Panel, Seen},
    pictures,
    random::Random,
    school::{DoorSort, GateRow, IssuedPass, School},
    scratch::Scratch,
};

use crate::transcript::Transcript;

const STUDENTS: usize = 200;
/// What the guard of the demo types.
pub(crate) const PIN: &str = "246810";
/// Fixed: the same poses and the same noise in every run.
const SEED: u64 = 1;

/// A gate and what belongs to it.
pub(crate) struct Site {
    pub(crate) row: GateRow,
    pub(crate) gate: Gate,
    pub(crate) panel: Panel,
    pub(crate) door: DoorId,
    pub(crate) entry: AccessPointId,
    /// The way out, where there is a reader.
    pub(crate) exit: Option<AccessPointId>,
}

/// Access levels of the school.
#[derive(Clone, Copy)]
pub(crate) struct Levels {
    /// Main gate, always.
    pub(crate) students: i64,
    /// The library, always.
    pub(crate) library: i64,
    /// Main gate, but not on these days.
    pub(crate) evening: i64,
}

/// Everything on the stage.
pub(crate) struct Scene {
    pub(crate) central: Central,
    pub(crate) link: Link,
    pub(crate) school: School,
    pub(crate) levels: Levels,
    pub(crate) students: Vec<String>,
    pub(crate) names: Vec<String>,
    /// One card for each student: main gate and library.
    pub(crate) cards: Vec<IssuedPass>,
    pub(crate) main: Site,
    pub(crate) library: Site,
    /// The guard's number.
    pub(crate) guard: u32,
    pub(crate) random: Random,
    /// Where the pictures are put for people to look at.
    pub(crate) pictures: PathBuf,
    shown: usize,
    scratch: Scratch,
}

impl Scene {
    /// Starts everything.
    pub(crate) async fn set(transcript: &Transcript) -> anyhow::Result<Self> {
        transcript.chapter("Setting up");
        let scratch = Scratch::new()?;
        let pictures = fresh_pictures_folder()?;
        let link = Link::open().await?;
        let central = start_central(&scratch, &link).await?;
        link.lead_to(central.address);
        transcript.say(&format!(
            "central runs at {} with a PostgreSQL of its own; gates reach it through {}",
            central.url(),
            link.url()
        ));
        let school = School::found(&central, "Lindenhof School").await?;
        let names = names();
        let students = school.students(&names).await?;
        let places = build_places(&school).await?;
        let guard = school.staff("R. Guard", "supervisor", PIN).await?;
        let cards = school
            .issue_to(&students, &[places.levels.students, places.levels.library])
            .await?;
        transcript.say(&format!(
            "{} students have a pass each; the main gate has an entry and an exit, the library a door",
            cards.len()
        ));
        let main = open_gate(&school, &scratch, places.main).await?;
        let library = open_gate(&school, &scratch, places.library).await?;
        let mut scene = Self {
            central,
            link,
            school,
            levels: places.levels,
            students,
            names,
            cards,
            main,
            library,
            guard,
            random: Random::from_seed(SEED),
            pictures,
            shown: 0,
            scratch,
        };
        scene.all_fresh().await?;
        transcript.say("both gates are enrolled and hold the signed lists");
        Ok(scene)
    }

    /// Waits until both gates are in touch and hold what central has.
    pub(crate) async fn all_fresh(&mut self) -> anyhow::Result<()> {
        for site in [&mut self.main, &mut self.library] {
            let is_fresh = |state: &PanelState| {
                state.link == LinkState::Up && state.freshness == FreshnessStep::Fresh
            };
            site.panel.wait_for_state("a fresh gate", is_fresh).await?;
        }
        Ok(())
    }

    /// Holds a picture up to the main gate's entry.
    pub(crate) async fn at_entry(
        &mut self,
        name: &str,
        picture: &GrayImage,
    ) -> anyhow::Result<Seen> {
        let at = self.main.entry;
        let file = self.next_file(name);
        show(&mut self.main, at, &file, &self.pictures, picture).await
    }

    /// Holds a picture up to the main gate's exit.
    pub(crate) async fn at_exit(
        &mut self,
        name: &str,
        picture: &GrayImage,
    ) -> anyhow::Result<Seen> {
        let at = self.main.exit.context("the main gate has an exit")?;
        let file = self.next_file(name);
        show(&mut self.main, at, &file, &self.pictures, picture).await
    }

    /// Holds a picture up to the library's gate.
    pub(crate) async fn at_library(
        &mut self,
        name: &str,
        picture: &GrayImage,
    ) -> anyhow::Result<Seen> {
        let at = self.library.entry;
        let file = self.next_file(name);
        show(&mut self.library, at, &file, &self.pictures, picture).await
    }

    /// The next picture's name.
    pub(crate) fn next_file(&mut self, name: &str) -> String {
        self.shown += 1;
        format!("{:02}-{name}.png", self.shown)
    }

    /// A pass as central draws it, held up to a camera.
    pub(crate) async fn card(&mut self, pass: &IssuedPass) -> anyhow::Result<GrayImage> {
        let png = self.school.qr_png(pass).await?;
        let code = image::load_from_memory(&png)
            .context("central draws PNG pictures")?
            .into_luma8();
        Ok(pictures::held_up(&code, &mut self.random))
    }

    /// Any text as a code, held up to a camera.
    pub(crate) fn code(&mut self, text: &str) -> anyhow::Result<GrayImage> {
        Ok(pictures::held_up(&pictures::code(text)?, &mut self.random))
    }

    /// Ends everything in order.
    pub(crate) async fn strike(mut self) -> anyhow::Result<()> {
        self.main.gate.stop().await?;
        self.library.gate.stop().await?;
        self.central.stop().await?;
        drop(self.scratch);
        Ok(())
    }
}

/// Shows a picture and waits for what the gate makes of it.
async fn show(
    site: &mut Site,
    at: AccessPointId,
    file: &str,
    folder: &Path,
    picture: &GrayImage,
) -> anyhow::Result<Seen> {
    let png = pictures::png(picture)?;
    pictures::put(folder, file, &png)?;
    site.gate.show_picture(at, file, &png)?;
    loop {
        let seen = site.panel.seen().await?;
        if seen.source() == Some(file) {
            return Ok(seen);
        }
    }
}

fn fresh_pictures_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::current_dir()?.join("demo-output/pictures");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

async fn start_central(scratch: &Scratch, link: &Link) -> anyhow::Result<Central> {
    let settings = Settings {
        data_directory: scratch.directory("central")?,
        rows: Rows::Embedded,
        public_url: Some(link.url()),
        log: scratch.path().join("central.log"),
    };
    Central::start(settings).await
}

/// What central knows of the places, before a box stands there.
struct Places {
    levels: Levels,
    main: Place,
    library: Place,
}

struct Place {
    row: GateRow,
    door: DoorId,
    sensors: Sensors,
    entry: AccessPointId,
    exit: Option<AccessPointId>,
}

async fn build_places(school: &School) -> anyhow::Result<Places> {
    let campus = school.area("Campus").await?;
    let shelves = school.area("Library").await?;
    // A pass held up twice in the demo is two scans, even within the second.
    let policies = json!({"repeat_scan_ms": 100});
    let sync = json!({"push_ms": 200});
    let enforce = json!({"anti_passback": {"policy": "enforce", "forget_after_s": 43_200}});

    let main = school
        .gate("Main gate", policies.clone(), sync.clone())
        .await?;
    let turnstile = school.door(&main, "Turnstile", DoorSort::Turnstile).await?;
    let entry = school
        .access_point(turnstile, "Entry", (None, Some(campus)), enforce.clone())
        .await?;
    let exit = school
        .access_point(turnstile, "Exit", (Some(campus), None), enforce)
        .await?;

    let library = school.gate("Library's gate", policies, sync).await?;
    let leaf = school
        .door(&library, "Library door", DoorSort::Leaf)
        .await?;
    let reading = school
        .access_point(leaf, "Library", (Some(campus), Some(shelves)), json!({}))
        .await?;

    let always = school.always().await?;
    let evening = school.closed_these_days("Evening classes").await?;
    let levels = Levels {
        students: school.level("Students", &[entry, exit], always).await?,
        library: school.level("Library", &[reading], always).await?,
        evening: school
            .level("Evening classes", &[entry, exit], evening)
            .await?,
    };
    Ok(Places {
        levels,
        main: Place {
            row: main,
            door: turnstile,
            sensors: Sensors::Rotation,
            entry,
            exit: Some(exit),
        },
        library: Place {
            row: library,
            door: leaf,
            sensors: Sensors::Contact,
            entry: reading,
            exit: None,
        },
    })
}

/// Sets the box up, enrols it, and starts it.
async fn open_gate(school: &School, scratch: &Scratch, place: Place) -> anyhow::Result<Site> {
    let Place {
        row,
        door,
        sensors,
        entry,
        exit,
    } = place;
    let readers = std::iter::once(entry)
        .chain(exit)
        .map(|access_point| ReaderWiring {
            access_point,
            source: Source::Pictures,
        });
    let wiring = Wiring {
        readers: readers.collect(),
        doors: vec![DoorWiring {
            door,
            sensors,
            opens_after_ms: 100,
        }],
    };
    let directory = scratch.directory(&format!("gate-{entry}"))?;
    let mut gate = Gate::set_up(&row.name, &directory, &wiring)?;
    gate.enrol(&school.claim(&row).await?).await?;
    let panel = gate.start().await?;
    Ok(Site {
        row,
        gate,
        panel,
        door,
        entry,
        exit,
    })
}

fn names() -> Vec<String> {
    const FIRST: [&str; 20] = [
        "Amara", "Ben", "Chiara", "David", "Elif", "Finn", "Greta", "Hugo", "Ida", "Jonas",
        "Kenji", "Lea", "Mateo", "Noor", "Olga", "Paul", "Quynh", "Rosa", "Samir", "Tilda",
    ];
    const LAST: [&str; 10] = [
        "Nwosu", "Keller", "Rossi", "Cohen", "Yilmaz", "Berg", "Lind", "Martin", "Sato", "Weber",
    ];
    (0..STUDENTS)
        .map(|index| {
            format!(
                "{} {}",
                FIRST[index % FIRST.len()],
                LAST[index / FIRST.len()]
            )
        })
        .collect()
}
