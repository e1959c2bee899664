//! Points, and the projective map from a code's modules to the picture.

/// A place in a picture or in a code. In pictures the middle of the first pixel is (0.5, 0.5).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Point {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

impl Point {
    pub(crate) const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }

    pub(crate) fn times(self, factor: f32) -> Self {
        Self::new(self.x * factor, self.y * factor)
    }

    pub(crate) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    /// Positive when `other` lies clockwise of this one, as the picture is seen.
    pub(crate) fn cross(self, other: Self) -> f32 {
        self.x * other.y - self.y * other.x
    }

    pub(crate) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    pub(crate) fn distance(self, other: Self) -> f32 {
        self.minus(other).length()
    }
}

/// A place in the code, in modules from its top left corner, and where it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) module: Point,
    pub(crate) pixel: Point,
    /// How many ordinary sightings this one counts for.
    pub(crate) weight: f32,
}

/// Maps places in a code to places in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Projection {
    rows: [[f32; 3]; 3],
}

const UNKNOWNS: usize = 8;

impl Projection {
    /// The one that fits what was seen best, at least four sightings. `None` when they do not
    /// settle it.
    pub(crate) fn fitted(seen: &[Seen]) -> Option<Self> {
        if seen.len() < 4 {
            return None;
        }
        // Around zero and of size one, else the equations are ill-conditioned.
        let from = Scale::of(seen.iter().map(|seen| seen.module));
        let to = Scale::of(seen.iter().map(|seen| seen.pixel));
        let mut equations = [[0.0_f64; UNKNOWNS + 1]; UNKNOWNS];
        for seen in seen {
            let (m, p) = (from.apply(seen.module), to.apply(seen.pixel));
            let (u, v) = (f64::from(m.x), f64::from(m.y));
            for (row, value) in [
                ([u, v, 1.0, 0.0, 0.0, 0.0], f64::from(p.x)),
                ([0.0, 0.0, 0.0, u, v, 1.0], f64::from(p.y)),
            ] {
                let mut line = [0.0; UNKNOWNS + 1];
                line[..6].copy_from_slice(&row);
                line[6] = -u * value;
                line[7] = -v * value;
                line[8] = value;
                for (one, equation) in equations.iter_mut().enumerate() {
                    for (sum, &other) in equation.iter_mut().zip(&line) {
                        *sum += f64::from(seen.weight) * line[one] * other;
                    }
                }
            }
        }
        let solved = solve(&mut equations)?;
        let h: [f32; 8] = solved.map(|value| value as f32);
        let scaled = Self {
            rows: [[h[0], h[1], h[2]], [h[3], h[4], h[5]], [h[6], h[7], 1.0]],
        };
        Some(scaled.between(from, to))
    }

    /// Where a place of the code is seen.
    pub(crate) fn map(&self, module: Point) -> Point {
        let line = |row: &[f32; 3]| row[0] * module.x + row[1] * module.y + row[2];
        let depth = line(&self.rows[2]);
        Point::new(line(&self.rows[0]) / depth, line(&self.rows[1]) / depth)
    }

    /// How far apart neighbouring modules are seen around a place, along rows and along columns.
    pub(crate) fn steps_at(&self, module: Point) -> (Point, Point) {
        let at = |x: f32, y: f32| self.map(Point::new(module.x + x, module.y + y));
        (
            at(0.5, 0.0).minus(at(-0.5, 0.0)),
            at(0.0, 0.5).minus(at(0.0, -0.5)),
        )
    }

    fn between(self, from: Scale, to: Scale) -> Self {
        // to⁻¹ · rows · from
        let scaled = self.rows.map(|[x, y, one]| {
            let moved = from.factor * (x * from.middle.x + y * from.middle.y);
            [x * from.factor, y * from.factor, one - moved]
        });
        let [across, down, depth] = scaled;
        let back = |row: [f32; 3], middle: f32| {
            std::array::from_fn(|column| row[column] / to.factor + middle * depth[column])
        };
        let rows = [back(across, to.middle.x), back(down, to.middle.y), depth];
        Self { rows }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    middle: Point,
    factor: f32,
}

impl Scale {
    fn of(points: impl Iterator<Item = Point> + Clone) -> Self {
        let count = points.clone().count() as f32;
        let middle = points
            .clone()
            .fold(Point::default(), Point::plus)
            .times(1.0 / count);
        let spread = points.map(|point| point.distance(middle)).sum::<f32>() / count;
        Self {
            middle,
            factor: 1.0 / spread.max(1e-3),
        }
    }

    fn apply(self, point: Point) -> Point {
        point.minus(self.middle).times(self.factor)
    }
}

/// Gauss's elimination with the largest pivot first.
pub(crate) fn solve<const N: usize, const M: usize>(
    equations: &mut [[f64; M]; N],
) -> Option<[f64; N]> {
    const PIVOT_MIN: f64 = 1e-9;
    for column in 0..N {
        let pivot = (column..N).max_by(|&one, &other| {
            f64::total_cmp(
                &equations[one][column].abs(),
                &equations[other][column].abs(),
            )
        })?;
        equations.swap(column, pivot);
        let first = equations[column];
        if first[column].is_nan() || first[column].abs() <= PIVOT_MIN {
            return None;
        }
        for equation in &mut equations[column + 1..] {
            let factor = equation[column] / first[column];
            for (value, &above) in equation[column..].iter_mut().zip(&first[column..]) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N)
            .map(|column| equations[row][column] * solution[column])
            .sum();
        solution[row] = (equations[row][N] - known) / equations[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fitted_projection_maps_what_it_was_fitted_to() {
        let pixels = [(100.0, 50.0), (400.0, 90.0), (380.0, 300.0), (120.0, 340.0)];
        let modules = [(3.5, 3.5), (41.5, 3.5), (41.5, 41.5), (3.5, 41.5)];
        let seen: Vec<Seen> = modules
            .iter()
            .zip(pixels)
            .map(|(&(u, v), (x, y))| Seen {
                module: Point::new(u, v),
                pixel: Point::new(x, y),
                weight: 1.0,
            })
            .collect();
        let projection = Projection::fitted(&seen).unwrap();
        for seen in &seen {
            assert!(projection.map(seen.module).distance(seen.pixel) < 0.01);
        }
    }

    #[test]
    fn points_on_a_line_settle_no_projection() {
        let seen: Vec<Seen> = (0..6)
            .map(|place| Seen {
                module: Point::new(place as f32, place as f32),
                pixel: Point::new(place as f32 * 3.0, place as f32),
                weight: 1.0,
            })
            .collect();
        assert_eq!(Projection::fitted(&seen), None);
    }
}
