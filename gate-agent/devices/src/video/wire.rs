//! The structures of `linux/videodev2.h` as 64-bit Linux lays them out. Names are ours; the field
//! order is the header's.

use rustix::ioctl::{Opcode, opcode};

pub(crate) const QUERYCAP: Opcode = opcode::read::<Capability>(b'V', 0);
pub(crate) const ENUM_FMT: Opcode = opcode::read_write::<FormatOffer>(b'V', 2);
pub(crate) const S_FMT: Opcode = opcode::read_write::<Format>(b'V', 5);
pub(crate) const REQBUFS: Opcode = opcode::read_write::<BuffersWanted>(b'V', 8);
pub(crate) const QUERYBUF: Opcode = opcode::read_write::<Buffer>(b'V', 9);
pub(crate) const QBUF: Opcode = opcode::read_write::<Buffer>(b'V', 15);
pub(crate) const DQBUF: Opcode = opcode::read_write::<Buffer>(b'V', 17);
pub(crate) const STREAMON: Opcode = opcode::write::<i32>(b'V', 18);
pub(crate) const STREAMOFF: Opcode = opcode::write::<i32>(b'V', 19);
pub(crate) const S_PARM: Opcode = opcode::read_write::<StreamParameters>(b'V', 22);
pub(crate) const G_CTRL: Opcode = opcode::read_write::<Control>(b'V', 27);
pub(crate) const S_CTRL: Opcode = opcode::read_write::<Control>(b'V', 28);
pub(crate) const QUERYCTRL: Opcode = opcode::read_write::<ControlQuery>(b'V', 36);
pub(crate) const ENUM_FRAMESIZES: Opcode = opcode::read_write::<SizeOffer>(b'V', 74);
pub(crate) const ENUM_FRAMEINTERVALS: Opcode = opcode::read_write::<IntervalOffer>(b'V', 75);

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
pub(crate) const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`.
pub(crate) const MEMORY_MMAP: u32 = 1;
/// `V4L2_FIELD_NONE`: whole pictures, not every second row.
pub(crate) const FIELD_NONE: u32 = 1;
/// `V4L2_FRMSIZE_TYPE_DISCRETE`, `V4L2_FRMIVAL_TYPE_DISCRETE`.
pub(crate) const DISCRETE: u32 = 1;

pub(crate) const CAP_VIDEO_CAPTURE: u32 = 0x0000_0001;
pub(crate) const CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
pub(crate) const CAP_TIMEPERFRAME: u32 = 0x0000_1000;
pub(crate) const CAP_STREAMING: u32 = 0x0400_0000;
pub(crate) const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
pub(crate) const BUF_FLAG_ERROR: u32 = 0x0000_0040;
pub(crate) const BUF_FLAG_TIMESTAMP_MASK: u32 = 0x0000_e000;
pub(crate) const BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x0000_2000;
pub(crate) const CTRL_FLAG_DISABLED: u32 = 0x0000_0001;
pub(crate) const CTRL_FLAG_READ_ONLY: u32 = 0x0000_0004;
pub(crate) const CTRL_FLAG_INACTIVE: u32 = 0x0000_0010;

/// `struct v4l2_capability`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capability {
    pub(crate) driver: [u8; 16],
    pub(crate) card: [u8; 32],
    pub(crate) bus: [u8; 32],
    pub(crate) version: u32,
    pub(crate) capabilities: u32,
    pub(crate) device_caps: u32,
    pub(crate) reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FormatOffer {
    pub(crate) index: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) description: [u8; 32],
    pub(crate) pixel_format: u32,
    pub(crate) mbus_code: u32,
    pub(crate) reserved: [u32; 3],
}

/// `struct v4l2_frmsizeenum`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SizeOffer {
    pub(crate) index: u32,
    pub(crate) pixel_format: u32,
    pub(crate) kind: u32,
    /// Width and height, or least, most and step of each.
    pub(crate) numbers: [u32; 6],
    pub(crate) reserved: [u32; 2],
}

/// A fraction, here always of seconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fraction {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

/// `struct v4l2_frmivalenum`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IntervalOffer {
    pub(crate) index: u32,
    pub(crate) pixel_format: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kind: u32,
    /// One, or shortest, longest and step.
    pub(crate) intervals: [Fraction; 3],
    pub(crate) reserved: [u32; 2],
}

/// `struct v4l2_format` with `v4l2_pix_format`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) kind: u32,
    padding: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixel_format: u32,
    pub(crate) field: u32,
    pub(crate) bytes_per_line: u32,
    pub(crate) size_image: u32,
    colours: [u32; 6],
    rest: [u8; 152],
}

impl Format {
    pub(crate) fn wanted(pixel_format: u32, width: u32, height: u32) -> Self {
        Self {
            kind: CAPTURE,
            padding: 0,
            width,
            height,
            pixel_format,
            field: FIELD_NONE,
            bytes_per_line: 0,
            size_image: 0,
            colours: [0; 6],
            rest: [0; 152],
        }
    }
}

/// `struct v4l2_requestbuffers`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BuffersWanted {
    pub(crate) count: u32,
    pub(crate) kind: u32,
    pub(crate) memory: u32,
    pub(crate) capabilities: u32,
    pub(crate) flags: u32,
}

/// `struct v4l2_buffer`, of memory kind MMAP and no other.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) index: u32,
    kind: u32,
    pub(crate) bytes_used: u32,
    pub(crate) flags: u32,
    field: u32,
    padding: u32,
    pub(crate) timestamp: [i64; 2],
    timecode: [u32; 4],
    pub(crate) sequence: u32,
    memory: u32,
    /// The union: an offset for `mmap` in its low half.
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) reserved: u32,
    request: u32,
    padding_end: u32,
}

impl Buffer {
    pub(crate) fn number(index: u32) -> Self {
        Self {
            index,
            kind: CAPTURE,
            bytes_used: 0,
            flags: 0,
            field: 0,
            padding: 0,
            timestamp: [0; 2],
            timecode: [0; 4],
            sequence: 0,
            memory: MEMORY_MMAP,
            offset: 0,
            length: 0,
            reserved: 0,
            request: 0,
            padding_end: 0,
        }
    }
}

/// `struct v4l2_streamparm` with `v4l2_captureparm`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamParameters {
    kind: u32,
    pub(crate) capability: u32,
    mode: u32,
    pub(crate) interval: Fraction,
    rest: [u32; 46],
}

impl StreamParameters {
    pub(crate) fn with_interval(interval: Fraction) -> Self {
        Self {
            kind: CAPTURE,
            capability: 0,
            mode: 0,
            interval,
            rest: [0; 46],
        }
    }
}

/// `struct v4l2_control`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) id: u32,
    pub(crate) value: i32,
}

/// `struct v4l2_queryctrl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ControlQuery {
    pub(crate) id: u32,
    pub(crate) kind: u32,
    pub(crate) name: [u8; 32],
    pub(crate) minimum: i32,
    pub(crate) maximum: i32,
    pub(crate) step: i32,
    pub(crate) default: i32,
    pub(crate) flags: u32,
    pub(crate) reserved: [u32; 2],
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// Sizes are in the numbers; all were printed by a C program from Linux 6.1's header, on
    /// x86-64 and on arm64 alike.
    #[test]
    fn numbers_and_layouts_are_those_of_the_kernels_header() {
        let numbers = [
            (QUERYCAP, 0x8068_5600),
            (ENUM_FMT, 0xc040_5602),
            (S_FMT, 0xc0d0_5605),
            (REQBUFS, 0xc014_5608),
            (QUERYBUF, 0xc058_5609),
            (QBUF, 0xc058_560f),
            (DQBUF, 0xc058_5611),
            (STREAMON, 0x4004_5612),
            (STREAMOFF, 0x4004_5613),
            (S_PARM, 0xc0cc_5616),
            (G_CTRL, 0xc008_561b),
            (S_CTRL, 0xc008_561c),
            (QUERYCTRL, 0xc044_5624),
            (ENUM_FRAMESIZES, 0xc02c_564a),
            (ENUM_FRAMEINTERVALS, 0xc034_564b),
        ];
        for (ours, header) in numbers {
            assert_eq!(ours, header, "{ours:#x} is not {header:#x}");
        }
        assert_eq!(offset_of!(Format, width), 8);
        assert_eq!(offset_of!(Format, rest), 56);
        assert_eq!(offset_of!(Buffer, timestamp), 24);
        assert_eq!(offset_of!(Buffer, sequence), 56);
        assert_eq!(offset_of!(Buffer, offset), 64);
        assert_eq!(offset_of!(Buffer, length), 72);
        assert_eq!(offset_of!(Buffer, request), 80);
        assert_eq!(offset_of!(StreamParameters, capability), 4);
        assert_eq!(offset_of!(SizeOffer, numbers), 12);
        assert_eq!(offset_of!(IntervalOffer, intervals), 20);
        assert_eq!(offset_of!(ControlQuery, flags), 56);
    }
}
