//! Lays a code's grid over what was seen: size, perspective, and where paper is bent.

mod align;
mod bends;
mod rough;
mod settle;

use crate::finder::Polarity;
use crate::frame::Frame;
use crate::geometry::{Point, Projection, Seen};
use crate::symbol::{Kind, Layout, version_word};
use crate::triple::Triple;
use bends::Bends;
use rough::{Rough, sizes_near};

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

/// A flat code's timing patterns are as likely as this: no other grid need be tried.
const TIMING_CLEAR: f32 = 0.8;

/// Least likeness of the timing patterns: of random modules hardly any reach it.
const TIMING_MIN: f32 = 0.30;

/// The same where the version counts too.
const WRITTEN_MIN: f32 = 0.42;

/// How much a version that fits counts beside the timing patterns.
const VERSION_WEIGHT: f32 = 0.3;

/// A version that is written this clearly says enough: it lies beside the finder patterns, where paper
/// that is bent further on is flat still. One word in a hundred thousand is so by chance.
const VERSION_SURE: f32 = 0.75;

/// Codes from this version on have it written in them.
const VERSION_WRITTEN_FROM: u32 = 7;

impl Fit {
    /// The grid of the code that has these corners. `None` when there is no such code.
    pub(crate) fn of(frame: &Frame, triple: &Triple) -> Option<Self> {
        let rough = Rough::of(frame, triple);
        let mut best: Option<Self> = None;
        for dimension in sizes_near(rough.dimension) {
            let Some(layout) = Layout::of(dimension) else {
                continue;
            };
            // Bent paper turns the sides of finder patterns; their middles stay where they are.
            for seen in [rough.seen_in(dimension), rough.middles_in(dimension)] {
                let Some(projection) = Projection::fitted(&seen) else {
                    continue;
                };
                let mut fit = Self {
                    layout: layout.clone(),
                    projection,
                    polarity: triple.corner.polarity,
                    ink: 0.0,
                    paper: 0.0,
                    timing: 0.0,
                    bends: Bends::default(),
                    corners: seen,
                };
                let version = fit.version_likeness(frame);
                fit.timing = fit.timing_likeness(frame) + VERSION_WEIGHT * version;
                let is_clear = fit.timing >= TIMING_CLEAR;
                let is_written = fit.layout.version >= VERSION_WRITTEN_FROM;
                let least = if is_written { WRITTEN_MIN } else { TIMING_MIN };
                if (fit.timing >= least || version >= VERSION_SURE)
                    && best.as_ref().is_none_or(|best| best.timing < fit.timing)
                {
                    best = Some(fit);
                }
                if is_clear {
                    break;
                }
            }
        }
        let mut fit = best?;
        (fit.ink, fit.paper) = fit.levels(frame)?;
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
        agreement / most
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
}
