//! Looks for alignment patterns, which say where a grid lies between the finder patterns.

use super::{Bends, Fit};
use crate::frame::Frame;
use crate::geometry::{Point, Projection, Seen};

impl Fit {
    /// Looks for the alignment patterns, and lays the grid by those that are there.
    pub(super) fn align(&mut self, frame: &Frame) -> bool {
        // An alignment pattern says more about the far corner than the sides of finder patterns,
        // which bent paper turns.
        const CORNER_WEIGHT: f32 = 0.1;
        let mut seen = self.corners.clone();
        for corner in &mut seen {
            corner.weight = corner.weight.max(CORNER_WEIGHT)
                * if corner.weight < 1.0 {
                    CORNER_WEIGHT
                } else {
                    1.0
                };
        }
        let side = self.layout.alignment.len();
        let mut middles: Vec<(usize, usize)> = self.layout.alignment_middles().collect();
        // Those between two finder patterns are the surest to be where the projection says.
        middles.sort_by_key(|&(x, y)| (x.min(y) != 6, x + y));
        let corners = seen.len();
        for (x, y) in middles {
            let reach = if side == 2 { 4.5 } else { 3.5 };
            let module = Point::new(x as f32 + 0.5, y as f32 + 0.5);
            let Some(pixel) = self.alignment_near(frame, module, reach) else {
                continue;
            };
            let weight = if side == 2 { 4.0 } else { 2.0 };
            seen.push(Seen {
                module,
                pixel,
                weight,
            });
            if let Some(projection) = Projection::fitted(&seen) {
                self.projection = projection;
            }
        }
        if side > 2 && seen.len() > corners {
            self.bend(&seen);
        }
        seen.len() > corners
    }

    fn bend(&mut self, seen: &[Seen]) {
        /// From the middle of a finder pattern to where an alignment pattern would be in its place.
        const NEAR: f32 = 3.5;
        let middles = &self.layout.alignment;
        let nodes: Vec<f32> = middles.iter().map(|&middle| middle as f32 + 0.5).collect();
        let far = self.layout.dimension as f32 - 3.5;
        let is_finder = |at: Point| [(3.5, 3.5), (far, 3.5), (3.5, far)].contains(&(at.x, at.y));
        let mut known = vec![None; nodes.len() * nodes.len()];
        for seen in seen {
            let reach = if is_finder(seen.module) { NEAR } else { 0.0 };
            let place = |at: f32| nodes.iter().position(|node| (node - at).abs() <= reach);
            if let (Some(x), Some(y)) = (place(seen.module.x), place(seen.module.y)) {
                known[y * nodes.len() + x] =
                    Some(seen.pixel.minus(self.projection.map(seen.module)));
            }
        }
        self.bends = Bends::through(nodes, &known);
    }

    /// The middle of an alignment pattern no farther than `reach` modules from where it should be.
    fn alignment_near(&self, frame: &Frame, module: Point, reach: f32) -> Option<Point> {
        const LIKENESS_MIN: f32 = 0.5;
        const COARSE: f32 = 0.5;
        const FINE: f32 = 0.125;
        let middle = self.projection.map(module);
        let (across, down) = self.projection.steps_at(module);
        let at = |x: f32, y: f32| middle.plus(across.times(x)).plus(down.times(y));
        let mut best = (f32::MIN, 0.0, 0.0);
        let steps = (reach / COARSE) as i32;
        for y in -steps..=steps {
            for x in -steps..=steps {
                let (x, y) = (x as f32 * COARSE, y as f32 * COARSE);
                // The nearer one of two that are alike.
                let far = 0.02 * (x * x + y * y).sqrt();
                let likeness = self.alignment_likeness(frame, at(x, y), across, down) - far;
                if likeness > best.0 {
                    best = (likeness, x, y);
                }
            }
        }
        let (_, x, y) = best;
        let mut best = (f32::MIN, x, y);
        for down_step in -3..=3 {
            for across_step in -3..=3 {
                let (x, y) = (x + across_step as f32 * FINE, y + down_step as f32 * FINE);
                let likeness = self.alignment_likeness(frame, at(x, y), across, down);
                if likeness > best.0 {
                    best = (likeness, x, y);
                }
            }
        }
        (best.0 >= LIKENESS_MIN).then(|| at(best.1, best.2))
    }

    /// 1 when ink and paper are as in the finder patterns, 0 on a plain surface.
    fn alignment_likeness(&self, frame: &Frame, middle: Point, across: Point, down: Point) -> f32 {
        let (mut ink, mut paper) = (0.0, 0.0);
        for y in -2_i32..=2 {
            for x in -2_i32..=2 {
                let at = middle
                    .plus(across.times(x as f32))
                    .plus(down.times(y as f32));
                let value = self.toned(frame.value_at(at.x, at.y));
                if x.abs().max(y.abs()) == 1 {
                    paper += value / 8.0;
                } else {
                    ink += value / 17.0;
                }
            }
        }
        (paper - ink) / (self.paper - self.ink)
    }
}
