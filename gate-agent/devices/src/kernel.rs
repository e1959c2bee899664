//! Every `unsafe` of the gate's program: `ioctl` with its typed arguments, the mapping of a camera's
//! buffers, and what runs in a child between fork and exec. Each is wrapped so that what calls it
//! cannot misuse it.
#![expect(
    unsafe_code,
    reason = "the kernel's device interfaces have no safe face; see each block"
)]

use std::{
    ffi::c_void,
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::CommandExt as _,
    },
    process::Command,
    ptr::NonNull,
};

use rustix::{
    ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl},
    mm::{MapFlags, ProtFlags, mmap, munmap},
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
};

use crate::video::wire;

/// A structure that the kernel reads and writes whole: `repr(C)`, valid for every pattern of bits,
/// and without pointers that the kernel follows.
///
/// # Safety
/// The implementation promises just that.
pub(crate) unsafe trait Wire {}

// SAFETY: integers and arrays of them in the layout of `linux/videodev2.h`, whose sizes the tests of
// `wire` compare with the header's. `Buffer` is only ever of memory kind MMAP, whose union holds an
// offset and no address.
unsafe impl Wire for wire::Capability {}
// SAFETY: as above.
unsafe impl Wire for wire::FormatOffer {}
// SAFETY: as above.
unsafe impl Wire for wire::SizeOffer {}
// SAFETY: as above.
unsafe impl Wire for wire::IntervalOffer {}
// SAFETY: as above.
unsafe impl Wire for wire::Format {}
// SAFETY: as above.
unsafe impl Wire for wire::BuffersWanted {}
// SAFETY: as above.
unsafe impl Wire for wire::Buffer {}
// SAFETY: as above.
unsafe impl Wire for wire::StreamParameters {}
// SAFETY: as above.
unsafe impl Wire for wire::Control {}
// SAFETY: as above.
unsafe impl Wire for wire::ControlQuery {}
// SAFETY: plain bytes.
unsafe impl<const LENGTH: usize> Wire for [u8; LENGTH] {}

/// An `ioctl` that reads and writes a structure. A call that a signal interrupts is made again.
pub(crate) fn update<const OPCODE: Opcode, T: Wire>(
    device: &impl AsFd,
    value: &mut T,
) -> io::Result<()> {
    const { assert!(size_named_by(OPCODE) == size_of::<T>()) };
    loop {
        // SAFETY: the number names a structure of exactly this size, and `T` is what the kernel
        // expects there by the promise of `Wire`; the reference lives as long as the call.
        let done = unsafe { ioctl(device, Updater::<OPCODE, T>::new(value)) };
        match done {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// An `ioctl` that hands over a pointer to a number.
pub(crate) fn set_int<const OPCODE: Opcode>(device: &impl AsFd, value: i32) -> io::Result<()> {
    const { assert!(size_named_by(OPCODE) == size_of::<i32>()) };
    // SAFETY: the number says that the kernel reads an `int` behind the pointer.
    Ok(unsafe { ioctl(device, Setter::<OPCODE, i32>::new(value)) }?)
}

/// An `ioctl` whose argument is the number itself.
pub(crate) fn set_bare<const OPCODE: Opcode>(device: &impl AsFd, value: usize) -> io::Result<()> {
    // SAFETY: the kernel takes no pointer for the numbers that are called here (`EVIOCGRAB`).
    Ok(unsafe { ioctl(device, IntegerSetter::<OPCODE>::new_usize(value)) }?)
}

/// The size in the number of an `ioctl`: 14 bits from bit 16 on, on the architectures we build for.
const fn size_named_by(opcode: Opcode) -> usize {
    ((opcode >> 16) & 0x3fff) as usize
}

/// A stretch of a device's memory, readable.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and `Mapping` gives its bytes out by
// shared reference alone.
unsafe impl Send for Mapping {}

impl Mapping {
    pub(crate) fn new(device: BorrowedFd<'_>, length: usize, offset: u64) -> io::Result<Self> {
        if length == 0 {
            return Err(io::Error::other("the device offers a buffer of no bytes"));
        }
        // SAFETY: the kernel chooses a free address; nothing else is mapped over.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::SHARED,
                device,
                offset,
            )
        }?;
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("a mapping at zero"))?;
        Ok(Self { start, length })
    }

    /// The bytes. Only to be looked at between taking the buffer from the device and giving it
    /// back, when the kernel promises that nobody writes it; bytes that changed all the same would
    /// be a torn picture.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped readable for `length` bytes until `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped once, and no reference outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.length) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// Has the child killed when the *thread* that starts it ends.
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let confine = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::other("the parent has ended"))
        }
    };
    // SAFETY: between fork and exec only two system calls are made, and nothing is allocated unless
    // the child is about to fail.
    unsafe { command.pre_exec(confine) };
}
