//! A camera that the kernel drives: found, set to what suits codes best of what it offers, and read
//! until it is unplugged.

mod choice;
mod controls;
mod finding;

use std::{io, path::Path};

use anyhow::{anyhow, bail};
use gate_devices::video::{Camera, FourCc, Interval, Layout, Sizes, TakenAt};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

use super::{
    CameraConfig, FrameRead, Reader, ReaderEnd,
    live::{self, LOOK_UP_EVERY, Outlet, Picture, SourceFacts},
    luma::{Plane, Spacing},
};
use choice::{Choice, Offer, Wanted, choose};

const FACTS: SourceFacts = SourceFacts {
    name: "the camera",
    // Cameras measure the light before the first picture.
    first_within_ms: 5_000,
    // The slowest rate that is taken up without a warning is some pictures a second.
    next_within_ms: 3_000,
};

/// Buffers between the camera and us: one that it fills, one that is looked at, and two more for
/// when this thread comes late.
const BUFFERS: u32 = 4;

pub(super) async fn run(
    reader: &Reader,
    config: &CameraConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let config = config.clone();
    live::read(reader, frames, ready, FACTS, move |outlet| {
        take_pictures(&config, outlet)
    })
    .await
}

fn take_pictures(config: &CameraConfig, outlet: &Outlet) -> anyhow::Result<()> {
    let (camera, path) = finding::open(config.device.as_ref())?;
    let layout = set_up(&camera, config, &path)?;
    let stream = camera
        .start(BUFFERS)
        .map_err(|error| trouble(&path, "start", &error))?;
    let mut is_first = true;
    while outlet.is_wanted() {
        stream
            .wait(LOOK_UP_EVERY)
            .map_err(|error| trouble(&path, "wait for", &error))?;
        let looked = stream
            .look(|bytes, taken_at| picture_of(&layout, bytes).map(|picture| (picture, taken_at)))
            .map_err(|error| trouble(&path, "read from", &error))?;
        outlet.passed_over(looked.passed_over);
        outlet.damaged(looked.damaged);
        match looked.newest {
            Some(Some((picture, taken_at))) => {
                if std::mem::take(&mut is_first) {
                    tracing::debug!("the first picture of {} is there", path.display());
                }
                let age_ms = match taken_at {
                    TakenAt::MonotonicUs(dated_us) => outlet.age_ms(dated_us),
                    TakenAt::Unknown => 0,
                };
                outlet.put(picture, age_ms);
            }
            Some(None) => outlet.damaged(1),
            None => {}
        }
    }
    Ok(())
}

/// Sets size, format, rate and controls, and says what the camera made of it.
fn set_up(camera: &Camera, config: &CameraConfig, path: &Path) -> anyhow::Result<Layout> {
    let wanted = Wanted::of(config);
    let offers = offers(camera).map_err(|error| trouble(path, "ask", &error))?;
    let choice =
        choose(&offers, &wanted).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let layout = camera
        .set_layout(choice.format, choice.width, choice.height)
        .map_err(|error| trouble(path, "set the size of", &error))?;
    if layout.format != choice.format {
        bail!(
            "{} was asked for {} and gives {}: choose another `format`",
            path.display(),
            choice.format,
            layout.format
        );
    }
    // Decoders and buffers are made for what a camera of a gate has.
    if layout.width == 0 || layout.height == 0 || layout.width.max(layout.height) > SIDE_MAX {
        bail!(
            "{} gives pictures of {}x{}: choose another size",
            path.display(),
            layout.width,
            layout.height
        );
    }
    if let Some(warning) = size_warning(&layout, &wanted) {
        tracing::warn!("{}: {warning}", path.display());
    }
    let rate = set_rate(camera, choice, wanted.rate, path);
    for warning in controls::set(camera, config) {
        tracing::warn!("{}: {warning}", path.display());
    }
    tracing::info!(
        camera.width = layout.width,
        camera.height = layout.height,
        "camera {} gives {}x{} {} at {rate} pictures a second",
        path.display(),
        layout.width,
        layout.height,
        layout.format
    );
    Ok(layout)
}

fn size_warning(layout: &Layout, wanted: &Wanted) -> Option<String> {
    let (width, height) = wanted.size?;
    if (layout.width, layout.height) == (width, height) {
        return None;
    }
    let rate = wanted.rate;
    Some(format!(
        "it does not have {width}x{height} at {rate} pictures a second: a lower `frames_per_second`, or another `format`, may bring it"
    ))
}

/// Longest side that a camera may set by itself.
const SIDE_MAX: u32 = 8_192;

/// Sets the rate; returns it for people. A camera whose rate cannot be set is no worse.
fn set_rate(camera: &Camera, choice: Choice, wanted: u32, path: &Path) -> String {
    let interval = choice.interval.unwrap_or(Interval {
        numerator: 1,
        denominator: wanted,
    });
    match camera.set_interval(interval) {
        Ok(Some(set)) if set.numerator > 0 => {
            let rate = f64::from(set.denominator) / f64::from(set.numerator);
            if rate + 0.5 < f64::from(wanted) {
                tracing::warn!(
                    "camera {} gives {rate:.1} pictures a second, and {wanted} are wanted: codes are read later",
                    path.display()
                );
            }
            format!("{rate:.1}")
        }
        Ok(Some(_) | None) => "its own number of".to_owned(),
        Err(error) => {
            tracing::warn!(
                "the rate of camera {} cannot be set: {error}",
                path.display()
            );
            "its own number of".to_owned()
        }
    }
}

/// Everything that the camera offers.
fn offers(camera: &Camera) -> io::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for format in camera.formats()? {
        let sizes = camera.sizes(format)?;
        if sizes.is_empty() {
            offers.push(Offer {
                format,
                sizes: None,
                intervals: Vec::new(),
            });
        }
        for sizes in sizes {
            let (width, height) = match sizes {
                Sizes::One { width, height } => (width, height),
                // The rates of its largest size, which are its slowest.
                Sizes::Between { width, height } => (width[1], height[1]),
            };
            offers.push(Offer {
                format,
                sizes: Some(sizes),
                intervals: camera.intervals(format, width, height)?,
            });
        }
    }
    Ok(offers)
}

/// `None` for a picture that is not whole.
fn picture_of(layout: &Layout, bytes: &[u8]) -> Option<Picture> {
    let spacing = match layout.format {
        choice::YUYV => Spacing::EverySecondByte,
        choice::GREY | choice::NV12 => Spacing::EveryByte,
        choice::MJPEG | choice::JPEG => {
            return (!bytes.is_empty()).then(|| Picture::Jpeg(bytes.to_vec()));
        }
        FourCc(_) => return None,
    };
    let plane = Plane {
        width: layout.width,
        height: layout.height,
        stride: layout.stride,
        spacing,
    };
    plane.frame(bytes).map(Picture::Grey)
}

fn trouble(path: &Path, doing: &str, error: &io::Error) -> anyhow::Error {
    let path_shown = path.display();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NODEV | Errno::NXIO) => {
            anyhow!("the camera {path_shown} was unplugged: plug it in again")
        }
        Some(Errno::BUSY) => anyhow!(
            "the camera {path_shown} is in use by another program: end that one (`fuser -v {path_shown}` names it)"
        ),
        Some(Errno::NOSPC) => anyhow!(
            "the USB bus has no room for the pictures of {path_shown}: choose a smaller size, format = \"mjpeg\", or another socket"
        ),
        Some(_) | None => anyhow!("cannot {doing} the camera {path_shown}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(format: FourCc, stride: u32) -> Layout {
        Layout {
            format,
            width: 2,
            height: 2,
            stride,
        }
    }

    fn luma(picture: Option<Picture>) -> Vec<u8> {
        match picture {
            Some(Picture::Grey(frame)) => frame.luma().to_vec(),
            other => panic!("no grey picture: {other:?}"),
        }
    }

    #[test]
    fn each_format_gives_its_grey_pixels() {
        let yuyv = [1, 128, 2, 128, 3, 128, 4, 128];
        assert_eq!(
            luma(picture_of(&layout(choice::YUYV, 4), &yuyv)),
            [1, 2, 3, 4]
        );
        let nv12 = [1, 2, 0, 3, 4, 0, 128, 128];
        assert_eq!(
            luma(picture_of(&layout(choice::NV12, 3), &nv12)),
            [1, 2, 3, 4]
        );
        assert_eq!(
            luma(picture_of(&layout(choice::GREY, 2), &[1, 2, 3, 4])),
            [1, 2, 3, 4]
        );
        let jpeg = picture_of(&layout(choice::MJPEG, 0), b"\xff\xd8\xff");
        assert_eq!(jpeg, Some(Picture::Jpeg(b"\xff\xd8\xff".to_vec())));
    }

    #[test]
    fn a_size_that_was_asked_for_and_not_had_is_said() {
        let wanted = |size| Wanted {
            size,
            rate: 15,
            format: None,
        };
        let layout = layout(choice::GREY, 2);
        assert_eq!(size_warning(&layout, &wanted(None)), None);
        assert_eq!(size_warning(&layout, &wanted(Some((2, 2)))), None);
        let warning = size_warning(&layout, &wanted(Some((1280, 720)))).unwrap();
        assert!(warning.contains("1280x720 at 15 pictures"), "{warning}");
    }

    #[test]
    fn a_picture_that_is_cut_is_none() {
        assert_eq!(picture_of(&layout(choice::YUYV, 4), &[0; 7]), None);
        assert_eq!(picture_of(&layout(choice::MJPEG, 0), &[]), None);
        assert_eq!(picture_of(&layout(FourCc::of(b"RGB3"), 6), &[0; 99]), None);
    }

    #[test]
    fn what_goes_wrong_is_said_with_what_to_do() {
        let words = |errno: Errno| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            trouble(Path::new("/dev/video0"), "start", &error).to_string()
        };
        assert!(words(Errno::NODEV).contains("plug it in again"));
        assert!(words(Errno::BUSY).contains("in use by another program"));
        assert!(words(Errno::NOSPC).contains("smaller size"));
        assert!(words(Errno::IO).starts_with("cannot start the camera /dev/video0"));
    }
}
