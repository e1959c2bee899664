//! A scanner on a serial line, or one that says it is one (USB CDC-ACM).

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
};

use rustix::{
    fs::OFlags,
    termios::{
        ControlModes, InputModes, OptionalActions, QueueSelector, Termios, ioctl_tiocexcl, tcflush,
        tcgetattr, tcsetattr,
    },
};

use super::{READ_BYTES, Source, lines::Lines};

#[derive(Debug)]
pub(super) struct Serial {
    file: File,
    lines: Lines,
}

impl Serial {
    /// Opens the line and sets it up: so many bits a second, eight data bits, no parity, one stop
    /// bit, no flow control, and every byte as it comes. What lies there from before is thrown away.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::InvalidInput`] for what is no serial line.
    pub(super) fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        let wrong = |what: &'static str| {
            move |error: rustix::io::Errno| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {error}"))
            }
        };
        let mut settings = tcgetattr(&file).map_err(wrong("it is no terminal"))?;
        make_plain(&mut settings);
        settings.set_speed(baud).map_err(wrong("its speed"))?;
        tcsetattr(&file, OptionalActions::Now, &settings).map_err(wrong("its settings"))?;
        // Two programs on one line would each get half of a code. Where that cannot be had, nobody
        // is worse off.
        let _ = ioctl_tiocexcl(&file);
        // A drop of what was scanned while nobody listened; fine if there was nothing.
        let _ = tcflush(&file, QueueSelector::IFlush);
        Ok(Self {
            file,
            lines: Lines::default(),
        })
    }
}

fn make_plain(settings: &mut Termios) {
    settings.make_raw();
    // A carriage return stays one, and XON and XOFF are bytes like others.
    settings.input_modes -= InputModes::IXON | InputModes::IXOFF | InputModes::IXANY;
    settings.control_modes -=
        ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CSIZE | ControlModes::CRTSCTS;
    settings.control_modes |= ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL;
}

impl AsFd for Serial {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Source for Serial {
    fn take(&mut self, texts: &mut Vec<String>) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        match self.file.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.lines.take(&bytes[..count], texts);
                Ok(())
            }
        }
    }

    fn over(&mut self) -> Option<String> {
        self.lines.over()
    }

    fn discard(&mut self) -> io::Result<()> {
        tcflush(&self.file, QueueSelector::IFlush)?;
        self.lines.over();
        Ok(())
    }
}
