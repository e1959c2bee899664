//! Draws QR codes and what spoils them, for tests. Knows nothing of the decoder.

use std::io::Cursor;

use fast_qr::{ECL, QRBuilder, QRCode, Version};
use image::{GrayImage, ImageFormat};

/// A grey picture that is drawn on.
#[derive(Clone)]
pub struct Drawing {
    pub width: u32,
    pub height: u32,
    pub luma: Vec<u8>,
}

/// Where and how a code is stamped.
#[derive(Clone, Copy)]
pub struct Stamp {
    pub x: u32,
    pub y: u32,
    pub module: u32,
    pub ink: u8,
    pub paper: u8,
}

/// A text as long as a static pass (178 alphanumeric characters): version 7 at level M.
pub fn pass_text(number: u32) -> String {
    let mut text = format!("SP1:{number:06}");
    let mut seed = u64::from(number) + 1;
    while text.len() < 178 {
        let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
        text.push(char::from(alphabet[next_random(&mut seed) as usize % 45]));
    }
    text
}

pub fn code(text: &str) -> QRCode {
    QRBuilder::new(text)
        .ecl(ECL::M)
        .build()
        .expect("fits a QR code")
}

pub fn code_of_bytes(bytes: &[u8]) -> QRCode {
    QRBuilder::new(bytes.to_vec())
        .ecl(ECL::M)
        .build()
        .expect("fits a QR code")
}

/// The largest code there is, full of digits.
pub fn largest_code(digits: &str) -> QRCode {
    QRBuilder::new(digits)
        .ecl(ECL::L)
        .version(Version::V40)
        .build()
        .expect("fits a QR code")
}

impl Drawing {
    pub fn blank(width: u32, height: u32, paper: u8) -> Self {
        Self {
            width,
            height,
            luma: vec![paper; (width * height) as usize],
        }
    }

    /// A code alone with its quiet zone of four modules.
    pub fn of_code(code: &QRCode, module: u32) -> Self {
        let side = (code.size as u32 + 8) * module;
        let mut drawing = Self::blank(side, side, 255);
        drawing.stamp(
            code,
            Stamp {
                x: 0,
                y: 0,
                module,
                ink: 0,
                paper: 255,
            },
        );
        drawing
    }

    /// What a camera at a gate sees: a code of version 7 in the middle of 640 by 480 pixels.
    pub fn camera_frame(text: &str) -> Self {
        let mut drawing = Self::blank(640, 480, 160);
        drawing.stamp(
            &code(text),
            Stamp {
                x: 134,
                y: 54,
                module: 7,
                ink: 20,
                paper: 230,
            },
        );
        drawing
    }

    pub fn stamp(&mut self, code: &QRCode, stamp: Stamp) {
        let modules = code.size as u32 + 8;
        for y in 0..modules * stamp.module {
            for x in 0..modules * stamp.module {
                let (column, row) = (x / stamp.module, y / stamp.module);
                let inside = (4..modules - 4).contains(&column) && (4..modules - 4).contains(&row);
                let is_ink = inside && code[row as usize - 4][column as usize - 4].value();
                let value = if is_ink { stamp.ink } else { stamp.paper };
                self.luma[((stamp.y + y) * self.width + stamp.x + x) as usize] = value;
            }
        }
    }

    pub fn inverted(mut self) -> Self {
        self.luma.iter_mut().for_each(|value| *value = 255 - *value);
        self
    }

    pub fn turned_quarter(&self) -> Self {
        let mut turned = Self::blank(self.height, self.width, 0);
        for y in 0..self.height {
            for x in 0..self.width {
                let to = x * turned.width + (self.height - 1 - y);
                turned.luma[to as usize] = self.luma[(y * self.width + x) as usize];
            }
        }
        turned
    }

    /// Turned by any angle about the middle; corners that come in are grey.
    pub fn turned(&self, degrees: f32) -> Self {
        let mut turned = Self::blank(self.width, self.height, 160);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (middle_x, middle_y) = (self.width as f32 / 2.0, self.height as f32 / 2.0);
        for y in 0..self.height {
            for x in 0..self.width {
                let (from_x, from_y) = (x as f32 - middle_x, y as f32 - middle_y);
                let old_x = (middle_x + cos * from_x + sin * from_y).round();
                let old_y = (middle_y - sin * from_x + cos * from_y).round();
                if (0.0..self.width as f32).contains(&old_x)
                    && (0.0..self.height as f32).contains(&old_y)
                {
                    turned.luma[(y * self.width + x) as usize] =
                        self.luma[(old_y as u32 * self.width + old_x as u32) as usize];
                }
            }
        }
        turned
    }

    /// Squeezes all values into a range: dim light, glare, a dark screen.
    pub fn squeezed(mut self, low: u8, range: u8) -> Self {
        for value in &mut self.luma {
            *value = low + (u32::from(*value) * u32::from(range) / 255) as u8;
        }
        self
    }

    /// Adds or takes away up to so much of each pixel.
    pub fn noisy(mut self, amplitude: i32, mut seed: u64) -> Self {
        for value in &mut self.luma {
            let noise = (next_random(&mut seed) % (2 * amplitude as u64 + 1)) as i32 - amplitude;
            *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
        }
        self
    }

    /// Mean over a square of so many pixels around each.
    pub fn blurred(&self, radius: i32) -> Self {
        let mut blurred = self.clone();
        let at = |x: i32, y: i32| {
            let x = x.clamp(0, self.width as i32 - 1);
            let y = y.clamp(0, self.height as i32 - 1);
            u32::from(self.luma[(y * self.width as i32 + x) as usize])
        };
        for y in 0..self.height as i32 {
            for x in 0..self.width as i32 {
                let mut sum = 0;
                for dy in -radius..=radius {
                    for dx in -radius..=radius {
                        sum += at(x + dx, y + dy);
                    }
                }
                let pixels = (2 * radius + 1).pow(2) as u32;
                blurred.luma[(y * self.width as i32 + x) as usize] = (sum / pixels) as u8;
            }
        }
        blurred
    }

    /// Nothing but finder patterns, each of 7 by 7 modules of one pixel with a pixel between them: the
    /// picture that makes a decoder try every three of them.
    pub fn hostile(width: u32, height: u32) -> Self {
        let mut drawing = Self::blank(width, height, 255);
        for y in 0..height {
            for x in 0..width {
                let (column, row) = (x % 9, y % 9);
                let ring = (3 - column as i32).abs().max((3 - row as i32).abs());
                if ring == 3 || ring <= 1 {
                    drawing.luma[(y * width + x) as usize] = 0;
                }
            }
        }
        drawing
    }

    pub fn encoded(&self, format: ImageFormat) -> Vec<u8> {
        let picture = GrayImage::from_raw(self.width, self.height, self.luma.clone())
            .expect("as many bytes as pixels");
        let mut file = Cursor::new(Vec::new());
        match format {
            // The WebP writer knows no grey.
            ImageFormat::WebP => image::DynamicImage::from(picture)
                .to_rgb8()
                .write_to(&mut file, format),
            _ => picture.write_to(&mut file, format),
        }
        .expect("a picture can be written to memory");
        file.into_inner()
    }

    pub fn png(&self) -> Vec<u8> {
        self.encoded(ImageFormat::Png)
    }
}

/// xorshift64*: the same pictures in every run.
pub fn next_random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
}
