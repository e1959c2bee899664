//! Input devices (`linux/input.h`): taking one for oneself, its name, and its events as bytes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
};

use rustix::{
    fs::OFlags,
    ioctl::{Opcode, opcode},
};

use crate::kernel::{set_bare, update};

/// Bytes of one event: two 64-bit numbers of time, type, code, value.
pub const EVENT_BYTES: usize = 24;

const NAME_BYTES: usize = 256;
const KINDS_BYTES: usize = 8;
const EVIOCGRAB: Opcode = opcode::write::<i32>(b'E', 0x90);
const EVIOCGNAME: Opcode = opcode::read::<[u8; NAME_BYTES]>(b'E', 0x06);
const EVIOCGBIT_KINDS: Opcode = opcode::read::<[u8; KINDS_BYTES]>(b'E', 0x20);

/// The type of key events.
const EV_KEY: u16 = 1;
/// The type of events about the events.
const EV_SYN: u16 = 0;
/// Events were lost: the kernel's buffer was full.
const SYN_DROPPED: u16 = 3;

/// What an event says, as far as a keyboard is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key went down. The code is one of `linux/input-event-codes.h`.
    Pressed(u16),
    /// A key came up.
    Released(u16),
    /// The kernel had to drop events: what was being typed is not whole.
    Lost,
    /// Anything else, repeats of a held key among it.
    Other,
}

impl Event {
    /// Reads a `struct input_event` of 64-bit Linux.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; EVENT_BYTES]) -> Self {
        let kind = u16::from_ne_bytes([bytes[16], bytes[17]]);
        let code = u16::from_ne_bytes([bytes[18], bytes[19]]);
        let value = i32::from_ne_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
        match (kind, code, value) {
            (EV_KEY, code, 1) => Self::Pressed(code),
            (EV_KEY, code, 0) => Self::Released(code),
            (EV_SYN, SYN_DROPPED, _) => Self::Lost,
            _ => Self::Other,
        }
    }
}

/// An input device that nobody else gets events from.
#[derive(Debug)]
pub struct Grabbed {
    file: File,
}

impl Grabbed {
    /// Opens the device and takes it for this program alone: from here on nothing that it types
    /// reaches a console or a window. Reading does not wait.
    ///
    /// # Errors
    /// The system's: no such device, no permission, `EBUSY` when another program has grabbed it,
    /// `ENOTTY` when it is no input device; [`io::ErrorKind::InvalidInput`] when it has no keys.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let mut kinds = [0; KINDS_BYTES];
        update::<EVIOCGBIT_KINDS, _>(&file, &mut kinds)?;
        if kinds[0] & (1 << EV_KEY) == 0 {
            let reason = "this input device has no keys";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        set_bare::<EVIOCGRAB>(&file, 1)?;
        Ok(Self { file })
    }

    /// What the device calls itself.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = [0; NAME_BYTES];
        match update::<EVIOCGNAME, _>(&self.file, &mut name) {
            Ok(()) => text_of(&name),
            Err(_) => "without a name".to_owned(),
        }
    }

    /// Reads events that are there, whole ones only.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there are none; `ENODEV` when it was unplugged.
    pub fn read(&self, events: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(events)
    }
}

impl AsFd for Grabbed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Grabbed {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The text up to the first zero.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_kernels_header() {
        assert_eq!(EVIOCGRAB, 0x4004_4590);
        assert_eq!(EVIOCGNAME, 0x8100_4506);
        assert_eq!(EVIOCGBIT_KINDS, 0x8008_4520);
    }

    #[test]
    fn an_event_is_read_where_the_kernel_puts_it() {
        // As written by a scanner on a 64-bit kernel: time, EV_KEY, KEY_A (30), pressed.
        let mut bytes = [0; EVENT_BYTES];
        bytes[..16].copy_from_slice(&[0xaa; 16]);
        bytes[16..].copy_from_slice(&[1, 0, 30, 0, 1, 0, 0, 0]);
        assert_eq!(Event::from_bytes(&bytes), Event::Pressed(30));
        bytes[20] = 0;
        assert_eq!(Event::from_bytes(&bytes), Event::Released(30));
        bytes[20] = 2;
        assert_eq!(Event::from_bytes(&bytes), Event::Other);
        bytes[16..].copy_from_slice(&[0, 0, 3, 0, 0, 0, 0, 0]);
        assert_eq!(Event::from_bytes(&bytes), Event::Lost);
    }

    #[test]
    fn what_is_no_input_device_is_not_taken_for_one() {
        let error = Grabbed::open(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(25), "ENOTTY: {error}");
        let error = Grabbed::open(Path::new("/dev/input/none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
