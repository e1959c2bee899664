//! What lies in the guest's memory when it starts: programs of Debian 12, modules of its kernel,
//! gate-agent, and an enrolled gate's store.

use std::path::{Path, PathBuf};

use super::{
    initramfs::Initramfs,
    kernel::Kernel,
    steps::{self, unit},
};
use crate::{
    build,
    debian::{Architecture, Archive, Present},
};

/// Modules that are loaded in this order, with their parameters.
const MODULES: &[(&str, &str)] = &[
    // A camera with a digital input, and the output that is looped to it.
    (
        "vivid",
        "n_devs=1 node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1",
    ),
    // Bites two seconds after it was last fed.
    ("softdog", "soft_margin=2"),
    ("uinput", ""),
    ("evdev", ""),
];

/// What the file systems are made from.
pub(super) struct Parts<'a> {
    /// Unpacked packages, of [`packages`].
    pub(super) debian: &'a Path,
    pub(super) kernel: &'a Kernel,
    /// gate-agent for arm64.
    pub(super) agent: &'a Path,
    /// The folder of an enrolled gate.
    pub(super) gate: &'a Path,
}

/// A shell, the C library of Debian 12, a program that sets up cameras, and systemd.
///
/// # Errors
/// When Debian's archive is out of reach.
pub(super) fn packages(archive: &Archive) -> anyhow::Result<PathBuf> {
    let names = ["busybox-static", "libc6", "v4l-utils", "systemd", "udev"];
    archive.unpack("guest", &names, |archive| {
        archive.closure(&names, Architecture::Arm64, Present::Nowhere)
    })
}

/// With a shell for its first program.
///
/// # Errors
/// When a part cannot be read.
pub(super) fn minimal(parts: &Parts<'_>) -> anyhow::Result<Vec<u8>> {
    let Parts { debian, .. } = parts;
    let mut files = Initramfs::new();
    files.file("init", 0o755, include_bytes!("init.sh"));
    files.file("console.sh", 0o755, include_bytes!("console.sh"));
    files.copy("bin/busybox", &debian.join("bin/busybox"))?;
    for folder in ["lib", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"] {
        files.files(folder, &debian.join(folder))?;
    }
    files.copy("usr/bin/v4l2-ctl", &debian.join("usr/bin/v4l2-ctl"))?;
    add_gate(&mut files, parts)?;
    for (name, text) in steps::CONFIGURATIONS {
        files.file(&format!("etc/portcullis/{name}"), 0o644, text.as_bytes());
    }
    Ok(files.finish())
}

/// As a box is set up: systemd for its first program, the gate's unit, user, folders and rules.
///
/// # Errors
/// When a part cannot be read.
pub(super) fn with_systemd(parts: &Parts<'_>) -> anyhow::Result<Vec<u8>> {
    let mut files = Initramfs::new();
    for folder in ["bin", "sbin", "lib", "etc", "usr/bin", "usr/sbin"] {
        files.tree(folder, &parts.debian.join(folder), LEFT_OUT)?;
    }
    files.tree("usr/lib", &parts.debian.join("usr/lib"), LEFT_OUT)?;
    files.link("init", "lib/systemd/systemd");
    files.link("bin/sh", "busybox");
    for folder in ["proc", "sys", "run", "tmp", "root", "var/log"] {
        files.directory(folder);
    }
    for (path, text) in SYSTEM {
        files.file(path, 0o644, text.as_bytes());
    }
    let units = "etc/systemd/system";
    let target = format!("{units}/multi-user.target.wants");
    for unit in ["console.service", "modules.service"] {
        files.link(&format!("{target}/{unit}"), &format!("/{units}/{unit}"));
    }
    files.link(
        &format!("{units}/default.target"),
        "/lib/systemd/system/multi-user.target",
    );
    files.link(
        &format!("{units}/serial-getty@ttyAMA0.service"),
        "/dev/null",
    );
    files.file("console.sh", 0o755, include_bytes!("console.sh"));
    for (name, path) in OURS {
        files.copy(path, &build::root().join("systemd").join(name))?;
    }
    add_gate(&mut files, parts)?;
    files.file(
        "etc/portcullis/gate.toml",
        0o644,
        unit::CONFIGURATION.as_bytes(),
    );
    Ok(files.finish())
}

/// Of systemd/, to where its README says.
const OURS: &[(&str, &str)] = &[
    (
        "gate-agent.service",
        "usr/lib/systemd/system/gate-agent.service",
    ),
    (
        "portcullis-gate.sysusers",
        "usr/lib/sysusers.d/portcullis-gate.conf",
    ),
    (
        "portcullis-gate.tmpfiles",
        "usr/lib/tmpfiles.d/portcullis-gate.conf",
    ),
    (
        "70-portcullis-gate.rules",
        "usr/lib/udev/rules.d/70-portcullis-gate.rules",
    ),
];

/// Folders that cost memory and that nothing here reads.
const LEFT_OUT: &[&str] = &[
    "hwdb.d",
    "gconv",
    "perl5",
    "catalog",
    "network",
    "cryptsetup",
];

/// What an installed Debian has and its packages do not bring.
const SYSTEM: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/hostname", "gate\n"),
    ("etc/machine-id", "5bb1d7d5a4a14b0e8a3b6a8f0c1d2e3f\n"),
    (
        "etc/systemd/system/modules.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/load-modules\n",
    ),
    (
        "etc/systemd/system/console.service",
        "[Unit]\nAfter=modules.service\n[Service]\nExecStart=/bin/busybox sh /console.sh\n",
    ),
];

fn add_gate(files: &mut Initramfs, parts: &Parts<'_>) -> anyhow::Result<()> {
    let Parts {
        kernel,
        agent,
        gate,
        ..
    } = parts;
    files.copy("usr/bin/gate-agent", agent)?;
    files.tree("var/lib/portcullis", &gate.join("state"), &[])?;
    files.tree("var/lib/portcullis/keys", &gate.join("keys"), &[])?;
    files.tree("passes", &gate.join("passes"), &[])?;
    let script = load_modules(kernel, files)?;
    files.file("load-modules", 0o755, script.as_bytes());
    Ok(())
}

/// A shell script that loads them, each after those it needs.
fn load_modules(kernel: &Kernel, files: &mut Initramfs) -> anyhow::Result<String> {
    let mut script = String::from("#!/bin/busybox sh\nset -e\n");
    let mut loaded = Vec::new();
    for (module, parameters) in MODULES {
        for file in kernel.modules(&[module])? {
            if loaded.contains(&file) {
                continue;
            }
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let place = format!("modules/{name}.ko");
            files.copy(&place, &file)?;
            let parameters = if name == *module { parameters } else { "" };
            script.push_str(&format!("/bin/busybox insmod /{place} {parameters}\n"));
            loaded.push(file);
        }
    }
    Ok(script)
}
