//! What a gate stands on, looked at in the order in which a technician would.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use shared::time::UtcSeconds;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::finding::{Finding, Findings, Verdict};
use super::status;
use crate::carry::last_taken_in;
use crate::clock::Clock;
use crate::configuration::{AgentConfiguration, ReaderPlace, ServedBy};
use crate::decoder::{Attempt, DecoderSettings};
use crate::reader::{Reader, ReaderEnd};
use crate::state_in_words::one_line;
use crate::store::{LoadedState, StoreReader};

/// Room on the disk below which a gate soon records nothing more, and that which is little.
const FREE_BAD_BYTES: u64 = 64 << 20;
const FREE_LITTLE_BYTES: u64 = 512 << 20;
/// How long a reader has to begin.
const READS_WITHIN: Duration = Duration::from_secs(15);
/// How long central has to answer a knock.
const KNOCK_WITHIN: Duration = Duration::from_secs(5);
/// The kernel's answer to a system call that the sandbox does not name.
const SIGSYS: i32 = 31;
/// Where the kernel shows a clock chip.
const CLOCK_CHIP: &str = "/sys/class/rtc/rtc0";

/// Looks at what stands there whether the agent runs or not: disk, store, clock, sandbox, central.
pub(super) fn standing(configuration: &AgentConfiguration, findings: &mut Findings) {
    findings.tell(match free_bytes(&configuration.places.state) {
        Ok(free) => room(free),
        Err(error) => Finding::new("disk", Verdict::Bad, format!("{error:#}")),
    });
    let stored = StoreReader::open(&configuration.places).and_then(|store| store.load());
    match &stored {
        Ok(loaded) => findings.tell(Finding::new(
            "store",
            Verdict::Good,
            format!("gate {} is enrolled", loaded.identity.gate),
        )),
        Err(problem) => findings.tell(Finding::new("store", Verdict::Bad, problem.to_string())),
    }
    let stored = stored.ok();
    findings.tell(clock(stored.as_ref(), Path::new(CLOCK_CHIP).exists()));
    for attempt in Attempt::ALL {
        findings.tell(sandbox(attempt));
    }
    if let Some(loaded) = &stored {
        match configuration.sync.served_by {
            ServedBy::Network => {
                let address = &loaded.identity.central_address;
                findings.tell(match knock(address) {
                    Ok(said) => Finding::new("central", Verdict::Good, said),
                    // A gate decides without it.
                    Err(error) => Finding::new("central", Verdict::Doubtful, format!("{error:#}")),
                });
            }
            ServedBy::Stick => findings.tell(stick(last_taken_in(&configuration.places.state))),
        }
    }
}

/// Asks the agent; where it does not run, looks at its readers and doors.
pub(super) fn agent_or_its_parts(
    configuration: &AgentConfiguration,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    match status::ask(&configuration.panel_socket) {
        Ok(state) => {
            let verdict = if state.faults.is_empty() {
                Verdict::Good
            } else {
                Verdict::Bad
            };
            findings.tell(Finding::new("agent", verdict, one_line(&state)));
        }
        Err(_) => {
            findings.tell(Finding::new(
                "agent",
                Verdict::Doubtful,
                "does not run: start it with `systemctl start gate-agent` when all else is good",
            ));
            look_without_agent(configuration, findings)?;
        }
    }
    Ok(())
}

fn look_without_agent(
    configuration: &AgentConfiguration,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for place in &configuration.doors {
        findings.tell(Finding::of(format!("door {}", place.door), place.io.look()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    for place in &configuration.readers {
        let part = format!("reader at access point {}", place.access_point);
        let begins = runtime.block_on(begins(place));
        findings.tell(Finding::of(part, begins));
    }
    // What a reader left behind has had its time.
    runtime.shutdown_background();
    Ok(())
}

fn free_bytes(state: &Path) -> anyhow::Result<u64> {
    let disk = rustix::fs::statvfs(state).with_context(|| {
        format!(
            "cannot look at {}: make the folder, or name another as `state`",
            state.display()
        )
    })?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn room(free_bytes: u64) -> Finding {
    let free = format!("{} MiB free", free_bytes >> 20);
    let verdict = match free_bytes {
        ..FREE_BAD_BYTES => Verdict::Bad,
        FREE_BAD_BYTES..FREE_LITTLE_BYTES => Verdict::Doubtful,
        FREE_LITTLE_BYTES.. => return Finding::new("disk", Verdict::Good, free),
    };
    let said = format!(
        "{free}: remove what is not the gate's, for a gate that cannot record grants nobody anything"
    );
    Finding::new("disk", verdict, said)
}

/// The wall clock against the newest time that central signed.
fn clock(stored: Option<&LoadedState>, has_chip: bool) -> Finding {
    let wall = Clock::system().utc();
    let part = "clock";
    if let Some(loaded) = stored
        && wall < loaded.memory.facts.mark
    {
        let mark = loaded.memory.facts.mark;
        let said = format!(
            "{wall} is behind {mark}, which central signed: set it, or let the gate hear from central"
        );
        return Finding::new(part, Verdict::Bad, said);
    }
    if !has_chip {
        let said = format!(
            "{wall}; there is no clock chip, so it is not believed after a power cut until central is heard"
        );
        return Finding::new(part, Verdict::Doubtful, said);
    }
    Finding::new(part, Verdict::Good, wall.to_string())
}

/// Whether the decoder's sandbox holds on this kernel.
fn sandbox(attempt: Attempt) -> Finding {
    let named = attempt.to_possible_value().expect("each has a name");
    let name = named.get_name();
    let held = || -> anyhow::Result<String> {
        let mut child = Command::new("/proc/self/exe")
            .args(["decoder", "--attempt", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the decoder")?;
        // Held: the end of its input would end it.
        let _input = child.stdin.take();
        let status = child.wait().context("the decoder is lost")?;
        if status.success() || status.signal() == Some(SIGSYS) {
            return Ok("refused, as it shall be".into());
        }
        bail!(
            "the decoder is not kept from it ({status}): this kernel needs CONFIG_SECCOMP_FILTER, \
             and CONFIG_SECURITY_LANDLOCK with `landlock` in lsm="
        )
    };
    Finding::of(format!("sandbox: {}", name.replace('-', " ")), held())
}

/// When a stick was last taken in, by the gate's clock.
fn stick(taken_in_at: Option<UtcSeconds>) -> Finding {
    match taken_in_at {
        Some(at) => Finding::new("stick", Verdict::Good, format!("taken in at {at}")),
        None => Finding::new(
            "stick",
            Verdict::Doubtful,
            "none was taken in yet: bring central's file and run `gate-agent carry`",
        ),
    }
}

/// Whether somebody answers at central's address.
fn knock(address: &str) -> anyhow::Result<String> {
    let url = reqwest::Url::parse(address).context("the stored address is none")?;
    let host = url.host_str().context("the stored address names no host")?;
    let port = url.port_or_known_default().unwrap_or(443);
    let places = (host, port).to_socket_addrs().with_context(|| {
        format!("no address is known for {host}: look at the network and its name server")
    })?;
    let mut last = None;
    for place in places {
        match TcpStream::connect_timeout(&place, KNOCK_WITHIN) {
            Ok(_) => return Ok(format!("{address} answers at {place}")),
            Err(error) => last = Some((place, error)),
        }
    }
    match last {
        Some((place, error)) => bail!(
            "{address} does not answer at {place} ({error}): the gate decides without it, and its lists grow old"
        ),
        None => bail!("no address is known for {host}"),
    }
}

/// Lets a reader begin, and ends it again.
async fn begins(place: &ReaderPlace) -> anyhow::Result<String> {
    let reader = Reader {
        config: place.source.clone(),
        access_point: place.access_point,
        clock: Clock::system(),
        decoder: DecoderSettings::this_program(),
        pulse: std::sync::Arc::default(),
    };
    let described = place.source.describe();
    // Nobody decides on what is read meanwhile.
    let (frames, _unread) = mpsc::channel(1);
    let (ready, is_ready) = oneshot::channel();
    let reading = reader.run_and_tell(frames, ready);
    tokio::pin!(reading);
    let begun = timeout(READS_WITHIN, async {
        tokio::select! {
            ended = &mut reading => match ended? {
                ReaderEnd::NoMoreFrames | ReaderEnd::ReceiverGone => Ok(()),
            },
            told = is_ready => told.context("it ended before it read"),
        }
    });
    match begun.await {
        Ok(begun) => begun.map(|()| format!("{described}: reads")),
        Err(_) => bail!(
            "{described}: gives nothing within {} s",
            READS_WITHIN.as_secs()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_doubtful_and_hardly_any_is_bad() {
        let verdict = |free| room(free).verdict;
        assert_eq!(verdict(FREE_LITTLE_BYTES), Verdict::Good);
        assert_eq!(verdict(FREE_LITTLE_BYTES - 1), Verdict::Doubtful);
        assert_eq!(verdict(FREE_BAD_BYTES - 1), Verdict::Bad);
    }

    #[test]
    fn central_is_knocked_at_where_the_claim_said() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        assert!(knock(&address).unwrap().contains("answers"));
        drop(listener);
        let refused = knock(&address).unwrap_err().to_string();
        assert!(refused.contains("does not answer"), "{refused}");
        assert!(knock("nowhere").is_err());
    }

    #[test]
    fn a_stick_that_never_came_is_doubtful() {
        assert_eq!(stick(None).verdict, Verdict::Doubtful);
        let came = stick(Some(UtcSeconds(1_788_249_600)));
        assert_eq!(came.verdict, Verdict::Good);
        assert!(came.said.contains("2026-09-01"), "{}", came.said);
    }

    #[test]
    fn a_box_without_a_clock_chip_is_said_so() {
        assert_eq!(clock(None, true).verdict, Verdict::Good);
        assert_eq!(clock(None, false).verdict, Verdict::Doubtful);
    }
}
