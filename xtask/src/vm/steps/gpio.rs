//! The gate drives a real GPIO chip: the relay, a lamp and the door contact, as the emulator has
//! them, who knows nothing of the program.

use anyhow::ensure;

use super::{CHIP, PATIENCE, SOON, Stage, show_picture, start_agent, stop_agent};
use crate::vm::board::Level;

/// The relay is on line 0, high when it is released; somebody goes through by line 4.
const LOCK: u32 = 0;
const ROTATION: u32 = 4;

pub(super) const CONFIGURATION: &str = r#"state = "/var/lib/portcullis"
panel_socket = "/run/panel.sock"
clock = { kind = "system" }

[[readers]]
access_point = 1
source = { pictures = { folder = "/run/pictures" } }

[[doors]]
door = 1
lock = "fail_secure"
[doors.io.gpio]
chip = "9030000.pl061"
lock = { line = 0, locked = "low" }
green = { line = 1 }
rotation = { line = 4, bias = "as_is" }
"#;

pub(super) fn moves_a_relay(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage {
        guest,
        board,
        report,
        ..
    } = stage;
    // Nobody turns: such an input is high while it is idle.
    board.set_input(ROTATION, Level::High)?;
    guest.succeed("rm -f /run/pictures/*", SOON)?;
    start_agent(guest, "/etc/portcullis/gpio.toml")?;
    let lines = guest.succeed("cat /sys/kernel/debug/gpio", SOON)?;
    ensure!(lines.contains("out lo"), "{CHIP} has no output: {lines}");
    report.holds("gate-agent has found the chip by its label and holds the relay's line low");
    board.take_changes();
    show_picture(guest, "revoked")?;
    guest.becomes("grep -q pass_revoked /run/agent.log", PATIENCE)?;
    let changes = board.take_changes();
    ensure!(
        changes.iter().all(|change| change.line != LOCK),
        "a revoked pass moved the relay: {changes:?}"
    );
    report.holds("a revoked pass moves no relay");
    show_picture(guest, "valid-2")?;
    let up = board.output_becomes(LOCK, Level::High, PATIENCE)?;
    report.holds("a valid pass brings the relay's line up");
    guest.succeed("sleep 1", SOON)?;
    let changes = board.take_changes();
    ensure!(
        changes.iter().all(|change| change.line != LOCK),
        "the relay moved before anybody went through: {changes:?}"
    );
    board.set_input(ROTATION, Level::Low)?;
    let down = board.output_becomes(LOCK, Level::Low, PATIENCE)?;
    board.set_input(ROTATION, Level::High)?;
    let released = down.at.saturating_sub(up.at).as_secs_f64();
    report.holds(&format!(
        "it stays up until the turnstile turns, {released:.1} s later, and goes down"
    ));
    stop_agent(guest)
}
