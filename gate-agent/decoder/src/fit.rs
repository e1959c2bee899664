//! Lays a code's grid over what was seen: size, perspective, and where paper is bent.

use crate::finder::{Finder, Polarity};
use crate::frame::Frame;
use crate::geometry::{Point, Projection, Seen};
use crate::rings::{RING_RADIUS, Ring};
use crate::symbol::{Kind, Layout, version_word};
use crate::triple::Triple;

/// A grid of modules over a picture.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    pub(crate) layout: Layout,
    pub(crate) projection: Projection,
    pub(crate) polarity: Polarity,
    /// Grey values of the finder patterns' ink and paper.
    pub(crate) ink: f32,
    pub(crate) paper: f32,
    /// How well the timing patterns fit, 1 is perfectly.
    pub(crate) timing: f32,
    /// Where paper is bent.
    bends: Bends,
    /// What the projection was fitted to before any alignment pattern was seen.
    corners: Vec<Seen>,
}

/// Least likeness of the timing patterns: of random modules hardly any reach it.
const TIMING_MIN: f32 = 0.30;

/// The same where the version counts too.
const WRITTEN_MIN: f32 = 0.42;

/// Codes from this version on have it written in them.
const VERSION_WRITTEN_FROM: u32 = 7;

/// Sizes tried for a triple: the nearest to the measured one and its neighbours.
const SIZES_TRIED: usize = 3;

impl Fit {
    /// The grid of the code that has these corners. `None` when there is no such code.
    pub(crate) fn of(frame: &Frame, triple: &Triple) -> Option<Self> {
        let rough = Rough::of(frame, triple);
        let mut best: Option<Self> = None;
        for dimension in sizes_near(rough.dimension) {
            let Some(layout) = Layout::of(dimension) else {
                continue;
            };
            let Some(projection) = Projection::fitted(&rough.seen_in(dimension)) else {
                continue;
            };
            let mut fit = Self {
                layout,
                projection,
                polarity: triple.corner.polarity,
                ink: 0.0,
                paper: 0.0,
                timing: 0.0,
                bends: Bends::default(),
                corners: Vec::new(),
            };
            fit.timing = fit.timing_likeness(frame) + fit.version_likeness(frame);
            if best.as_ref().is_none_or(|best| best.timing < fit.timing) {
                best = Some(fit);
            }
        }
        let mut fit = best.filter(|fit| {
            let is_written = fit.layout.version >= VERSION_WRITTEN_FROM;
            let least = if is_written { WRITTEN_MIN } else { TIMING_MIN };
            fit.timing >= least
        })?;
        (fit.ink, fit.paper) = fit.levels(frame)?;
        fit.corners = rough.seen_in(fit.layout.dimension);
        Some(fit)
    }

    /// The grid laid by the alignment patterns too. `None` when there are none to be seen.
    pub(crate) fn aligned(&self, frame: &Frame) -> Option<Self> {
        let mut fit = self.clone();
        fit.align(frame).then_some(fit)
    }

    /// The grid moved, a few modules at a time from the finder patterns outwards, to where ink and
    /// paper are farthest apart: for paper that is bent.
    pub(crate) fn settled(&self, frame: &Frame) -> Self {
        let mut fit = self.clone();
        fit.settle(frame);
        fit
    }

    /// Where a place of the code is seen.
    pub(crate) fn map(&self, module: Point) -> Point {
        self.projection.map(module).plus(self.bends.at(module))
    }

    /// Pixels of a module at the middle of the code, the smaller way.
    pub(crate) fn module(&self) -> f32 {
        let middle = self.layout.dimension as f32 / 2.0;
        let (across, down) = self.projection.steps_at(Point::new(middle, middle));
        across.length().min(down.length())
    }

    /// The value at the middle of a module, dark for ink whatever the polarity.
    pub(crate) fn value(&self, frame: &Frame, x: usize, y: usize) -> f32 {
        let at = self.map(Point::new(x as f32 + 0.5, y as f32 + 0.5));
        self.toned(frame.value_at(at.x, at.y))
    }

    /// The share of modules that lie nearer to the level between ink and paper than to either.
    pub(crate) fn unsure_share(&self, frame: &Frame) -> f32 {
        let level = f32::midpoint(self.ink, self.paper);
        let near = (self.paper - self.ink) / 4.0;
        let end = self.layout.dimension;
        let unsure = (0..end)
            .flat_map(|y| (0..end).map(move |x| (x, y)))
            .filter(|&(x, y)| (self.value(frame, x, y) - level).abs() < near)
            .count();
        unsure as f32 / (end * end) as f32
    }

    /// The share of modules that every code of this size has alike and that are here as they should
    /// be: nearly all in a code that is spoiled, little more than half in what only looks like one.
    pub(crate) fn known_share(&self, frame: &Frame) -> f32 {
        let level = f32::midpoint(self.ink, self.paper);
        let end = self.layout.dimension;
        let (mut right, mut all) = (0, 0);
        for y in 0..end {
            for x in 0..end {
                let is_right = match self.layout.kind(x, y) {
                    Kind::Ink => self.value(frame, x, y) < level,
                    Kind::Paper => self.value(frame, x, y) > level,
                    Kind::Header | Kind::Text => continue,
                };
                right += u32::from(is_right);
                all += 1;
            }
        }
        right as f32 / all as f32
    }

    pub(crate) fn toned(&self, luma: f32) -> f32 {
        match self.polarity {
            Polarity::Dark => luma,
            Polarity::Light => 255.0 - luma,
        }
    }

    fn timing_likeness(&self, frame: &Frame) -> f32 {
        let end = self.layout.dimension;
        let (mut agreement, mut most) = (0.0, 1.0);
        let mut line = |at: &dyn Fn(usize) -> (usize, usize)| {
            let values: Vec<f32> = (7..end - 7)
                .map(|place| {
                    let (x, y) = at(place);
                    self.value(frame, x, y)
                })
                .collect();
            for (place, near) in values.windows(3).enumerate() {
                let darker = f32::midpoint(near[0], near[2]) - near[1];
                agreement += if place % 2 == 0 { darker } else { -darker };
                most += darker.abs();
            }
        };
        line(&|place| (place, 6));
        line(&|place| (6, place));
        agreement / most
    }

    /// Above zero when the version that is written in the code is the one of its size. Only codes
    /// from version 7 have it written in them, and only they are hard to measure.
    fn version_likeness(&self, frame: &Frame) -> f32 {
        const WEIGHT: f32 = 0.3;
        if self.layout.version < VERSION_WRITTEN_FROM {
            return 0.0;
        }
        let word = version_word(self.layout.version);
        let far = self.layout.dimension - 11;
        let mut values = [0.0; 36];
        for bit in 0..18 {
            let (near, far) = (bit / 3, far + bit % 3);
            values[bit] = self.value(frame, near, far);
            values[bit + 18] = self.value(frame, far, near);
        }
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let (mut agreement, mut most) = (0.0, 1.0);
        for (place, value) in values.iter().enumerate() {
            let darker = mean - value;
            let is_ink = word >> (place % 18) & 1 == 1;
            agreement += if is_ink { darker } else { -darker };
            most += darker.abs();
        }
        WEIGHT * agreement / most
    }

    /// Mean values of the finder patterns' ink and paper.
    fn levels(&self, frame: &Frame) -> Option<(f32, f32)> {
        let (mut ink, mut paper) = ((0.0, 0), (0.0, 0));
        let end = self.layout.dimension;
        for (left, top) in [(0, 0), (end - 7, 0), (0, end - 7)] {
            for y in top..top + 7 {
                for x in left..left + 7 {
                    let sum = match self.layout.kind(x, y) {
                        Kind::Ink => &mut ink,
                        Kind::Paper => &mut paper,
                        Kind::Header | Kind::Text => continue,
                    };
                    sum.0 += self.value(frame, x, y);
                    sum.1 += 1;
                }
            }
        }
        let (ink, paper) = (ink.0 / ink.1 as f32, paper.0 / paper.1 as f32);
        (paper > ink + 2.0).then_some((ink, paper))
    }

    /// Looks for the alignment patterns, and lays the grid by those that are there.
    fn align(&mut self, frame: &Frame) -> bool {
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
            let reach = if side == 2 { 4.5 } else { 2.5 };
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
            self.bend(&seen[corners..]);
        }
        seen.len() > corners
    }

    fn settle(&mut self, frame: &Frame) {
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
        const STEP: f32 = 0.1;
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
        let mut best = (f32::MIN, begin);
        for y in -3_i32..=3 {
            for x in -3_i32..=3 {
                let off = Point::new(x as f32, y as f32).times(STEP);
                let moved = begin.plus(off);
                // The surest place is where the neighbours lie.
                let clear = clearness(moved) / size - 0.1 * moved.dot(moved);
                if clear > best.0 {
                    best = (clear, moved);
                }
            }
        }
        best.1
    }

    fn bend(&mut self, seen: &[Seen]) {
        let middles = &self.layout.alignment;
        let nodes: Vec<f32> = middles.iter().map(|&middle| middle as f32 + 0.5).collect();
        let mut known = vec![None; nodes.len() * nodes.len()];
        for seen in seen {
            let place = |at: f32| nodes.iter().position(|&node| node == at);
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

/// How far a grid lies from its projection, at the crossings of some rows and columns.
#[derive(Debug, Clone, Default)]
struct Bends {
    /// Where the rows and the columns lie, in modules; none when nothing is bent.
    nodes: Vec<f32>,
    bends: Vec<Point>,
}

impl Bends {
    /// Where a bend is not known, what the neighbours say.
    fn through(nodes: Vec<f32>, known: &[Option<Point>]) -> Self {
        let side = nodes.len();
        let bends = (0..side * side)
            .map(|place| {
                known[place].unwrap_or_else(|| {
                    let (x, y) = (place % side, place / side);
                    let near: Vec<Point> = (0..side * side)
                        .filter(|&other| {
                            (other % side).abs_diff(x) <= 1 && (other / side).abs_diff(y) <= 1
                        })
                        .filter_map(|other| known[other])
                        .collect();
                    let sum = near
                        .iter()
                        .fold(Point::default(), |sum, &bend| sum.plus(bend));
                    sum.times(1.0 / near.len().max(1) as f32)
                })
            })
            .collect();
        Self { nodes, bends }
    }

    fn at(&self, module: Point) -> Point {
        if self.nodes.is_empty() {
            return Point::default();
        }
        let side = self.nodes.len();
        let cell = |at: f32| {
            let inner = &self.nodes[1..side - 1];
            let left = inner.iter().filter(|&&node| node < at).count();
            let (from, to) = (self.nodes[left], self.nodes[left + 1]);
            (left, ((at - from) / (to - from)).clamp(-0.5, 1.5))
        };
        let ((x, right), (y, below)) = (cell(module.x), cell(module.y));
        let row = |y: usize| {
            let (left, next) = (self.bends[y * side + x], self.bends[y * side + x + 1]);
            left.times(1.0 - right).plus(next.times(right))
        };
        row(y).times(1.0 - below).plus(row(y + 1).times(below))
    }
}

fn sizes_near(dimension: f32) -> impl Iterator<Item = usize> {
    let version = ((dimension - 17.0) / 4.0).round().clamp(1.0, 40.0) as i32;
    [0, -1, 1, -2, 2]
        .into_iter()
        .map(move |off| version + off)
        .filter(|version| (1..=40).contains(version))
        .map(|version| 17 + 4 * version as usize)
        .take(SIZES_TRIED)
}

/// What the finder patterns alone say.
struct Rough {
    dimension: f32,
    /// The finder pattern's corners, or nothing when they could not be measured, and its middle.
    corners: [(Point, Option<Ring>); 3],
}

impl Rough {
    fn of(frame: &Frame, triple: &Triple) -> Self {
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

    fn seen_in(&self, dimension: usize) -> Vec<Seen> {
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
            // No ring was measured: the fourth corner of a parallelogram.
            let [corner, right, below] = self.corners.map(|(centre, _)| centre);
            seen.push(Seen {
                module: Point::new(far, far),
                pixel: right.plus(below).minus(corner),
                weight: 1.0,
            });
        }
        seen
    }
}
