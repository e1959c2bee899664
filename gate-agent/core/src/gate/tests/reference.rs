//! A small reference model of presence, uses and settlement plays against the machine.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::{
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{AccessPointId, AreaId, DoorId, ScanId},
    order::Subject,
    panel_api::PanelAsk,
};

use crate::{
    authority::{
        Authority, ENTRY, EXIT, GUARD, IssuedPass, LIBRARY, LIBRARY_DOOR, READING_ROOM, TURNSTILE,
        YARD,
    },
    input::{DoorInput, GuardRequest},
    testing::Bench,
};

/// Serial of the pass that is revoked, of one for two uses, and of one without the library.
const REVOKED: usize = 0;
const TWO_USES: usize = 1;
const NO_LIBRARY: usize = 2;
const PASSES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Show(usize, AccessPointId),
    Turn,
    OpenAndClose,
    Wait(u64),
    Forgive(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let point = prop::sample::select(vec![ENTRY, EXIT, LIBRARY]);
    prop_oneof![
        6 => (0..PASSES, point).prop_map(|(pass, point)| Step::Show(pass, point)),
        3 => Just(Step::Turn),
        1 => Just(Step::OpenAndClose),
        2 => (1000u64..8000).prop_map(Step::Wait),
        1 => (0..PASSES).prop_map(Step::Forgive),
    ]
}

/// An open grant, as the model has it.
#[derive(Clone, Copy, Debug)]
struct Open {
    scan: ScanId,
    door: DoorId,
    pass: usize,
    before: Option<(AreaId, ScanId)>,
    counted: u32,
    due_ms: u64,
}

/// What the machine should know; places carry the scan that led there.
#[derive(Default)]
struct Model {
    places: BTreeMap<usize, (AreaId, ScanId)>,
    uses: BTreeMap<usize, u32>,
    open: Vec<Open>,
}

fn way(point: AccessPointId) -> (AreaId, AreaId, DoorId) {
    match point {
        ENTRY => (AreaId::OUTSIDE, YARD, TURNSTILE),
        EXIT => (YARD, AreaId::OUTSIDE, TURNSTILE),
        _ => (YARD, READING_ROOM, LIBRARY_DOOR),
    }
}

impl Model {
    fn decision(&self, pass: usize, point: AccessPointId) -> Decision {
        let (from, to, _) = way(point);
        let place = self.places.get(&pass).map(|(area, _)| *area);
        let violates = match place {
            None => false,
            Some(area) if to == AreaId::OUTSIDE => area == AreaId::OUTSIDE,
            Some(area) => area != from,
        };
        let used_up = pass == TWO_USES && self.uses.get(&pass).is_some_and(|uses| *uses >= 2);
        if pass == REVOKED {
            Decision::Deny(DenyReason::PassRevoked)
        } else if pass == NO_LIBRARY && point == LIBRARY {
            Decision::Deny(DenyReason::AccessPointNotPermitted)
        } else if used_up && to != AreaId::OUTSIDE {
            Decision::Deny(DenyReason::UsesExhausted)
        } else if violates {
            Decision::Deny(DenyReason::AntiPassbackViolated)
        } else {
            Decision::Grant
        }
    }

    fn grant(&mut self, scan: ScanId, pass: usize, point: AccessPointId, now_ms: u64) {
        let (_, to, door) = way(point);
        let counted = u32::from(to != AreaId::OUTSIDE);
        *self.uses.entry(pass).or_default() += counted;
        let before = self.places.insert(pass, (to, scan));
        self.open.push(Open {
            scan,
            door,
            pass,
            before,
            counted,
            due_ms: now_ms + 6000,
        });
    }

    fn not_taken(&mut self, now_ms: u64) {
        while let Some(at) = self.open.iter().position(|open| open.due_ms <= now_ms) {
            let open = self.open.remove(at);
            *self.uses.entry(open.pass).or_default() -= open.counted;
            for other in &mut self.open {
                let is_behind = other.before.is_some_and(|(_, by)| by == open.scan);
                if other.pass == open.pass && is_behind {
                    other.before = open.before;
                }
            }
            if self.places.get(&open.pass).map(|(_, scan)| *scan) == Some(open.scan) {
                match open.before {
                    Some(before) => self.places.insert(open.pass, before),
                    None => self.places.remove(&open.pass),
                };
            }
        }
    }

    fn turned(&mut self) {
        if let Some(at) = self.open.iter().position(|open| open.door == TURNSTILE) {
            self.open.remove(at);
        }
    }

    fn opened(&mut self) {
        self.open.retain(|open| open.door != LIBRARY_DOOR);
    }

    fn inside(&self, area: AreaId) -> u32 {
        let places = self.places.values();
        u32::try_from(places.filter(|(place, _)| *place == area).count()).unwrap()
    }
}

fn bench() -> (Bench, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..PASSES)
        .map(|serial| {
            let levels: &[u8] = if serial == NO_LIBRARY { &[1] } else { &[1, 2] };
            let mut claims = authority.claims(levels);
            claims.uses_max = if serial == TWO_USES { 2 } else { 0 };
            authority.issue(&claims)
        })
        .collect();
    authority.status.revoked = vec![u32::try_from(REVOKED).unwrap()];
    let mut bench = Bench::synced(authority);
    let mut configuration = bench.authority.configuration();
    configuration.policies.repeat_scan_ms = 0;
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    (bench, passes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_machine_decides_and_counts_as_the_model_does(
        steps in proptest::collection::vec(any_step(), 1..80),
    ) {
        let (mut bench, passes) = bench();
        let mut model = Model::default();
        for step in steps {
            // Two grants never fall into one second: whereabouts are dated in seconds.
            bench.wait_ms(1000);
            model.not_taken(bench.now.uptime.0);
            match step {
                Step::Show(pass, point) => {
                    let expected = model.decision(pass, point);
                    let decided = bench.show(point, &passes[pass].text()).unwrap();
                    prop_assert_eq!(decided.decision, expected);
                    if expected == Decision::Grant {
                        model.grant(decided.scan, pass, point, bench.now.uptime.0);
                    }
                }
                Step::Turn => {
                    bench.door(TURNSTILE, DoorInput::Rotated);
                    model.turned();
                }
                Step::OpenAndClose => {
                    bench.door(LIBRARY_DOOR, DoorInput::Opened);
                    bench.door(LIBRARY_DOOR, DoorInput::Closed);
                    model.opened();
                }
                Step::Wait(ms) => {
                    bench.wait_ms(ms);
                    model.not_taken(bench.now.uptime.0);
                }
                Step::Forgive(pass) => {
                    let ask = PanelAsk::Forgive { subject: Subject::Pass(passes[pass].id) };
                    let request = GuardRequest { staff: GUARD, ask };
                    bench.gate.handle_guard(bench.now, request).unwrap();
                    bench.run();
                    model.places.remove(&pass);
                }
            }
            let areas = bench.gate.state(bench.now).areas;
            prop_assert_eq!(areas[0].inside, model.inside(YARD));
            prop_assert_eq!(areas[1].inside, model.inside(READING_ROOM));
            prop_assert_eq!(bench.store.memory.reservations.len(), model.open.len());
            for stored in &bench.store.memory.uses {
                let serial = stored.pass.serial.0 as usize;
                prop_assert_eq!(Some(&stored.uses), model.uses.get(&serial));
            }
        }
    }
}
