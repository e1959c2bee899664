//! The configuration files of a private PostgreSQL, written anew at each start.

use std::fmt::Write as _;
use std::{fs, path::Path};

use anyhow::Context;

use super::{account::Account, place::Place};

/// How much a cluster must withstand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A commit survives a power cut.
    Kept,
    /// A test's cluster: nothing survives, and all is faster.
    ThrownAway,
}

/// Nobody but the owner of the socket's directory (mode 0700) and root gets as far as this file.
const AUTHENTICATION: &str = "# Written by central at each start.\nlocal all all trust\n";

const COMMON: &str = "\
# Written by central at each start: put settings of your own into local.conf beside this file.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] '
log_min_duration_statement = '5s'
# Nothing personal in the log: no values, and no keys in the details of errors.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
log_checkpoints = off
# Short queries over few rows: compiling them costs more than it saves.
jit = off
# Storage without a moving arm.
random_page_cost = 1.1
";

const KEPT: &str = "\
fsync = on
full_page_writes = on
synchronous_commit = on
wal_compression = on
max_wal_size = '1GB'
checkpoint_timeout = '15min'
";

const THROWN_AWAY: &str = "\
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
checkpoint_timeout = '1h'
shared_buffers = '64MB'
";

/// Writes `postgresql.conf` and `pg_hba.conf` into the data directory.
pub(super) fn write(place: &Place, durability: Durability) -> anyhow::Result<()> {
    write_file(
        &place.cluster,
        "postgresql.conf",
        &settings(place, durability),
        place.account,
    )?;
    write_file(&place.cluster, "pg_hba.conf", AUTHENTICATION, place.account)
}

fn settings(place: &Place, durability: Durability) -> String {
    let mut text = COMMON.to_owned();
    let socket = place.socket.display().to_string().replace('\'', "''");
    let _ = writeln!(text, "unix_socket_directories = '{socket}'");
    match durability {
        Durability::Kept => {
            text.push_str(KEPT);
            let memory = memory_mb();
            // An eighth, as a guest on a machine that also runs central; 64 MB is enough to work.
            let _ = writeln!(
                text,
                "shared_buffers = '{}MB'",
                (memory / 8).clamp(64, 1024)
            );
            let _ = writeln!(text, "effective_cache_size = '{}MB'", (memory / 2).max(256));
        }
        Durability::ThrownAway => text.push_str(THROWN_AWAY),
    }
    text.push_str("include_if_exists = 'local.conf'\n");
    text
}

/// What this machine has; 1 GB when it does not say.
fn memory_mb() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(1024, |kilobytes| kilobytes / 1024)
}

fn write_file(directory: &Path, name: &str, text: &str, account: Account) -> anyhow::Result<()> {
    let path = directory.join(name);
    let unfinished = directory.join(format!("{name}.new"));
    fs::write(&unfinished, text)
        .and_then(|()| fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    account.take(&path)
}
