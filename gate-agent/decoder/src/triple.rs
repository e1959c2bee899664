//! Three finder patterns that may be the corners of one code, the likeliest first.

use crate::finder::Finder;

/// The corners in the code's own order; seen from the front, `right` lies clockwise of `below`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Triple {
    /// Where rows and columns begin.
    pub(crate) corner: Finder,
    /// At the end of the first rows.
    pub(crate) right: Finder,
    /// At the end of the first columns.
    pub(crate) below: Finder,
    /// How far from square and even the three are; 0 is perfect.
    pub(crate) strain: f32,
    /// The finders' places in the list they came from.
    pub(crate) members: [usize; 3],
}

/// Nearest finder patterns of a kind that a corner is joined with: the two of its own code, and
/// those that clutter between them feigns.
const NEIGHBOURS_MAX: usize = 14;

/// Surest finder patterns that every corner is joined with: the far ends of a large code lie beyond
/// all the clutter inside it.
const SUREST: usize = 16;

/// By how much of its length the side opposite the corner may be shorter than another.
const ASLANT_MAX: f32 = 0.35;

/// Beyond this strain no picture of a code was ever seen.
const STRAIN_MAX: f32 = 3.0;

/// The triples of these finders, the surest first, with the least strain, at most `triples_max`.
pub(crate) fn triples(finders: &[Finder], triples_max: usize) -> Vec<Triple> {
    let mut triples = Vec::new();
    for corner in 0..finders.len() {
        let distance = |other: usize| finders[corner].centre.distance(finders[other].centre);
        let mut near: Vec<usize> = (0..finders.len())
            .filter(|&other| other != corner && are_alike(&finders[corner], &finders[other]))
            .collect();
        near.sort_by(|&one, &other| f32::total_cmp(&distance(one), &distance(other)));
        let far = near.split_off(near.len().min(NEIGHBOURS_MAX));
        near.extend(far.into_iter().filter(|&other| other < SUREST));
        for (count, &one) in near.iter().enumerate() {
            for &other in &near[count + 1..] {
                triples.extend(triple(finders, [corner, one, other]));
            }
        }
    }
    triples.sort_by(|one, other| f32::total_cmp(&one.strain, &other.strain));
    triples.truncate(triples_max);
    triples
}

fn are_alike(one: &Finder, other: &Finder) -> bool {
    one.polarity == other.polarity
        && one.module.max(other.module) < 2.4 * one.module.min(other.module)
}

fn triple(finders: &[Finder], members: [usize; 3]) -> Option<Triple> {
    let [corner, mut right, mut below] = members.map(|member| finders[member]);
    // The corner lies opposite the longest side, or nearly the longest where a code is seen aslant.
    let opposite = right.centre.distance(below.centre);
    let sides = [&right, &below].map(|end| corner.centre.distance(end.centre));
    let aslant = (sides[0].max(sides[1]) / opposite - 1.0).max(0.0);
    if !are_alike(&right, &below) || aslant > ASLANT_MAX {
        return None;
    }
    let mut places = members;
    let along = |other: &Finder| other.centre.minus(corner.centre);
    if along(&right).cross(along(&below)) < 0.0 {
        std::mem::swap(&mut right, &mut below);
        places.swap(1, 2);
    }
    let (rows, columns) = (along(&right), along(&below));
    let modules = |side: crate::geometry::Point, end: &Finder| {
        // Rows and columns of the picture cross a turned module on a longer way.
        let shorter = side.x.abs().max(side.y.abs()) / side.length();
        side.length() / ((corner.module * end.module).sqrt() * shorter)
    };
    let (across, down) = (modules(rows, &right), modules(columns, &below));
    if across.min(down) < 10.0 || across.max(down) > 230.0 {
        return None;
    }
    let sine = rows.cross(columns) / (rows.length() * columns.length());
    if sine < 0.35 {
        return None;
    }
    let uneven = (across / down).ln().abs();
    let size = |finder: &Finder| finder.module.ln();
    let unlike = (size(&right) - size(&below)).abs().max(
        (size(&right) - size(&corner))
            .abs()
            .max((size(&below) - size(&corner)).abs()),
    );
    let sightings = corner.sightings.min(right.sightings).min(below.sightings);
    let lonely = 1.0 / sightings as f32;
    // On a sheet of codes the finder patterns of several make squares too, all larger ones.
    let large = (0.5 * (across + down) / 14.0).ln().max(0.0);
    let strain = 2.0 * uneven + unlike + (1.0 - sine) * 1.5 + 0.3 * lonely + 0.2 * large + aslant;
    (strain < STRAIN_MAX).then_some(Triple {
        corner,
        right,
        below,
        strain,
        members: places,
    })
}
