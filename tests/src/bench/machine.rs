//! What a figure was measured on: without it a number says nothing.

use std::{fmt, fs, path::Path};

use anyhow::Context;

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel and its version.
    pub kernel: String,
    /// Type and device of the file system that databases lie on.
    pub file_system: String,
}

impl Machine {
    /// This machine, with the file system of `directory`.
    ///
    /// # Errors
    /// When the kernel does not say what the directory lies on.
    pub fn this(directory: &Path) -> anyhow::Result<Self> {
        let uname = rustix::system::uname();
        let directory = directory
            .canonicalize()
            .with_context(|| format!("cannot look at {}", directory.display()))?;
        Ok(Self {
            processor: processor(&read("/proc/cpuinfo")).unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_mib(&read("/proc/meminfo")).unwrap_or(0),
            kernel: format!(
                "{} {} {}",
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy(),
                uname.machine().to_string_lossy()
            ),
            file_system: file_system(&read("/proc/self/mounts"), &directory)
                .context("the kernel does not say what the directory of the databases lies on")?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, {} MiB of memory, {}, databases on {}",
            self.processor, self.cores, self.memory_mib, self.kernel, self.file_system
        )
    }
}

/// Programs that run or wait, on average over the last minute: more than one disturbs.
#[must_use]
pub fn load() -> String {
    let text = read("/proc/loadavg");
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// x86 says `model name`; a Raspberry Pi says `Model`, of the board.
fn processor(cpuinfo: &str) -> Option<String> {
    ["model name", "Model"].into_iter().find_map(|key| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    })
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The mount with the longest path above `directory`; of several at one place the last one.
fn file_system(mounts: &str, directory: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?))
    });
    let (device, _, kind) = mounts
        .filter(|(_, path, _)| directory.starts_with(path))
        .max_by_key(|(_, path, _)| path.len())?;
    Some(format!("{kind} ({device})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nproc /proc proc rw 0 0\n";
        let of = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/var/lib"), "ext4 (/dev/vda)");
        assert_eq!(of("/tmp/x"), "tmpfs (tmpfs)");
        assert_eq!(of("/tmpfiles"), "ext4 (/dev/vda)");
    }

    #[test]
    fn processors_are_named_as_the_kernel_names_them() {
        let x86 = "processor\t: 0\nmodel name\t: AMD EPYC\n";
        assert_eq!(processor(x86).as_deref(), Some("AMD EPYC"));
        let pi = "processor\t: 0\nBogoMIPS\t: 108\nModel\t\t: Raspberry Pi 5\n";
        assert_eq!(processor(pi).as_deref(), Some("Raspberry Pi 5"));
    }

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = Machine::this(Path::new("/")).unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine}");
    }
}
