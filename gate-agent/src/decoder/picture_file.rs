//! Takes a picture file off the disk: never more than the limit, and never waiting on a pipe or a
//! device that stands in its place.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::frame::FILE_BYTES_MAX;

/// Why a file's bytes cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureFileError {
    /// The system refuses to open or read it.
    #[error("cannot read the file: {reason}")]
    Unreadable {
        /// The system's words.
        reason: String,
    },
    /// A folder, pipe, socket or device.
    #[error("not a regular file")]
    NotAFile,
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("the file is larger than the limit of {FILE_BYTES_MAX} bytes")]
    TooLarge,
}

/// The bytes of a picture file.
///
/// # Errors
/// [`PictureFileError`].
pub fn read_picture_file(path: &Path) -> Result<Vec<u8>, PictureFileError> {
    let unreadable = |error: std::io::Error| PictureFileError::Unreadable {
        reason: error.to_string(),
    };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(PictureFileError::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(PictureFileError::TooLarge);
    }
    Ok(bytes)
}
