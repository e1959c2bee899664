//! Answers of the store come late, out of step with everything else, or not at all: whatever the
//! order, no lock is released for a pass before its record is durable, a revoked pass and garbage
//! are never granted, and what is stored is what the records tell.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use shared::{
    decision::Decision,
    ids::{AccessPointId, AreaId, DoorId, PassId, ScanId},
    journal::{Event, GuardAction, PassageOutcome},
    order::OrderAction,
    panel_api::PanelAsk,
};

use crate::{
    action::{Action, Commit, DoorCommand, RecordDraft},
    authority::{
        Authority, DAY, ENTRY, EXIT, GUARD, IssuedPass, LIBRARY, LIBRARY_DOOR, READING_ROOM,
        SUPERVISOR, TURNSTILE, YARD, holder_key,
    },
    gate::Gate,
    input::{DoorInput, GuardRequest, Lookup},
    memory::Presence,
    testing::{Bench, loaded, picture},
};

const REVOKED: usize = 0;
const LIVE: usize = 1;
const PASSES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Show(usize, AccessPointId),
    Garbage(String),
    AnswerLookup,
    AnswerCommit,
    FailCommit,
    Turn,
    Opened,
    Closed,
    RequestToExit(DoorId),
    Wait(u64),
    LetIn,
    LockDown,
    EndLockdown,
    Order(OrderAction),
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    let point = || prop::sample::select(vec![ENTRY, EXIT, LIBRARY]);
    let order = prop::sample::select(vec![
        OrderAction::LockDown,
        OrderAction::EndLockdown,
        OrderAction::Release { door: TURNSTILE },
    ]);
    prop_oneof![
        8 => (0..PASSES, point()).prop_map(|(pass, point)| Step::Show(pass, point)),
        1 => "(SP1:|SL1:|)[0-9A-Z $%*+./:-]{0,60}".prop_map(Step::Garbage),
        8 => Just(Step::AnswerLookup),
        10 => Just(Step::AnswerCommit),
        1 => Just(Step::FailCommit),
        3 => Just(Step::Turn),
        1 => Just(Step::Opened),
        1 => Just(Step::Closed),
        1 => prop::sample::select(vec![TURNSTILE, LIBRARY_DOOR]).prop_map(Step::RequestToExit),
        3 => (1000u64..8000).prop_map(Step::Wait),
        1 => Just(Step::LetIn),
        1 => Just(Step::LockDown),
        1 => Just(Step::EndLockdown),
        1 => order.prop_map(Step::Order),
        1 => Just(Step::Crash),
    ]
}

/// A shell that answers when it is told to.
struct Shell {
    bench: Bench,
    lookups: VecDeque<(ScanId, PassId, shared::ids::PassDigest)>,
    commits: VecDeque<Commit>,
    /// Openings that durable records allow and that have not happened.
    allowed: BTreeMap<DoorId, usize>,
    /// Openings that a way out allows.
    egress: BTreeMap<DoorId, usize>,
}

fn shell() -> (Shell, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..PASSES)
        .map(|serial| {
            let mut claims = authority.claims(&[1, 2]);
            claims.holder_key = (serial == LIVE).then(|| holder_key().public());
            authority.issue(&claims)
        })
        .collect();
    authority.status.revoked = vec![u32::try_from(REVOKED).unwrap()];
    let shell = Shell {
        bench: Bench::synced(authority),
        lookups: VecDeque::new(),
        commits: VecDeque::new(),
        allowed: BTreeMap::new(),
        egress: BTreeMap::new(),
    };
    (shell, passes)
}

fn door_of(point: AccessPointId) -> DoorId {
    if point == LIBRARY {
        LIBRARY_DOOR
    } else {
        TURNSTILE
    }
}

impl Shell {
    /// Takes what the machine asks for; fails at the first opening that nothing allows.
    fn collect(&mut self) -> Result<(), TestCaseError> {
        while let Some(action) = self.bench.gate.poll_action() {
            match action {
                Action::LookUp { scan, pass, digest } => {
                    self.lookups.push_back((scan, pass, digest));
                }
                Action::Commit(commit) => self.commits.push_back(commit),
                Action::Door {
                    door,
                    command: DoorCommand::Release { .. },
                } => self.opening(door)?,
                Action::Door { command, .. } => {
                    prop_assert_ne!(command, DoorCommand::HoldReleased);
                }
                Action::Show(_) | Action::Pull | Action::Acknowledged(_) => {}
            }
        }
        Ok(())
    }

    fn opening(&mut self, door: DoorId) -> Result<(), TestCaseError> {
        for budget in [&mut self.egress, &mut self.allowed] {
            let left = budget.entry(door).or_default();
            if *left > 0 {
                *left -= 1;
                return Ok(());
            }
        }
        Err(TestCaseError::fail(format!(
            "door {door} opened without a durable record"
        )))
    }

    fn answer_lookup(&mut self) {
        if let Some((scan, pass, digest)) = self.lookups.pop_front() {
            let issued = self
                .bench
                .authority
                .entry(pass, digest, self.bench.store.issued);
            let lookup = Lookup {
                issued,
                holder: None,
            };
            self.bench.gate.handle_lookup(self.bench.now, scan, lookup);
        }
    }

    fn answer_commit(&mut self) {
        let Some(commit) = self.commits.pop_front() else {
            return;
        };
        self.bench
            .store
            .write(&commit, &self.bench.authority.clone());
        for record in &commit.records {
            if let Some(door) = allowed_by(&record.event) {
                *self.allowed.entry(door).or_default() += 1;
            }
        }
        self.bench
            .gate
            .handle_committed(self.bench.now, commit.token);
    }

    fn fail_commit(&mut self) {
        if let Some(commit) = self.commits.pop_front() {
            let problem = "disk full".to_owned();
            self.bench
                .gate
                .handle_commit_failed(self.bench.now, commit.token, problem);
        }
    }

    fn crash(&mut self) {
        self.lookups.clear();
        self.commits.clear();
        self.bench.now.uptime = self.bench.now.uptime.plus_ms(1000);
        self.bench.now.utc = self.bench.now.utc.plus(1);
        let loaded = loaded(self.bench.identity(), &self.bench.store);
        self.bench.gate = Gate::start(self.bench.now, loaded).unwrap();
    }

    fn guard(&mut self, staff: shared::ids::StaffNumber, ask: PanelAsk) {
        let request = GuardRequest { staff, ask };
        // A refusal is an answer; here only what follows counts.
        let _ = self.bench.gate.handle_guard(self.bench.now, request);
    }

    fn wait(&mut self, ms: u64) -> Result<(), TestCaseError> {
        let now = &mut self.bench.now;
        let before = now.uptime.0 / 1000;
        now.uptime = now.uptime.plus_ms(ms);
        now.utc = now.utc.plus(now.uptime.0 / 1000 - before);
        self.bench.authority.now = now.utc;
        self.bench.gate.handle_timeout(self.bench.now);
        self.collect()
    }

    fn step(&mut self, step: Step, passes: &[IssuedPass]) -> Result<(), TestCaseError> {
        let now = self.bench.now;
        match step {
            Step::Show(pass, point) => {
                let text = if pass == LIVE {
                    passes[pass].live_text(now.utc)
                } else {
                    passes[pass].text()
                };
                let read = picture(now, point, &[&text]);
                self.bench.gate.handle_texts(now, read);
            }
            Step::Garbage(text) => {
                let read = picture(now, ENTRY, &[&text]);
                self.bench.gate.handle_texts(now, read);
            }
            Step::AnswerLookup => self.answer_lookup(),
            Step::AnswerCommit => self.answer_commit(),
            Step::FailCommit => self.fail_commit(),
            Step::Turn => self.door(TURNSTILE, DoorInput::Rotated),
            Step::Opened => self.door(LIBRARY_DOOR, DoorInput::Opened),
            Step::Closed => self.door(LIBRARY_DOOR, DoorInput::Closed),
            Step::RequestToExit(door) => {
                *self.egress.entry(door).or_default() += 1;
                self.door(door, DoorInput::RequestToExit);
            }
            Step::Wait(ms) => self.wait(ms)?,
            Step::LetIn => self.guard(
                GUARD,
                PanelAsk::LetIn {
                    access_point: ENTRY,
                    scan: None,
                    reason: "forgot the card".into(),
                    name: None,
                },
            ),
            Step::LockDown => self.guard(GUARD, PanelAsk::LockDown),
            Step::EndLockdown => self.guard(SUPERVISOR, PanelAsk::EndLockdown),
            Step::Order(action) => {
                let bytes = self.bench.authority.sign_order(action, DAY);
                // One behind an order whose commit failed is out of its place.
                let _ = self.bench.gate.handle_order(now, bytes);
            }
            Step::Crash => self.crash(),
        }
        self.collect()
    }

    fn door(&mut self, door: DoorId, input: DoorInput) {
        self.bench
            .gate
            .handle_door_input(self.bench.now, door, input);
    }
}

/// The door that a record allows to be opened once.
fn allowed_by(event: &Event) -> Option<DoorId> {
    match event {
        Event::Scan(scan) if scan.decision == Decision::Grant => Some(door_of(scan.access_point)),
        Event::Guard {
            action: GuardAction::LetIn { access_point, .. },
            ..
        } => Some(door_of(*access_point)),
        Event::OrderTaken {
            action: OrderAction::Release { door },
            ..
        } => Some(*door),
        _ => None,
    }
}

/// Where somebody is, and the scan that led there.
type Place = (AreaId, ScanId);

/// Who is where and how often each pass was used, from the records alone.
fn told(records: &[RecordDraft]) -> (BTreeMap<PassId, AreaId>, BTreeMap<PassId, u32>) {
    let mut places: BTreeMap<PassId, Place> = BTreeMap::new();
    let mut uses: BTreeMap<PassId, u32> = BTreeMap::new();
    let mut open: BTreeMap<ScanId, (PassId, Option<Place>, u32)> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::Scan(scan) if scan.decision == Decision::Grant => {
                let pass = record.personal.as_ref().unwrap().pass.unwrap();
                let to = match scan.access_point {
                    ENTRY => YARD,
                    EXIT => AreaId::OUTSIDE,
                    _ => READING_ROOM,
                };
                let counted = u32::from(to != AreaId::OUTSIDE);
                *uses.entry(pass).or_default() += counted;
                let before = places.insert(pass, (to, scan.scan));
                open.insert(scan.scan, (pass, before, counted));
            }
            Event::Passage { scan, outcome } => {
                let (pass, before, counted) = open.remove(scan).expect("a grant comes before");
                if *outcome != PassageOutcome::NotTaken {
                    continue;
                }
                *uses.entry(pass).or_default() -= counted;
                for (other, behind, _) in open.values_mut() {
                    if *other == pass && behind.is_some_and(|(_, by)| by == *scan) {
                        *behind = before;
                    }
                }
                if places.get(&pass).map(|(_, by)| *by) == Some(*scan) {
                    match before {
                        Some(before) => places.insert(pass, before),
                        None => places.remove(&pass),
                    };
                }
            }
            _ => {}
        }
    }
    let places = places.into_iter().map(|(pass, (area, _))| (pass, area));
    (places.collect(), uses)
}

fn stored(presences: &[Presence]) -> BTreeMap<PassId, AreaId> {
    let passes = presences.iter().map(|presence| match presence.subject {
        shared::order::Subject::Pass(pass) => (pass, presence.area),
        shared::order::Subject::Holder(_) => panic!("no roster here"),
    });
    passes.collect()
}

fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut shell, passes) = shell();
    for step in steps {
        shell.wait(1000)?;
        shell.step(step, &passes)?;
    }
    while !shell.lookups.is_empty() || !shell.commits.is_empty() {
        shell.answer_lookup();
        shell.answer_commit();
        shell.collect()?;
    }
    let store = &shell.bench.store;
    let granted = store.records.iter().filter(
        |record| matches!(&record.event, Event::Scan(scan) if scan.decision == Decision::Grant),
    );
    for record in granted {
        let pass = record.personal.as_ref().unwrap().pass.unwrap();
        prop_assert_ne!(pass, passes[REVOKED].id);
        prop_assert!(passes.iter().any(|issued| issued.id == pass));
    }
    let (places, uses) = told(&store.records);
    prop_assert_eq!(stored(&store.memory.presences), places);
    for stored in &store.memory.uses {
        let told = uses.get(&stored.pass).copied().unwrap_or(0);
        prop_assert_eq!(stored.uses, told);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    #[cfg(not(portcullis_defects))]
    fn no_interleaving_opens_without_a_record_or_loses_count(
        steps in proptest::collection::vec(any_step(), 1..120),
    ) {
        play(steps)?;
    }
}

#[test]
#[cfg(portcullis_defects)]
fn a_relay_that_comes_before_the_commit_is_noticed() {
    use proptest::test_runner::{TestError, TestRunner};
    let strategy = proptest::collection::vec(any_step(), 1..120);
    let mut runner = TestRunner::deterministic();
    runner.run(&strategy, play).expect("sound without a defect");
    shared::defects::plant(shared::defects::Defect::RelayBeforeCommit);
    let noticed = TestRunner::deterministic().run(&strategy, play);
    let Err(TestError::Fail(reason, _)) = noticed else {
        panic!("the planted defect went unnoticed: {noticed:?}");
    };
    assert!(reason.message().contains("without a durable record"));
}
