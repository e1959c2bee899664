//! What of central's configuration cannot take effect without a restart, because the box has not what
//! it names, or has what nobody names: said until somebody has been there. Doors without lines say so
//! themselves, when they are first commanded.

use std::collections::BTreeSet;

use shared::{
    configuration::Configuration,
    ids::{AccessPointId, DoorId},
    time::Now,
};

use super::EventLoop;

/// The part whose fault says so.
const WIRING: &str = "wiring";

/// What the box has, from its own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wired {
    /// Access points at which readers stand.
    pub readers: BTreeSet<AccessPointId>,
    /// Doors whose lines it has.
    pub doors: BTreeSet<DoorId>,
}

impl EventLoop {
    /// Says what of the configuration in force cannot take effect on this box, or that all can.
    pub(super) fn compare_wiring(&mut self, now: Now) {
        let Some(configuration) = self.gate.configuration() else {
            return;
        };
        let problem = self.wired.differs_from(configuration);
        if self.wiring_problem == problem {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!("the box differs from central's configuration: {problem}");
        }
        self.wiring_problem.clone_from(&problem);
        self.gate.handle_fault(now, WIRING, problem);
    }
}

impl Wired {
    fn differs_from(&self, configuration: &Configuration) -> Option<String> {
        let points: BTreeSet<_> = configuration.access_points.iter().map(|it| it.id).collect();
        let doors: BTreeSet<_> = configuration.doors.iter().map(|it| it.id).collect();
        let without = "nobody reads there before it stands as [[readers]] in gate.toml and the agent was \
                       restarted";
        let unknown = "central's configuration has none of this number here: correct gate.toml and \
                       restart the agent, or add it at central";
        let lists = [
            (
                words("access point", points.difference(&self.readers)),
                without,
            ),
            (
                words("reader at access point", self.readers.difference(&points)),
                unknown,
            ),
            (
                words("lines of door", self.doors.difference(&doors)),
                unknown,
            ),
        ];
        let said: Vec<_> = lists
            .into_iter()
            .filter_map(|(named, what)| Some(format!("{}: {what}", named?)))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// "door 3", "door 3, door 4"; none of none.
fn words<'a, T: std::fmt::Display + 'a>(
    what: &str,
    numbers: impl Iterator<Item = &'a T>,
) -> Option<String> {
    let named: Vec<_> = numbers.map(|number| format!("{what} {number}")).collect();
    (!named.is_empty()).then(|| named.join(", "))
}
