//! Looks for finder patterns: rows on which ink and paper take turns as 1:1:3:1:1, checked down,
//! across and along the diagonals. Dark and inverted patterns are found in the same pass.

use crate::frame::Frame;
use crate::geometry::Point;
use crate::tone::Levels;

/// What is ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polarity {
    /// Dark on light.
    Dark,
    /// Light on dark: a phone's dark mode.
    Light,
}

/// A finder pattern as it was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Finder {
    pub(crate) centre: Point,
    /// Pixels of a module, along a row or column of the picture: up to 1.4 times what it is along
    /// the code's own rows.
    pub(crate) module: f32,
    pub(crate) polarity: Polarity,
    /// Scanned rows on which it was seen.
    pub(crate) sightings: u32,
}

/// What a scan may cost. A frame full of finder patterns reaches these limits and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanLimits {
    /// Every how many rows are looked at.
    pub(crate) row_step: usize,
    /// Rows that look like a finder pattern and are checked in the other directions.
    pub(crate) checks_max: u32,
    /// Finder patterns that are kept.
    pub(crate) finders_max: usize,
}

/// What a scan found and did.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) finders: Vec<Finder>,
    pub(crate) checks: u32,
}

/// The finder patterns of a frame, those seen on most rows first.
pub(crate) fn scan(frame: &Frame, levels: &Levels, limits: ScanLimits) -> Scan {
    let mut found = Scan::default();
    let mut ink = Vec::with_capacity(frame.columns());
    let mut edges = Vec::new();
    // Coarse first: a limit that is reached leaves no half of the picture unseen.
    const COARSE: usize = 4;
    let step = limits.row_step;
    let coarse = (0..frame.rows()).step_by(step * COARSE);
    let fine = (0..frame.rows())
        .step_by(step)
        .enumerate()
        .filter_map(|(count, y)| (count % COARSE != 0).then_some(y));
    for y in coarse.chain(fine) {
        levels.ink_of_row(frame, y, &mut ink);
        edges_of(&ink, &mut edges);
        scan_row(frame, levels, (y, &edges), limits, &mut found);
        if found.checks >= limits.checks_max {
            break;
        }
    }
    found
        .finders
        .sort_by_key(|finder| std::cmp::Reverse(finder.sightings));
    found
}

/// Where ink begins and ends on a row; first ink, then paper, and so on.
fn edges_of(ink: &[u8], edges: &mut Vec<u32>) {
    const LANES: usize = 8;
    edges.clear();
    if ink.first() == Some(&1) {
        edges.push(0);
    }
    let mut x = 1;
    while x + LANES <= ink.len() {
        let word = |from: usize| {
            u64::from_le_bytes(ink[from..from + LANES].try_into().expect("eight bytes"))
        };
        let mut changes = word(x) ^ word(x - 1);
        while changes != 0 {
            edges.push((x + changes.trailing_zeros() as usize / 8) as u32);
            changes &= changes - 1;
        }
        x += LANES;
    }
    while x < ink.len() {
        if ink[x] != ink[x - 1] {
            edges.push(x as u32);
        }
        x += 1;
    }
    // A code without its quiet zone ends where the picture does.
    if ink.last() == Some(&1) {
        edges.push(ink.len() as u32);
    }
}

fn scan_row(
    frame: &Frame,
    levels: &Levels,
    (y, edges): (usize, &[u32]),
    limits: ScanLimits,
    found: &mut Scan,
) {
    for (place, near) in edges.windows(6).enumerate() {
        let run = |index: usize| near[index + 1] - near[index];
        let (before, centre, behind) = (run(1), run(2), run(3));
        if centre <= before.max(behind) || centre > 8 * before.min(behind) {
            continue;
        }
        let runs = [run(0), before, centre, behind, run(4)].map(|run| run as f32);
        let Some(module) = module_of(runs, ROW_TOLERANCE) else {
            continue;
        };
        let middle = Point::new((near[2] + near[3]) as f32 / 2.0, y as f32 + 0.5);
        let polarity = if place % 2 == 0 {
            Polarity::Dark
        } else {
            Polarity::Light
        };
        if let Some(known) = found.finders.iter_mut().find(|known| {
            known.polarity == polarity
                && (known.centre.x - middle.x).abs() < known.module * 1.2
                && (known.centre.y - middle.y).abs() < known.module * 1.8
        }) {
            known.sightings += 1;
            continue;
        }
        if found.checks >= limits.checks_max {
            return;
        }
        found.checks += 1;
        if found.finders.len() >= limits.finders_max {
            continue;
        }
        let probe = Probe {
            frame,
            levels,
            polarity,
        };
        if let Some(finder) = probe.check(middle, module)
            && !found.finders.iter().any(|known| is_same(known, &finder))
        {
            found.finders.push(finder);
        }
    }
}

pub(crate) fn is_same(one: &Finder, other: &Finder) -> bool {
    one.polarity == other.polarity
        && one.centre.distance(other.centre) < 2.0 * one.module.max(other.module)
        && one.module.max(other.module) < 2.0 * one.module.min(other.module)
}

/// How far runs may lie from their share, in modules.
const ROW_TOLERANCE: f32 = 0.9;
const CHECK_TOLERANCE: f32 = 1.0;
const DIAGONAL_TOLERANCE: f32 = 1.5;

/// Pixels of a module when the runs are those of a finder pattern. Compares distances between edges
/// of one kind, which ink that has run and light that has bled do not change.
fn module_of(runs: [f32; 5], tolerance: f32) -> Option<f32> {
    let [first, second, middle, fourth, fifth] = runs;
    let module = (first + 2.0 * (second + middle + fourth) + fifth) / 12.0;
    let off = |sum: f32, modules: f32| {
        (sum - modules * module).abs() > tolerance * module * 0.5 * modules.sqrt()
    };
    if off(first + second, 2.0)
        || off(fourth + fifth, 2.0)
        || off(second + middle, 4.0)
        || off(middle + fourth, 4.0)
    {
        return None;
    }
    let narrowest = first.min(second).min(fourth).min(fifth);
    let widest = first.max(second).max(fourth).max(fifth);
    let is_shaped = narrowest > 0.25 * module
        && widest < 2.0 * module
        && middle > 1.8 * module
        && middle < 4.4 * module;
    is_shaped.then_some(module)
}

struct Probe<'a> {
    frame: &'a Frame,
    levels: &'a Levels,
    polarity: Polarity,
}

impl Probe<'_> {
    fn check(&self, middle: Point, across: f32) -> Option<Finder> {
        let (down, y) = self.cross(middle, (0, 1), across, CHECK_TOLERANCE)?;
        let middle = Point::new(middle.x, middle.y + y);
        let (again, x) = self.cross(middle, (1, 0), across, CHECK_TOLERANCE)?;
        let middle = Point::new(middle.x + x, middle.y);
        let across = again;
        if down.max(across) > 3.0 * down.min(across) {
            return None;
        }
        let module = (down * across).sqrt();
        self.cross(middle, (1, 1), module, DIAGONAL_TOLERANCE)
            .or_else(|| self.cross(middle, (1, -1), module, DIAGONAL_TOLERANCE))?;
        Some(Finder {
            centre: middle,
            module,
            polarity: self.polarity,
            sightings: 1,
        })
    }

    /// Pixels of a module along a line through the middle, and how far the middle of the pattern
    /// lies from where the line began.
    fn cross(
        &self,
        middle: Point,
        step: (isize, isize),
        module: f32,
        tolerance: f32,
    ) -> Option<(f32, f32)> {
        let far = (module * 14.0) as usize + 3;
        let ahead = self.runs_from(middle, step, far)?;
        let back = self.runs_from(middle, (-step.0, -step.1), far)?;
        // The pixel in the middle was counted both ways.
        let centre = ahead[0] + back[0] - 1.0;
        let found = module_of([back[2], back[1], centre, ahead[1], ahead[2]], tolerance)?;
        Some((found, (ahead[0] - back[0]) / 2.0))
    }

    /// Lengths of the run that the place lies in and of the next two.
    fn runs_from(&self, from: Point, step: (isize, isize), far: usize) -> Option<[f32; 3]> {
        let (mut x, mut y) = (from.x as isize, from.y as isize);
        let (width, height) = (self.frame.columns() as isize, self.frame.rows() as isize);
        let mut runs = [0_u16; 3];
        let mut is_ink = true;
        let mut run = 0;
        for _ in 0..far {
            if x < 0 || y < 0 || x >= width || y >= height {
                break;
            }
            let dark = self.levels.is_ink(self.frame, x as usize, y as usize);
            let ink = dark == (self.polarity == Polarity::Dark);
            if ink != is_ink {
                if runs[run] == 0 {
                    return None;
                }
                run += 1;
                is_ink = ink;
                if run == runs.len() {
                    return Some(runs.map(f32::from));
                }
            }
            runs[run] += 1;
            x += step.0;
            y += step.1;
        }
        // The picture's edge ends the ring as paper would.
        (run == 2 && runs[2] > 0).then(|| runs.map(f32::from))
    }
}
