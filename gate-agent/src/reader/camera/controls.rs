//! Exposure, focus and the mains' flicker: what the configuration says is set where the camera has
//! it, and said clearly where it has not.

use std::io;

use gate_devices::video::{Camera, ControlRange, ControlState};

use super::super::{CameraConfig, Exposure, Focus};

// `linux/v4l2-controls.h`.
const POWER_LINE_FREQUENCY: u32 = 0x0098_0918;
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const EXPOSURE_AUTO_PRIORITY: u32 = 0x009a_0903;
const FOCUS_ABSOLUTE: u32 = 0x009a_090a;
const FOCUS_AUTO: u32 = 0x009a_090c;

const EXPOSURE_MANUAL: i32 = 1;
/// Cameras have one of the two: everything by itself, or all but the iris, which few have.
const EXPOSURE_AUTOMATIC: [i32; 2] = [3, 0];
/// `EXPOSURE_ABSOLUTE` counts in these.
const EXPOSURE_UNIT_US: u32 = 100;

/// A camera's controls, or a test's.
pub(super) trait Controls {
    fn control(&self, id: u32) -> io::Result<Option<ControlRange>>;
    fn set_control(&self, id: u32, value: i32) -> io::Result<()>;
}

impl Controls for Camera {
    fn control(&self, id: u32) -> io::Result<Option<ControlRange>> {
        Camera::control(self, id)
    }

    fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
        Camera::set_control(self, id, value)
    }
}

/// Sets what is configured; returns what could not be, for people. A gate reads on all the same.
pub(super) fn set(camera: &impl Controls, config: &CameraConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut note = |result: Result<(), String>| warnings.extend(result.err());
    match config.exposure {
        Some(Exposure::Automatic) => note(set_automatic_exposure(camera)),
        Some(Exposure::TimeUs(time_us)) => note(set_exposure(camera, time_us)),
        None => {}
    }
    // A camera that takes fewer pictures when it is dark blurs what moves and reads later. Not
    // configured, so not complained of.
    if matches!(camera.control(EXPOSURE_AUTO_PRIORITY), Ok(Some(_))) {
        let _ = camera.set_control(EXPOSURE_AUTO_PRIORITY, 0);
    }
    match config.focus {
        Some(Focus::Automatic) => note(set_automatic_focus(camera)),
        Some(Focus::Position(position)) => note(set_focus(camera, position)),
        None => {}
    }
    if let Some(hz) = config.mains_hz {
        let value = if hz == 50 { 1 } else { 2 };
        note(set_one(
            camera,
            POWER_LINE_FREQUENCY,
            value,
            "the frequency of the mains",
        ));
    }
    warnings
}

fn set_automatic_exposure(camera: &impl Controls) -> Result<(), String> {
    if range(camera, EXPOSURE_AUTO).is_none() {
        return Err("it has no automatic exposure that can be switched".to_owned());
    }
    let is_set = EXPOSURE_AUTOMATIC
        .iter()
        .any(|&value| camera.set_control(EXPOSURE_AUTO, value).is_ok());
    if is_set {
        Ok(())
    } else {
        Err("it does not take automatic exposure".to_owned())
    }
}

fn set_exposure(camera: &impl Controls, time_us: u32) -> Result<(), String> {
    if range(camera, EXPOSURE_ABSOLUTE).is_none() {
        return Err("its exposure cannot be set as a time: leave `exposure` out".to_owned());
    }
    // Without it, the automatic sets it anew with the next picture.
    if range(camera, EXPOSURE_AUTO).is_some() {
        set_one(camera, EXPOSURE_AUTO, EXPOSURE_MANUAL, "manual exposure")?;
    }
    let value = i32::try_from((time_us / EXPOSURE_UNIT_US).max(1)).unwrap_or(i32::MAX);
    set_one(camera, EXPOSURE_ABSOLUTE, value, "the exposure (in 100 µs)")
}

fn set_automatic_focus(camera: &impl Controls) -> Result<(), String> {
    set_one(camera, FOCUS_AUTO, 1, "automatic focus")
}

fn set_focus(camera: &impl Controls, position: i32) -> Result<(), String> {
    if range(camera, FOCUS_ABSOLUTE).is_none() {
        return Err("its focus cannot be set: leave `focus` out, and turn its lens".to_owned());
    }
    if range(camera, FOCUS_AUTO).is_some() {
        set_one(camera, FOCUS_AUTO, 0, "manual focus")?;
    }
    set_one(camera, FOCUS_ABSOLUTE, position, "the focus")
}

fn range(camera: &impl Controls, id: u32) -> Option<ControlRange> {
    match camera.control(id) {
        Ok(Some(range)) if range.state != ControlState::ReadOnly => Some(range),
        Ok(Some(_) | None) | Err(_) => None,
    }
}

/// Sets a control to the value or the nearest it can have, which is said.
fn set_one(camera: &impl Controls, id: u32, value: i32, what: &str) -> Result<(), String> {
    let Some(range) = range(camera, id) else {
        return Err(format!("{what} cannot be set on it"));
    };
    let possible = fitted(&range, value);
    camera
        .set_control(id, possible)
        .map_err(|error| format!("it does not take {what} {possible}: {error}"))?;
    if possible == value {
        return Ok(());
    }
    Err(format!(
        "{what} was set to {possible}: it goes from {} to {} in steps of {}",
        range.minimum,
        range.maximum,
        range.step.max(1)
    ))
}

fn fitted(range: &ControlRange, value: i32) -> i32 {
    let (minimum, step) = (i64::from(range.minimum), i64::from(range.step.max(1)));
    let maximum = i64::from(range.maximum).max(minimum);
    let value = i64::from(value).clamp(minimum, maximum);
    let steps = (value - minimum + step / 2) / step;
    let fitted = (minimum + steps * step).min(maximum);
    i32::try_from(fitted).expect("within the range of the control")
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap};

    use super::*;

    /// Controls with their ranges; remembers what was set. A menu refuses the values in `holes`.
    struct Fake {
        ranges: BTreeMap<u32, (i32, i32, i32)>,
        holes: Vec<(u32, i32)>,
        set: RefCell<Vec<(u32, i32)>>,
    }

    impl Fake {
        fn new(ranges: &[(u32, (i32, i32, i32))]) -> Self {
            Self {
                ranges: ranges.iter().copied().collect(),
                holes: Vec::new(),
                set: RefCell::default(),
            }
        }
    }

    impl Controls for Fake {
        fn control(&self, id: u32) -> io::Result<Option<ControlRange>> {
            Ok(self
                .ranges
                .get(&id)
                .map(|&(minimum, maximum, step)| ControlRange {
                    minimum,
                    maximum,
                    step,
                    default: minimum,
                    state: ControlState::Free,
                }))
        }

        fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
            if self.holes.contains(&(id, value)) {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            }
            self.set.borrow_mut().push((id, value));
            Ok(())
        }
    }

    fn webcam() -> Fake {
        Fake::new(&[
            (POWER_LINE_FREQUENCY, (0, 2, 1)),
            (EXPOSURE_AUTO, (0, 3, 1)),
            (EXPOSURE_ABSOLUTE, (3, 2047, 1)),
            (EXPOSURE_AUTO_PRIORITY, (0, 1, 1)),
            (FOCUS_ABSOLUTE, (0, 250, 5)),
            (FOCUS_AUTO, (0, 1, 1)),
        ])
    }

    fn config(exposure: Option<Exposure>, focus: Option<Focus>) -> CameraConfig {
        CameraConfig {
            exposure,
            focus,
            ..CameraConfig::default()
        }
    }

    #[test]
    fn the_automatic_goes_off_before_a_value_is_set() {
        let camera = webcam();
        let config = CameraConfig {
            mains_hz: Some(50),
            ..config(Some(Exposure::TimeUs(4_000)), Some(Focus::Position(30)))
        };
        assert_eq!(set(&camera, &config), Vec::<String>::new());
        assert_eq!(
            camera.set.take(),
            [
                (EXPOSURE_AUTO, EXPOSURE_MANUAL),
                (EXPOSURE_ABSOLUTE, 40),
                (EXPOSURE_AUTO_PRIORITY, 0),
                (FOCUS_AUTO, 0),
                (FOCUS_ABSOLUTE, 30),
                (POWER_LINE_FREQUENCY, 1),
            ]
        );
    }

    #[test]
    fn nothing_is_touched_that_is_not_configured_but_the_rate_in_the_dark() {
        let camera = webcam();
        assert_eq!(set(&camera, &CameraConfig::default()), Vec::<String>::new());
        assert_eq!(camera.set.take(), [(EXPOSURE_AUTO_PRIORITY, 0)]);
    }

    #[test]
    fn automatic_exposure_is_whichever_the_camera_has() {
        let automatic = config(Some(Exposure::Automatic), Some(Focus::Automatic));
        let mut camera = webcam();
        camera.holes = vec![(EXPOSURE_AUTO, 3)];
        assert_eq!(set(&camera, &automatic), Vec::<String>::new());
        assert_eq!(
            camera.set.take(),
            [
                (EXPOSURE_AUTO, 0),
                (EXPOSURE_AUTO_PRIORITY, 0),
                (FOCUS_AUTO, 1)
            ]
        );
        camera.holes.push((EXPOSURE_AUTO, 0));
        assert_eq!(
            set(&camera, &automatic),
            ["it does not take automatic exposure"]
        );
    }

    #[test]
    fn what_the_camera_has_not_is_said_and_the_rest_is_set() {
        let bare = Fake::new(&[(FOCUS_ABSOLUTE, (0, 10, 1))]);
        let config = CameraConfig {
            mains_hz: Some(60),
            ..config(Some(Exposure::TimeUs(1)), Some(Focus::Position(4)))
        };
        let warnings = set(&bare, &config);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("leave `exposure` out"));
        assert!(warnings[1].contains("the frequency of the mains"));
        assert_eq!(bare.set.take(), [(FOCUS_ABSOLUTE, 4)]);
    }

    #[test]
    fn a_value_beyond_the_range_is_fitted_and_said() {
        let camera = webcam();
        let warnings = set(&camera, &config(None, Some(Focus::Position(999))));
        assert_eq!(
            warnings,
            ["the focus was set to 250: it goes from 0 to 250 in steps of 5"]
        );
        let warnings = set(&camera, &config(None, Some(Focus::Position(32))));
        assert!(warnings[0].contains("set to 30"), "{warnings:?}");
        let odd = ControlRange {
            minimum: i32::MIN,
            maximum: i32::MAX,
            step: 0,
            default: 0,
            state: ControlState::Free,
        };
        assert_eq!(fitted(&odd, i32::MAX), i32::MAX);
    }
}
