//! Finds device files and says what is wrong with them: what is there instead, which group may use
//! them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::io::Errno;

/// Most devices that a message names.
const NAMED_MAX: usize = 8;

/// The entries of a folder whose names begin so, sorted; none when there is no folder.
pub(super) fn devices_in(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut devices: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(beginning))
        })
        .collect();
    // `video10` behind `video9`.
    devices.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    devices
}

/// How often a device that is awaited is looked for.
const LOOK_FOR_EVERY: Duration = Duration::from_millis(100);

/// What is at a place: another one when something was plugged in there, or its permissions changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<[i64; 4]>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let stamp = fs::metadata(path).ok().map(|found| {
            [
                found.dev().cast_signed(),
                found.ino().cast_signed(),
                found.ctime(),
                found.ctime_nsec(),
            ]
        });
        Self(stamp)
    }
}

/// Waits until something is there that was not there before.
pub(super) async fn changed_from(before: Stamp, path: &Path) {
    loop {
        let now = Stamp::of(path);
        if now.0.is_some() && now != before {
            return;
        }
        tokio::time::sleep(LOOK_FOR_EVERY).await;
    }
}

/// The stable name of a device: the link in `by_id` that leads to it, else its own path.
pub(super) fn stable_name(device: &Path, by_id: &Path) -> PathBuf {
    let Ok(real) = fs::canonicalize(device) else {
        return device.to_owned();
    };
    devices_in(by_id, "")
        .into_iter()
        .find(|link| fs::canonicalize(link).is_ok_and(|target| target == real))
        .unwrap_or_else(|| device.to_owned())
}

/// Why a device cannot be opened, with what to do. `here` names those that are there.
pub(super) fn open_problem(
    what: &str,
    path: &Path,
    error: &io::Error,
    here: &[String],
) -> anyhow::Error {
    let path_shown = path.display();
    let words = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
            format!(
                "there is no {what} {path_shown}: is it plugged in? {}",
                named(what, here)
            )
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            format!("no permission to use {path_shown}: {}", group_advice(path))
        }
        Some(Errno::BUSY) => format!(
            "{path_shown} is in use by another program: end that one (`fuser -v {path_shown}` names it)"
        ),
        Some(_) | None => format!("cannot open {path_shown}: {error}"),
    };
    anyhow::Error::msg(words)
}

/// What there is instead.
pub(super) fn named(what: &str, here: &[String]) -> String {
    match here {
        [] => format!("No {what} is there."),
        here => {
            let shown = here[..here.len().min(NAMED_MAX)].join(", ");
            let more = here.len().saturating_sub(NAMED_MAX);
            let more = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            format!("There is: {shown}{more}.")
        }
    }
}

fn group_advice(path: &Path) -> String {
    let Ok(metadata) = fs::metadata(path) else {
        return "its folder is closed to the gate's user".to_owned();
    };
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = group_name(&groups, metadata.gid());
    if metadata.mode() & 0o060 != 0o060 {
        return format!(
            "not even its group ({group}) may read and write it: set that in a udev rule (MODE=\"0660\")"
        );
    }
    format!(
        "it belongs to the group {group}; add the gate's user to it (`usermod -aG {group} USER`, or SupplementaryGroups={group} in the unit) and start the gate again"
    )
}

fn group_name(groups: &str, id: u32) -> String {
    groups
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let number = fields.nth(1)?;
            (number.parse() == Ok(id)).then(|| name.to_owned())
        })
        .unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(errno: Errno, here: &[&str]) -> String {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        let here: Vec<String> = here.iter().map(|&one| one.to_owned()).collect();
        open_problem("camera", Path::new("/dev/video9"), &error, &here).to_string()
    }

    #[test]
    fn a_device_that_is_missing_is_told_with_what_is_there() {
        let words = problem(Errno::NOENT, &["/dev/video0 (Webcam)"]);
        assert_eq!(
            words,
            "there is no camera /dev/video9: is it plugged in? There is: /dev/video0 (Webcam)."
        );
        assert!(problem(Errno::NODEV, &[]).ends_with("No camera is there."));
        let many: Vec<String> = (0..11).map(|number| format!("c{number}")).collect();
        assert!(named("camera", &many).ends_with("c7 and 3 more."));
    }

    #[test]
    fn a_busy_device_and_a_closed_one_say_what_to_do() {
        assert!(problem(Errno::BUSY, &[]).contains("in use by another program"));
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("device");
        fs::write(&device, "").unwrap();
        let denied = io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error());
        let set = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&device, mode).unwrap();
            open_problem("camera", &device, &denied, &[]).to_string()
        };
        assert!(set(0o600).contains("udev rule"));
        assert!(set(0o660).contains("add the gate's user to it"));
    }

    #[test]
    fn a_group_is_named_or_numbered() {
        let groups = "root:x:0:\nvideo:x:44:anna,ben\nbroken\n";
        assert_eq!(group_name(groups, 44), "video");
        assert_eq!(group_name(groups, 45), "45");
    }

    #[test]
    fn devices_are_sorted_by_number_and_have_their_stable_names() {
        let folder = tempfile::tempdir().unwrap();
        let by_id = folder.path().join("by-id");
        fs::create_dir(&by_id).unwrap();
        for name in ["video10", "video2", "audio"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("../video2", by_id.join("usb-Webcam")).unwrap();
        let devices = devices_in(folder.path(), "video");
        assert_eq!(
            devices,
            [folder.path().join("video2"), folder.path().join("video10")]
        );
        assert_eq!(stable_name(&devices[0], &by_id), by_id.join("usb-Webcam"));
        assert_eq!(stable_name(&devices[1], &by_id), devices[1]);
        assert_eq!(
            devices_in(Path::new("/no/folder"), ""),
            Vec::<PathBuf>::new()
        );
    }
}
