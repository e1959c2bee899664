//! What admitting a pass costs beyond its signatures, with a long status list: the checks, the
//! machine around them, the store's answer; the list's memory, and the time to load it.

use std::{
    fs::{self, File},
    hint::black_box,
    time::Duration,
};

use anyhow::{Context, ensure};
use gate_agent::store::{DATABASE_FILE, Store};
use gate_core::{
    action::Action,
    admission::{AdmissionFacts, DoorAdmits, OtherPerson, Standing, StatusKnown, admit},
    freshness::GateTime,
    input::{DoorInput, Lookup},
    passback::Peers,
};
use shared::{
    configuration::AccessPoint,
    decision::{Decision, DenyReason},
    ids::{AccessPointId, ScanId},
    issued_list::IssuedEntry,
    pass::{VerifiedPass, verify_pass},
    status_list::{PassState, StatusBitmaps, StatusSets},
    time::{UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustedIssuers},
};

use super::{
    Effort, Figure, Goal, Measured, Setting, Unit,
    figure::Spread,
    gate_on_disk::{Extent, GateOnDisk, start},
    timing::{microseconds, timed},
};
use crate::{
    authority::{Authority, DAY, ENTRY, EXIT, T0, TURNSTILE},
    clock::Stopwatch,
};

const ROUNDS: usize = 20;
const LOADS: usize = 20;
/// Machines held at once to see what one needs.
const MACHINES_IN_MEMORY: usize = 8;
const ADMISSION_GOAL: Goal = Goal::AtMost(5.0);
const MEMORY_GOAL: Goal = Goal::AtMost(4.0);
const LOADING_GOAL: Goal = Goal::AtMost(200.0);

/// Ten million passes, 1 % revoked, 0.1 % suspended besides, ten thousand holders at this gate.
const FULL: Extent = Extent {
    issued: 10_000_000,
    revoked: 100_000,
    suspended: 10_000,
    holders: 10_000,
};
const GLANCE: Extent = Extent {
    issued: 20_000,
    revoked: 200,
    suspended: 20,
    holders: 100,
};

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let extent = match setting.effort {
        Effort::Full | Effort::Quick => FULL,
        Effort::Glance => GLANCE,
    };
    let rounds = setting.effort.rounds(ROUNDS);
    let directory = setting.directory.join("admission");
    let mut gate = GateOnDisk::new(&directory, extent)?;
    let mut figures = vec![checks_alone(&gate, rounds)?];
    figures.extend(through_the_machine(&mut gate, rounds)?);
    figures.push(list_bytes(&mut gate)?);
    figures.extend(loading(gate, setting.effort)?);
    fs::remove_dir_all(&directory).context("cannot remove the benchmark's store")?;
    Ok(figures.into())
}

/// `admit` with facts gathered for each pass, its state looked up in the bitmaps.
fn checks_alone(gate: &GateOnDisk, rounds: usize) -> anyhow::Result<Figure> {
    let list = gate
        .gate
        .status_list(gate.authority.kid())
        .context("the gate holds the status list")?;
    let bitmaps = StatusBitmaps::new(&StatusSets::decode(list)?);
    let configuration = gate
        .gate
        .configuration()
        .context("the gate holds a configuration")?;
    let point = configuration
        .access_points
        .iter()
        .find(|point| point.id == ENTRY)
        .context("the configuration has an entry")?;
    let issuers = trusted(&gate.authority)?;
    let passes: Vec<VerifiedPass> = gate
        .passes
        .iter()
        .map(|pass| Ok(verify_pass(&pass.text(), &issuers)?))
        .collect::<anyhow::Result<_>>()?;
    let facts = |pass: &VerifiedPass, point| AdmissionFacts {
        time: GateTime::Believed(gate.now.utc),
        trust_expires_at: T0.plus(400 * DAY),
        configuration,
        configuration_standing: Standing::VouchedFor,
        access_point: point,
        issued: IssuedEntry::Issued,
        status: StatusKnown::Listed {
            state: bitmaps.state(pass.id().serial),
            expires_at: list.header.expires_at,
        },
        heads_age_s: Some(60),
        last_proof: None,
        uses: 3,
        presence: None,
        peers: Peers::None,
        inside: 700,
        other_person: OtherPerson::Absent,
        door: DoorAdmits::Passes,
    };
    for (pass, issued) in passes.iter().zip(&gate.passes) {
        let expected = expected(gate.state(issued));
        let decision = admit(pass, &facts(pass, point)).decision;
        ensure!(decision == expected, "{decision:?} instead of {expected:?}");
    }
    let mut turns = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        turns.push(timed(|| {
            for pass in &passes {
                let point: &AccessPoint = black_box(point);
                black_box(admit(black_box(pass), &facts(pass, point)));
            }
            Ok(())
        })?);
    }
    Ok(Figure::with_goal(
        "Admission of a verified pass, 10 M serials, 1 % revoked: all checks, status looked up",
        microseconds(&turns, passes.len()),
        Unit::Microseconds,
        ADMISSION_GOAL,
    ))
}

/// The same passes through the machine: from the store's answer until the commit is handed out.
fn through_the_machine(gate: &mut GateOnDisk, rounds: usize) -> anyhow::Result<[Figure; 2]> {
    let passes = gate.passes.clone();
    let mut turns = Vec::with_capacity(rounds);
    let mut lookups = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let at = if round.is_multiple_of(2) { ENTRY } else { EXIT };
        let (mut turn, mut lookup) = (Duration::ZERO, Duration::ZERO);
        for pass in &passes {
            gate.wait_ms(10);
            let scan = shown(gate, at, &pass.text())?;
            let stopwatch = Stopwatch::start();
            let answer = gate.keeper.here()?.look_up(pass.id, pass.digest)?;
            lookup += stopwatch.elapsed();
            let (elapsed, decided) = decided(gate, scan, answer)?;
            turn += elapsed;
            let expected = expected(gate.state(pass));
            ensure!(
                decided == expected,
                "{}: {decided:?} instead of {expected:?}",
                pass.id
            );
        }
        turns.push(turn);
        lookups.push(lookup);
    }
    let us = Unit::Microseconds;
    Ok([
        Figure::with_goal(
            "  the same in the machine: store has answered → record and changes handed out",
            microseconds(&turns, passes.len()),
            us,
            ADMISSION_GOAL,
        ),
        Figure::for_reading(
            "  the store's answer: issued digest and sealed roster row, from SQLite",
            microseconds(&lookups, passes.len()),
            us,
        ),
    ])
}

fn shown(gate: &mut GateOnDisk, at: AccessPointId, text: &str) -> anyhow::Result<ScanId> {
    let read = gate.read(at, text);
    gate.gate.handle_texts(gate.now, read);
    while let Some(action) = gate.gate.poll_action() {
        if let Action::LookUp { scan, .. } = action {
            return Ok(scan);
        }
    }
    anyhow::bail!("the machine does not look the pass up")
}

/// Commits are answered without a store: only the machine is measured here.
fn decided(
    gate: &mut GateOnDisk,
    scan: ScanId,
    answer: Lookup,
) -> anyhow::Result<(Duration, Decision)> {
    let stopwatch = Stopwatch::start();
    gate.gate.handle_lookup(gate.now, scan, answer);
    let commit = loop {
        match gate.gate.poll_action().context("the scan is recorded")? {
            Action::Commit(commit) => break commit,
            Action::LookUp { .. }
            | Action::Door { .. }
            | Action::Show(_)
            | Action::Acknowledged(_)
            | Action::Pull => {}
        }
    };
    let elapsed = stopwatch.elapsed();
    let decision = commit
        .records
        .iter()
        .find_map(|record| match &record.event {
            shared::journal::Event::Scan(scan) => Some(scan.decision),
            _ => None,
        });
    gate.gate.handle_committed(gate.now, commit.token);
    answer_commits(gate);
    gate.gate
        .handle_door_input(gate.now, TURNSTILE, DoorInput::Rotated);
    answer_commits(gate);
    Ok((elapsed, decision.context("the commit records the scan")?))
}

fn answer_commits(gate: &mut GateOnDisk) {
    while let Some(action) = gate.gate.poll_action() {
        if let Action::Commit(commit) = action {
            gate.gate.handle_committed(gate.now, commit.token);
        }
    }
}

fn expected(state: PassState) -> Decision {
    match state {
        PassState::Valid => Decision::Grant,
        PassState::Revoked => Decision::Deny(DenyReason::PassRevoked),
        PassState::Suspended => Decision::Deny(DenyReason::PassSuspended),
    }
}

fn list_bytes(gate: &mut GateOnDisk) -> anyhow::Result<Figure> {
    let loaded = gate.keeper.here()?.load()?;
    let kid = gate.authority.kid();
    let name = shared::gate_api::DocumentName::StatusList(kid);
    let list = loaded
        .documents
        .iter()
        .find(|document| document.kind == gate_core::action::StoredKind::Named(name))
        .context("the status list is stored")?;
    Ok(Figure::for_reading(
        "  the signed list",
        Spread::exactly(list.bytes.len() as f64),
        Unit::Bytes,
    ))
}

/// From the closed file to a machine that decides, the file's pages out of the cache.
fn loading(gate: GateOnDisk, effort: Effort) -> anyhow::Result<[Figure; 2]> {
    let GateOnDisk {
        authority,
        gate: machine,
        keeper,
        places,
        now,
        ..
    } = gate;
    drop(machine);
    keeper.close()?;
    let file = File::open(places.state.join(DATABASE_FILE))?;
    let revoked = authority.status.revoked.len();
    let mut milliseconds = Vec::new();
    for _ in 0..effort.rounds(LOADS) {
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .context("cannot ask for cold pages")?;
        let stopwatch = Stopwatch::start();
        let store = Store::open(&places)?;
        let machine = start(&store, now)?;
        milliseconds.push(stopwatch.elapsed().as_secs_f64() * 1e3);
        let held = machine.status_list(authority.kid());
        let count = held.map_or(0, |list| list.revoked.count as usize);
        ensure!(count == revoked, "the machine started without its list");
    }
    let before = resident_kib()?;
    let mut machines = Vec::with_capacity(MACHINES_IN_MEMORY);
    for _ in 0..MACHINES_IN_MEMORY {
        machines.push(start(&Store::open(&places)?, now)?);
    }
    let grown_kib = resident_kib()?.saturating_sub(before);
    drop(black_box(machines));
    let each_mib = grown_kib as f64 / 1024.0 / MACHINES_IN_MEMORY as f64;
    Ok([
        Figure::with_goal(
            "Memory of a machine with this list (list, bitmaps and everything else)",
            Spread::exactly(each_mib.max(f64::MIN_POSITIVE)),
            Unit::Mebibytes,
            MEMORY_GOAL,
        ),
        Figure::with_goal(
            "From the closed SQLite file, its pages not cached, to a machine that decides",
            Spread::of(milliseconds),
            Unit::Milliseconds,
            LOADING_GOAL,
        ),
    ])
}

fn resident_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kib
        .context("the kernel says how much is resident")?
        .parse()?)
}

fn trusted(authority: &Authority) -> anyhow::Result<TrustedIssuers> {
    let window = Window {
        from: UtcSeconds(0),
        until: T0.plus(1000 * DAY),
    };
    Ok(TrustedIssuers::new(&[IssuerKey {
        public_key: authority.issuer.public(),
        school: authority.school,
        signing: window,
        verification: window,
        standby: None,
        state: IssuerKeyState::Active,
    }])?)
}
