//! What is to be seen on the emulated box, one function for each step. A new one is a function and
//! a line in [`SHELL`] or [`SYSTEMD`].

mod camera;
mod gpio;
pub(super) mod unit;

use std::time::Duration;

use anyhow::{Context, ensure};

use super::{
    board::{Board, Level},
    gate::Prepared,
    guest::Guest,
    report::Report,
};

/// What a step works with.
pub(super) struct Stage<'a> {
    pub(super) guest: &'a mut Guest,
    pub(super) board: &'a mut Board,
    pub(super) prepared: &'a Prepared,
    pub(super) report: &'a mut Report,
}

/// A step and its name.
pub(super) type Named = (&'static str, fn(&mut Stage<'_>) -> anyhow::Result<()>);

/// With a shell, in their order: the last ends the machine.
pub(super) const SHELL: &[Named] = &[
    ("The board", board),
    ("Modules", modules),
    ("The program", program),
    ("A gate with a simulated door", simulated_door),
    ("A gate with a relay on a GPIO line", gpio::moves_a_relay),
    ("A gate with a camera", camera::reads_a_pass),
    ("The watchdog", watchdog),
];

/// With systemd.
pub(super) const SYSTEMD: &[Named] = &[("The gate's unit", unit::runs)];

/// Configuration files of the box, in /etc/portcullis.
pub(super) const CONFIGURATIONS: &[(&str, &str)] = &[
    ("gate.toml", SIMULATED),
    ("gpio.toml", gpio::CONFIGURATION),
    ("camera.toml", camera::CONFIGURATION),
];

const SIMULATED: &str = r#"state = "/var/lib/portcullis"
panel_socket = "/run/panel.sock"
clock = { kind = "system" }

[[readers]]
access_point = 1
source = { pictures = { folder = "/run/pictures" } }

[[doors]]
door = 1
lock = "fail_secure"
[doors.io.simulated]
sensors = "rotation"
opens_after_ms = 200
open_for_ms = 100
trace = "/run/door.trace"
"#;

/// A command that does next to nothing.
const SOON: Duration = Duration::from_secs(30);
/// A start of the agent, or a picture read, by an emulated processor on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The chip of QEMU's `virt`, as its device tree places it.
const CHIP: &str = "9030000.pl061";
const CHIP_LINES: u32 = 8;

/// Goes through steps; the first that fails ends the run.
pub(super) fn run(stage: &mut Stage<'_>, steps: &[Named]) -> anyhow::Result<()> {
    for (name, step) in steps {
        stage.report.part(name);
        step(stage).with_context(|| format!("step \"{name}\""))?;
    }
    Ok(())
}

/// The chip is there under its label, and what the guest does to a line is what the emulator sees;
/// without this, no other step could tell anything of lines.
fn board(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage {
        guest,
        board,
        report,
        ..
    } = stage;
    let chip = guest.succeed(
        "cd /sys/class/gpio/gpiochip*; cat label ngpio base; cd /",
        SOON,
    )?;
    let words: Vec<&str> = chip.lines().collect();
    let [label, lines, base] = words.as_slice() else {
        anyhow::bail!("one chip was expected: {chip}");
    };
    ensure!(*label == CHIP && lines.parse() == Ok(CHIP_LINES), "{chip}");
    report.holds(&format!(
        "a GPIO chip calls itself {label} and has {lines} lines"
    ));
    let base: u32 = base.parse().with_context(|| chip.clone())?;
    let line = |offset: u32| format!("/sys/class/gpio/gpio{}", base + offset);

    let (output, input) = (line(0), line(2));
    guest.succeed(&format!("echo {base} > /sys/class/gpio/export"), SOON)?;
    guest.succeed(&format!("echo low > {output}/direction"), SOON)?;
    board.take_changes();
    guest.succeed(
        &format!("echo 1 > {output}/value; echo 0 > {output}/value"),
        SOON,
    )?;
    board.output_becomes(0, Level::High, SOON)?;
    board.output_becomes(0, Level::Low, SOON)?;
    report.holds("the emulator sees line 0 go up and down");

    guest.succeed(&format!("echo {} > /sys/class/gpio/export", base + 2), SOON)?;
    for (level, value) in [(Level::High, "1"), (Level::Low, "0")] {
        board.set_input(2, level)?;
        let read = guest.succeed(&format!("cat {input}/value"), SOON)?;
        ensure!(read == value, "line 2 was held {level:?} and reads {read}");
    }
    report.holds("the guest sees the level at which the emulator holds line 2");
    let release = format!(
        "for n in {base} {}; do echo $n > /sys/class/gpio/unexport; done",
        base + 2
    );
    guest.succeed(&release, SOON).map(drop)
}

fn modules(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage { guest, report, .. } = stage;
    guest.succeed("/load-modules", PATIENCE)?;
    let cameras = guest.succeed("cat /sys/class/video4linux/*/name", SOON)?;
    ensure!(cameras.contains("vivid-000-vid-cap"), "{cameras}");
    report.holds(&format!(
        "virtual cameras are there: {}",
        cameras.replace('\n', ", ")
    ));
    guest.succeed("test -c /dev/watchdog0 && test -c /dev/uinput", SOON)?;
    report.holds("a software watchdog and virtual input devices are there");
    Ok(())
}

fn program(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage {
        guest,
        prepared,
        report,
        ..
    } = stage;
    let version = guest.succeed("gate-agent --version", PATIENCE)?;
    ensure!(version.starts_with("gate-agent "), "{version}");
    report.holds(&version);
    // The gate's lists are of that day.
    guest.succeed(&format!("date -u -s @{}", prepared.utc), SOON)?;
    guest.succeed("mkdir -p /run/pictures", SOON)?;
    guest.succeed("gate-agent config check", PATIENCE)?;
    report.holds("its configuration is sound");
    let line = guest.succeed("gate-agent scan-image /passes/valid-1.png", PATIENCE)?;
    let text = prepared.text("valid-1")?;
    ensure!(line.contains(&text), "{text} was to be read: {line}");
    report.holds("it reads a pass from a picture");
    Ok(())
}

fn simulated_door(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage { guest, report, .. } = stage;
    start_agent(guest, "/etc/portcullis/gate.toml")?;
    report.holds("gate-agent runs, enrolled, with its lists");
    show_picture(guest, "revoked")?;
    guest.becomes("grep -q pass_revoked /run/agent.log", PATIENCE)?;
    guest.succeed("! grep -q released /run/door.trace", SOON)?;
    report.holds("a revoked pass is not let in");
    show_picture(guest, "valid-1")?;
    guest.becomes("grep -q released /run/door.trace", PATIENCE)?;
    guest.becomes("grep -q locked /run/door.trace", PATIENCE)?;
    report.holds("a valid pass opens the door, which locks again");
    let memory = guest.succeed("grep VmRSS /proc/$agent/status", SOON)?;
    report.note(&format!(
        "resident memory of the agent: {}",
        figure(&memory)
    ));
    stop_agent(guest)?;
    guest.succeed(
        "gate-agent journal export --output /run/journal.jsonl",
        PATIENCE,
    )?;
    guest.succeed("gate-agent journal verify /run/journal.jsonl", PATIENCE)?;
    report.holds("it ends in order, and its journal verifies");
    Ok(())
}

/// The kernel's own timer resets the machine when nobody feeds it; this ends the machine.
fn watchdog(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let Stage { guest, report, .. } = stage;
    let feed = "(while true; do echo -n x >&9; sleep 0.5; done) 9>/dev/watchdog0 & feeder=$!";
    guest.succeed(feed, SOON)?;
    guest.succeed("sleep 5", SOON)?;
    report.holds("a machine whose watchdog is fed goes on");
    guest.succeed("kill -STOP $feeder", SOON)?;
    guest.resets_within(PATIENCE)?;
    report.holds("the watchdog resets the machine when the feeding loop is stopped");
    Ok(())
}

/// Starts the agent in the background and waits until it is ready; `$agent` is its process.
fn start_agent(guest: &mut Guest, configuration: &str) -> anyhow::Result<()> {
    guest.succeed("rm -f /run/ready.json", SOON)?;
    let run = format!(
        "RUST_LOG=info,gate_agent::sync=warn gate-agent run --config {configuration} \
         --ready-file /run/ready.json >/run/agent.log 2>&1 & agent=$!"
    );
    guest.succeed(&run, SOON)?;
    // Waiting is over too when it has ended.
    guest.becomes(
        "test -e /run/ready.json || ! kill -0 $agent 2>/dev/null",
        PATIENCE,
    )?;
    guest
        .succeed(
            "test -e /run/ready.json || { cat /run/agent.log; false; }",
            SOON,
        )
        .context("the agent did not start")
        .map(drop)
}

fn stop_agent(guest: &mut Guest) -> anyhow::Result<()> {
    let stop = "kill $agent; wait $agent || { cat /run/agent.log; false; }";
    guest.succeed(stop, PATIENCE).map(drop)
}

/// Puts a picture into the folder that is read, whole.
fn show_picture(guest: &mut Guest, name: &str) -> anyhow::Result<()> {
    let show =
        format!("cd /run/pictures; cp /passes/{name}.png .{name}; mv .{name} {name}.png; cd /");
    guest.succeed(&show, SOON).map(drop)
}

/// `VmRSS:     24680 kB` → `24680 kB`.
fn figure(line: &str) -> &str {
    line.split_once(':')
        .map_or(line, |(_, figure)| figure.trim())
}
