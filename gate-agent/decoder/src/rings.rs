//! Finds the four sides of a finder pattern to a fraction of a pixel, by rays from its middle.

use crate::finder::{Finder, Polarity};
use crate::frame::Frame;
use crate::geometry::Point;

/// A finder pattern measured: the corners of the square that runs along the middle of its inked
/// ring, six modules wide, in the order of a walk around it from the code's top left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    pub(crate) corners: [Point; 4],
}

/// Half the width of the square, in modules.
pub(crate) const RING_RADIUS: f32 = 3.0;

/// Where rays begin beside the middle, in modules: all cross the inner square.
const RAYS: [f32; 5] = [-1.1, -0.55, 0.0, 0.55, 1.1];

/// Samples for each module of a ray.
const STEPS: usize = 8;
/// Length of a ray in modules.
const REACH: usize = 6;

impl Ring {
    /// Of a finder pattern whose rows run along `across` and columns along `down`, each a module
    /// long. `None` when too few rays see its edges.
    pub(crate) fn measured(
        frame: &Frame,
        finder: &Finder,
        across: Point,
        down: Point,
    ) -> Option<Self> {
        let side = |outwards: Point, along: Point| {
            let mut points = [Point::default(); RAYS.len()];
            let mut count = 0;
            for ray in RAYS {
                let from = finder.centre.plus(along.times(ray));
                if let Some(reach) = ring_middle(frame, from, outwards, finder.polarity) {
                    points[count] = from.plus(outwards.times(reach));
                    count += 1;
                }
            }
            Line::through(&points[..count])
        };
        let up = down.times(-1.0);
        let back = across.times(-1.0);
        let [top, right, bottom, left] = [
            side(up, across)?,
            side(across, down)?,
            side(down, across)?,
            side(back, down)?,
        ];
        let corners = [
            left.meets(top)?,
            top.meets(right)?,
            right.meets(bottom)?,
            bottom.meets(left)?,
        ];
        let is_near = |corner: &Point| {
            let reach = corner.distance(finder.centre) / across.length().max(down.length());
            (2.0..8.0).contains(&reach)
        };
        corners.iter().all(is_near).then_some(Self { corners })
    }

    /// Where the diagonals meet.
    pub(crate) fn middle(&self) -> Point {
        let [top_left, top_right, bottom_right, bottom_left] = self.corners;
        let (one, other) = (bottom_right.minus(top_left), bottom_left.minus(top_right));
        let share = top_right.minus(top_left).cross(other) / one.cross(other);
        top_left.plus(one.times(share))
    }

    /// Pixels of a module along rows and along columns.
    pub(crate) fn module(&self) -> (f32, f32) {
        let [top_left, top_right, bottom_right, bottom_left] = self.corners;
        let width = top_left.distance(top_right) + bottom_left.distance(bottom_right);
        let height = top_left.distance(bottom_left) + top_right.distance(bottom_right);
        (width / (4.0 * RING_RADIUS), height / (4.0 * RING_RADIUS))
    }
}

/// How far out the middle of the inked ring lies, in lengths of `outwards`.
fn ring_middle(frame: &Frame, from: Point, outwards: Point, polarity: Polarity) -> Option<f32> {
    let mut values = [0.0_f32; STEPS * REACH];
    for (step, value) in values.iter_mut().enumerate() {
        let at = from.plus(outwards.times(step as f32 / STEPS as f32));
        let luma = frame.value_at(at.x, at.y);
        *value = match polarity {
            Polarity::Dark => luma,
            Polarity::Light => 255.0 - luma,
        };
    }
    let least = |values: &[f32]| values.iter().copied().fold(f32::MAX, f32::min);
    let most = |values: &[f32]| values.iter().copied().fold(f32::MIN, f32::max);
    let ink = least(&values[..4 * STEPS]);
    let paper = most(&values[5 * STEPS / 4..11 * STEPS / 4]);
    let level = f32::midpoint(ink, paper);
    let mut edges = [0.0_f32; 3];
    let mut found = 0;
    let mut is_ink = true;
    for step in 1..values.len() {
        if (values[step] < level) == is_ink {
            continue;
        }
        if found == 0 && step < STEPS / 2 {
            return None;
        }
        is_ink = !is_ink;
        let (before, here) = (values[step - 1], values[step]);
        edges[found] = step as f32 - 1.0 + (level - before) / (here - before);
        found += 1;
        if found == edges.len() {
            let middle = f32::midpoint(edges[1], edges[2]) / STEPS as f32;
            return (2.0..4.5).contains(&middle).then_some(middle);
        }
    }
    None
}

/// Points whose distance along `normal` is `offset`.
#[derive(Debug, Clone, Copy)]
struct Line {
    normal: Point,
    offset: f32,
}

impl Line {
    /// The straight line nearest to the points, leaving out the one that lies farthest off.
    fn through(points: &[Point]) -> Option<Self> {
        const POINTS_MIN: usize = 3;
        if points.len() < POINTS_MIN {
            return None;
        }
        let all = Self::nearest(points);
        if points.len() == POINTS_MIN {
            return Some(all);
        }
        let off = |point: &Point| (point.dot(all.normal) - all.offset).abs();
        let worst = (0..points.len())
            .max_by(|&one, &other| f32::total_cmp(&off(&points[one]), &off(&points[other])))?;
        let rest: Vec<Point> = (0..points.len())
            .filter(|&place| place != worst)
            .map(|place| points[place])
            .collect();
        Some(Self::nearest(&rest))
    }

    fn nearest(points: &[Point]) -> Self {
        let count = points.len() as f32;
        let middle = points
            .iter()
            .fold(Point::default(), |sum, &point| sum.plus(point))
            .times(1.0 / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for point in points {
            let from = point.minus(middle);
            xx += from.x * from.x;
            xy += from.x * from.y;
            yy += from.y * from.y;
        }
        let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
        let normal = Point::new(-angle.sin(), angle.cos());
        Self {
            normal,
            offset: middle.dot(normal),
        }
    }

    fn meets(self, other: Self) -> Option<Point> {
        let turn = self.normal.cross(other.normal);
        // Nearly parallel sides are no corner.
        if turn.abs() < 0.1 {
            return None;
        }
        Some(Point::new(
            (self.offset * other.normal.y - other.offset * self.normal.y) / turn,
            (self.normal.x * other.offset - other.normal.x * self.offset) / turn,
        ))
    }
}
