//! What stands before a camera is one presentation as long as it stands there, however many frames
//! it fills.

use std::time::Duration;

use shared::decision::{Decision, DenyReason};
use system_tests::{false_central::ENTRY, outpost::Outpost, panel::Seen, pictures};

/// Longer than the gate looks at a text that it does not know, and than a pass may be out of sight.
const HELD: Duration = Duration::from_millis(2_500);

/// Holds a code up for [`HELD`] and takes it away; gives the first thing that the gate said of it.
async fn hold_up(outpost: &mut Outpost, text: &str) -> Seen {
    let code = pictures::code(text).unwrap();
    outpost.gate.show_frame(ENTRY, Some(&code)).unwrap();
    let seen = outpost.panel.seen().await.unwrap();
    tokio::time::sleep(HELD).await;
    outpost.gate.show_frame(ENTRY, None).unwrap();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_held_before_the_camera_is_decided_once_and_a_poster_refused_once() {
    let mut outpost = Outpost::with_a_camera(2).await.unwrap();
    let passes = outpost.passes.clone();
    // Each is the very next thing that is said: nothing was said twice of the one before.
    let first = hold_up(&mut outpost, &passes[0]).await;
    let poster = hold_up(&mut outpost, "https://example.org/a/poster").await;
    let second = hold_up(&mut outpost, &passes[1]).await;
    let (Seen::Decided(first), Seen::Decided(second)) = (&first, &second) else {
        panic!("{first:?}, {second:?}");
    };
    assert_eq!(first.decision, Decision::Grant);
    assert_eq!(second.decision, Decision::Grant);
    assert_ne!(first.pass, second.pass);
    assert_eq!(poster.denied(), Some(DenyReason::NotAPass), "{poster:?}");
    assert_eq!(outpost.releases().unwrap(), 2);
}
