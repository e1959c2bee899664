//! The gate reads with a camera: vivid's output, looped to its input, so that the program sees
//! through the kernel's own camera interface what is put before it.

use super::{PATIENCE, SOON, Stage, start_agent, stop_agent};
use crate::vm::guest::Guest;

/// The simulated door's trace tells what the camera led to.
pub(super) const CONFIGURATION: &str = r#"state = "/var/lib/portcullis"
panel_socket = "/run/panel.sock"
clock = { kind = "system" }

[[readers]]
access_point = 1
source = { camera = { device = "/dev/video0", width = 640, height = 480, format = "yuyv" } }

[[doors]]
door = 1
lock = "fail_secure"
[doors.io.simulated]
sensors = "rotation"
opens_after_ms = 200
open_for_ms = 100
trace = "/run/camera.trace"
"#;

/// 640 by 480 on either side; the loop needs the same format on both, or the camera sees noise. The
/// driver would write its settings across the code.
/// What is before the camera is the file that /run/scene names.
const SET_UP: &[&str] = &[
    "v4l2-ctl -d /dev/video0 --set-dv-bt-timings index=0 --set-ctrl loop_video=1,osd_text_mode=2",
    "v4l2-ctl -d /dev/video1 --set-dv-bt-timings index=0",
    "v4l2-ctl -d /dev/video1 --set-fmt-video-out=width=640,height=480,pixelformat=YUYV",
    "echo empty > /run/scene",
    "(while cat /passes/$(cat /run/scene).yuyv; do :; done | v4l2-ctl -d /dev/video1 \
     --stream-out-mmap=3 --stream-from=- >/run/scene.log 2>&1) &",
];

pub(super) fn reads_a_pass(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage { guest, report, .. } = stage;
    for command in SET_UP {
        guest.succeed(command, SOON)?;
    }
    start_agent(guest, "/etc/portcullis/camera.toml")?;
    guest.becomes("grep -q /dev/video0 /run/agent.log", PATIENCE)?;
    report.holds("gate-agent reads a camera");
    show(guest, "revoked")?;
    guest.becomes("grep -q pass_revoked /run/agent.log", PATIENCE)?;
    guest.succeed("! grep -q released /run/camera.trace", SOON)?;
    report.holds("a revoked pass held before the camera is not let in");
    show(guest, "empty")?;
    guest.succeed("sleep 2", SOON)?;
    show(guest, "valid-3")?;
    guest.becomes("grep -q released /run/camera.trace", PATIENCE)?;
    guest.becomes("grep -q locked /run/camera.trace", PATIENCE)?;
    report.holds("a valid pass held before the camera opens the door");
    show(guest, "empty")?;
    stop_agent(guest)?;
    // The pipe breaks when its reader is gone, and with it the loop.
    guest.succeed("pkill -9 v4l2-ctl; true", SOON).map(drop)
}

/// Puts something before the camera.
fn show(guest: &mut Guest, scene: &str) -> anyhow::Result<()> {
    let replace = format!("echo {scene} > /run/scene.new; mv /run/scene.new /run/scene");
    guest.succeed(&replace, SOON).map(drop)
}
