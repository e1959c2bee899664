//! A text as a QR code (ISO/IEC 18004), level M, for screens and paper. For single codes: a year's
//! worth of cards needs a faster way.

use std::{fmt::Write as _, io::Cursor};

use anyhow::Context;
use image::{GrayImage, ImageFormat, Luma};
use qrcode::{Color, EcLevel, QrCode};

/// The standard's quiet zone, without which readers miss the code.
const QUIET_ZONE_MODULES: usize = 4;
/// Sharp on a phone's screen, and whole when a printer scales it.
const MODULE_PIXELS: usize = 8;

/// An SVG document with the code; it scales without blurring.
///
/// # Errors
/// When `text` is longer than a QR code holds.
pub fn svg(text: &str) -> anyhow::Result<String> {
    let code = Code::new(text)?;
    let side = code.side_modules();
    let mut path = String::new();
    for y in 0..code.width {
        let mut x = 0;
        while x < code.width {
            let run = (x..code.width).take_while(|x| code.is_dark(*x, y)).count();
            if run > 0 {
                let (left, top) = (x + QUIET_ZONE_MODULES, y + QUIET_ZONE_MODULES);
                let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
            }
            x += run.max(1);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>\n"
    ))
}

/// A PNG picture of the code, 8 pixels for each module.
///
/// # Errors
/// When `text` is longer than a QR code holds.
pub fn png(text: &str) -> anyhow::Result<Vec<u8>> {
    let code = Code::new(text)?;
    let mut bytes = Cursor::new(Vec::new());
    code.picture()?
        .write_to(&mut bytes, ImageFormat::Png)
        .context("cannot write the PNG picture")?;
    Ok(bytes.into_inner())
}

struct Code {
    width: usize,
    colors: Vec<Color>,
}

impl Code {
    fn new(text: &str) -> anyhow::Result<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .with_context(|| format!("{} bytes do not fit a QR code", text.len()))?;
        Ok(Self {
            width: code.width(),
            colors: code.into_colors(),
        })
    }

    fn side_modules(&self) -> usize {
        self.width + 2 * QUIET_ZONE_MODULES
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        self.colors[y * self.width + x] == Color::Dark
    }

    fn picture(&self) -> anyhow::Result<GrayImage> {
        let side = u32::try_from(self.side_modules() * MODULE_PIXELS)?;
        let module = |pixel: u32| (pixel as usize / MODULE_PIXELS).checked_sub(QUIET_ZONE_MODULES);
        Ok(GrayImage::from_fn(side, side, |x, y| {
            match (module(x), module(y)) {
                (Some(x), Some(y)) if x < self.width && y < self.width && self.is_dark(x, y) => {
                    Luma([0])
                }
                _ => Luma([255]),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as the longest static pass that has to fit version 7.
    fn pass_text() -> String {
        format!("SP1:{}", "6BF+70790T9".repeat(16))
            .chars()
            .take(178)
            .collect()
    }

    #[test]
    fn a_static_pass_fits_version_7() {
        assert_eq!(Code::new(&pass_text()).unwrap().width, 45);
    }

    #[test]
    fn the_picture_has_the_code_within_a_white_border() {
        let picture = image::load_from_memory(&png(&pass_text()).unwrap())
            .unwrap()
            .into_luma8();
        assert_eq!(picture.dimensions(), (53 * 8, 53 * 8));
        assert_eq!(picture.get_pixel(31, 31), &Luma([255]));
        assert_eq!(picture.get_pixel(32, 32), &Luma([0]));
    }

    #[test]
    fn the_drawing_has_exactly_the_dark_modules() {
        let code = Code::new("SP1:ABC").unwrap();
        let dark = code
            .colors
            .iter()
            .filter(|color| **color == Color::Dark)
            .count();
        let drawing = svg("SP1:ABC").unwrap();
        let (_, path) = drawing.rsplit_once("d=\"").unwrap();
        let runs = path
            .split('h')
            .filter_map(|rest| rest.split_once("v1")?.0.parse::<usize>().ok());
        assert_eq!(runs.sum::<usize>(), dark);
    }

    #[test]
    fn a_text_that_fits_no_code_is_refused() {
        assert!(
            svg(&"x".repeat(3000))
                .unwrap_err()
                .to_string()
                .contains("3000 bytes")
        );
    }
}
