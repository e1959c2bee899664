//! SIGKILL at random points of 500 scans: no record is lost or doubled, and no door opens without
//! one. `cargo xtask sim crash` does the same for as long as one likes.

use system_tests::{
    crash::{self, Plan},
    random::Random,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_killed_again_and_again_loses_and_doubles_nothing_and_opens_for_no_one_unrecorded() {
    let mut random = Random::for_test();
    let plan = Plan {
        scans: 500,
        kills: 40,
    };
    let outcome = crash::run(plan, &mut random).await.unwrap();
    println!("{outcome:?}");
    assert!(outcome.grants > 400, "{outcome:?}");
    assert!(outcome.releases >= outcome.heard, "{outcome:?}");
}
