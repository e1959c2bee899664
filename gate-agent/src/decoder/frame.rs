//! Unpacks picture files into grey frames. What a file is, is told by its content, never by its name.

use std::io::Cursor;

use code_finder::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, Frame, FrameError};
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

/// Largest picture file that is looked at. A 48-megapixel photograph saved as JPEG stays below 25 MiB.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most memory that unpacking one picture may take: [`FRAME_PIXELS_MAX`] in eight-bit RGBA.
const UNPACK_BYTES_MAX: u64 = FRAME_PIXELS_MAX * 4;

/// Why a picture file gives no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
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
    /// Unpacking it would take more memory than a picture may.
    #[error("unpacking the picture would take more than {UNPACK_BYTES_MAX} bytes of memory")]
    TooMuchMemory,
    /// The picture cannot be a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Unpacks a picture file: PNG, JPEG or WebP. Transparent pixels are laid on white paper.
/// Orientation notes in the file are not followed: a QR code reads the same from every side.
///
/// # Errors
/// [`PictureError`].
pub fn unpack_picture(file: &[u8]) -> Result<Frame, PictureError> {
    if file.is_empty() {
        return Err(PictureError::Empty);
    }
    if file.len() > FILE_BYTES_MAX {
        return Err(PictureError::FileTooLarge {
            bytes: file.len() as u64,
        });
    }
    let format = image::guess_format(file).map_err(|_| PictureError::UnknownFormat)?;
    let name = match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        _ => return Err(PictureError::UnknownFormat),
    };
    let damaged = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => PictureError::TooMuchMemory,
        other => PictureError::Damaged {
            format: name,
            reason: other.to_string(),
        },
    };
    let (width, height) = ImageReader::with_format(Cursor::new(file), format)
        .into_dimensions()
        .map_err(damaged)?;
    Frame::check_size(width, height)?;

    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(FRAME_SIDE_MAX);
    limits.max_image_height = Some(FRAME_SIDE_MAX);
    limits.max_alloc = Some(UNPACK_BYTES_MAX);
    reader.limits(limits);
    let picture = reader.decode().map_err(damaged)?;
    let (width, height) = (picture.width(), picture.height());
    Ok(Frame::new(width, height, grey_on_white(picture))?)
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
