//! The demo is the first thing a newcomer runs: it must tell its story to the end.

use std::process::Command;

use system_tests::program;

#[test]
fn the_demo_ends_with_everything_as_it_should_be() {
    let scratch = system_tests::scratch::Scratch::new().unwrap();
    let mut demo = Command::new(program::find("demo").unwrap());
    demo.current_dir(scratch.path()).env("NO_COLOR", "1");
    let output = program::run(&mut demo).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("Everything is as it should be."));
    assert!(!said.contains('\u{1b}'), "NO_COLOR is respected");
    let pictures = scratch.path().join("demo-output/pictures");
    assert!(std::fs::read_dir(pictures).unwrap().count() > 20);
}
