//! What makes no sense together, though each line is well formed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use shared::configuration::{ACCESS_POINTS_PER_GATE, DOOR_TIME_LIMIT_MS, DOORS_PER_GATE};

use super::AgentConfiguration;
use crate::reader::ReaderConfig;

/// Longest path of a Unix socket in bytes, as Linux has it (unix(7)), its end included.
const SOCKET_PATH_LIMIT: usize = 108;

/// Why a configuration file is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationProblem {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// It is no TOML, or says what nobody knows.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        detail: String,
    },
    /// Its parts do not fit together.
    #[error("{}: {detail}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
}

pub(super) fn check(
    configuration: &AgentConfiguration,
    path: &Path,
) -> Result<(), ConfigurationProblem> {
    match first_contradiction(configuration) {
        None => Ok(()),
        Some(detail) => Err(ConfigurationProblem::Contradiction {
            path: path.to_path_buf(),
            detail,
        }),
    }
}

fn first_contradiction(configuration: &AgentConfiguration) -> Option<String> {
    let readers = configuration.readers.len();
    if readers > ACCESS_POINTS_PER_GATE {
        return Some(format!(
            "{readers} readers: a gate has at most {ACCESS_POINTS_PER_GATE} access points"
        ));
    }
    if configuration.doors.len() > DOORS_PER_GATE {
        return Some(format!(
            "{} doors: a gate has at most {DOORS_PER_GATE}",
            configuration.doors.len()
        ));
    }
    let mut doors = BTreeSet::new();
    for place in &configuration.doors {
        if !doors.insert(place.door) {
            return Some(format!(
                "door {} is wired twice: keep one [[doors]]",
                place.door
            ));
        }
    }
    let mut devices = BTreeSet::new();
    for device in configuration
        .readers
        .iter()
        .filter_map(|it| it.source.device())
    {
        if !devices.insert(device.clone()) {
            let device = device.display();
            return Some(format!("two readers use {device}: keep one [[readers]]"));
        }
    }
    for place in &configuration.doors {
        let longest_ms = place.levels.longest_release_ms;
        if !(1..=DOOR_TIME_LIMIT_MS).contains(&longest_ms) {
            return Some(format!(
                "longest_release_ms of door {} must be between 1 and {DOOR_TIME_LIMIT_MS}",
                place.door
            ));
        }
    }
    if let Some(problem) = contradiction_of_doors(configuration) {
        return Some(problem);
    }
    let sync = configuration.sync;
    if sync.retry_first_ms == 0 {
        return Some("sync.retry_first_ms must be at least 1".into());
    }
    if sync.retry_most_ms < sync.retry_first_ms {
        return Some("sync.retry_most_ms must not be less than sync.retry_first_ms".into());
    }
    if sync.request_timeout_ms < 1_000 {
        return Some("sync.request_timeout_ms must be at least 1000".into());
    }
    contradiction_of_sockets(configuration)
}

fn contradiction_of_doors(configuration: &AgentConfiguration) -> Option<String> {
    let doors = &configuration.doors;
    for (at, place) in doors.iter().enumerate() {
        let with_others = || {
            doors[..at]
                .iter()
                .find_map(|other| other.io.contradicts(&place.io))
        };
        if let Some(problem) = place.io.problem().or_else(with_others) {
            return Some(format!("door {}: {problem}", place.door));
        }
    }
    None
}

fn contradiction_of_sockets(configuration: &AgentConfiguration) -> Option<String> {
    let mut sockets = BTreeSet::new();
    let texts = configuration
        .readers
        .iter()
        .filter_map(|place| match &place.source {
            ReaderConfig::Texts(texts) => Some(&texts.socket),
            ReaderConfig::Camera(_)
            | ReaderConfig::Command(_)
            | ReaderConfig::Serial(_)
            | ReaderConfig::Keyboard(_)
            | ReaderConfig::Pictures(_) => None,
        });
    let controls = configuration
        .doors
        .iter()
        .filter_map(|place| place.io.control());
    let own = [&configuration.panel_socket, &configuration.carry_socket];
    for socket in texts.chain(controls).chain(own) {
        if !sockets.insert(socket) {
            return Some(format!("the socket {} has two uses", socket.display()));
        }
        let length = socket.as_os_str().len() + ".new".len();
        if length >= SOCKET_PATH_LIMIT {
            return Some(format!(
                "the path of the socket {} is too long: at most {} bytes fit",
                socket.display(),
                SOCKET_PATH_LIMIT - ".new".len() - 1
            ));
        }
    }
    None
}
