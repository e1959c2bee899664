//! Whoever breaks the decoder with a picture can do nothing with it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use clap::ValueEnum as _;
use gate_agent::clock::Clock;
use gate_agent::decoder::{Attempt, Decoder, DecoderSettings};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gate-agent");

/// "Bad system call": the kernel's answer to one that the filter does not name.
const SIGSYS: i32 = 31;

fn made(attempt: Attempt) -> Output {
    let name = attempt.to_possible_value().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["decoder", "--attempt", name.get_name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Held: the end of its input would end it.
    let _input = child.stdin.take();
    child.wait_with_output().unwrap()
}

#[test]
fn it_cannot_open_connect_execute_or_take_more_memory() {
    for attempt in Attempt::ALL {
        let output = made(attempt);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_ended_by_kernel = output.status.signal() == Some(SIGSYS);
        let is_refused = output.status.success() && said.starts_with("refused: ");
        assert!(
            is_ended_by_kernel || is_refused,
            "{attempt:?}: {}, {said:?}, {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test]
async fn every_thread_of_it_is_filtered_and_gains_no_rights() {
    let settings = DecoderSettings::program(PathBuf::from(PROGRAM));
    let mut decoder = Decoder::start(settings, Clock::system()).await.unwrap();
    // Answers, so it is ready.
    let nothing = gate_agent::decoder::Request::Picture {
        file: b"no picture",
        effort: gate_agent::decoder::Effort::Gate,
    };
    assert!(decoder.decode(nothing).await.is_err());
    let process = decoder.process_id().unwrap();
    let threads: Vec<_> = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|thread| thread.unwrap().path().join("status"))
        .collect();
    assert!(threads.len() >= 2, "{threads:?}");
    for status in threads {
        let status = fs::read_to_string(status).unwrap();
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.lines().any(|it| it == line), "{line}: {status}");
        }
    }
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    for (limit, most) in [("Max open files", "3"), ("Max file size", "0")] {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        let set = line[limit.len()..].split_whitespace().next();
        assert_eq!(set, Some(most), "{line}");
    }
}
