//! From light to a grey frame, in the order in which a camera does it: lens, motion, exposure, the
//! sensor's noise, tone, sharpening, compression.

use crate::Picture;
use crate::random::Random;

/// How a frame is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot {
    /// Radius of the disc that a point becomes, in pixels.
    pub(crate) defocus: f32,
    /// Way that the surface moves during the exposure, in pixels across and down.
    pub(crate) motion: (f32, f32),
    /// What full light becomes, of the sensor's range.
    pub(crate) exposure: f32,
    /// Light spread over the whole picture, by a dirty lens or a bright window.
    pub(crate) veil: f32,
    /// Deviation of the noise in the dark, of the sensor's range.
    pub(crate) read_noise: f32,
    /// Noise of the light itself: its variance at full light.
    pub(crate) shot_noise: f32,
    /// How strongly the camera sharpens.
    pub(crate) sharpening: f32,
    /// Quality of the compression, 1 to 100; none at 100.
    pub(crate) quality: u32,
}

impl Shot {
    /// A usual camera in usual light.
    pub(crate) fn usual(random: &mut Random) -> Self {
        Self {
            defocus: random.between(0.3, 0.8),
            motion: (random.between(-0.7, 0.7), random.between(-0.7, 0.7)),
            exposure: random.between(0.6, 1.05),
            veil: random.between(0.0, 0.05),
            read_noise: random.between(0.002, 0.008),
            shot_noise: random.between(0.0, 0.000_2),
            sharpening: if random.happens(0.5) {
                random.between(0.0, 0.8)
            } else {
                0.0
            },
            quality: [100, 92, 85, 75][random.below(4)],
        }
    }

    /// Takes the picture of what sends so much light from each place, 1 being white paper.
    pub(crate) fn take(
        &self,
        (width, height): (u32, u32),
        random: &mut Random,
        light: impl Fn(f32, f32) -> f32,
    ) -> Picture {
        let (columns, rows) = (width as usize, height as usize);
        let mut values = sampled(columns, rows, light);
        blur(&mut values, columns, rows, self.kernel());
        for value in &mut values {
            let light = (*value * (1.0 - self.veil) + self.veil) * self.exposure;
            let deviation = (self.read_noise * self.read_noise + self.shot_noise * light).sqrt();
            *value = (light + deviation * random.normal())
                .clamp(0.0, 1.0)
                .powf(1.0 / 2.2)
                * 255.0;
        }
        if self.sharpening > 0.0 {
            sharpen(&mut values, columns, rows, self.sharpening);
        }
        if self.quality < 100 {
            compress(&mut values, columns, rows, self.quality);
        }
        Picture {
            width,
            height,
            luma: values
                .iter()
                .map(|value| value.round().clamp(0.0, 255.0) as u8)
                .collect(),
        }
    }

    /// Where a point's light falls: a disc moved along a line, and the lens's own unsharpness.
    fn kernel(&self) -> Vec<(isize, isize, f32)> {
        const LENS: f32 = 0.45;
        let reach = (self.defocus + self.motion.0.hypot(self.motion.1) / 2.0 + 2.0).ceil() as isize;
        let steps = 9;
        let mut kernel = Vec::new();
        for y in -reach..=reach {
            for x in -reach..=reach {
                let mut weight = 0.0;
                for step in 0..steps {
                    let along = step as f32 / (steps - 1) as f32 - 0.5;
                    let (dx, dy) = (
                        x as f32 - along * self.motion.0,
                        y as f32 - along * self.motion.1,
                    );
                    // A disc with an edge as soft as the lens.
                    let beyond = (dx.hypot(dy) - self.defocus) / LENS;
                    weight += 1.0 / (1.0 + (2.0 * beyond).exp());
                }
                if weight > 0.02 {
                    kernel.push((x, y, weight));
                }
            }
        }
        let sum: f32 = kernel.iter().map(|(_, _, weight)| weight).sum();
        for (_, _, weight) in &mut kernel {
            *weight /= sum;
        }
        kernel
    }
}

/// Mean light of four places in each pixel.
fn sampled(columns: usize, rows: usize, light: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(columns * rows);
    for y in 0..rows {
        for x in 0..columns {
            let (x, y) = (x as f32, y as f32);
            let sum = light(x + 0.25, y + 0.25)
                + light(x + 0.75, y + 0.25)
                + light(x + 0.25, y + 0.75)
                + light(x + 0.75, y + 0.75);
            values.push(sum / 4.0);
        }
    }
    values
}

fn blur(values: &mut Vec<f32>, columns: usize, rows: usize, kernel: Vec<(isize, isize, f32)>) {
    let mut blurred = vec![0.0; values.len()];
    for (y, row) in blurred.chunks_exact_mut(columns).enumerate() {
        for &(dx, dy, weight) in &kernel {
            let from = (y as isize + dy).clamp(0, rows as isize - 1) as usize;
            let source = &values[from * columns..(from + 1) * columns];
            for (x, sum) in row.iter_mut().enumerate() {
                let from = (x as isize + dx).clamp(0, columns as isize - 1) as usize;
                *sum += weight * source[from];
            }
        }
    }
    *values = blurred;
}

fn sharpen(values: &mut [f32], columns: usize, rows: usize, strength: f32) {
    let mut smooth = values.to_vec();
    let around = (-1..=1)
        .flat_map(|y| (-1..=1).map(move |x| (x, y, 1.0 / 9.0)))
        .collect();
    blur(&mut smooth, columns, rows, around);
    for (value, mean) in values.iter_mut().zip(smooth) {
        *value = (*value + strength * (*value - mean)).clamp(0.0, 255.0);
    }
}

/// Quantises the cosines of eight by eight pixels, as JPEG does with its luminance table.
fn compress(values: &mut [f32], columns: usize, rows: usize, quality: u32) {
    #[rustfmt::skip]
    const TABLE: [u32; 64] = [
        16, 11, 10, 16, 24, 40, 51, 61,      12, 12, 14, 19, 26, 58, 60, 55,
        14, 13, 16, 24, 40, 57, 69, 56,      14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77,    24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101,  72, 92, 95, 98, 112, 100, 103, 99,
    ];
    let scale = if quality < 50 {
        5_000 / quality
    } else {
        200 - 2 * quality
    };
    let steps = TABLE.map(|step| ((step * scale + 50) / 100).clamp(1, 255) as f32);
    let cosines: [[f32; 8]; 8] = std::array::from_fn(|frequency| {
        std::array::from_fn(|place| {
            let angle = (2.0 * place as f32 + 1.0) * frequency as f32 * std::f32::consts::PI / 16.0;
            let size = if frequency == 0 {
                0.125_f32.sqrt()
            } else {
                0.5
            };
            size * angle.cos()
        })
    });
    for top in (0..rows / 8 * 8).step_by(8) {
        for left in (0..columns / 8 * 8).step_by(8) {
            let mut block: [[f32; 8]; 8] = std::array::from_fn(|y| {
                std::array::from_fn(|x| values[(top + y) * columns + left + x] - 128.0)
            });
            block = transformed(&block, &cosines);
            for (y, row) in block.iter_mut().enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    let step = steps[y * 8 + x];
                    *value = (*value / step).round() * step;
                }
            }
            let back: [[f32; 8]; 8] =
                std::array::from_fn(|y| std::array::from_fn(|x| cosines[x][y]));
            block = transformed(&block, &back);
            for (y, row) in block.iter().enumerate() {
                for (x, value) in row.iter().enumerate() {
                    values[(top + y) * columns + left + x] = value + 128.0;
                }
            }
        }
    }
}

/// The matrix applied to columns and rows.
fn transformed(block: &[[f32; 8]; 8], matrix: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let rows: [[f32; 8]; 8] = std::array::from_fn(|y| {
        std::array::from_fn(|x| (0..8).map(|k| block[y][k] * matrix[x][k]).sum())
    });
    std::array::from_fn(|y| {
        std::array::from_fn(|x| (0..8).map(|k| rows[k][x] * matrix[y][k]).sum())
    })
}
