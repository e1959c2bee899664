//! The other machine's programs on this one: compiler, C library, emulators.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

use crate::{bounded, build};

/// Rust's name for 64-bit Raspberry Pi OS.
pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Its C compiler and linker.
pub(crate) const GCC: &str = "aarch64-linux-gnu-gcc";
const OBJDUMP: &str = "aarch64-linux-gnu-objdump";
/// Emulates a machine.
pub(crate) const QEMU_SYSTEM: &str = "qemu-system-aarch64";
/// Emulate a process; the second is Debian's name for one that needs no libraries.
const QEMU_USER: [&str; 2] = ["qemu-aarch64", "qemu-aarch64-static"];

/// The C library of Debian 12, on which 64-bit Raspberry Pi OS stands.
const NEWEST_GLIBC: (u32, u32) = (2, 36);

const QUERY_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Can it be run?
pub(crate) fn runs(program: &str) -> anyhow::Result<()> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("{program} is not installed"))?;
    ensure!(output.status.success(), "{program} does not run");
    Ok(())
}

/// Where the dynamic linker and the C library of arm64 lie, as `qemu-aarch64 -L` wants it.
pub(crate) fn sysroot() -> anyhow::Result<PathBuf> {
    runs(GCC)?;
    let mut ask = Command::new(GCC);
    let text = bounded::output(ask.arg("-print-file-name=libc.so.6"), QUERY_WITHIN)?;
    let library = Path::new(text.trim());
    ensure!(
        library.is_absolute(),
        "{GCC} has no C library for arm64 (libc6-dev-arm64-cross)"
    );
    let library =
        fs::canonicalize(library).with_context(|| format!("{} is missing", library.display()))?;
    let root = library.parent().and_then(Path::parent);
    Ok(root.context("a library lies in a folder")?.to_owned())
}

/// The emulator of processes that is installed.
pub(crate) fn qemu_user() -> anyhow::Result<&'static str> {
    let found = QEMU_USER.into_iter().find(|name| runs(name).is_ok());
    found.context("qemu-aarch64 is not installed")
}

/// The newest version of the C library that a program asks for.
///
/// # Errors
/// When the program cannot be read, or would not start on Debian 12.
pub(crate) fn glibc_needed(program: &Path) -> anyhow::Result<(u32, u32)> {
    let mut read = Command::new(OBJDUMP);
    let text = bounded::output(read.arg("-T").arg(program), QUERY_WITHIN)?;
    let Some((major, minor)) = newest_glibc(&text) else {
        bail!("{} asks for no C library", program.display());
    };
    let (newest_major, newest_minor) = NEWEST_GLIBC;
    ensure!(
        (major, minor) <= NEWEST_GLIBC,
        "{} asks for glibc {major}.{minor} and would not start on Debian 12, which has \
         {newest_major}.{newest_minor}: the C library of this machine's {GCC} is too new. Build on \
         Debian 12, or in a container of it.",
        program.display()
    );
    Ok((major, minor))
}

/// From lines such as `… DF *UND* 0000 (GLIBC_2.34) pthread_join`.
fn newest_glibc(text: &str) -> Option<(u32, u32)> {
    let versions = text.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let mut numbers = rest[..end.unwrap_or(rest.len())].split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    versions.max()
}

/// Has cargo build for arm64 and run what it builds.
pub(crate) fn prepare(command: &mut Command) -> anyhow::Result<()> {
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", GCC);
    command.args(["--target", TARGET]);
    command.env("CARGO_TARGET_DIR", target_directory());
    if cfg!(not(target_arch = "aarch64")) {
        let emulator = format!("{} -L {}", qemu_user()?, sysroot()?.display());
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", emulator);
    }
    Ok(())
}

/// Apart from this machine's own builds, since another compiler may do it.
pub(crate) fn target_directory() -> PathBuf {
    build::target().join("cross")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_counts_and_not_the_last_in_order_of_letters() {
        let text = "0000 DF *UND* 0000 (GLIBC_2.9) a\n0000 DF *UND* 0000 (GLIBC_2.34) b\n\
                    0000 DF *UND* 0000 (GLIBC_2.17) c\n0000 DF *UND* 0000 (GCC_3.0) d\n";
        assert_eq!(newest_glibc(text), Some((2, 34)));
        assert_eq!(newest_glibc("nothing"), None);
    }
}
