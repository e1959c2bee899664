//! The real program on the embedded default: started, asked, killed, started again.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

struct Running {
    child: Child,
    address: String,
}

fn data_directory() -> TempDir {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let mode = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(directory.path(), mode).unwrap();
    directory
}

fn central(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_central"));
    command
        .args(arguments)
        .env("PORTCULLIS_DATA_DIR", data)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    central(data, arguments).output().unwrap()
}

fn serve(data: &Path) -> Running {
    let ready = data.join("ready.json");
    let _ = std::fs::remove_file(&ready);
    let ready_text = ready.to_str().unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--ready-file",
        ready_text,
    ];
    let mut child = central(data, &arguments)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            let ready: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(ready["pid"], child.id());
            return Running {
                child,
                address: ready["address"].as_str().unwrap().to_owned(),
            };
        }
        assert!(child.try_wait().unwrap().is_none(), "central ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("central is not ready after 30 s");
}

impl Running {
    fn get(&self, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(mut self, signal: Signal) -> std::process::ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

fn make_token(data: &Path) -> String {
    let output = run(data, &["admin", "token", "create", "--name", "Ms Okafor"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_server_is_started_asked_killed_and_started_again_with_nothing_lost() {
    let directory = data_directory();
    let data = directory.path();
    let before = make_token(data);

    let server = serve(data);
    assert!(server.get("/health/ready", "").starts_with("HTTP/1.1 200"));
    let beside = make_token(data);
    for token in [&before, &beside] {
        assert!(
            server
                .get("/api/v1/schools", token)
                .starts_with("HTTP/1.1 200")
        );
    }
    assert!(
        server
            .get("/api/v1/schools", "wrong")
            .starts_with("HTTP/1.1 401")
    );

    let list = run(data, &["admin", "token", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    let last = list.lines().last().unwrap();
    assert!(
        last.ends_with("Ms Okafor") && last.contains("valid"),
        "{list}"
    );
    let id = last.split(' ').next().unwrap();
    assert!(
        run(data, &["admin", "token", "revoke", id])
            .status
            .success()
    );
    assert!(
        server
            .get("/api/v1/schools", &beside)
            .starts_with("HTTP/1.1 401")
    );

    assert!(!server.signal(Signal::KILL).success());
    let server = serve(data);
    assert!(
        server
            .get("/api/v1/schools", &before)
            .starts_with("HTTP/1.1 200")
    );

    assert!(server.signal(Signal::TERM).success());
    assert!(!data.join("ready.json").exists());
    assert!(
        !data.join("postgres/postmaster.pid").exists(),
        "PostgreSQL was shut down"
    );
}

#[test]
fn what_cannot_work_is_said_with_an_exit_code() {
    let directory = data_directory();
    let data = directory.path();
    let server = serve(data);
    let cases: [(&[&str], i32, &str); 4] = [
        (&["serve", "--listen", "127.0.0.1:0"], 1, "another central"),
        (
            &["serve", "--listen", &server.address],
            1,
            "another program does",
        ),
        (
            &["serve", "--listen", "nowhere"],
            2,
            "is not an IP address and a port",
        ),
        (
            &["config", "check", "--config", "/nowhere.toml"],
            2,
            "/nowhere.toml",
        ),
    ];
    for (arguments, code, words) in cases {
        let output = run(data, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    assert!(server.signal(Signal::INT).success());
}

#[test]
fn a_machine_without_postgres_is_told_what_to_install() {
    let directory = data_directory();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let output = central(directory.path(), &arguments)
        .env("PORTCULLIS_POSTGRES_BIN", "/nonexistent")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("PORTCULLIS_POSTGRES_BIN=/nonexistent"),
        "{errors}"
    );
}

#[test]
fn a_server_that_is_stopped_while_it_starts_leaves_nothing_running() {
    let directory = data_directory();
    let data = directory.path();
    for wait_ms in [30, 300, 1_000] {
        let mut child = central(data, &["serve", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        child.wait().unwrap();
        let ended = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            !data.join("postgres/postmaster.pid").exists()
        });
        assert!(ended, "PostgreSQL still runs after a stop at {wait_ms} ms");
    }
    assert!(serve(data).signal(Signal::TERM).success());
}
