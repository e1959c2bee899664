//! A test that cannot fail is worth nothing. Each of these plants one defect in the real programs,
//! runs the system test that is there to notice it, and expects it to fail; the same test passes on
//! the same programs without the defect. `cargo xtask test` builds the programs for it, with
//! `--cfg portcullis_defects` in a directory of their own, and runs what is ignored otherwise.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where the programs lie that a defect can be planted in.
const DEFECTS_VARIABLE: &str = "PORTCULLIS_TEST_DEFECTS";
/// Plants a defect in a program that was built for it.
const DEFECT_VARIABLE: &str = "PORTCULLIS_DEFECT";
const NEEDS: &str =
    "run by `cargo xtask test`, which builds programs that defects can be planted in";

/// The test program `name`, which cargo built beside this one.
fn test_program(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a test program lies somewhere");
    let directory = this.parent().expect("in a directory");
    let prefix = format!("{name}-");
    let candidates = fs::read_dir(directory)
        .expect("the directory can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_none())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(&prefix)
                .is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
        });
    // Older builds may lie there too.
    candidates
        .max_by_key(|path| fs::metadata(path).and_then(|it| it.modified()).ok())
        .unwrap_or_else(|| panic!("the test program {name} is not built"))
}

fn run(program: &Path, test: &str, defect: Option<&str>) -> Output {
    let programs = env::var_os(DEFECTS_VARIABLE).expect(NEEDS);
    let mut command = Command::new(program);
    command
        .args(["--exact", test, "--nocapture"])
        .env(system_tests::program::PROGRAMS_VARIABLE, programs)
        .env_remove(DEFECT_VARIABLE);
    if let Some(defect) = defect {
        command.env(DEFECT_VARIABLE, defect);
    }
    command.output().expect("a test program runs")
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// With the defect the test fails, and by its own judgement; without it the test passes.
fn is_noticed(defect: &str, file: &str, test: &str) {
    let program = test_program(file);
    let sound = run(&program, test, None);
    assert!(
        sound.status.success() && text(&sound).contains("1 passed"),
        "{test} must pass without a defect:\n{}",
        text(&sound)
    );
    let broken = run(&program, test, Some(defect));
    assert!(
        !broken.status.success(),
        "{test} does not notice {defect}:\n{}",
        text(&broken)
    );
    let said = text(&broken);
    assert!(
        said.contains("1 failed") && said.contains("panicked at"),
        "{test} did not fail by its own judgement:\n{said}"
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn a_relay_driven_before_the_commit_is_noticed() {
    is_noticed(
        "relay-before-commit",
        "opens_for_no_one_unrecorded",
        "a_gate_that_cannot_commit_does_not_open_whenever_it_is_killed",
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn an_acknowledgement_before_the_commit_is_noticed() {
    is_noticed(
        "acknowledge-before-commit",
        "uploads",
        "what_central_acknowledged_survives_its_being_killed_that_moment",
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn a_number_check_that_is_skipped_is_noticed() {
    is_noticed(
        "number-check-skipped",
        "refuses_what_is_old",
        "an_older_configuration_is_refused",
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn a_lenient_base45_is_noticed() {
    is_noticed(
        "lenient-base45",
        "one_encoding",
        "another_spelling_of_a_pass_is_no_pass",
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn duplicates_that_are_not_recognised_are_noticed() {
    is_noticed(
        "duplicates-not-recognised",
        "uploads",
        "the_same_batch_sent_ten_times_counts_once",
    );
}

#[test]
#[ignore = "run by `cargo xtask test`"]
fn a_kind_that_is_not_bound_is_noticed() {
    is_noticed(
        "kind-not-bound",
        "uploads",
        "a_journal_head_signed_as_another_kind_is_none",
    );
}
