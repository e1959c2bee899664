//! What three finder patterns alone say of a code's grid: its size and its corners.

use crate::finder::Finder;
use crate::frame::Frame;
use crate::geometry::{Point, Seen};
use crate::rings::{RING_RADIUS, Ring};
use crate::triple::Triple;

/// Sizes tried for a triple: the nearest to the measured one and its neighbours.
const SIZES_TRIED: usize = 3;

pub(super) fn sizes_near(dimension: f32) -> impl Iterator<Item = usize> {
    let version = ((dimension - 17.0) / 4.0).round().clamp(1.0, 40.0) as i32;
    [0, -1, 1, -2, 2]
        .into_iter()
        .map(move |off| version + off)
        .filter(|version| (1..=40).contains(version))
        .map(|version| 17 + 4 * version as usize)
        .take(SIZES_TRIED)
}

/// What the finder patterns alone say.
pub(super) struct Rough {
    pub(super) dimension: f32,
    /// The finder pattern's corners, or nothing when they could not be measured, and its middle.
    corners: [(Point, Option<Ring>); 3],
}

impl Rough {
    pub(super) fn of(frame: &Frame, triple: &Triple) -> Self {
        let rows = triple.right.centre.minus(triple.corner.centre);
        let columns = triple.below.centre.minus(triple.corner.centre);
        let measured = |finder: &Finder| {
            let step = |side: Point| {
                let shorter = side.x.abs().max(side.y.abs()) / side.length();
                side.times(finder.module * shorter / side.length())
            };
            let ring = Ring::measured(frame, finder, step(rows), step(columns));
            // Once more from the measured module: perspective makes sides unequal.
            let ring = ring.and_then(|ring| {
                let (width, height) = ring.module();
                let across = rows.times(width / rows.length());
                let down = columns.times(height / columns.length());
                Ring::measured(frame, finder, across, down).or(Some(ring))
            });
            let rough = (step(rows).length(), step(columns).length());
            (ring, ring.map_or(rough, |ring| ring.module()))
        };
        let finders = [triple.corner, triple.right, triple.below];
        let [corner, right, below] = finders.each_ref().map(measured);
        // A projective scale along a line: the mean step is the geometric mean of the end steps.
        let across = rows.length() / (corner.1.0 * right.1.0).sqrt();
        let down = columns.length() / (corner.1.1 * below.1.1).sqrt();
        let rings = [corner.0, right.0, below.0];
        Self {
            dimension: f32::midpoint(across, down) + 7.0,
            corners: std::array::from_fn(|place| (finders[place].centre, rings[place])),
        }
    }

    pub(super) fn seen_in(&self, dimension: usize) -> Vec<Seen> {
        let far = dimension as f32 - 3.5;
        let middles = [
            Point::new(3.5, 3.5),
            Point::new(far, 3.5),
            Point::new(3.5, far),
        ];
        let mut seen = Vec::with_capacity(16);
        for (middle, (centre, ring)) in middles.into_iter().zip(&self.corners) {
            seen.push(Seen {
                module: middle,
                pixel: ring.map_or(*centre, |ring| ring.middle()),
                weight: 1.0,
            });
            let Some(ring) = ring else { continue };
            let offsets = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
            for ((x, y), corner) in offsets.into_iter().zip(ring.corners) {
                seen.push(Seen {
                    module: middle.plus(Point::new(x, y).times(RING_RADIUS)),
                    pixel: corner,
                    weight: 0.99,
                });
            }
        }
        if seen.len() < 4 {
            return self.middles_in(dimension);
        }
        seen
    }

    /// The middles alone, and the fourth corner of a parallelogram.
    pub(super) fn middles_in(&self, dimension: usize) -> Vec<Seen> {
        let far = dimension as f32 - 3.5;
        let [corner, right, below] = self
            .corners
            .map(|(centre, ring)| ring.map_or(centre, |ring| ring.middle()));
        let fourth = right.plus(below).minus(corner);
        [
            (3.5, 3.5, corner),
            (far, 3.5, right),
            (3.5, far, below),
            (far, far, fourth),
        ]
        .map(|(x, y, pixel)| Seen {
            module: Point::new(x, y),
            pixel,
            // The fourth is a guess.
            weight: if (x, y) == (far, far) { 0.5 } else { 1.0 },
        })
        .to_vec()
    }
}
