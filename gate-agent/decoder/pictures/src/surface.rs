//! What bears the code: a printed card or a phone.

use crate::passes::Code;
use crate::random::Random;

/// What a surface is like. Places on it are in modules from the code's corner.
#[derive(Debug, Clone)]
pub(crate) struct Surface {
    pub(crate) code: Code,
    /// Paper around the code, in modules.
    quiet: f32,
    /// How far the surface reaches beyond the quiet zone, in modules.
    frame: f32,
    ink: f32,
    paper: f32,
    rim: f32,
    /// How far ink has run, in modules.
    gain: f32,
    material: Material,
    /// Lines in the glass: from, to, half width, brightness.
    cracks: Vec<Crack>,
    /// How strongly the card is bent, in modules at its edge.
    bend: f32,
}

#[derive(Debug, Clone)]
enum Material {
    Paper {
        /// Lines of text under the code.
        line: f32,
    },
    /// A screen's pixels, whose gaps are dark.
    Screen {
        /// Pixels for each module.
        pixels: f32,
        /// How much darker the gaps are.
        gap: f32,
    },
}

#[derive(Debug, Clone, Copy)]
struct Crack {
    from: (f32, f32),
    to: (f32, f32),
    half_width: f32,
    brightness: f32,
    /// How far the glass beside it shifts what lies below, in modules.
    shift: (f32, f32),
}

/// What a phone shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Light,
    /// The code itself is light on dark.
    Dark,
    /// A dark page with the code on a white field.
    DarkPage,
}

impl Surface {
    pub(crate) fn print(code: Code, random: &mut Random) -> Self {
        Self {
            code,
            quiet: 4.0,
            frame: random.between(1.0, 8.0),
            ink: random.between(0.03, 0.12),
            paper: random.between(0.7, 0.92),
            rim: random.between(0.6, 0.9),
            gain: random.between(-0.06, 0.14),
            material: Material::Paper {
                line: random.between(1.5, 3.0),
            },
            cracks: Vec::new(),
            bend: 0.0,
        }
    }

    pub(crate) fn phone(code: Code, mode: Mode, random: &mut Random) -> Self {
        let black = random.between(0.01, 0.06);
        let white = random.between(0.75, 1.0);
        let dark_page = random.between(0.02, 0.1);
        let (ink, paper, rim) = match mode {
            Mode::Light => (black, white, white * 0.95),
            Mode::Dark => (white * random.between(0.6, 1.0), dark_page, dark_page),
            Mode::DarkPage => (black, white, dark_page),
        };
        Self {
            code,
            quiet: random.between(2.0, 4.0),
            frame: random.between(3.0, 10.0),
            ink,
            paper,
            rim,
            gain: 0.0,
            material: Material::Screen {
                pixels: random.between(5.0, 14.0),
                gap: random.between(0.1, 0.4),
            },
            cracks: Vec::new(),
            bend: 0.0,
        }
    }

    /// Prints with less between ink and paper.
    pub(crate) fn faded(mut self, contrast: f32) -> Self {
        self.ink = self.paper - (self.paper - self.ink) * contrast;
        self
    }

    pub(crate) fn bent(mut self, bend: f32) -> Self {
        self.bend = bend;
        self
    }

    /// A screen whose pixels the camera nearly resolves.
    pub(crate) fn coarse(mut self, pixels_per_module: f32, dark: f32) -> Self {
        self.material = Material::Screen {
            pixels: pixels_per_module,
            gap: dark,
        };
        self
    }

    /// Glass cracked from one blow on.
    pub(crate) fn cracked(mut self, random: &mut Random) -> Self {
        let side = self.code.side as f32;
        let blow = (
            random.between(-4.0, side + 4.0),
            random.between(-4.0, side + 4.0),
        );
        for _ in 0..4 + random.below(6) {
            let angle = random.between(0.0, std::f32::consts::TAU);
            let (mut from, mut direction) = (blow, angle);
            for _ in 0..4 {
                direction += random.between(-0.5, 0.5);
                let length = random.between(0.1, 0.35) * side;
                let to = (
                    from.0 + direction.cos() * length,
                    from.1 + direction.sin() * length,
                );
                self.cracks.push(Crack {
                    from,
                    to,
                    half_width: random.between(0.05, 0.3),
                    brightness: random.between(0.0, 0.9),
                    shift: (random.between(-0.25, 0.25), random.between(-0.25, 0.25)),
                });
                from = to;
            }
        }
        self
    }

    /// How far the surface reaches beyond the code on each side, in modules.
    pub(crate) fn margin(&self) -> f32 {
        self.quiet + self.frame
    }

    /// How much light comes from a place, 1 is white paper in full light; `None` beside the surface.
    pub(crate) fn light_at(&self, x: f32, y: f32) -> Option<f32> {
        let side = self.code.side as f32;
        let middle = side / 2.0;
        let across = (x - middle) / middle;
        let y = y + self.bend * across * across;
        let margin = self.margin();
        let reach = -margin..side + margin;
        // Phones and cards are longer than wide.
        let below = side + margin * 2.0;
        if !reach.contains(&x) || !(-margin..below).contains(&y) {
            return None;
        }
        let (mut x, mut y) = (x, y);
        for crack in &self.cracks {
            let distance = crack.distance(x, y);
            if distance < crack.half_width {
                return Some(crack.brightness);
            }
            if distance < crack.half_width + 0.6 {
                x += crack.shift.0;
                y += crack.shift.1;
            }
        }
        Some(self.material_at(x, y))
    }

    fn material_at(&self, x: f32, y: f32) -> f32 {
        let side = self.code.side as f32;
        let quiet = -self.quiet..side + self.quiet;
        let plain = if !quiet.contains(&x) || !quiet.contains(&y) {
            self.rim_at(x, y)
        } else if self.is_inked(x, y) {
            self.ink
        } else {
            self.paper
        };
        match self.material {
            Material::Paper { .. } => plain,
            Material::Screen { pixels, gap } => {
                let from_edge = |at: f32| {
                    let inside = (at * pixels).rem_euclid(1.0);
                    inside.min(1.0 - inside)
                };
                let is_gap = from_edge(x) < 0.12 || from_edge(y) < 0.12;
                if is_gap { plain * (1.0 - gap) } else { plain }
            }
        }
    }

    fn rim_at(&self, x: f32, y: f32) -> f32 {
        let side = self.code.side as f32;
        let Material::Paper { line } = self.material else {
            return self.rim;
        };
        let below = y - side - self.quiet;
        let is_letter = below > 0.0
            && (below / line) as i32 % 2 == 0
            && ((x * 1.7).sin() + (x * 3.1 + below.floor()).cos()) > 0.2;
        if is_letter { self.ink } else { self.rim }
    }

    fn is_inked(&self, x: f32, y: f32) -> bool {
        let reach = self.gain.abs();
        let near = [(reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach)];
        let mut around = near
            .iter()
            .map(|&(dx, dy)| self.code.is_ink(x + dx, y + dy));
        if self.gain > 0.0 {
            around.any(|ink| ink)
        } else {
            around.all(|ink| ink)
        }
    }
}

impl Crack {
    fn distance(&self, x: f32, y: f32) -> f32 {
        let (along_x, along_y) = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let (from_x, from_y) = (x - self.from.0, y - self.from.1);
        let length = along_x * along_x + along_y * along_y;
        let share = ((from_x * along_x + from_y * along_y) / length.max(1e-6)).clamp(0.0, 1.0);
        (from_x - share * along_x).hypot(from_y - share * along_y)
    }
}
