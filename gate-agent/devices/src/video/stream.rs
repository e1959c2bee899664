//! A camera's pictures while it takes them: buffers that the device fills and we give back.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    Camera, OFFERS_MAX,
    wire::{self, Buffer, BuffersWanted, CAPTURE, MEMORY_MMAP},
};
use crate::kernel::{Mapping, set_int, update};

impl Camera {
    /// Starts the stream with so many buffers, or as many as the device wants.
    ///
    /// # Errors
    /// `EBUSY` when another program takes its pictures; the system's.
    pub fn start(self, buffers: u32) -> io::Result<Stream> {
        let mut wanted = BuffersWanted {
            count: buffers,
            kind: CAPTURE,
            memory: MEMORY_MMAP,
            ..BuffersWanted::default()
        };
        update::<{ wire::REQBUFS }, _>(&self.file, &mut wanted)?;
        if wanted.count == 0 {
            return Err(io::Error::other("the device gives no buffers"));
        }
        let mut stream = Stream {
            mappings: Vec::new(),
            camera: self,
        };
        for index in 0..wanted.count.min(OFFERS_MAX) {
            let mut buffer = Buffer::number(index);
            update::<{ wire::QUERYBUF }, _>(&stream.camera.file, &mut buffer)?;
            // The kernel's offset is 32 bits; the union's other half is not its.
            let offset = buffer.offset & u64::from(u32::MAX);
            let length = buffer.length as usize;
            let mapping = Mapping::new(stream.camera.file.as_fd(), length, offset)?;
            stream.mappings.push(mapping);
            stream.give_back(index)?;
        }
        set_int::<{ wire::STREAMON }>(&stream.camera.file, CAPTURE.cast_signed())?;
        Ok(stream)
    }
}

/// A camera that takes pictures. Stops when dropped.
#[derive(Debug)]
pub struct Stream {
    /// Unmapped before the device is closed.
    mappings: Vec<Mapping>,
    camera: Camera,
}

/// What came of a look for pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked<R> {
    /// What became of the newest picture; `None` when there is none yet.
    pub newest: Option<R>,
    /// Older pictures that nobody looked at.
    pub passed_over: u64,
    /// Pictures that the device itself calls damaged.
    pub damaged: u64,
}

/// When a picture was taken, by the device's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAt {
    /// Microseconds of the clock `CLOCK_MONOTONIC`, which stands while the machine sleeps.
    MonotonicUs(u64),
    /// The device has another clock, or none.
    Unknown,
}

impl Stream {
    /// Waits until there is a picture, or the time is up.
    ///
    /// # Errors
    /// `ENODEV` when the device is gone, `EIO` when it has stopped; the system's.
    pub fn wait(&self, longest: Duration) -> io::Result<()> {
        let mut devices = [PollFd::new(&self.camera.file, PollFlags::IN)];
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        match poll(&mut devices, Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let came = devices[0].revents();
        if came.contains(PollFlags::HUP) {
            Err(Errno::NODEV.into())
        } else if came.contains(PollFlags::ERR) && !came.contains(PollFlags::IN) {
            Err(Errno::IO.into())
        } else {
            Ok(())
        }
    }

    /// Hands the newest picture to `look`, its bytes as the device wrote them and its time, and gives
    /// every buffer back.
    ///
    /// # Errors
    /// `ENODEV` when the device is gone; the system's.
    pub fn look<R>(&self, look: impl FnOnce(&[u8], TakenAt) -> R) -> io::Result<Looked<R>> {
        let mut looked = Looked {
            newest: None,
            passed_over: 0,
            damaged: 0,
        };
        let mut newest: Option<Buffer> = None;
        // No more than there are: a device that is faster than this loop must not keep it.
        for _ in 0..self.mappings.len() {
            let Some(buffer) = self.take()? else { break };
            if buffer.flags & wire::BUF_FLAG_ERROR != 0 {
                looked.damaged += 1;
                self.give_back(buffer.index)?;
                continue;
            }
            if let Some(older) = newest.replace(buffer) {
                looked.passed_over += 1;
                self.give_back(older.index)?;
            }
        }
        let Some(buffer) = newest else {
            return Ok(looked);
        };
        let mapping = self.mapping(buffer.index)?;
        let used = (buffer.bytes_used as usize).min(mapping.bytes().len());
        looked.newest = Some(look(&mapping.bytes()[..used], taken_at(&buffer)));
        self.give_back(buffer.index)?;
        Ok(looked)
    }

    fn mapping(&self, index: u32) -> io::Result<&Mapping> {
        self.mappings
            .get(index as usize)
            .ok_or_else(|| io::Error::other("the device filled a buffer that it does not have"))
    }

    fn take(&self) -> io::Result<Option<Buffer>> {
        let mut buffer = Buffer::number(0);
        match update::<{ wire::DQBUF }, _>(&self.camera.file, &mut buffer) {
            Ok(()) => Ok(Some(buffer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn give_back(&self, index: u32) -> io::Result<()> {
        update::<{ wire::QBUF }, _>(&self.camera.file, &mut Buffer::number(index))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.camera.file.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that is gone has stopped by itself.
        let _ = set_int::<{ wire::STREAMOFF }>(&self.camera.file, CAPTURE.cast_signed());
    }
}

fn taken_at(buffer: &Buffer) -> TakenAt {
    let clock = buffer.flags & wire::BUF_FLAG_TIMESTAMP_MASK;
    let [seconds, micros] = buffer.timestamp.map(u64::try_from);
    match (clock, seconds, micros) {
        (wire::BUF_FLAG_TIMESTAMP_MONOTONIC, Ok(seconds), Ok(micros)) if seconds + micros > 0 => {
            TakenAt::MonotonicUs(seconds.saturating_mul(1_000_000).saturating_add(micros))
        }
        _ => TakenAt::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_dated_by_the_clock_that_its_flags_name() {
        let mut buffer = Buffer::number(0);
        buffer.timestamp = [12, 345_678];
        buffer.flags = wire::BUF_FLAG_TIMESTAMP_MONOTONIC;
        assert_eq!(taken_at(&buffer), TakenAt::MonotonicUs(12_345_678));
        // Copied from the far end of a loop, or of a clock that is not said.
        buffer.flags = 0x4000;
        assert_eq!(taken_at(&buffer), TakenAt::Unknown);
        buffer.flags = 0;
        assert_eq!(taken_at(&buffer), TakenAt::Unknown);
        buffer.flags = wire::BUF_FLAG_TIMESTAMP_MONOTONIC;
        buffer.timestamp = [-1, 0];
        assert_eq!(taken_at(&buffer), TakenAt::Unknown);
    }
}
