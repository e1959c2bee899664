//! Takes the modules' values from the picture, and makes them sure: against the light around them,
//! and against what their neighbours smear onto them.

use crate::fit::Fit;
use crate::frame::Frame;
use crate::geometry::{Point, solve};
use crate::symbol::{Kind, Modules};

/// Values of all modules of a code and of one row or column more on each side.
pub(crate) struct Sampled {
    dimension: usize,
    values: Vec<f32>,
}

/// From which size in pixels on a module is worth more than one sample.
const SEVERAL_FROM: f32 = 2.5;

impl Sampled {
    pub(crate) fn of(frame: &Frame, fit: &Fit) -> Self {
        let dimension = fit.layout.dimension;
        let side = dimension + 2;
        let offsets: &[(f32, f32)] = if fit.module() < SEVERAL_FROM {
            &[(0.0, 0.0)]
        } else {
            &[
                (0.0, 0.0),
                (-0.22, -0.22),
                (0.22, -0.22),
                (-0.22, 0.22),
                (0.22, 0.22),
            ]
        };
        let middles: Vec<Point> = (0..side)
            .flat_map(|y| (0..side).map(move |x| Point::new(x as f32 - 0.5, y as f32 - 0.5)))
            .map(|module| fit.map(module))
            .collect();
        let mut values = Vec::with_capacity(side * side);
        for y in 0..side {
            for x in 0..side {
                let middle = middles[y * side + x];
                let sum = if offsets.len() == 1 {
                    frame.value_at(middle.x, middle.y)
                } else {
                    let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
                    let (right, below) = ((left + 2).min(side - 1), (above + 2).min(side - 1));
                    let step = |to: usize, from: usize, count: usize| {
                        middles[to].minus(middles[from]).times(1.0 / count as f32)
                    };
                    let across = step(y * side + right, y * side + left, right - left);
                    let down = step(below * side + x, above * side + x, below - above);
                    offsets
                        .iter()
                        .map(|&(x, y)| {
                            let at = middle.plus(across.times(x)).plus(down.times(y));
                            frame.value_at(at.x, at.y)
                        })
                        .sum::<f32>()
                };
                values.push(fit.toned(sum / offsets.len() as f32));
            }
        }
        Self { dimension, values }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.values[(y + 1) * (self.dimension + 2) + x + 1]
    }

    /// Each module against the mean of those up to `radius` modules around it.
    pub(crate) fn against_mean(&self, radius: usize) -> Self {
        let side = self.dimension + 2;
        // Sums of all values above and left, for the mean of any rectangle.
        let mut sums = vec![0.0_f32; (side + 1) * (side + 1)];
        for y in 0..side {
            let mut row = 0.0;
            for x in 0..side {
                row += self.values[y * side + x];
                sums[(y + 1) * (side + 1) + x + 1] = sums[y * (side + 1) + x + 1] + row;
            }
        }
        let mut values = Vec::with_capacity(side * side);
        let inside = |from: usize| from.clamp(1, side - 1);
        for y in 0..side {
            let (top, bottom) = (inside(y.saturating_sub(radius)), inside(y + radius + 1));
            for x in 0..side {
                let (left, right) = (inside(x.saturating_sub(radius)), inside(x + radius + 1));
                let at = |x: usize, y: usize| sums[y * (side + 1) + x];
                let sum = at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top);
                let mean = sum / ((bottom - top) * (right - left)) as f32;
                values.push(mean - self.values[y * side + x]);
            }
        }
        Self {
            dimension: self.dimension,
            values,
        }
    }

    /// Against one value for all.
    pub(crate) fn against(&self, level: f32) -> Self {
        Self {
            dimension: self.dimension,
            values: self.values.iter().map(|value| level - value).collect(),
        }
    }

    /// The code's own modules, of which about half are ink, brought to a size around one.
    pub(crate) fn modules(&self) -> Modules {
        let own: Vec<f32> = (0..self.dimension)
            .flat_map(|y| (0..self.dimension).map(move |x| (x, y)))
            .map(|(x, y)| self.at(x, y))
            .collect();
        let size = own.iter().map(|value| value.abs()).sum::<f32>() / own.len() as f32;
        let factor = 1.0 / size.max(1e-3);
        Modules::new(
            self.dimension,
            own.into_iter().map(|value| value * factor).collect(),
        )
    }

    /// Undoes what blur, motion and a slightly wrong grid have mixed: learns from the modules that
    /// every code of this size has alike which part of their neighbours is in them, and takes that
    /// part out of all. `None` when nothing can be learnt.
    pub(crate) fn equalised(&self, fit: &Fit) -> Option<Modules> {
        /// Holds the weights near zero where the known modules do not settle them.
        const RIDGE: f64 = 0.02;
        let scale = f64::from(
            self.values.iter().map(|value| value.abs()).sum::<f32>() / self.values.len() as f32,
        );
        if scale.is_nan() || scale <= 0.0 {
            return None;
        }
        let mut equations = [[0.0_f64; TAPS + 2]; TAPS + 1];
        let mut known = 0.0;
        for y in 0..self.dimension {
            for x in 0..self.dimension {
                let target = match fit.layout.kind(x, y) {
                    Kind::Ink => 1.0,
                    Kind::Paper => -1.0,
                    Kind::Header | Kind::Text => continue,
                };
                known += 1.0;
                let line = self.neighbourhood(x, y, scale, target);
                for (equation, &one) in equations.iter_mut().zip(&line[..=TAPS]) {
                    for (sum, &other) in equation.iter_mut().zip(&line) {
                        *sum += one * other;
                    }
                }
            }
        }
        for (place, equation) in equations.iter_mut().enumerate() {
            equation[place] += RIDGE * known;
        }
        let weights = solve(&mut equations)?;
        let values = (0..self.dimension)
            .flat_map(|y| (0..self.dimension).map(move |x| (x, y)))
            .map(|(x, y)| {
                let line = self.neighbourhood(x, y, scale, 0.0);
                let sum: f64 = line
                    .iter()
                    .zip(&weights)
                    .map(|(one, other)| one * other)
                    .sum();
                sum as f32
            })
            .collect();
        Some(Modules::new(self.dimension, values))
    }

    /// The module's value, its eight neighbours', one for the level, and the target.
    fn neighbourhood(&self, x: usize, y: usize, scale: f64, target: f64) -> [f64; TAPS + 2] {
        let side = self.dimension + 2;
        let mut line = [1.0; TAPS + 2];
        for (row, values) in self.values[y * side..].chunks(side).take(3).enumerate() {
            for (column, &value) in values[x..x + 3].iter().enumerate() {
                line[row * 3 + column] = f64::from(value) / scale;
            }
        }
        line[TAPS + 1] = target;
        line
    }
}

/// A module and its eight neighbours.
const TAPS: usize = 9;
