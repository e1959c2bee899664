//! Which camera is meant, and which there are.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use gate_devices::video::{Camera, Capture, Identity};

use super::super::{
    CameraName,
    device::{devices_in, named, open_problem, stable_name},
};

const DEVICES: &str = "/dev";
const BY_ID: &str = "/dev/v4l/by-id";

/// A camera that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Here {
    path: PathBuf,
    card: String,
}

/// Opens the camera that is named, or the only one.
///
/// # Errors
/// When there is none, it is none, or it may not be used, with what to do.
pub(super) fn open(name: Option<&CameraName>) -> anyhow::Result<(Camera, PathBuf)> {
    let path = match name {
        Some(name) => name.path(),
        None => only_one(&cameras())?,
    };
    let camera = Camera::open(&path)
        .map_err(|error| open_problem("camera", &path, &error, &names(&cameras())))?;
    let identity = camera.identity().map_err(|error| {
        anyhow!(
            "{} is no camera ({error}). {}",
            path.display(),
            named("camera", &names(&cameras()))
        )
    })?;
    check(&path, &identity, || names(&cameras()))?;
    Ok((camera, path))
}

fn check(
    path: &Path,
    identity: &Identity,
    here: impl FnOnce() -> Vec<String>,
) -> anyhow::Result<()> {
    let (path, card) = (path.display(), &identity.card);
    match identity.capture {
        Capture::Streams => Ok(()),
        Capture::SeveralPlanes => bail!(
            "{path} ({card}) is a board's raw sensor or image processor, which needs a program of its own: read it by `command`, as `rpicam-vid` or `gst-launch-1.0` write frames"
        ),
        Capture::None => bail!(
            "{path} ({card}) gives no pictures: a camera has other nodes beside the one for them. {}",
            named("camera", &here())
        ),
    }
}

fn only_one(cameras: &[Here]) -> anyhow::Result<PathBuf> {
    match cameras {
        [one] => Ok(one.path.clone()),
        [] => bail!(
            "there is no camera that the gate can read: is it plugged in? A Pi's own camera is read by `command`; no permission looks the same (group video)"
        ),
        several => bail!(
            "there are several cameras: name one as `device`. {}",
            named("camera", &names(several))
        ),
    }
}

fn names(cameras: &[Here]) -> Vec<String> {
    cameras
        .iter()
        .map(|camera| format!("{} ({})", camera.path.display(), camera.card))
        .collect()
}

/// Nodes that give pictures, by their stable names.
fn cameras() -> Vec<Here> {
    cameras_in(Path::new(DEVICES), Path::new(BY_ID), |path| {
        Camera::open(path).ok()?.identity().ok()
    })
}

fn cameras_in(
    devices: &Path,
    by_id: &Path,
    identity: impl Fn(&Path) -> Option<Identity>,
) -> Vec<Here> {
    devices_in(devices, "video")
        .into_iter()
        .filter_map(|path| {
            let identity = identity(&path)?;
            (identity.capture == Capture::Streams).then(|| Here {
                path: stable_name(&path, by_id),
                card: identity.card,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(capture: Capture) -> Identity {
        Identity {
            card: "Webcam".into(),
            driver: "uvcvideo".into(),
            capture,
        }
    }

    #[test]
    fn the_nodes_that_give_pictures_are_found_by_their_stable_names() {
        let folder = tempfile::tempdir().unwrap();
        let by_id = folder.path().join("by-id");
        std::fs::create_dir(&by_id).unwrap();
        for number in 0..3 {
            std::fs::write(folder.path().join(format!("video{number}")), "").unwrap();
        }
        std::os::unix::fs::symlink("../video0", by_id.join("usb-Webcam-index0")).unwrap();
        let found = cameras_in(folder.path(), &by_id, |path| {
            match path.file_name()?.to_str()? {
                "video0" => Some(identity(Capture::Streams)),
                "video1" => Some(identity(Capture::None)),
                _ => None,
            }
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, by_id.join("usb-Webcam-index0"));
        assert_eq!(only_one(&found).unwrap(), found[0].path);
    }

    #[test]
    fn none_and_several_are_told_with_what_to_do() {
        assert!(
            only_one(&[])
                .unwrap_err()
                .to_string()
                .contains("plugged in")
        );
        let two = ["/dev/video0", "/dev/video2"].map(|path| Here {
            path: path.into(),
            card: "Webcam".into(),
        });
        let words = only_one(&two).unwrap_err().to_string();
        assert!(words.contains("name one as `device`"), "{words}");
        assert!(words.contains("/dev/video2 (Webcam)"), "{words}");
    }

    #[test]
    fn a_node_without_pictures_and_a_raw_sensor_are_told_apart() {
        let words = |capture| {
            let path = Path::new("/dev/video1");
            check(path, &identity(capture), || vec!["/dev/video0".to_owned()])
                .unwrap_err()
                .to_string()
        };
        assert!(words(Capture::None).ends_with("There is: /dev/video0."));
        assert!(words(Capture::SeveralPlanes).contains("rpicam-vid"));
        let fine = identity(Capture::Streams);
        check(Path::new("/dev/video0"), &fine, Vec::new).unwrap();
    }

    #[test]
    fn a_camera_that_is_not_there_is_told_so() {
        let name = CameraName::Path("/dev/video-none".into());
        let error = open(Some(&name)).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no camera /dev/video-none"),
            "{error}"
        );
        let name = CameraName::Path("/dev/null".into());
        let error = open(Some(&name)).unwrap_err().to_string();
        assert!(error.starts_with("/dev/null is no camera"), "{error}");
    }
}
