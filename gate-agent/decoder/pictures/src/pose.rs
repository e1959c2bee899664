//! Where a surface stands before the camera.

use crate::random::Random;

/// A flat surface in space, seen by a pinhole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    /// From the picture's pixels to the surface's modules.
    back: [[f32; 3]; 3],
}

/// What a pose is chosen from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stand {
    /// Degrees between the surface and the picture's plane.
    pub(crate) tilt: f32,
    /// In which direction it is tilted, in degrees.
    pub(crate) tilt_direction: f32,
    /// Degrees that the code is turned in its plane.
    pub(crate) turn: f32,
    /// Pixels of a module in the middle of the code.
    pub(crate) module: f32,
    /// Where the code's middle is seen, in pixels.
    pub(crate) middle: (f32, f32),
}

impl Pose {
    /// Of a code with so many modules on a side, in a picture of this width.
    pub(crate) fn new(stand: Stand, side: usize, width: f32) -> Self {
        // About 57 degrees across: a webcam, a phone, a Pi's camera.
        let focal = 0.92 * width;
        let (turn_sin, turn_cos) = stand.turn.to_radians().sin_cos();
        let (tilt_sin, tilt_cos) = stand.tilt.to_radians().sin_cos();
        let (axis_sin, axis_cos) = stand.tilt_direction.to_radians().sin_cos();
        let half = side as f32 / 2.0;
        // A place on the surface: turned, then tilted about an axis, then pushed away.
        let column = |x: f32, y: f32| {
            let (x, y) = (turn_cos * x - turn_sin * y, turn_sin * x + turn_cos * y);
            let along = axis_cos * x + axis_sin * y;
            let beside = -axis_sin * x + axis_cos * y;
            [
                axis_cos * along - axis_sin * beside * tilt_cos,
                axis_sin * along + axis_cos * beside * tilt_cos,
                beside * tilt_sin,
            ]
        };
        let (right, down) = (column(1.0, 0.0), column(0.0, 1.0));
        let depth = focal / stand.module;
        let there = [
            [
                focal * right[0] + stand.middle.0 * right[2],
                focal * down[0] + stand.middle.0 * down[2],
                stand.middle.0 * depth,
            ],
            [
                focal * right[1] + stand.middle.1 * right[2],
                focal * down[1] + stand.middle.1 * down[2],
                stand.middle.1 * depth,
            ],
            [right[2], down[2], depth],
        ];
        // The surface's middle is (half, half).
        let there = there.map(|[x, y, one]| [x, y, one - half * (x + y)]);
        Self {
            back: inverse(there),
        }
    }

    /// The place on the surface that a place in the picture shows; `None` behind the camera.
    pub(crate) fn surface_at(&self, x: f32, y: f32) -> Option<(f32, f32)> {
        let line = |row: &[f32; 3]| row[0] * x + row[1] * y + row[2];
        let depth = line(&self.back[2]);
        (depth > 0.0).then(|| (line(&self.back[0]) / depth, line(&self.back[1]) / depth))
    }

    /// Where a place on the surface is seen.
    pub(crate) fn seen_at(&self, x: f32, y: f32) -> (f32, f32) {
        let there = inverse(self.back);
        let line = |row: &[f32; 3]| row[0] * x + row[1] * y + row[2];
        let depth = line(&there[2]);
        (line(&there[0]) / depth, line(&there[1]) / depth)
    }
}

fn inverse(m: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let m = m.map(|row| row.map(f64::from));
    let minor = |r: usize, c: usize| {
        let (r1, r2) = ((r + 1) % 3, (r + 2) % 3);
        let (c1, c2) = ((c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    // Of a homogeneous map only the ratio counts; the sign says what lies behind the camera.
    std::array::from_fn(|r| std::array::from_fn(|c| (minor(c, r) / determinant) as f32))
}

/// A stand at which the whole code lies in a picture of this size.
pub(crate) fn stand_inside(
    random: &mut Random,
    (width, height): (f32, f32),
    side: usize,
    tilt: f32,
    modules: std::ops::Range<f32>,
) -> Stand {
    // Where the size does not fit, a smaller one does.
    let mut largest = modules.end;
    loop {
        largest = (largest * 0.97).max(modules.start * 0.5);
        let stand = Stand {
            tilt,
            tilt_direction: random.between(0.0, 360.0),
            turn: random.between(0.0, 360.0),
            module: random.between(modules.start.min(largest), largest),
            middle: (
                width * random.between(0.3, 0.7),
                height * random.between(0.3, 0.7),
            ),
        };
        let pose = Pose::new(stand, side, width);
        let end = side as f32 + 2.0;
        let corners = [(-2.0, -2.0), (end, -2.0), (-2.0, end), (end, end)];
        let is_inside = corners.iter().all(|&(x, y)| {
            let (x, y) = pose.seen_at(x, y);
            (2.0..width - 2.0).contains(&x) && (2.0..height - 2.0).contains(&y)
        });
        if is_inside {
            return stand;
        }
    }
}
