//! The real program's keys: made by commands beside a running server, used through the signer
//! processes, which are killed meanwhile.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

fn data_directory() -> TempDir {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
    directory
}

fn central(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_central"));
    command
        .args(arguments)
        .env("PORTCULLIS_DATA_DIR", data)
        .env_remove("DATABASE_URL")
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null());
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    central(data, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that succeeds.
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    text(&output.stdout)
}

/// Standard error of a command that fails.
fn fails(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
    errors
}

struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let token = done(data, &["admin", "token", "create", "--name", "Test"]);
        let ready = data.join("ready.json");
        let mut command = central(data, &["serve", "--listen", "127.0.0.1:0", "--ready-file"]);
        let mut child = command.arg(&ready).stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..600 {
            if let Ok(text) = fs::read_to_string(&ready) {
                let ready: Value = serde_json::from_str(&text).unwrap();
                return Self {
                    child,
                    address: ready["address"].as_str().unwrap().to_owned(),
                    token: token.trim().to_owned(),
                };
            }
            assert!(child.try_wait().unwrap().is_none(), "central ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("central is not ready after 30 s");
    }

    /// Posts JSON; the status and the answer.
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer[9..12].parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn created(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, &body);
        assert_eq!(status, 201, "{path}: {answer}");
        answer
    }

    /// Processes of its signers, with their command lines.
    fn signers(&self) -> Vec<(i32, String)> {
        let parent = format!("PPid:\t{}", self.child.id());
        let mut signers = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = text(&line).replace('\0', " ");
            if status.lines().any(|line| line == parent) && line.contains("signer") {
                signers.push((pid, line));
            }
        }
        signers
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_small_school_has_its_keys_with_one_command_and_issues_through_the_signers() {
    let directory = data_directory();
    let data = directory.path();
    let made = done(data, &["keys", "init", "--small-school"]);
    assert!(made.contains("root passphrase "), "{made}");
    let files = ["root-1.key", "registrar.key"].map(|name| data.join("keys").join(name));
    let credentials = [
        "issuing.kek",
        "statements.kek",
        "registrar.kek",
        "claims.key",
    ]
    .map(|name| data.join("credentials").join(name));
    let before: Vec<_> = files
        .iter()
        .chain(&credentials)
        .map(|path| {
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::read(path).unwrap()
        })
        .collect();
    let again = run(data, &["keys", "init", "--small-school"]);
    assert!(again.status.success() && text(&again.stderr).contains("nothing was changed"));
    let after: Vec<_> = files
        .iter()
        .chain(&credentials)
        .map(|path| fs::read(path).unwrap())
        .collect();
    assert_eq!(before, after);

    let server = Server::start(data);
    let school = json!({"name": "Northfield College", "time_zone": "Europe/London"});
    let school = server.created("/api/v1/schools", school);
    let school = school["school_id"].as_str().unwrap();
    let create = ["keys", "issuer", "create", "--school", school, "--publish"];
    let issuer = done(data, &create);
    assert!(issuer.contains("names 1 issuer keys"), "{issuer}");

    let passes = format!("/api/v1/schools/{school}/passes");
    let pass = json!({"expires_at": "2100-01-01T00:00:00Z", "levels": []});
    let (status, refused) = server.post(&passes, &pass);
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_body")));
    let soon = |days| {
        let now = std::process::Command::new("date")
            .args(["-u", "-d", &format!("{days} days"), "+%Y-%m-%dT%H:%M:%SZ"])
            .output()
            .unwrap();
        text(&now.stdout).trim().to_owned()
    };
    let pass = json!({"expires_at": soon(100), "levels": []});
    assert_eq!(server.created(&passes, pass.clone())["serial"], 0);

    let signers = server.signers();
    assert_eq!(signers.len(), 2, "{signers:?}");
    for (pid, line) in &signers {
        let (own, other) = if line.contains("issuing") {
            ("issuing.kek", "statements.kek")
        } else {
            ("statements.kek", "issuing.kek")
        };
        assert!(line.contains(own) && !line.contains(other), "{line}");
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!text(&environment).contains("PORTCULLIS_DATA_DIR"));
        kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
    }
    // The server goes on with new ones, whichever request comes first.
    let second = server.created(&passes, pass.clone());
    assert_eq!(second["serial"], 1);
    let revoke = format!("{passes}/{}/1/revoke", second["kid"].as_str().unwrap());
    assert_eq!(server.post(&revoke, &json!({})).0, 200);

    let kid = second["kid"].as_str().unwrap();
    let frozen = done(data, &["keys", "freeze", "--kid", kid]);
    assert!(frozen.contains("issues from now on"), "{frozen}");
    assert_ne!(server.created(&passes, pass.clone())["kid"], json!(kid));
    let list = done(data, &["keys", "list"]);
    for state in ["frozen", "open", "statement"] {
        assert!(list.contains(state), "{list}");
    }
    let left: Vec<i32> = server.signers().iter().map(|(pid, _)| *pid).collect();
    server.stop();
    for pid in left {
        for _ in 0..100 {
            if !Path::new(&format!("/proc/{pid}")).exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "signer {pid}");
    }
}

#[test]
fn two_of_three_root_keys_put_a_root_set_in_force() {
    let directory = data_directory();
    let data = directory.path();
    let file = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (passphrase, wrong) = (file("passphrase"), file("wrong"));
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    fs::write(&wrong, "incorrect horse battery staple\n").unwrap();
    let (safes, draft) = (file("safes"), file("root-set"));
    let roots = format!("{safes}/roots.json");
    let registrar = file("keys/registrar.key");
    done(
        data,
        &[
            "keys",
            "root",
            "create",
            "--threshold",
            "2",
            "--count",
            "3",
            "--out",
            &safes,
            "--passphrase-file",
            &passphrase,
        ],
    );
    done(data, &["keys", "registrar", "create"]);
    let make_draft = [
        "keys",
        "root-set",
        "draft",
        "--roots",
        &roots,
        "--registrar",
        &registrar,
        "--out",
        &draft,
    ];
    done(data, &make_draft);
    assert!(fails(data, &make_draft).contains("ever overwritten"));
    let sign = |number: u8, passphrase: &str| {
        let key = format!("{safes}/root-{number}.key");
        run(
            data,
            &[
                "keys",
                "root-set",
                "sign",
                &draft,
                "--root-key",
                &key,
                "--passphrase-file",
                passphrase,
            ],
        )
    };
    let publish = ["keys", "root-set", "publish", draft.as_str()];
    let refused = text(&sign(1, &wrong).stderr);
    assert!(
        refused.contains("does not open with this passphrase"),
        "{refused}"
    );
    assert!(sign(1, &passphrase).status.success());
    assert!(fails(data, &publish).contains("1 of 2 required keys signed"));
    assert!(sign(3, &passphrase).status.success());
    assert!(done(data, &publish).contains("root set 1.1 is in force"));
    assert!(fails(data, &publish).contains("draft it again"));

    assert!(fails(data, &["keys", "trust-list", "publish"]).contains("statement key"));
    done(data, &["keys", "statement", "create"]);
    assert!(done(data, &["keys", "trust-list", "publish"]).contains("1 statement keys"));
    assert!(fails(data, &["keys", "statement", "switch"]).contains("no other statement key"));
    done(data, &["keys", "statement", "create"]);
    done(data, &["keys", "trust-list", "publish"]);
    done(data, &["keys", "statement", "switch"]);
    let list = done(data, &["keys", "list"]);
    assert!(list.contains("2 of 3 roots"), "{list}");
    let states: Vec<_> = list
        .lines()
        .filter(|line| line.contains(" statement "))
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(states, ["closed", "open"]);
    let open = list.lines().find(|line| line.contains(" open ")).unwrap();
    let kid = open.split_whitespace().next().unwrap();
    assert!(fails(data, &["keys", "revoke", "--kid", kid]).contains("only statement key"));

    // Another registrar.kek: a message, and nothing published.
    let kek = data.join("credentials/registrar.kek");
    fs::remove_file(&kek).unwrap();
    fs::write(&kek, [1; 32]).unwrap();
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = fails(data, &["keys", "trust-list", "publish"]);
    assert!(
        refused.contains("does not open with this key file"),
        "{refused}"
    );
}

#[test]
fn a_signer_is_not_started_by_hand() {
    let directory = data_directory();
    let refused = fails(
        directory.path(),
        &["signer", "--kind", "issuing", "--key-file", "/nonexistent"],
    );
    assert!(refused.contains("started by `central serve`"), "{refused}");
}
