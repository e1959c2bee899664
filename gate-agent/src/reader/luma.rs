//! The grey plane of a raw picture; colours are thrown away.

use crate::decoder::Frame;

/// How the grey pixels of a raw picture lie in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plane {
    /// Pixels of a row.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
    /// Bytes from the beginning of one row to the next.
    pub(super) stride: u32,
    /// Bytes from one pixel to the next.
    pub(super) spacing: Spacing,
}

/// Where a row's grey pixels lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// One behind the other: GREY, and the first plane of NV12 and YUV 4:2:0.
    EveryByte,
    /// With colour in between: YUYV.
    EverySecondByte,
}

impl Plane {
    /// The frame, or `None` when the bytes are not enough. The last row needs no padding.
    pub(super) fn frame(&self, bytes: &[u8]) -> Option<Frame> {
        let (width, height) = (self.width as usize, self.height as usize);
        let row_bytes = match self.spacing {
            Spacing::EveryByte => width,
            Spacing::EverySecondByte => 2 * width,
        };
        let stride = (self.stride as usize).max(row_bytes);
        let mut luma = Vec::with_capacity(width * height);
        for row in 0..height {
            let row = bytes.get(row * stride..)?.get(..row_bytes)?;
            match self.spacing {
                Spacing::EveryByte => luma.extend_from_slice(row),
                Spacing::EverySecondByte => luma.extend(row.chunks_exact(2).map(|pair| pair[0])),
            }
        }
        Frame::new(self.width, self.height, luma).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(stride: u32, spacing: Spacing) -> Plane {
        Plane {
            width: 3,
            height: 2,
            stride,
            spacing,
        }
    }

    #[test]
    fn rows_are_taken_without_their_padding() {
        let bytes = [1, 2, 3, 99, 4, 5, 6, 99, 128, 128];
        let frame = plane(4, Spacing::EveryByte).frame(&bytes).unwrap();
        assert_eq!(frame.luma(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((frame.width(), frame.height()), (3, 2));
        // A driver that leaves the padding of the last row away has sent a whole picture.
        let frame = plane(4, Spacing::EveryByte).frame(&bytes[..7]).unwrap();
        assert_eq!(frame.luma(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn colour_in_between_is_left_out() {
        let bytes = [1, 90, 2, 91, 3, 92, 99, 99, 4, 93, 5, 94, 6, 95, 99, 99];
        let frame = plane(8, Spacing::EverySecondByte).frame(&bytes).unwrap();
        assert_eq!(frame.luma(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_picture_that_is_cut_is_none() {
        assert_eq!(plane(3, Spacing::EveryByte).frame(&[0; 5]), None);
        assert_eq!(plane(6, Spacing::EverySecondByte).frame(&[0; 11]), None);
        assert_eq!(plane(3, Spacing::EveryByte).frame(&[]), None);
    }

    #[test]
    fn a_stride_that_cannot_be_is_taken_for_none() {
        // Some drivers say zero where rows are not padded.
        let frame = plane(0, Spacing::EveryByte).frame(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(frame.unwrap().luma(), [1, 2, 3, 4, 5, 6]);
    }
}
