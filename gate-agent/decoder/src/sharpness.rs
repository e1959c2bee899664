//! How sharp a frame is: for whoever turns the lens of a camera and sees no picture.

use crate::frame::Frame;

/// Pixels apart at which an edge counts as wide.
const WIDE: usize = 4;

/// Two pixels that far apart that differ by less are a plain surface and its noise.
const EDGE_MIN: i32 = 22;

/// Nor are they an edge when they differ by less than this share of what the strongest edge does: how
/// much of an edge counts must not hang on the contrast.
const EDGE_SHARE_MIN: (i32, i32) = (2, 5);

/// With fewer edges nothing can be said: a wall, a lens cap.
const EDGES_MIN: u32 = 200;

/// Share of the wide differences' energy that lies between neighbours, in a sharp edge (one of
/// [`WIDE`] differences holds all of the step) and in one that rises evenly over many pixels.
const SHARP: f64 = 1.0 / WIDE as f64;
const BLURRED: f64 = 1.0 / (WIDE * WIDE) as f64;

struct Energy {
    edge_min: i32,
    edges: u32,
    between_neighbours: u64,
    wide: u64,
}

impl Frame {
    /// How sharp the frame's edges are, from 0 (each takes many pixels) to 100 (each lies between
    /// two); `None` where there are too few to tell. Neither contrast nor brightness matters. Noise
    /// counts as sharp, so that only figures of like light compare.
    #[must_use]
    pub fn sharpness(&self) -> Option<u8> {
        let mut strongest = 0;
        self.each_line(|pixels| strongest = strongest.max(wide_difference(pixels).abs()));
        let mut energy = Energy {
            edge_min: EDGE_MIN.max(strongest * EDGE_SHARE_MIN.0 / EDGE_SHARE_MIN.1),
            edges: 0,
            between_neighbours: 0,
            wide: 0,
        };
        self.each_line(|pixels| energy.add(pixels));
        energy.sharpness()
    }

    /// Five pixels each, across and down.
    fn each_line(&self, mut look: impl FnMut([u8; WIDE + 1])) {
        // Every other row and column: a hundred thousand places are plenty.
        for y in (0..self.rows()).step_by(2) {
            let row = self.row(y);
            for pixels in row.windows(WIDE + 1).step_by(2) {
                look([pixels[0], pixels[1], pixels[2], pixels[3], pixels[4]]);
            }
        }
        for y in (0..self.rows().saturating_sub(WIDE)).step_by(2) {
            let rows: [&[u8]; WIDE + 1] = std::array::from_fn(|at| self.row(y + at));
            for x in (0..self.columns()).step_by(2) {
                look(rows.map(|row| row[x]));
            }
        }
    }
}

impl Energy {
    /// Five pixels in a line.
    fn add(&mut self, pixels: [u8; WIDE + 1]) {
        let wide = wide_difference(pixels);
        if wide.abs() < self.edge_min {
            return;
        }
        self.edges += 1;
        self.wide += u64::from(wide.unsigned_abs().pow(2));
        let steps = pixels
            .windows(2)
            .map(|pair| u32::from(pair[0].abs_diff(pair[1])).pow(2));
        // One of the four differences, on average: each is met at four places.
        self.between_neighbours += steps.map(u64::from).sum::<u64>() / WIDE as u64;
    }

    fn sharpness(&self) -> Option<u8> {
        if self.edges < EDGES_MIN {
            return None;
        }
        let share = self.between_neighbours as f64 / self.wide as f64;
        let percent = (share - BLURRED) / (SHARP - BLURRED) * 100.0;
        Some(percent.clamp(0.0, 100.0).round() as u8)
    }
}

fn wide_difference(pixels: [u8; WIDE + 1]) -> i32 {
    i32::from(pixels[WIDE]) - i32::from(pixels[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes of 16 pixels, each edge of which rises evenly over `width` pixels.
    fn stripes(width: usize, dark: f64, light: f64) -> Frame {
        let value = |x: usize| {
            let at = x % 32;
            let (from_edge, is_rising) = (at % 16, at < 16);
            let risen = ((from_edge + 1) as f64 / width as f64).min(1.0);
            let share = if is_rising { risen } else { 1.0 - risen };
            (dark + (light - dark) * share).round() as u8
        };
        let row: Vec<u8> = (0..320).map(value).collect();
        Frame::new(320, 240, row.repeat(240)).unwrap()
    }

    #[test]
    fn the_wider_the_edges_the_smaller_the_figure_whatever_the_contrast() {
        let figures: Vec<u8> = [1, 2, 3, 5, 9]
            .map(|width| stripes(width, 20.0, 230.0).sharpness().unwrap())
            .to_vec();
        assert_eq!(figures[0], 100);
        assert!(figures.is_sorted_by(|a, b| a > b), "{figures:?}");
        assert!(figures[4] < 5, "{figures:?}");
        for width in [1, 2, 3] {
            let faint = stripes(width, 90.0, 150.0).sharpness().unwrap();
            let strong = stripes(width, 20.0, 230.0).sharpness().unwrap();
            assert!(faint.abs_diff(strong) <= 2, "{width}: {faint} {strong}");
        }
    }

    #[test]
    fn a_wall_has_no_figure_nor_has_a_frame_of_a_few_pixels() {
        assert_eq!(stripes(1, 100.0, 120.0).sharpness(), None);
        for (width, height) in [(1, 1), (4, 4), (3, 200), (200, 3)] {
            let luma = vec![7; (width * height) as usize];
            assert_eq!(Frame::new(width, height, luma).unwrap().sharpness(), None);
        }
    }
}
