//! A gate without a network: a stick carries signed documents in and the journal out, and nothing
//! is believed because it came by stick.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use shared::{
    carry::{Direction, FileHeader, Item, Splitter},
    decision::{DenyReason, FreshnessStep},
    gate_api::DocumentName,
    ids::GateId,
    panel_api::{Link, PanelState},
    time::UtcSeconds,
};
use system_tests::{
    admin::Admin,
    campus::Campus,
    gate::{Gate, KeptRecord, Unshare},
    panel::Panel,
    paper_gate::PaperGate,
    program,
    school::{GateRow, IssuedPass, PassWish},
};

const DAY_S: i64 = 86_400;

/// A gate that was enrolled on a bench and has no link since, and a stick.
struct Site {
    campus: Campus,
    gate: Gate,
    panel: Panel,
    stick: PathBuf,
}

/// What `gate-agent carry` said, and its exit code.
struct Said {
    code: i32,
    text: String,
}

impl Site {
    /// Enrolled on a bench that has a network, which is cut then.
    async fn open() -> Self {
        let campus = Campus::open().await.unwrap();
        let gate = campus.enrolled_gate().await.unwrap();
        campus.link.cut();
        Self::start(campus, gate).await
    }

    async fn start(campus: Campus, mut gate: Gate) -> Self {
        let file = gate.directory().join("gate.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("[sync]", "[sync]\nserved_by = \"stick\"");
        fs::write(&file, text).unwrap();
        let panel = gate.start().await.unwrap();
        let stick = campus.scratch.directory("stick").unwrap();
        Self {
            campus,
            gate,
            panel,
            stick,
        }
    }

    fn id(&self) -> GateId {
        id_of(&self.campus.row)
    }

    fn documents(&self) -> PathBuf {
        self.stick.join(format!("portcullis-{}.carry", self.id()))
    }

    fn journal(&self) -> PathBuf {
        self.stick.join(format!("portcullis-{}.journal", self.id()))
    }

    fn carry_path(&self, row: &GateRow) -> String {
        format!("{}/gates/{}/carry", self.campus.school.path, row.id)
    }

    /// What central gives for a stick now.
    async fn made(&self, row: &GateRow) -> Vec<u8> {
        let admin = &self.campus.school.admin;
        admin.get_bytes(&self.carry_path(row)).await.unwrap()
    }

    /// Carries what central has now.
    async fn bring(&self) -> Vec<u8> {
        let made = self.made(&self.campus.row).await;
        fs::write(self.documents(), &made).unwrap();
        let said = self.carry(&["--in"]).await;
        assert_eq!(said.code, 0, "{}", said.text);
        made
    }

    async fn carry_file(&self, bytes: &[u8]) -> Said {
        fs::write(self.documents(), bytes).unwrap();
        self.carry(&["--in"]).await
    }

    async fn carry(&self, flags: &[&str]) -> Said {
        let stick = self.stick.to_str().unwrap();
        say(&self.gate, &[&["carry"], flags, &[stick]].concat()).await
    }

    /// Central takes the journal from the stick.
    async fn hand_in(&self, bytes: Vec<u8>) -> (u16, Value) {
        let path = self.carry_path(&self.campus.row);
        let admin = &self.campus.school.admin;
        let answer = admin.post_bytes(&path, bytes).await.unwrap();
        (answer.status.as_u16(), answer.json)
    }

    async fn pass(&self) -> (IssuedPass, String) {
        let levels = [self.campus.level];
        let wish = PassWish::card(&levels);
        let pass = self.campus.school.issue(wish).await.unwrap();
        let text = self.campus.school.text(&pass).await.unwrap();
        (pass, text)
    }

    async fn denied(&mut self, text: &str) -> Option<DenyReason> {
        let entry = self.campus.entry;
        let seen = self.gate.scan(&mut self.panel, entry, text).await.unwrap();
        assert!(seen.is_granted() || seen.denied().is_some());
        seen.denied()
    }

    async fn state(&mut self) -> PanelState {
        self.panel.state().await.unwrap()
    }

    async fn restart_with_clock(&mut self, ahead_s: i64) {
        self.gate.stop().await.unwrap();
        self.gate.set_clock(ahead_s).unwrap();
        self.panel = self.gate.start().await.unwrap();
    }
}

/// Runs a command of the gate's.
async fn say(gate: &Gate, arguments: &[&str]) -> Said {
    said(gate.command(arguments).unwrap()).await
}

async fn said(mut command: Command) -> Said {
    let output = tokio::task::spawn_blocking(move || program::run(&mut command));
    let output = output.await.unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        code: output.status.code().unwrap(),
        text: String::from_utf8(text).unwrap(),
    }
}

fn id_of(row: &GateRow) -> GateId {
    GateId::from_hex(&row.id.replace('-', "")).unwrap()
}

fn items(file: &[u8]) -> Vec<Item> {
    let mut splitter = Splitter::default();
    splitter.push(file);
    let mut items = Vec::new();
    while let Some((_, bytes)) = splitter.next_item().unwrap() {
        items.push(Item::read(bytes).unwrap().unwrap());
    }
    items
}

fn file_of(items: &[Item]) -> Vec<u8> {
    items.iter().flat_map(Item::to_bytes).collect()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_without_a_link_lives_by_a_stick() {
    let mut site = Site::open().await;
    let (pass, text) = site.pass().await;
    let (_, other_text) = site.pass().await;
    assert_eq!(site.state().await.link, Link::Stick);
    assert!(site.denied(&text).await.is_some(), "it knows nobody yet");

    site.bring().await;
    let state = site.state().await;
    assert_eq!(state.freshness, FreshnessStep::Fresh);
    assert_eq!(state.faults, Vec::<String>::new());
    assert_eq!(site.denied(&text).await, None);

    // Revoked at central: the gate cannot know, until the stick comes.
    site.campus.school.change(&pass, "revoke").await.unwrap();
    assert_eq!(site.denied(&text).await, None);
    site.bring().await;
    assert_eq!(site.denied(&text).await, Some(DenyReason::PassRevoked));
    assert_eq!(site.denied(&other_text).await, None);

    // The record of it goes the other way.
    let said = site.carry(&["--out"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(mode(&site.journal()), 0o600);
    let journal = fs::read(site.journal()).unwrap();
    let (status, answer) = site.hand_in(journal.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["cut_off"], Value::Null);
    assert!(answer["new_records"].as_i64().unwrap() > 4, "{answer}");
    let held = site.campus.school.journal(&site.campus.row).await.unwrap();
    let kept = site.gate.records_kept().unwrap();
    let is_same = |(held, kept): (&Value, &KeptRecord)| {
        held["seq"] == kept.seq && held["hash"] == kept.hash.as_str()
    };
    assert!(
        held.iter().zip(&kept).all(is_same),
        "{held:#?} of {kept:#?}"
    );
    assert_eq!(held.len() as i64, answer["new_records"].as_i64().unwrap());
    let granted = held
        .iter()
        .filter(|record| record.to_string().contains("grant"));
    assert_eq!(granted.count(), 3, "{held:#?}");
    let (_, again) = site.hand_in(journal).await;
    assert_eq!(again["new_records"], 0, "{again}");

    // The next stick brings the acknowledgement back; nothing is given out twice.
    assert_eq!(site.denied(&other_text).await, None);
    let before = site.state().await.unacknowledged_records;
    fs::write(site.documents(), site.made(&site.campus.row).await).unwrap();
    let said = site.carry(&[]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    let after = site.state().await.unacknowledged_records;
    assert!(after < before, "{after} of {before} are still to be sent");
    let (status, answer) = site.hand_in(fs::read(site.journal()).unwrap()).await;
    assert_eq!((status, &answer["known_records"]), (200, &json!(0)));
    assert!(answer["new_records"].as_i64() >= Some(1), "{answer}");

    let log = fs::read_to_string(site.campus.scratch.path().join("central.log")).unwrap();
    assert!(!log.contains("/gate/v1/heads"), "the gate asked by network");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_stick_takes_nothing_back_and_renews_nothing() {
    let mut site = Site::open().await;
    let (pass, text) = site.pass().await;
    let old = site.bring().await;
    assert_eq!(site.denied(&text).await, None);
    site.campus.school.change(&pass, "revoke").await.unwrap();
    site.bring().await;
    assert_eq!(site.denied(&text).await, Some(DenyReason::PassRevoked));
    let kept = site.made(&site.campus.row).await;

    // Three days later somebody comes with the oldest, then with what was made three days ago.
    site.restart_with_clock(3 * DAY_S).await;
    let said = site.carry_file(&old).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("REFUSED its heads"), "{}", said.text);
    assert_eq!(site.denied(&text).await, Some(DenyReason::PassRevoked));
    let said = site.carry_file(&kept).await;
    assert_eq!(said.code, 0, "{}", said.text);
    let state = site.state().await;
    assert!(state.heads_age_s >= Some(3 * DAY_S as u64), "{state:?}");
    assert_eq!(state.freshness, FreshnessStep::Restrict);
    // And again: what is at hand renews nothing either.
    let said = site.carry_file(&kept).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(site.state().await.freshness, FreshnessStep::Restrict);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_gates_stick_is_refused_by_name_and_by_signature() {
    let mut site = Site::open().await;
    let (_, text) = site.pass().await;
    let row = site
        .campus
        .school
        .gate("Library", json!({}), json!({}))
        .await
        .unwrap();
    let claim = site.campus.school.claim(&row).await.unwrap();
    site.campus.link.restore();
    PaperGate::enrol(&claim).await.unwrap();
    site.campus.link.cut();
    let others = site.made(&row).await;
    let others_name = format!("portcullis-{}.carry", id_of(&row));
    fs::write(site.stick.join(&others_name), &others).unwrap();
    let said = site.carry(&["--in"]).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains(&others_name), "{}", said.text);

    let said = site.carry_file(&others).await;
    assert_eq!(said.code, 1, "{}", said.text);
    let named = format!("it belongs to gate {}", id_of(&row));
    assert!(said.text.contains(&named), "{}", said.text);

    let mut forged = items(&others);
    forged[0] = Item::Header(FileHeader::new(Direction::ToGate, site.id(), UtcSeconds(1)));
    let said = site.carry_file(&file_of(&forged)).await;
    assert_eq!(said.code, 1, "{}", said.text);
    let named = format!("meant for gate {}", id_of(&row));
    assert!(said.text.contains(&named), "{}", said.text);
    assert!(site.denied(&text).await.is_some());

    site.bring().await;
    assert_eq!(site.denied(&text).await, None);
    site.carry(&["--out"]).await;
    let journal = fs::read(site.journal()).unwrap();
    let path = site.carry_path(&row);
    let admin = &site.campus.school.admin;
    let answer = admin.post_bytes(&path, journal).await.unwrap();
    assert_eq!(answer.status.as_u16(), 409);
    assert_eq!(answer.json["code"], "journal_of_other_gate");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_damaged_stick_only_what_is_signed_and_whole_is_taken() {
    let mut site = Site::open().await;
    let (pass, text) = site.pass().await;
    site.bring().await;
    assert_eq!(site.denied(&text).await, None);
    site.campus.school.change(&pass, "revoke").await.unwrap();
    let good = site.made(&site.campus.row).await;

    // Whoever edits it changes nothing but whether it is taken.
    let edited = |change: &dyn Fn(&mut Item)| {
        let mut items = items(&good);
        items.iter_mut().for_each(change);
        file_of(&items)
    };
    let flip = |bytes: &mut [u8]| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    };
    let heads = edited(&|item| {
        if let Item::Heads(bytes) = item {
            flip(bytes);
        }
    });
    let said = site.carry_file(&heads).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("REFUSED its heads"), "{}", said.text);
    let lists = edited(&|item| {
        if let Item::Document(DocumentName::StatusList(_), _, bytes) = item {
            flip(bytes);
        }
    });
    let said = site.carry_file(&lists).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert_eq!(site.denied(&text).await, None, "the older list is in force");
    let said = site.carry_file(&good[..good.len() - 1]).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("cut off"), "{}", said.text);
    // All but its end was there.
    assert_eq!(site.denied(&text).await, Some(DenyReason::PassRevoked));
    for length in [0, 1, 40, 300, good.len() / 2] {
        let said = site.carry_file(&good[..length]).await;
        assert_eq!(said.code, 1, "cut at {length}: {}", said.text);
    }
    let said = site.carry_file(&good).await;
    assert_eq!(said.code, 0, "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_never_saw_a_network_is_enrolled_by_two_files() {
    let campus = Campus::open().await.unwrap();
    campus.link.cut();
    let gate = campus.set_up_gate().unwrap();
    let claim = campus.school.claim(&campus.row).await.unwrap();
    let (request, answer) = (
        campus.scratch.path().join("enrol.request"),
        campus.scratch.path().join("enrol.answer"),
    );
    let early = say(&gate, &["enrol", "--answer", request.to_str().unwrap()]).await;
    assert_eq!(early.code, 3, "{}", early.text);
    let asked = ["enrol", &claim, "--request", request.to_str().unwrap()];
    let said = say(&gate, &asked).await;
    assert_eq!(said.code, 0, "{}", said.text);
    // Nobody's token is needed: the claim's secret is the proof.
    let nobody = Admin::new(&campus.school.admin.url, "none");
    let sent = fs::read(&request).unwrap();
    let answered = nobody.post_bytes("/gate/v1/enrol", sent.clone()).await;
    fs::write(&answer, answered.unwrap().bytes).unwrap();
    let said = say(&gate, &["enrol", "--answer", answer.to_str().unwrap()]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    let admin = &campus.school.admin;
    let path = format!("{}/gates/{}", campus.school.path, campus.row.id);
    let shown = admin.get(&path).await.unwrap();
    let fingerprint = shown["fingerprint"].as_str().unwrap();
    assert!(said.text.contains(fingerprint), "{}", said.text);
    // The claim is used up, and nothing of the offer is left lying about.
    let again = nobody.post_bytes("/gate/v1/enrol", sent).await.unwrap();
    assert_eq!(again.status.as_u16(), 403);
    let said = say(&gate, &["enrol", "--answer", answer.to_str().unwrap()]).await;
    assert_eq!(said.code, 3, "{}", said.text);
    let keys = fs::read_dir(gate.state_directory().join("keys")).unwrap();
    let names: Vec<_> = keys.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().starts_with("enrolling")),
        "{names:?}"
    );

    let mut site = Site::start(campus, gate).await;
    let (_, text) = site.pass().await;
    site.bring().await;
    assert_eq!(site.denied(&text).await, None);
}

/// Mounts a small file system, fills and write-protects it, and carries to it each time.
const SMALL_STICK: &str = r#"
    exec 2>&1
    mount -t tmpfs -o size=64k tmpfs "$1" || exit 99
    head -c 65536 /dev/zero > "$1/pictures"
    "$2" carry --out "$1"; echo "full: $?"
    ls -A "$1"
    rm "$1/pictures"
    mount -o remount,ro "$1"
    "$2" carry --out "$1"; echo "write-protected: $?"
    mount -o remount,rw "$1"
    "$2" carry --out "$1"; echo "good: $?"
    ls -A "$1"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_that_is_full_or_write_protected_is_told_and_nothing_is_lost() {
    let Some(unshare) = Unshare::possible() else {
        println!("skipped: neither root nor user namespaces may mount here");
        return;
    };
    let mut site = Site::open().await;
    let (_, text) = site.pass().await;
    site.bring().await;
    for _ in 0..30 {
        assert_eq!(site.denied(&text).await, None);
    }
    let before = site.state().await.unacknowledged_records;
    let command = site
        .gate
        .command_with_a_mount(unshare, SMALL_STICK, &site.stick);
    let said = said(command.unwrap()).await;
    let text = said.text;
    assert!(text.contains("full: 3"), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("write-protected: 3"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(text.contains("the gate keeps its records"), "{text}");
    assert!(text.contains("good: 0"), "{text}");
    let journal = site.journal();
    let name = journal.file_name().unwrap().to_str().unwrap();
    let (_, behind) = text.split_once("good: 0").unwrap();
    assert_eq!(behind.trim(), name, "{text}");
    let (full, _) = text.split_once("write-protected").unwrap();
    let (_, listed) = full.split_once("full: 3").unwrap();
    assert!(listed.trim().starts_with("pictures"), "{text}");
    assert!(!listed.contains(".new"), "{text}");
    assert!(site.state().await.unacknowledged_records >= before);
}
