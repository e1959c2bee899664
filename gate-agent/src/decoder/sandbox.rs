//! What the decoder process may do: read what it is handed, compute, answer. It may open no file,
//! no socket and no device, start nothing and signal nobody, so that whoever breaks it with a
//! picture holds a process that can only give wrong texts.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// Address space of the process: the largest picture unpacked with its copies takes 0.7 GiB, and a
/// gate has one gigabyte to spare at most. Beyond it the process ends and is started again.
const ADDRESS_SPACE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Input, output and errors. It needs no other descriptor, and can get none.
const DESCRIPTORS_MAX: u64 = 3;

/// System calls of a program that computes: memory, threads that wait for each other, the clock,
/// chance, its pipes, its end.
const NEEDED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// System calls that map memory; never as code.
const MAPPING: &[i64] = &[libc::SYS_mmap, libc::SYS_mprotect];

/// Asked by libraries that can do without the answer: refused, where all else ends the process.
const REFUSED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
];

/// Where the protection argument of `mmap` and `mprotect` stands.
const PROTECTION_ARGUMENT: u8 = 2;

/// How much of the sandbox the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRules {
    /// Files, TCP and abstract sockets are closed by Landlock as well.
    Full,
    /// An older kernel, which knows some of it.
    Partial,
    /// A kernel without Landlock: system calls are filtered all the same.
    None,
}

/// Limits memory and descriptors, binds the process to its parent, and closes the file system and
/// the network to the calling thread and all that it starts.
///
/// # Errors
/// When the kernel refuses a limit.
pub(super) fn close_surroundings() -> anyhow::Result<FileRules> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to be killed with the parent")?;
    let limit = |most: u64| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::As, limit(ADDRESS_SPACE_BYTES_MAX)).context("cannot limit the memory")?;
    // A core file would hold what stood before the camera.
    setrlimit(Resource::Core, limit(0)).context("cannot forbid core files")?;
    setrlimit(Resource::Fsize, limit(0)).context("cannot forbid writing to files")?;
    let rules = close_files_and_network().context("cannot set Landlock's rules")?;
    setrlimit(Resource::Nofile, limit(DESCRIPTORS_MAX)).context("cannot limit the descriptors")?;
    Ok(rules)
}

/// The rules handle everything that this version knows and allow nothing of it.
fn close_files_and_network() -> anyhow::Result<FileRules> {
    const KNOWN: ABI = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => FileRules::Full,
        RulesetStatus::PartiallyEnforced => FileRules::Partial,
        RulesetStatus::NotEnforced => FileRules::None,
    })
}

/// Leaves every thread of the process the system calls it needs. Any other ends the process.
/// Threads must have been started before.
///
/// # Errors
/// When the kernel cannot filter system calls: the decoder does not read pictures then.
pub(super) fn filter_system_calls() -> anyhow::Result<()> {
    const ADVICE: &str =
        "cannot filter system calls: the decoder needs a kernel with CONFIG_SECCOMP_FILTER";
    // Of two filters the kernel obeys the stricter: the second lets through what the first refuses.
    for filter in [refusing()?, allowing()?] {
        apply_filter_all_threads(&filter).context(ADVICE)?;
    }
    Ok(())
}

fn refusing() -> anyhow::Result<BpfProgram> {
    let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    compiled(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES.cast_unsigned()),
    )
}

fn allowing() -> anyhow::Result<BpfProgram> {
    let not_as_code = SeccompRule::new(vec![SeccompCondition::new(
        PROTECTION_ARGUMENT,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.cast_unsigned())),
        0,
    )?])?;
    let always = NEEDED.iter().chain(REFUSED).map(|call| (*call, Vec::new()));
    let mapping = MAPPING
        .iter()
        .map(|call| (*call, vec![not_as_code.clone()]));
    compiled(
        always.chain(mapping).collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
    )
}

fn compiled(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> anyhow::Result<BpfProgram> {
    let machine = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, matched, machine)?.try_into()?)
}

/// Something that a decoder must not be able to do, to be tried from within the sandbox: by the
/// self-test of a gate, for kernels differ, and by the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attempt {
    /// Open a file that everybody may read.
    OpenFile,
    /// Open a device that everybody may read.
    OpenDevice,
    /// Connect to a port of this machine.
    Connect,
    /// Make a Unix socket, as for talking to a panel.
    UnixSocket,
    /// Run a program.
    Execute,
    /// Take more memory than its share.
    Memory,
}

impl Attempt {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::OpenFile,
        Self::OpenDevice,
        Self::Connect,
        Self::UnixSocket,
        Self::Execute,
        Self::Memory,
    ];

    /// Does it.
    ///
    /// # Errors
    /// When it could not be done, which is as it shall be. Many do not come back at all: the
    /// kernel ends the process with `SIGSYS`.
    pub fn make(self) -> anyhow::Result<()> {
        match self {
            Self::OpenFile => drop(File::open("/proc/self/exe")?),
            Self::OpenDevice => drop(File::open("/dev/null")?),
            Self::Connect => drop(TcpStream::connect(("127.0.0.1", 9))?),
            Self::UnixSocket => drop(UnixDatagram::unbound()?),
            Self::Execute => drop(Command::new("/proc/self/exe").arg("--version").status()?),
            Self::Memory => {
                let most = usize::try_from(ADDRESS_SPACE_BYTES_MAX)?;
                Vec::<u8>::new().try_reserve_exact(most)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::thread;

    use super::*;

    /// Landlock binds the thread that asks for it and those it starts: this test's thread alone.
    #[test]
    fn landlock_by_itself_closes_files_and_ports() {
        let closed = thread::spawn(|| {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let rules = close_files_and_network().unwrap();
            let file = File::open("/proc/self/exe").map(drop);
            let device = File::open("/dev/null").map(drop);
            let port = TcpStream::connect(address).map(drop);
            (rules, [file, device, port])
        });
        let (rules, [file, device, port]) = closed.join().unwrap();
        if rules == FileRules::None {
            eprintln!("this kernel has no Landlock: the filter of system calls stands alone");
            return;
        }
        for refused in [file, device] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        if rules == FileRules::Full {
            assert_eq!(port.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        // Other threads are as free as before.
        assert!(File::open("/proc/self/exe").is_ok());
    }

    #[test]
    fn the_filters_can_be_compiled_and_know_each_call_once() {
        for filter in [refusing().unwrap(), allowing().unwrap()] {
            assert!(!filter.is_empty());
        }
        let mut calls = [NEEDED, MAPPING, REFUSED].concat();
        let all = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), all);
    }
}
