//! The gate runs as on a box: from its unit, as its own user, watched by systemd.

use anyhow::ensure;

use super::{PATIENCE, SOON, Stage};
use crate::vm::board::Level;

/// The relay is on line 0, high when it is released; somebody goes through by line 4.
const LOCK: u32 = 0;
const ROTATION: u32 = 4;

pub(crate) const CONFIGURATION: &str = r#"state = "/var/lib/portcullis"
panel_socket = "/run/portcullis/panel.sock"
clock = { kind = "system" }

[[readers]]
access_point = 1
source = { pictures = { folder = "/srv/pictures" } }

[[doors]]
door = 1
lock = "fail_secure"
[doors.io.gpio]
chip = "9030000.pl061"
lock = { line = 0, locked = "low" }
rotation = { line = 4, bias = "as_is" }
"#;

pub(super) fn runs(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage {
        guest,
        board,
        prepared,
        report,
    } = stage;
    // Nobody turns: such an input is high while it is idle.
    board.set_input(ROTATION, Level::High)?;
    guest.succeed(&format!("date -u -s @{}", prepared.utc), SOON)?;
    // As enrolling on the box leaves it.
    guest.succeed("chown -R portcullis-gate: /var/lib/portcullis", SOON)?;
    guest.succeed("mkdir -p /srv/pictures", SOON)?;
    guest.succeed(
        "systemctl start gate-agent || { journalctl -u gate-agent; false; }",
        PATIENCE,
    )?;
    let user = guest.succeed(
        "ps -o user,args | grep '[g]ate-agent run' | cut -d ' ' -f 1",
        SOON,
    )?;
    ensure!(user.starts_with("portcul"), "it runs as {user}");
    report.holds(&format!(
        "the unit is up: gate-agent has said that it is ready, and runs as {user}"
    ));
    board.take_changes();
    guest.succeed(
        "cp /passes/valid-1.png /srv/pictures/.a; mv /srv/pictures/.a /srv/pictures/a.png",
        SOON,
    )?;
    board.output_becomes(LOCK, Level::High, PATIENCE)?;
    board.output_becomes(LOCK, Level::Low, PATIENCE)?;
    report.holds("a valid pass brings the relay's line up, and it goes down again");
    let stop = "systemctl kill --kill-whom=main --signal=STOP gate-agent";
    guest.succeed(stop, SOON)?;
    guest.becomes(
        "test $(systemctl show --property NRestarts --value gate-agent) -ge 1",
        PATIENCE,
    )?;
    guest.becomes("systemctl is-active gate-agent", PATIENCE)?;
    report.holds("systemd's watchdog kills an agent that stands still, and starts it again");
    Ok(())
}
