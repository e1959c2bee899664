//! Which pixels are ink: a level for every tile of eight by eight pixels, made in one pass over the
//! frame. No black and white picture is ever made; pixels are compared when they are asked for.

use crate::frame::Frame;

/// Side of a tile in pixels.
pub(crate) const TILE: usize = 8;

/// A neighbourhood with a smaller range than this is one surface: its noise is no ink.
const RANGE_MIN: u8 = 12;

/// How the level of a tile is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The mean over five tiles by five: fast to follow shadows.
    NearMean,
    /// The middle between the darkest and the lightest tile values around: for low contrast and for
    /// codes whose ink and paper have unequal shares.
    MiddleOfRange,
    /// The mean over a wide neighbourhood: for large modules.
    WideMean,
    /// One level for the whole frame, by Otsu's method.
    OneLevel,
}

/// Mean, darkest and lightest value of every tile.
pub(crate) struct Tiles {
    across: usize,
    down: usize,
    means: Vec<u8>,
    darkest: Vec<u8>,
    lightest: Vec<u8>,
    /// How many pixels have each value, of every fourth row.
    counts: [u32; 256],
}

impl Tiles {
    pub(crate) fn of(frame: &Frame) -> Self {
        let across = frame.columns().div_ceil(TILE);
        let down = frame.rows().div_ceil(TILE);
        let mut tiles = Self {
            across,
            down,
            means: vec![0; across * down],
            darkest: vec![u8::MAX; across * down],
            lightest: vec![u8::MIN; across * down],
            counts: [0; 256],
        };
        let mut sums = vec![0_u32; across];
        for tile_row in 0..down {
            let rows = tile_row * TILE..((tile_row + 1) * TILE).min(frame.rows());
            let place = tile_row * across;
            sums.fill(0);
            for y in rows.clone() {
                let row = frame.row(y);
                let darkest = &mut tiles.darkest[place..place + across];
                let lightest = &mut tiles.lightest[place..place + across];
                let whole = row.chunks_exact(TILE);
                let rest = whole.remainder();
                for (((pixels, sum), dark), light) in
                    whole.zip(&mut sums).zip(&mut *darkest).zip(&mut *lightest)
                {
                    let pixels: &[u8; TILE] = pixels.try_into().expect("a whole tile");
                    *sum += pixels.iter().map(|&value| u32::from(value)).sum::<u32>();
                    *dark = pixels.iter().fold(*dark, |dark, &value| dark.min(value));
                    *light = pixels.iter().fold(*light, |light, &value| light.max(value));
                }
                for &value in rest {
                    let last = across - 1;
                    sums[last] += u32::from(value);
                    darkest[last] = darkest[last].min(value);
                    lightest[last] = lightest[last].max(value);
                }
                if y % 4 == 0 {
                    for &value in row {
                        tiles.counts[usize::from(value)] += 1;
                    }
                }
            }
            for (tile, &sum) in sums.iter().enumerate() {
                let columns = (frame.columns() - tile * TILE).min(TILE);
                tiles.means[place + tile] = (sum / (columns * rows.len()) as u32) as u8;
            }
        }
        tiles
    }

    /// The level of every tile.
    pub(crate) fn levels(&self, tone: Tone) -> Levels {
        let levels = match tone {
            Tone::NearMean => self.near_means(),
            Tone::MiddleOfRange => self.middles(),
            Tone::WideMean => self.wide_means(),
            Tone::OneLevel => vec![self.otsu_level(); self.means.len()],
        };
        Levels {
            across: self.across,
            levels,
        }
    }

    /// Two tiles around in each direction hold a finder pattern's ink and paper at modules of up to
    /// eight pixels. Flat neighbourhoods get a level below everything in them.
    fn near_means(&self) -> Vec<u8> {
        let means = self.box_means(2);
        let (dark, light) = (
            spread(&self.darkest, self.across, 2, u8::min),
            spread(&self.lightest, self.across, 2, u8::max),
        );
        means
            .iter()
            .zip(dark.iter().zip(&light))
            .map(|(&mean, (&dark, &light))| if light - dark < RANGE_MIN { dark } else { mean })
            .collect()
    }

    fn middles(&self) -> Vec<u8> {
        let (dark, light) = (
            spread(&self.darkest, self.across, 2, u8::min),
            spread(&self.lightest, self.across, 2, u8::max),
        );
        let middles: Vec<u8> = dark
            .iter()
            .zip(&light)
            .map(|(&dark, &light)| {
                if light - dark < RANGE_MIN / 2 {
                    dark
                } else {
                    dark.midpoint(light)
                }
            })
            .collect();
        box_mean(&middles, self.across, self.down, 1)
    }

    fn wide_means(&self) -> Vec<u8> {
        let radius = (self.across.min(self.down) / 10).max(3);
        let means = self.box_means(radius);
        // Plain paper lies at its mean: a little darker is not ink yet.
        means.iter().map(|mean| mean.saturating_sub(3)).collect()
    }

    fn box_means(&self, radius: usize) -> Vec<u8> {
        box_mean(&self.means, self.across, self.down, radius)
    }

    /// The level that parts the values into two groups whose means lie farthest apart (Otsu, 1979).
    fn otsu_level(&self) -> u8 {
        let total: f32 = self.counts.iter().map(|&count| count as f32).sum();
        let weigh = |(value, &count): (usize, &u32)| value as f32 * count as f32;
        let total_sum: f32 = self.counts.iter().enumerate().map(weigh).sum();
        let (mut dark, mut dark_sum) = (0.0, 0.0);
        let mut best = (0.0, 127_u8);
        for (value, &count) in self.counts.iter().enumerate() {
            dark += count as f32;
            dark_sum += value as f32 * count as f32;
            let light = total - dark;
            if dark == 0.0 || light <= 0.0 {
                continue;
            }
            let distance = dark_sum / dark - (total_sum - dark_sum) / light;
            let between = dark * light * distance * distance;
            if between > best.0 {
                best = (between, value as u8);
            }
        }
        best.1.saturating_add(1)
    }
}

/// Means over a square of `radius` tiles around each, the edge tiles going on beyond the edge.
fn box_mean(values: &[u8], across: usize, down: usize, radius: usize) -> Vec<u8> {
    let window = 2 * radius + 1;
    let mut rows = vec![0_u32; across * down];
    for (sums, row) in rows
        .chunks_exact_mut(across)
        .zip(values.chunks_exact(across))
    {
        let at = |x: isize| u32::from(row[x.clamp(0, across as isize - 1) as usize]);
        let radius = radius as isize;
        let mut sum: u32 = (-radius..=radius).map(at).sum();
        for (x, mean) in sums.iter_mut().enumerate() {
            *mean = sum;
            let x = x as isize;
            sum += at(x + radius + 1);
            sum -= at(x - radius);
        }
    }
    let row = |y: isize| {
        let y = y.clamp(0, down as isize - 1) as usize;
        &rows[y * across..(y + 1) * across]
    };
    let mut sums = vec![0_u32; across];
    let mut means = Vec::with_capacity(across * down);
    let around = radius as isize;
    for y in -around..=around {
        add(&mut sums, row(y));
    }
    for y in 0..down as isize {
        means.extend(
            sums.iter()
                .map(|sum| (sum / (window * window) as u32) as u8),
        );
        add(&mut sums, row(y + around + 1));
        sums.iter_mut()
            .zip(row(y - around))
            .for_each(|(sum, &value)| *sum -= value);
    }
    means
}

fn add(sums: &mut [u32], row: &[u32]) {
    sums.iter_mut()
        .zip(row)
        .for_each(|(sum, &value)| *sum += value);
}

/// The extreme of every square of `radius` tiles around each.
fn spread(values: &[u8], across: usize, radius: usize, extreme: fn(u8, u8) -> u8) -> Vec<u8> {
    let mut rows = Vec::with_capacity(values.len());
    for row in values.chunks_exact(across) {
        rows.extend((0..across).map(|x| {
            let near = &row[x.saturating_sub(radius)..(x + radius + 1).min(across)];
            near.iter().copied().reduce(extreme).expect("not empty")
        }));
    }
    let down = values.len() / across;
    let mut spread = Vec::with_capacity(values.len());
    for y in 0..down {
        let begin = y.saturating_sub(radius);
        let mut row = rows[begin * across..(begin + 1) * across].to_vec();
        for other in begin + 1..(y + radius + 1).min(down) {
            let other = &rows[other * across..(other + 1) * across];
            row.iter_mut()
                .zip(other)
                .for_each(|(value, &other)| *value = extreme(*value, other));
        }
        spread.append(&mut row);
    }
    spread
}

/// The level below which a pixel is ink, for every tile.
pub(crate) struct Levels {
    across: usize,
    levels: Vec<u8>,
}

impl Levels {
    pub(crate) fn is_ink(&self, frame: &Frame, x: usize, y: usize) -> bool {
        frame.luma()[y * frame.columns() + x] < self.levels[y / TILE * self.across + x / TILE]
    }

    /// One byte for each pixel of the row, one where it is ink.
    pub(crate) fn ink_of_row(&self, frame: &Frame, y: usize, ink: &mut Vec<u8>) {
        ink.clear();
        let levels = &self.levels[y / TILE * self.across..];
        for (pixels, &level) in frame.row(y).chunks(TILE).zip(levels) {
            ink.extend(pixels.iter().map(|&value| u8::from(value < level)));
        }
    }
}
