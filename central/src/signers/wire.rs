//! Frames between the server and a signer: a length of four bytes, then CBOR. Both ends are of
//! one build, so the messages carry no version.

use std::io::{self, ErrorKind, Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longest frame: a status list or roster of 10 MiB, with what is around it.
pub const FRAME_LEN_MAX: usize = 11 << 20;

/// What a signer sends once it is ready for requests.
pub const READY: &[u8] = b"ready";

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("a frame of {length} bytes; at most {FRAME_LEN_MAX} are allowed"),
    )
}

fn head(frame: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(frame.len())
        .ok()
        .filter(|_| frame.len() <= FRAME_LEN_MAX)
        .map(u32::to_be_bytes)
        .ok_or_else(|| too_long(frame.len()))
}

fn length(head: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_LEN_MAX {
        return Err(too_long(length));
    }
    Ok(length)
}

/// Writes a frame.
///
/// # Errors
/// When it is too long, or the other side is gone.
pub fn write(stream: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    stream.write_all(&head(frame)?)?;
    stream.write_all(frame)?;
    stream.flush()
}

/// Reads a frame; `None` when the other side is gone.
///
/// # Errors
/// When it is too long or breaks off.
pub fn read(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut frame = vec![0; length(head)?];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// [`write()`], for the server's side.
///
/// # Errors
/// As [`write()`].
pub async fn write_async(
    stream: &mut (impl AsyncWriteExt + Unpin),
    frame: &[u8],
) -> io::Result<()> {
    stream.write_all(&head(frame)?).await?;
    stream.write_all(frame).await?;
    stream.flush().await
}

/// [`read`], for the server's side; the other side's end is an error here.
///
/// # Errors
/// As [`read`].
pub async fn read_async(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let mut frame = vec![0; length(head)?];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_the_end_is_no_frame() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"").unwrap();
        write(&mut bytes, b"abc").unwrap();
        let mut stream = &bytes[..];
        assert_eq!(read(&mut stream).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read(&mut stream).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&mut stream).unwrap(), None);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
        let error = read(&mut &[0xff; 4][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(write(&mut Vec::new(), &vec![0; FRAME_LEN_MAX + 1]).is_err());
    }
}
