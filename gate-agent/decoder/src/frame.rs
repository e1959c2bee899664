//! A grey picture in memory, and the ways to change it before codes are looked for.

/// Most pixels of a picture: above the sensors of today's phones in their usual mode, and 64 MB as a frame.
pub const FRAME_PIXELS_MAX: u64 = 64 * 1024 * 1024;

/// Longest side of a picture: what WebP (16,383) and JPEG (65,535) cannot exceed by much either.
pub const FRAME_SIDE_MAX: u32 = 65_535;

/// A picture in eight-bit grey, row by row from the top left, 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    luma: Vec<u8>,
}

/// Why there is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No width or no height.
    #[error("the frame is empty")]
    Empty,
    /// More pixels than [`FRAME_PIXELS_MAX`], or a longer side than [`FRAME_SIDE_MAX`].
    #[error(
        "{width}x{height} pixels are more than the limit of {FRAME_PIXELS_MAX} (side {FRAME_SIDE_MAX})"
    )]
    TooManyPixels {
        /// Claimed width.
        width: u32,
        /// Claimed height.
        height: u32,
    },
    /// The bytes are not width times height.
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
    /// [`FrameError`].
    pub fn new(width: u32, height: u32, luma: Vec<u8>) -> Result<Self, FrameError> {
        Self::check_size(width, height)?;
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

    /// Whether a frame can be of this size: for asking before memory is taken for it.
    ///
    /// # Errors
    /// [`FrameError::Empty`], [`FrameError::TooManyPixels`].
    pub fn check_size(width: u32, height: u32) -> Result<(), FrameError> {
        if width == 0 || height == 0 {
            return Err(FrameError::Empty);
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > FRAME_PIXELS_MAX || width.max(height) > FRAME_SIDE_MAX {
            return Err(FrameError::TooManyPixels { width, height });
        }
        Ok(())
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

    pub(crate) fn columns(&self) -> usize {
        self.width as usize
    }

    pub(crate) fn rows(&self) -> usize {
        self.height as usize
    }

    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.luma[y * self.columns()..(y + 1) * self.columns()]
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

    /// Half the width and height, each pixel the mean of four. `None` when nothing would be left.
    pub(crate) fn halved(&self) -> Option<Self> {
        let (width, height) = (self.width / 2, self.height / 2);
        if width == 0 || height == 0 {
            return None;
        }
        let mut luma = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height as usize {
            let (above, below) = (self.row(2 * y), self.row(2 * y + 1));
            luma.extend(
                above
                    .chunks_exact(2)
                    .zip(below.chunks_exact(2))
                    .map(|(above, below)| {
                        let sum = u16::from(above[0])
                            + u16::from(above[1])
                            + u16::from(below[0])
                            + u16::from(below[1]);
                        ((sum + 2) / 4) as u8
                    }),
            );
        }
        Some(Self {
            width,
            height,
            luma,
        })
    }

    /// Twice the width and height with straight lines between the pixels: for codes whose modules
    /// are hardly more than a pixel. `None` when that would be more than `pixels_max` pixels.
    pub(crate) fn doubled(&self, pixels_max: u64) -> Option<Self> {
        if u64::from(self.width) * u64::from(self.height) * 4 > pixels_max {
            return None;
        }
        let (width, height) = (self.columns(), self.rows());
        let mut wide = Vec::with_capacity(width * 2 * height);
        for y in 0..height {
            let row = self.row(y);
            for x in 0..width {
                let (left, here, right) = (
                    u16::from(row[x.saturating_sub(1)]),
                    u16::from(row[x]),
                    u16::from(row[(x + 1).min(width - 1)]),
                );
                wide.push(left + 3 * here);
                wide.push(3 * here + right);
            }
        }
        let mut luma = Vec::with_capacity(width * height * 4);
        let wide_row = |y: usize| &wide[y * 2 * width..(y + 1) * 2 * width];
        for y in 0..height {
            for other in [y.saturating_sub(1), (y + 1).min(height - 1)] {
                let pairs = wide_row(y).iter().zip(wide_row(other));
                luma.extend(pairs.map(|(&here, &other)| ((3 * here + other + 8) / 16) as u8));
            }
        }
        Some(Self {
            width: self.width * 2,
            height: self.height * 2,
            luma,
        })
    }

    /// Mean of three by three pixels: takes away noise and the moiré of screens.
    pub(crate) fn blurred(&self) -> Self {
        let (width, height) = (self.columns(), self.rows());
        if width < 3 {
            return self.clone();
        }
        let mut across = vec![0_u16; width * height];
        for (sums, row) in across
            .chunks_exact_mut(width)
            .zip(self.luma.chunks_exact(width))
        {
            for (sum, near) in sums[1..].iter_mut().zip(row.windows(3)) {
                *sum = u16::from(near[0]) + u16::from(near[1]) + u16::from(near[2]);
            }
            sums[0] = 2 * u16::from(row[0]) + u16::from(row[1]);
            sums[width - 1] = 2 * u16::from(row[width - 1]) + u16::from(row[width - 2]);
        }
        let row = |y: usize| &across[y * width..(y + 1) * width];
        let mut luma = Vec::with_capacity(width * height);
        for y in 0..height {
            let near = row(y.saturating_sub(1))
                .iter()
                .zip(row(y))
                .zip(row((y + 1).min(height - 1)));
            luma.extend(near.map(|((above, here), below)| ((above + here + below) / 9) as u8));
        }
        Self {
            luma,
            ..Self {
                width: self.width,
                height: self.height,
                luma: Vec::new(),
            }
        }
    }

    /// Brings back edges that a lens out of focus has smeared: away from the mean of the
    /// neighbourhood, twice as far.
    pub(crate) fn sharpened(&self) -> Self {
        let smooth = self.blurred().blurred();
        let luma = self
            .luma
            .iter()
            .zip(&smooth.luma)
            .map(|(&value, &mean)| (3 * i16::from(value) - 2 * i16::from(mean)).clamp(0, 255) as u8)
            .collect();
        Self {
            width: self.width,
            height: self.height,
            luma,
        }
    }

    /// The value between pixels, the last ones going on beyond the edges.
    pub(crate) fn value_at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x - 0.5, y - 0.5);
        let (width, height) = (self.columns(), self.rows());
        // A cast cuts as `floor` does where nothing is negative, and costs a tenth of it.
        let (column, row) = (x as usize, y as usize);
        if x >= 0.0 && y >= 0.0 && column + 1 < width && row + 1 < height {
            let place = row * width + column;
            let (above, below) = (
                &self.luma[place..place + 2],
                &self.luma[place + width..place + width + 2],
            );
            let pixels = [above[0], above[1], below[0], below[1]].map(f32::from);
            return between(pixels, x - column as f32, y - row as f32);
        }
        let (left, top) = (x.floor(), y.floor());
        let column = |x: f32| x.clamp(0.0, (width - 1) as f32) as usize;
        let row = |y: f32| y.clamp(0.0, (height - 1) as f32) as usize;
        let at = |x: f32, y: f32| f32::from(self.luma[row(y) * width + column(x)]);
        let pixels = [
            at(left, top),
            at(left + 1.0, top),
            at(left, top + 1.0),
            at(left + 1.0, top + 1.0),
        ];
        between(pixels, x - left, y - top)
    }
}

/// The value between four pixels, by the shares of the right and the lower ones.
fn between(pixels: [f32; 4], right: f32, lower: f32) -> f32 {
    let above = pixels[0] + (pixels[1] - pixels[0]) * right;
    let below = pixels[2] + (pixels[3] - pixels[2]) * right;
    above + (below - above) * lower
}

fn shrink_rows(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    let (old_width, old_height) = (frame.columns(), frame.rows());
    let (width, height) = (width as usize, height as usize);
    let edges: Vec<usize> = (0..=width).map(|x| x * old_width / width).collect();
    let mut luma = Vec::with_capacity(width * height);
    let mut sums = vec![0_u32; width];
    for y in 0..height {
        let rows = y * old_height / height..(y + 1) * old_height / height;
        sums.fill(0);
        for row in rows.clone() {
            let row = frame.row(row);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_needs_as_many_bytes_as_pixels() {
        assert!(Frame::new(2, 2, vec![0; 4]).is_ok());
        assert_eq!(
            Frame::new(2, 2, vec![0; 3]).unwrap_err(),
            FrameError::SizesDisagree {
                width: 2,
                height: 2,
                bytes: 3
            }
        );
        assert_eq!(Frame::new(0, 5, Vec::new()).unwrap_err(), FrameError::Empty);
        assert!(matches!(
            Frame::new(u32::MAX, u32::MAX, Vec::new()).unwrap_err(),
            FrameError::TooManyPixels { .. }
        ));
    }

    #[test]
    fn shrinking_takes_means_and_leaves_small_pictures_alone() {
        let frame = Frame::new(4, 2, vec![0, 100, 10, 10, 100, 200, 10, 10]).unwrap();
        assert_eq!(frame.shrunk_to(4), None);
        let half = frame.shrunk_to(2).unwrap();
        assert_eq!(
            (half.width(), half.height(), half.luma()),
            (2, 1, &[100, 10][..])
        );
        let line = Frame::new(5_000, 1, vec![7; 5_000])
            .unwrap()
            .shrunk_to(1_280)
            .unwrap();
        assert_eq!((line.width(), line.height()), (1_280, 1));
        assert!(line.luma().iter().all(|&value| value == 7));
    }
}
