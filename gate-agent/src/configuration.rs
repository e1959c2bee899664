//! The agent's own configuration, a TOML file on the box: places, readers, wiring. What a gate
//! admits is not in it; that comes signed from central.

mod check;

pub use check::ConfigurationProblem;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use shared::ids::{AccessPointId, DoorId};

use crate::{
    clock::ClockConfig,
    door_io::{DoorIoConfig, DoorPlace, LastLevel, Level, SafeLevels, WiredLock},
    reader::ReaderConfig,
    store::StorePlaces,
};

/// Where the configuration lies when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/portcullis/gate.toml";
/// Beside the panel's socket, unless another is named.
const CARRY_SOCKET: &str = "carry.sock";
/// Environment variable that names another place.
pub const PATH_VARIABLE: &str = "PORTCULLIS_GATE_CONFIG";

/// Everything that the agent is told about its box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfiguration {
    /// Where database and keys lie.
    pub places: StorePlaces,
    /// The panel's Unix socket.
    pub panel_socket: PathBuf,
    /// The Unix socket of `gate-agent carry`.
    pub carry_socket: PathBuf,
    /// The wall clock.
    pub clock: ClockConfig,
    /// Readers.
    pub readers: Vec<ReaderPlace>,
    /// Doors.
    pub doors: Vec<DoorPlace>,
    /// Limits of talking to central.
    pub sync: SyncLimits,
}

/// A reader and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderPlace {
    /// The access point.
    pub access_point: AccessPointId,
    /// Where its frames come from.
    pub source: ReaderConfig,
}

/// What the gate is served by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedBy {
    /// A network, over which central is asked.
    #[default]
    Network,
    /// A stick alone: no request is ever attempted.
    Stick,
}

/// Limits of talking to central; how often is in the signed configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncLimits {
    /// What the gate is served by.
    pub served_by: ServedBy,
    /// The first wait after a failure is at most this long, in ms.
    pub retry_first_ms: u64,
    /// No wait after a failure is longer, in ms.
    pub retry_most_ms: u64,
    /// Longest time for one request, its long poll not counted, in ms.
    pub request_timeout_ms: u64,
}

impl Default for SyncLimits {
    /// With a thousand gates that come back at once, 30 s of jitter are some thirty a second.
    fn default() -> Self {
        Self {
            served_by: ServedBy::Network,
            retry_first_ms: 500,
            retry_most_ms: 30_000,
            request_timeout_ms: 20_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state: PathBuf,
    keys: Option<PathBuf>,
    panel_socket: PathBuf,
    carry_socket: Option<PathBuf>,
    #[serde(default)]
    clock: ClockConfig,
    #[serde(default)]
    readers: Vec<ReaderTable>,
    #[serde(default)]
    doors: Vec<DoorTable>,
    #[serde(default)]
    sync: SyncLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReaderTable {
    access_point: u32,
    source: ReaderConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorTable {
    door: u32,
    lock: WiredLock,
    at_start: Option<Level>,
    at_stop: Option<LastLevel>,
    at_crash: Option<LastLevel>,
    longest_release_ms: Option<u32>,
    io: DoorIoConfig,
}

impl DoorTable {
    fn place(self, folder: &Path) -> DoorPlace {
        let levels = SafeLevels::of(self.lock);
        DoorPlace {
            door: DoorId(self.door),
            levels: SafeLevels {
                lock: self.lock,
                at_start: self.at_start.unwrap_or(levels.at_start),
                at_stop: self.at_stop.unwrap_or(levels.at_stop),
                at_crash: self.at_crash.unwrap_or(levels.at_crash),
                longest_release_ms: self.longest_release_ms.unwrap_or(levels.longest_release_ms),
            },
            io: self.io.beside(folder),
        }
    }
}

impl AgentConfiguration {
    /// Reads and checks a configuration file. Paths in it that are relative begin at its folder.
    ///
    /// # Errors
    /// [`ConfigurationProblem`] names the line or the entry.
    pub fn read(path: &Path) -> Result<Self, ConfigurationProblem> {
        let text = fs::read_to_string(path).map_err(|error| ConfigurationProblem::Unreadable {
            path: path.to_path_buf(),
            detail: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, path, folder)
    }

    fn parse(text: &str, path: &Path, folder: &Path) -> Result<Self, ConfigurationProblem> {
        let file: File = toml::from_str(text).map_err(|error| ConfigurationProblem::Malformed {
            path: path.to_path_buf(),
            detail: error.to_string().trim_end().to_owned(),
        })?;
        let state = folder.join(file.state);
        let keys = file
            .keys
            .map_or_else(|| state.join("keys"), |keys| folder.join(keys));
        let readers = file.readers.into_iter().map(|table| ReaderPlace {
            access_point: AccessPointId(table.access_point),
            source: table.source.beside(folder),
        });
        let doors = file.doors.into_iter().map(|table| table.place(folder));
        let clock = match file.clock {
            ClockConfig::OffsetFile { path } => ClockConfig::OffsetFile {
                path: folder.join(path),
            },
            ClockConfig::System {} | ClockConfig::Offset { .. } => file.clock,
        };
        let panel_socket = folder.join(file.panel_socket);
        let carry_socket = file.carry_socket.map_or_else(
            || panel_socket.with_file_name(CARRY_SOCKET),
            |socket| folder.join(socket),
        );
        let configuration = Self {
            places: StorePlaces { state, keys },
            panel_socket,
            carry_socket,
            clock,
            readers: readers.collect(),
            doors: doors.collect(),
            sync: file.sync,
        };
        check::check(&configuration, path)?;
        Ok(configuration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{door_io::SimulatedDoor, reader::TextsConfig};

    const WHOLE: &str = r#"
        state = "state"
        keys = "/secure/keys"
        panel_socket = "panel.sock"
        clock = { kind = "offset_file", path = "clock-offset" }

        [[readers]]
        access_point = 1
        source = { texts = { socket = "entry.sock" } }

        [[readers]]
        access_point = 2
        source = { pictures = { folder = "exit" } }

        [[doors]]
        door = 1
        lock = "fail_secure"
        io = { simulated = { opens_after_ms = 300, turns = false } }

        [sync]
        retry_most_ms = 2000
    "#;

    fn parse(text: &str) -> Result<AgentConfiguration, ConfigurationProblem> {
        AgentConfiguration::parse(text, Path::new("gate.toml"), Path::new("/box"))
    }

    #[test]
    fn everything_is_read_and_relative_paths_begin_at_the_files_folder() {
        let read = parse(WHOLE).unwrap();
        assert_eq!(read.places.state, Path::new("/box/state"));
        assert_eq!(read.places.keys, Path::new("/secure/keys"));
        assert_eq!(read.panel_socket, Path::new("/box/panel.sock"));
        let clock = ClockConfig::OffsetFile {
            path: "/box/clock-offset".into(),
        };
        assert_eq!(read.clock, clock);
        let texts = TextsConfig {
            socket: "/box/entry.sock".into(),
        };
        assert_eq!(read.readers[0].source, ReaderConfig::Texts(texts));
        let door = SimulatedDoor {
            opens_after_ms: 300,
            turns: false,
            ..SimulatedDoor::default()
        };
        assert_eq!(read.doors[0].io, DoorIoConfig::Simulated(door));
        assert_eq!(read.sync.retry_most_ms, 2_000);
        assert_eq!(
            read.sync.retry_first_ms,
            SyncLimits::default().retry_first_ms
        );
    }

    #[test]
    fn the_least_is_three_lines_less_the_keys() {
        let read = parse("state = \"s\"\npanel_socket = \"p\"").unwrap();
        assert_eq!(read.places.keys, Path::new("/box/s/keys"));
        assert_eq!(read.clock, ClockConfig::System {});
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named_with_its_line() {
        for (wrong, line, word) in [
            (
                "state = \"s\"\npanel_socket = \"p\"\ncolour = 3",
                "line 3",
                "colour",
            ),
            ("state = 7\npanel_socket = \"p\"", "line 1", "state"),
            ("panel_socket = \"p\"", "line 1", "state"),
            (
                "state = \"s\"\npanel_socket = \"p\"\n[clock]\nkind = \"sun\"",
                "line 4",
                "sun",
            ),
            (
                "state = \"s\"\npanel_socket = \"p\"\n[[doors]]\ndoor = 1\nlock = \"fail_secure\"\nio = { gpio = { chip = \"c\" } }",
                "line 6",
                "lock",
            ),
            (
                "state = \"s\"\npanel_socket = \"p\"\n[[doors]]\ndoor = 1\nio = { simulated = {} }",
                "line 3",
                "missing field `lock`",
            ),
            (
                "state = \"s\"\npanel_socket = \"p\"\n[[doors]]\ndoor = 1\nlock = \"fail_secure\"\nio = { simulated = { tuns = 1 } }",
                "line 6",
                "tuns",
            ),
            ("state = \"s", "line 1", "string"),
        ] {
            let message = parse(wrong).unwrap_err().to_string();
            assert!(message.contains("gate.toml"), "{message}");
            assert!(message.contains(line), "{message}");
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn garbage_is_refused_and_never_panics() {
        for text in [
            "",
            "\u{0}",
            "[[[[",
            "= = =",
            "state = \"s\"\npanel_socket = \"p\"\n[[doors]]",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn levels_follow_the_lock_unless_they_are_said() {
        let base = "state = \"s\"\npanel_socket = \"p\"\n[[doors]]\ndoor = 1\n";
        let levels = |rest: &str| {
            let text = format!("{base}{rest}\nio = {{ simulated = {{}} }}");
            parse(&text).unwrap().doors[0].levels
        };
        let fail_secure = SafeLevels::of(WiredLock::FailSecure);
        assert_eq!(fail_secure.at_crash, LastLevel::Locked);
        assert_eq!(levels("lock = \"fail_secure\""), fail_secure);
        let fail_safe = SafeLevels::of(WiredLock::FailSafe);
        assert_eq!(fail_safe.at_start, Level::Released);
        assert_eq!(levels("lock = \"fail_safe\""), fail_safe);
        let said = levels(
            "lock = \"fail_secure\"\nat_crash = \"as_commanded\"\nlongest_release_ms = 9000",
        );
        assert_eq!(said.at_crash, LastLevel::AsCommanded);
        assert_eq!(said.longest_release_ms, 9_000);
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        let base = "state = \"s\"\npanel_socket = \"p\"\n";
        let twice =
            "[[doors]]\ndoor = 1\nlock = \"fail_secure\"\nio = { simulated = {} }\n".repeat(2);
        let many: String = (0..17)
            .map(|n| format!("[[readers]]\naccess_point = {n}\nsource = {{ texts = {{ socket = \"{n}\" }} }}\n"))
            .collect();
        let same_socket =
            "[[readers]]\naccess_point = 1\nsource = { texts = { socket = \"p\" } }\n";
        for (rest, word) in [
            (twice.as_str(), "door 1"),
            (many.as_str(), "17 readers"),
            (same_socket, "socket"),
            (
                "[[doors]]\ndoor = 1\nlock = \"fail_secure\"\nlongest_release_ms = 0\nio = { simulated = {} }\n",
                "longest_release_ms",
            ),
            (
                "[[doors]]\ndoor = 1\nlock = \"fail_secure\"\n[doors.io.gpio]\nchip = \"c\"\nlock = { line = 1, locked = \"low\" }\nred = { line = 1 }\n",
                "two uses",
            ),
            (
                "[[doors]]\ndoor = 1\nlock = \"fail_secure\"\n[doors.io.gpio]\nchip = \"c\"\nlock = { line = 1, locked = \"low\" }\n[[doors]]\ndoor = 2\nlock = \"fail_secure\"\n[doors.io.gpio]\nchip = \"c\"\nlock = { line = 1, locked = \"low\" }\n",
                "two doors'",
            ),
            (
                "[[doors]]\ndoor = 1\nlock = \"fail_secure\"\n[doors.io.lcus]\nport = \"/p\"\nlock = { relay = 0, locked = \"off\" }\n",
                "relay 0",
            ),
            ("[sync]\nretry_first_ms = 0\n", "retry_first_ms"),
            (
                "[sync]\nretry_first_ms = 9\nretry_most_ms = 8\n",
                "retry_most_ms",
            ),
            ("[sync]\nrequest_timeout_ms = 10\n", "request_timeout_ms"),
        ] {
            let message = parse(&format!("{base}{rest}")).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
