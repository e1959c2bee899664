//! Moves a grid, a few modules at a time, to where its modules are clearest.

use super::{Bends, Fit};
use crate::frame::Frame;
use crate::geometry::Point;
use crate::symbol::Kind;

impl Fit {
    pub(super) fn settle(&mut self, frame: &Frame) {
        /// Modules between places that are moved.
        const SPACING: f32 = 6.0;
        let end = self.layout.dimension as f32;
        let count = ((end - 7.0) / SPACING).round().max(2.0) as usize + 1;
        let nodes: Vec<f32> = (0..count)
            .map(|place| 3.5 + (end - 7.0) * place as f32 / (count - 1) as f32)
            .collect();
        let mut order: Vec<(usize, usize)> = (0..count)
            .flat_map(|y| (0..count).map(move |x| (x, y)))
            .collect();
        let from_corner =
            |&(x, y): &(usize, usize)| (x + y).min(count - 1 - x + y).min(x + count - 1 - y);
        order.sort_by_key(from_corner);
        let at = |x: usize, y: usize| Point::new(nodes[x], nodes[y]);
        let base = self.bends.clone();
        let mut moved: Vec<Option<Point>> = vec![None; count * count];
        for (x, y) in order {
            let near: Vec<Point> = (y.saturating_sub(1)..(y + 2).min(count))
                .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(count)).map(move |x| (x, y)))
                .filter_map(|(x, y)| moved[y * count + x])
                .collect();
            let sum = near
                .iter()
                .fold(Point::default(), |sum, &other| sum.plus(other));
            let begin = sum.times(1.0 / near.len().max(1) as f32);
            moved[y * count + x] = Some(self.clearest_near(frame, at(x, y), begin));
        }
        let known: Vec<Option<Point>> = moved
            .iter()
            .enumerate()
            .map(|(place, moved)| {
                let module = at(place % count, place / count);
                let (across, down) = self.projection.steps_at(module);
                let moved = moved.unwrap_or_default();
                let pixels = across.times(moved.x).plus(down.times(moved.y));
                Some(base.at(module).plus(pixels))
            })
            .collect();
        self.bends = Bends::through(nodes, &known);
    }

    /// By how many modules the grid around a place is moved to see ink and paper farthest apart.
    fn clearest_near(&self, frame: &Frame, middle: Point, begin: Point) -> Point {
        const RADIUS: i32 = 3;
        /// Coarse, then fine.
        const STEPS: [f32; 2] = [0.2, 0.1];
        const OFFSETS: [(f32, f32); 4] = [(-0.3, 0.0), (0.3, 0.0), (0.0, -0.3), (0.0, 0.3)];
        let (across, down) = self.projection.steps_at(middle);
        let places: Vec<(Point, Kind)> = (-RADIUS..=RADIUS)
            .flat_map(|y| (-RADIUS..=RADIUS).map(move |x| Point::new(x as f32, y as f32)))
            .map(|off| {
                let module = middle.plus(off);
                let inside = |at: f32| (at as usize).min(self.layout.dimension - 1);
                let kind = self.layout.kind(inside(module.x), inside(module.y));
                (self.map(module), kind)
            })
            .collect();
        let level = f32::midpoint(self.ink, self.paper);
        let clearness = |moved: Point| {
            let by = across.times(moved.x).plus(down.times(moved.y));
            let clear = places.iter().map(|&(place, kind)| {
                let at = |x: f32, y: f32| {
                    let at = place.plus(by).plus(across.times(x)).plus(down.times(y));
                    self.toned(frame.value_at(at.x, at.y))
                };
                let value = at(0.0, 0.0);
                let mixed: f32 = OFFSETS.iter().map(|&(x, y)| (at(x, y) - value).abs()).sum();
                let known = match kind {
                    Kind::Ink => level - value,
                    Kind::Paper => value - level,
                    Kind::Header | Kind::Text => 0.0,
                };
                known - mixed
            });
            clear.sum::<f32>()
        };
        let size = (self.paper - self.ink) * places.len() as f32;
        // The surest place is where the neighbours lie.
        let worth = |moved: Point| clearness(moved) / size - 0.1 * moved.dot(moved);
        let mut best = (worth(begin), begin);
        for step in STEPS {
            let middle = best.1;
            for y in -1_i32..=1 {
                for x in -1_i32..=1 {
                    if (x, y) == (0, 0) {
                        continue;
                    }
                    let moved = middle.plus(Point::new(x as f32, y as f32).times(step));
                    let clear = worth(moved);
                    if clear > best.0 {
                        best = (clear, moved);
                    }
                }
            }
        }
        best.1
    }
}
