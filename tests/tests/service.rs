//! The gate as a service: what it tells the service manager, and what its unit leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use system_tests::{clock, outpost::Outpost, program, scratch::Scratch};

/// `systemd-analyze security`'s figure, in tenths, above which a unit leaves too much open.
const EXPOSURE_MOST: u32 = 18;

/// Keys that a service manager from before their time passes over with a warning.
const YOUNGER_KEYS: [&str; 2] = ["RestartSteps", "RestartMaxDelaySec"];

/// What has been told since the last call, line by line.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut lines = Vec::new();
    let mut message = [0; 4_096];
    while let Ok(length) = manager.recv(&mut message) {
        let text = String::from_utf8_lossy(&message[..length]);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_that_it_is_ready_how_it_is_and_that_it_ends() {
    let scratch = Scratch::new().unwrap();
    let socket = scratch.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_nonblocking(true).unwrap();
    let mut outpost = Outpost::open(0).await.unwrap();
    outpost.gate.stop().await.unwrap();
    assert_eq!(told(&manager), Vec::<String>::new());

    let watchdog = Duration::from_secs(1);
    let start = outpost.gate.start_as_service(&socket, watchdog);
    outpost.panel = start.await.unwrap();
    let mut heard = Vec::new();
    for sign in ["READY=1", "WATCHDOG=1", "STATUS=link up, lists fresh"] {
        clock::wait_for(sign, || {
            heard.extend(told(&manager));
            let is_heard = heard.iter().any(|line| line.starts_with(sign));
            std::future::ready(Ok(is_heard.then_some(())))
        })
        .await
        .unwrap();
    }
    let ready_at = heard.iter().position(|line| line == "READY=1");
    let alive_at = heard.iter().position(|line| line == "WATCHDOG=1");
    assert!(ready_at < alive_at, "{heard:?}");

    outpost.gate.stop().await.unwrap();
    let last = told(&manager);
    assert!(last.contains(&"STOPPING=1".to_owned()), "{last:?}");
}

fn installed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../systemd")
        .join(file)
}

/// The values of a key of the unit, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    let named = lines.filter(|(name, _)| *name == key);
    named.map(|(_, value)| value.to_owned()).collect()
}

/// What the doctor finds of each part: its verdict and what it says; and its exit code.
async fn examine(outpost: &Outpost) -> (BTreeMap<String, (String, String)>, Option<i32>) {
    let mut command = outpost.gate.command(&["doctor", "--json"]).unwrap();
    // The false central lives in this very process.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let finding: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| finding[key].as_str().unwrap().to_owned();
            (word("part"), (word("verdict"), word("said")))
        })
        .collect();
    (found, output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_sound_gate_sound_and_says_what_is_wrong_with_another() {
    let mut outpost = Outpost::open(0).await.unwrap();
    let (found, code) = examine(&outpost).await;
    assert_eq!(found["agent"].0, "good", "{found:#?}");
    assert_eq!(code, Some(0), "{found:#?}");

    outpost.gate.stop().await.unwrap();
    let (found, code) = examine(&outpost).await;
    assert_eq!(code, Some(0), "{found:#?}");
    assert_eq!(found["agent"].0, "doubtful");
    for part in [
        "configuration",
        "disk",
        "store",
        "central",
        "door 1",
        "reader at access point 1",
        "sandbox: open file",
        "sandbox: connect",
    ] {
        assert_eq!(found[part].0, "good", "{part}: {found:#?}");
    }

    outpost.central.vanish();
    let keys = outpost.gate.state_directory().join("keys");
    fs::remove_file(keys.join("roster.key")).unwrap();
    let (found, code) = examine(&outpost).await;
    assert_eq!(code, Some(1), "{found:#?}");
    let (verdict, said) = &found["store"];
    assert_eq!(verdict, "bad");
    assert!(
        said.contains("roster.key") && said.contains("put it back"),
        "{said}"
    );
}

#[test]
fn the_unit_leaves_little_open() {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE_MOST}"))
        .arg(installed("gate-agent.service"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Overall exposure level"), "{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_service_manager_knows_every_word_of_the_unit() {
    let agent = program::find("gate-agent").unwrap();
    let scratch = Scratch::new().unwrap();
    let unit = fs::read_to_string(installed("gate-agent.service")).unwrap();
    assert_eq!(values(&unit, "ExecStart"), ["/usr/bin/gate-agent run"]);
    let here = unit.replace("/usr/bin/gate-agent", agent.to_str().unwrap());
    let path = scratch.path().join("gate-agent.service");
    fs::write(&path, here).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let about_it = said.lines().filter(|line| line.contains("gate-agent"));
    let wrong: Vec<_> = about_it
        .filter(|line| !YOUNGER_KEYS.iter().any(|key| line.contains(key)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With any other mode the service manager kills the door process the moment the agent is gone: a
/// release would not end at its time, and a lock that fire released would be let go.
#[test]
fn the_unit_leaves_the_door_process_alone() {
    let unit = fs::read_to_string(installed("gate-agent.service")).unwrap();
    assert_eq!(values(&unit, "KillMode"), ["process"]);
    assert_eq!(values(&unit, "PrivatePIDs"), Vec::<String>::new());
}

#[test]
fn the_users_and_groups_that_the_unit_names_are_made() {
    let root = Scratch::new().unwrap();
    let rules = root.path().join("usr/lib/sysusers.d");
    fs::create_dir_all(&rules).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let name = "portcullis-gate.conf";
    fs::copy(installed("portcullis-gate.sysusers"), rules.join(name)).unwrap();
    let output = Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.path().display()))
        .arg(name)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let known = |file: &str| -> Vec<String> {
        let lines = fs::read_to_string(root.path().join("etc").join(file)).unwrap();
        let names = lines.lines().filter_map(|line| line.split(':').next());
        names.map(str::to_owned).collect()
    };
    let unit = fs::read_to_string(installed("gate-agent.service")).unwrap();
    let groups = values(&unit, "SupplementaryGroups").join(" ");
    let named = groups.split_whitespace().map(str::to_owned);
    for group in values(&unit, "Group").into_iter().chain(named) {
        assert!(known("group").contains(&group), "no group {group}");
    }
    // `selftest` and `doctor` of root find the devices by them, without the unit.
    let members = fs::read_to_string(root.path().join("etc/group")).unwrap();
    for group in groups.split_whitespace() {
        let line = format!("{group}:");
        let line = members.lines().find(|it| it.starts_with(&line)).unwrap();
        assert!(line.ends_with(":portcullis-gate"), "{line}");
    }
    for user in values(&unit, "User") {
        assert!(known("passwd").contains(&user), "no user {user}");
    }
}
