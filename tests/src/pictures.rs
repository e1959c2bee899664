//! Pictures in the place of a camera: QR codes as they are printed, and as a camera sees them held
//! up: small, a little crooked, in uneven light, with noise.

use std::{fs, io::Cursor, path::Path};

use anyhow::Context;
use fast_qr::{ECL, QRBuilder};
use image::{GrayImage, ImageFormat, Luma};

use crate::random::Random;

/// The standard's quiet zone (ISO/IEC 18004), in modules.
const QUIET_ZONE: u32 = 4;
const MODULE_PIXELS: u32 = 8;

/// What a gate's camera gives.
const FRAME_WIDTH: u32 = 1280;
const FRAME_HEIGHT: u32 = 720;

/// A text as a QR code at level M with its quiet zone, as a card or a screen shows it.
///
/// # Errors
/// When the text is too long for any code.
pub fn code(text: &str) -> anyhow::Result<GrayImage> {
    let code = QRBuilder::new(text)
        .ecl(ECL::M)
        .build()
        .with_context(|| format!("{} bytes do not fit a QR code", text.len()))?;
    let modules = u32::try_from(code.size)? + 2 * QUIET_ZONE;
    let side = modules * MODULE_PIXELS;
    let module = |pixel: u32| (pixel / MODULE_PIXELS).checked_sub(QUIET_ZONE);
    let is_dark = |x: u32, y: u32| {
        let (Some(column), Some(row)) = (module(x), module(y)) else {
            return false;
        };
        let (column, row) = (column as usize, row as usize);
        column < code.size && row < code.size && code[row][column].value()
    };
    Ok(GrayImage::from_fn(side, side, |x, y| {
        Luma([if is_dark(x, y) { 0 } else { 255 }])
    }))
}

/// How a code is held up to the camera.
#[derive(Clone, Copy, Debug)]
struct Pose {
    /// Turned by, in radians.
    angle: f32,
    /// Pixels of the frame for one pixel of the code.
    scale: f32,
    /// Where its middle is.
    center: (f32, f32),
}

impl Pose {
    fn random(code: &GrayImage, random: &mut Random) -> Self {
        let mut between = |low: f32, high: f32| low + (high - low) * unit(random);
        // Half of the frame's height: at an arm's length.
        let scale = between(0.65, 0.85) * pixels(FRAME_HEIGHT) / pixels(code.height());
        Self {
            angle: between(-0.15, 0.15),
            scale,
            center: (
                pixels(FRAME_WIDTH) * between(0.45, 0.55),
                pixels(FRAME_HEIGHT) * between(0.47, 0.53),
            ),
        }
    }

    /// The place in the code that the frame shows at `x`, `y`.
    fn source(&self, code: &GrayImage, x: u32, y: u32) -> (f32, f32) {
        let (dx, dy) = (pixels(x) - self.center.0, pixels(y) - self.center.1);
        let (sin, cos) = self.angle.sin_cos();
        let turned = (cos * dx + sin * dy, cos * dy - sin * dx);
        (
            turned.0 / self.scale + pixels(code.width()) / 2.0,
            turned.1 / self.scale + pixels(code.height()) / 2.0,
        )
    }
}

/// What a camera sees when somebody holds up `code`: 1280 by 720 pixels.
#[must_use]
pub fn held_up(code: &GrayImage, random: &mut Random) -> GrayImage {
    let pose = Pose::random(code, random);
    let mut noise = random.clone();
    GrayImage::from_fn(FRAME_WIDTH, FRAME_HEIGHT, |x, y| {
        let (source_x, source_y) = pose.source(code, x, y);
        let surface = sample(code, source_x, source_y).map_or(70.0, |ink| 35.0 + 0.7 * ink);
        // Light falls in from the left.
        let light = 1.1 - 0.35 * pixels(x) / pixels(FRAME_WIDTH);
        let grain = 12.0 * (unit(&mut noise) - 0.5);
        Luma([clamp(surface * light + grain)])
    })
}

/// A wall and nothing else.
#[must_use]
pub fn empty(random: &mut Random) -> GrayImage {
    GrayImage::from_fn(FRAME_WIDTH, FRAME_HEIGHT, |x, _| {
        let light = 140.0 - 40.0 * pixels(x) / pixels(FRAME_WIDTH);
        Luma([clamp(light + 12.0 * (unit(random) - 0.5))])
    })
}

/// As [`held_up`], with a thumb over a corner and the middle, so that nothing can read it.
#[must_use]
pub fn held_up_badly(code: &GrayImage, random: &mut Random) -> GrayImage {
    let mut frame = held_up(code, random);
    let (width, height) = frame.dimensions();
    for y in height / 4..height {
        for x in width / 4..width * 11 / 20 {
            frame.put_pixel(x, y, Luma([110]));
        }
    }
    frame
}

/// The light at a point between four pixels; none outside the picture.
fn sample(picture: &GrayImage, x: f32, y: f32) -> Option<f32> {
    let (left, top) = (x - 0.5, y - 0.5);
    if left < 0.0 || top < 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a picture, not negative"
    )]
    let (column, row) = (left as u32, top as u32);
    if column + 1 >= picture.width() || row + 1 >= picture.height() {
        return None;
    }
    let (right, down) = (left - pixels(column), top - pixels(row));
    let at = |dx, dy| f32::from(picture.get_pixel(column + dx, row + dy).0[0]);
    let upper = at(0, 0) * (1.0 - right) + at(1, 0) * right;
    let lower = at(0, 1) * (1.0 - right) + at(1, 1) * right;
    Some(upper * (1.0 - down) + lower * down)
}

/// From 0 up to 1.
fn unit(random: &mut Random) -> f32 {
    let number = u16::try_from(random.below(1 << 16)).expect("it is below 2^16");
    f32::from(number) / 65_536.0
}

/// Sides of pictures here are far below 2^16.
fn pixels(count: u32) -> f32 {
    f32::from(u16::try_from(count).expect("a picture's side is below 2^16"))
}

fn clamp(value: f32) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a byte's range"
    )]
    let byte = value.clamp(0.0, 255.0) as u8;
    byte
}

/// The picture as a PNG file.
///
/// # Errors
/// When it cannot be encoded.
pub fn png(picture: &GrayImage) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .context("cannot encode a PNG picture")?;
    Ok(bytes.into_inner())
}

/// Puts a file into a folder whole, so that a gate that watches the folder never sees half of it.
///
/// # Errors
/// When the folder cannot be written.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    let unfinished = folder.join(format!("{name}.part"));
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_quiet_zone_and_the_frame_its_size() {
        let code = code("SP1:TEST").unwrap();
        assert_eq!(code.width(), (21 + 8) * MODULE_PIXELS);
        assert_eq!(code.get_pixel(31, 31).0, [255]);
        assert_eq!(code.get_pixel(32, 32).0, [0]);
        let frame = held_up(&code, &mut Random::from_seed(1));
        assert_eq!(frame.dimensions(), (FRAME_WIDTH, FRAME_HEIGHT));
        assert!(frame.pixels().any(|pixel| pixel.0[0] < 60));
        assert!(frame.pixels().any(|pixel| pixel.0[0] > 170));
    }
}
