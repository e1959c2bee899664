//! A grey picture in memory, and the unpacking of picture files into one.
//! What a file is, is told by its content, never by its name.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

/// Largest picture file that is looked at. A 48-megapixel photograph saved as JPEG stays below 25 MiB.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most pixels of a picture: above the sensors of today's phones in their usual mode, and 64 MB as a frame.
pub const FRAME_PIXELS_MAX: u64 = 64 * 1024 * 1024;

/// Longest side of a picture: what WebP (16,383) and JPEG (65,535) cannot exceed by much either.
pub const FRAME_SIDE_MAX: u32 = 65_535;

/// Most memory that unpacking one picture may take: [`FRAME_PIXELS_MAX`] in eight-bit RGBA.
const UNPACK_BYTES_MAX: u64 = FRAME_PIXELS_MAX * 4;

/// A picture in eight-bit grey, row by row from the top left, 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    luma: Vec<u8>,
}

/// Why there is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The file holds nothing at all.
    #[error("the file is empty")]
    Empty,
    /// The bytes do not begin like a PNG, JPEG or WebP file.
    #[error("not a PNG, JPEG or WebP picture")]
    UnknownFormat,
    /// Begins like a picture, but cannot be unpacked.
    #[error("damaged {format} picture: {reason}")]
    Damaged {
        /// What the first bytes say it is.
        format: &'static str,
        /// The unpacker's own words.
        reason: String,
    },
    /// The file is larger than [`FILE_BYTES_MAX`].
    #[error("the file has {bytes} bytes, the limit is {FILE_BYTES_MAX}")]
    FileTooLarge {
        /// Size of the file.
        bytes: u64,
    },
    /// More pixels than [`FRAME_PIXELS_MAX`], or a longer side than [`FRAME_SIDE_MAX`].
    #[error(
        "{width}x{height} pixels are more than the limit of {FRAME_PIXELS_MAX} (side {FRAME_SIDE_MAX})"
    )]
    TooManyPixels {
        /// Width that the file claims.
        width: u32,
        /// Height that the file claims.
        height: u32,
    },
    /// Unpacking it would take more memory than a picture may.
    #[error("unpacking the picture would take more than {UNPACK_BYTES_MAX} bytes of memory")]
    TooMuchMemory,
    /// A raw frame whose bytes are not width times height.
    #[error("a frame of {width}x{height} pixels cannot have {bytes} bytes")]
    SizesDisagree {
        /// Claimed width.
        width: u32,
        /// Claimed height.
        height: u32,
        /// Bytes that came.
        bytes: usize,
    },
}

impl Frame {
    /// A frame of `width` times `height` pixels, neither of them zero.
    ///
    /// # Errors
    /// [`FrameError::SizesDisagree`], [`FrameError::TooManyPixels`], [`FrameError::Empty`].
    pub fn new(width: u32, height: u32, luma: Vec<u8>) -> Result<Self, FrameError> {
        check_size(width, height)?;
        if luma.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(FrameError::SizesDisagree {
                width,
                height,
                bytes: luma.len(),
            });
        }
        Ok(Self {
            width,
            height,
            luma,
        })
    }

    /// Unpacks a picture file: PNG, JPEG or WebP. Transparent pixels are laid on white paper.
    /// Orientation notes in the file are not followed: a QR code reads the same from every side.
    ///
    /// # Errors
    /// Every [`FrameError`] but [`FrameError::SizesDisagree`].
    pub fn unpack(file: &[u8]) -> Result<Self, FrameError> {
        if file.is_empty() {
            return Err(FrameError::Empty);
        }
        if file.len() > FILE_BYTES_MAX {
            return Err(FrameError::FileTooLarge {
                bytes: file.len() as u64,
            });
        }
        let format = image::guess_format(file).map_err(|_| FrameError::UnknownFormat)?;
        let name = match format {
            ImageFormat::Png => "PNG",
            ImageFormat::Jpeg => "JPEG",
            ImageFormat::WebP => "WebP",
            _ => return Err(FrameError::UnknownFormat),
        };
        let damaged = |error: image::ImageError| match error {
            image::ImageError::Limits(_) => FrameError::TooMuchMemory,
            other => FrameError::Damaged {
                format: name,
                reason: other.to_string(),
            },
        };
        let (width, height) = ImageReader::with_format(Cursor::new(file), format)
            .into_dimensions()
            .map_err(damaged)?;
        check_size(width, height)?;

        let mut reader = ImageReader::with_format(Cursor::new(file), format);
        let mut limits = Limits::default();
        limits.max_image_width = Some(FRAME_SIDE_MAX);
        limits.max_image_height = Some(FRAME_SIDE_MAX);
        limits.max_alloc = Some(UNPACK_BYTES_MAX);
        reader.limits(limits);
        let picture = reader.decode().map_err(damaged)?;
        let (width, height) = (picture.width(), picture.height());
        Self::new(width, height, grey_on_white(picture))
    }

    /// Width in pixels, at least one.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least one.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, `width` times `height` of them.
    #[must_use]
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// The same size with other pixels, made row by row from these.
    ///
    /// # Panics
    /// When `luma` has another length than [`Frame::luma`].
    #[must_use]
    pub(crate) fn with_luma(&self, luma: Vec<u8>) -> Self {
        assert_eq!(luma.len(), self.luma.len(), "a filter keeps the size");
        Self {
            width: self.width,
            height: self.height,
            luma,
        }
    }

    /// The picture with at most `side_max` pixels on its longest side, each the mean of those it
    /// stands for. `None` when it has no more already.
    #[must_use]
    pub fn shrunk_to(&self, side_max: u32) -> Option<Self> {
        let side = self.width.max(self.height);
        if side <= side_max {
            return None;
        }
        let scaled = |length: u32| {
            let length = u64::from(length) * u64::from(side_max) / u64::from(side);
            u32::try_from(length).expect("shorter than before").max(1)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        Some(Self {
            width,
            height,
            luma: shrink_rows(self, width, height),
        })
    }
}

fn check_size(width: u32, height: u32) -> Result<(), FrameError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty);
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > FRAME_PIXELS_MAX || width.max(height) > FRAME_SIDE_MAX {
        return Err(FrameError::TooManyPixels { width, height });
    }
    Ok(())
}

fn shrink_rows(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    let (old_width, old_height) = (frame.width as usize, frame.height as usize);
    let (width, height) = (width as usize, height as usize);
    let edges: Vec<usize> = (0..=width).map(|x| x * old_width / width).collect();
    let mut luma = Vec::with_capacity(width * height);
    let mut sums = vec![0_u32; width];
    for y in 0..height {
        let rows = y * old_height / height..(y + 1) * old_height / height;
        sums.fill(0);
        for row in rows.clone() {
            let row = &frame.luma[row * old_width..(row + 1) * old_width];
            for (sum, edge) in sums.iter_mut().zip(edges.windows(2)) {
                *sum += row[edge[0]..edge[1]]
                    .iter()
                    .map(|&v| u32::from(v))
                    .sum::<u32>();
            }
        }
        luma.extend(sums.iter().zip(edges.windows(2)).map(|(sum, edge)| {
            let pixels = (rows.len() * (edge[1] - edge[0])) as u32;
            u8::try_from(sum / pixels.max(1)).expect("a mean of bytes is a byte")
        }));
    }
    luma
}

/// Weights of ITU-R BT.709 in 1/10,000, those of the `image` crate.
fn grey(red: u8, green: u8, blue: u8) -> u32 {
    (2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue)) / 10_000
}

fn on_white(grey: u32, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).expect("between two bytes")
}

fn grey_on_white(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_luma8().into_raw();
    }
    match picture {
        DynamicImage::ImageLumaA8(picture) => picture
            .pixels()
            .map(|pixel| on_white(u32::from(pixel[0]), pixel[1]))
            .collect(),
        other => other
            .into_rgba8()
            .pixels()
            .map(|pixel| on_white(grey(pixel[0], pixel[1], pixel[2]), pixel[3]))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
