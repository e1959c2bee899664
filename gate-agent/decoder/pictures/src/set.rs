//! The set: what spoils a picture of a pass, how much, and in which half it is drawn.

use crate::Picture;
use crate::camera::Shot;
use crate::passes::Code;
use crate::pose::{Pose, Stand, stand_inside};
use crate::random::Random;
use crate::scenes::{Background, Scene};
use crate::surface::{Mode, Surface};

/// The set is drawn twice, from other seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// For trying out what reads better.
    Tuning,
    /// For measuring; never looked at while trying out.
    Test,
}

impl Half {
    const fn seed(self) -> u64 {
        match self {
            Self::Tuning => 0x7475_6e65,
            Self::Test => 0x7465_7374,
        }
    }
}

/// What makes a picture of a pass hard to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spoiling {
    /// A printed card, held well.
    Print,
    /// A card tilted by 25 to 50 degrees.
    Tilt,
    /// A card that is bent.
    Bend,
    /// Out of focus.
    Defocus,
    /// Moved during the exposure.
    Motion,
    /// Noise of a dark room.
    Noise,
    /// Faded print, behind a veil of stray light.
    LowContrast,
    /// Half in shadow.
    UnevenLight,
    /// A lamp mirrored on the card.
    Glare,
    /// Modules of two pixels.
    Small,
    /// A phone.
    Phone,
    /// A lamp mirrored on a phone.
    PhoneGlare,
    /// A phone whose pixels make moiré.
    Moire,
    /// A phone in dark mode, the code light on dark.
    DarkMode,
    /// A phone on a dark page.
    DarkPage,
    /// A phone with cracked glass.
    CrackedGlass,
    /// Two of them at a time, a little less of each.
    Everyday,
}

impl Spoiling {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Print,
        Self::Tilt,
        Self::Bend,
        Self::Defocus,
        Self::Motion,
        Self::Noise,
        Self::LowContrast,
        Self::UnevenLight,
        Self::Glare,
        Self::Small,
        Self::Phone,
        Self::PhoneGlare,
        Self::Moire,
        Self::DarkMode,
        Self::DarkPage,
        Self::CrackedGlass,
        Self::Everyday,
    ];

    fn is_phone(self) -> bool {
        matches!(
            self,
            Self::Phone
                | Self::PhoneGlare
                | Self::Moire
                | Self::DarkMode
                | Self::DarkPage
                | Self::CrackedGlass
        )
    }
}

/// A picture of a pass, or the frames of one that is held before the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// What spoils it.
    pub spoiling: Spoiling,
    /// The pass's text.
    pub text: String,
    /// The frames, in the order of being taken.
    pub frames: Vec<Picture>,
}

/// One picture of a pass.
#[must_use]
pub fn pass_frame(spoiling: Spoiling, size: (u32, u32), half: Half, number: u64) -> Take {
    pass_frames(spoiling, size, half, number, 1)
}

/// So many frames of a pass that is held as still as people do. The first frame is that of
/// [`pass_frame`].
#[must_use]
pub fn pass_frames(
    spoiling: Spoiling,
    size: (u32, u32),
    half: Half,
    number: u64,
    frames: usize,
) -> Take {
    let place = (spoiling as u64) << 40 | u64::from(size.0) << 20 | number;
    let mut random = Random::new(Random::new(half.seed() ^ place.wrapping_mul(0x9e37)).bits());
    let setting = Setting::new(spoiling, size, &mut random);
    let frames = (0..frames)
        .map(|frame| setting.frame(frame, &mut random))
        .collect();
    Take {
        spoiling,
        text: setting.surface.code.text.clone(),
        frames,
    }
}

/// One picture of a pass that is held so near that one of its finder patterns is in sight and the
/// others are not.
#[must_use]
pub fn near_pass_frame(size: (u32, u32), half: Half, number: u64) -> Take {
    let mut random = Random::new(half.seed() ^ 0x006e_6561_7200 ^ number.wrapping_mul(0x9e37));
    let mut setting = Setting::new(Spoiling::Print, size, &mut random);
    let (width, height) = (size.0 as f32, size.1 as f32);
    let side = setting.surface.code.side as f32;
    setting.stand.tilt = 0.0;
    setting.stand.turn = random.between(-10.0, 10.0);
    setting.stand.module = width.max(height) * random.between(1.2, 1.5) / side;
    // The finder pattern at the code's upper left lies in the middle of the picture.
    let reach = setting.stand.module * (side / 2.0 - 3.5);
    setting.stand.middle = (width / 2.0 + reach, height / 2.0 + reach);
    Take {
        spoiling: Spoiling::Print,
        text: setting.surface.code.text.clone(),
        frames: vec![setting.frame(0, &mut random)],
    }
}

/// Frames without a code: the scene held still but for the sensor's noise, or moving by some pixels
/// from frame to frame.
#[must_use]
pub fn empty_frames(
    scene: Scene,
    size: (u32, u32),
    seed: u64,
    pixels_moved: f32,
    frames: usize,
) -> Vec<Picture> {
    let mut random = Random::new(seed ^ 0x656d_7074);
    let place = (size.0 as f32, size.1 as f32);
    let mut background = Background::new(scene, place, &mut random);
    let shot = Shot::usual(&mut random);
    (0..frames)
        .map(|frame| {
            let moved = frame as f32 * pixels_moved;
            background.shift = (moved, moved * 0.4);
            shot.take(size, &mut random, |x, y| background.light_at(x, y))
        })
        .collect()
}

/// A lamp mirrored on the surface, in pixels.
#[derive(Debug, Clone, Copy)]
struct Lamp {
    place: (f32, f32),
    radius: f32,
    strength: f32,
}

struct Setting {
    surface: Surface,
    stand: Stand,
    shot: Shot,
    background: Background,
    size: (u32, u32),
    lamp: Option<Lamp>,
    /// Share of light in the shadow, and the edge's direction.
    shadow: Option<(f32, f32)>,
}

impl Setting {
    fn new(spoiling: Spoiling, size: (u32, u32), random: &mut Random) -> Self {
        let code = Code::of_pass(random);
        let side = code.side;
        let (width, height) = (size.0 as f32, size.1 as f32);
        let is_phone =
            spoiling.is_phone() || (spoiling == Spoiling::Everyday && random.happens(0.6));
        let mode = match spoiling {
            Spoiling::DarkMode => Mode::Dark,
            Spoiling::DarkPage => Mode::DarkPage,
            _ => Mode::Light,
        };
        let surface = if is_phone {
            Surface::phone(code, mode, random)
        } else {
            Surface::print(code, random)
        };
        let tilt = match spoiling {
            Spoiling::Tilt => random.between(25.0, 50.0),
            _ => random.between(0.0, 18.0),
        };
        // A pass is held so that it fills a good part of the picture.
        let fill = height / (side as f32 + 8.0);
        let modules = match spoiling {
            Spoiling::Small => 1.9..2.6,
            Spoiling::Defocus | Spoiling::Motion | Spoiling::Noise | Spoiling::Tilt => {
                fill * 0.5..fill * 0.95
            }
            _ => (fill * 0.38).max(2.4)..fill * 0.95,
        };
        let stand = stand_inside(random, (width, height), side, tilt, modules);
        let scene = Scene::ALL[random.below(Scene::ALL.len())];
        let mut setting = Self {
            surface,
            stand,
            shot: Shot::usual(random),
            background: Background::new(scene, (width, height), random),
            size,
            lamp: None,
            shadow: None,
        };
        setting.spoil(spoiling, 1.0, random);
        setting
    }

    /// `share` of what the kind can do to a picture.
    fn spoil(&mut self, spoiling: Spoiling, share: f32, random: &mut Random) {
        let module = self.stand.module;
        match spoiling {
            Spoiling::Print
            | Spoiling::Tilt
            | Spoiling::Small
            | Spoiling::Phone
            | Spoiling::DarkMode
            | Spoiling::DarkPage => {}
            Spoiling::Bend => {
                let bend = random.between(1.0, 3.0) * share;
                let surface = self.surface.clone();
                self.surface = surface.bent(if random.happens(0.5) { bend } else { -bend });
            }
            Spoiling::Defocus => self.shot.defocus = module * random.between(0.45, 0.85) * share,
            Spoiling::Motion => {
                let angle = random.between(0.0, std::f32::consts::TAU);
                let way = module * random.between(0.7, 1.5) * share;
                self.shot.motion = (angle.cos() * way, angle.sin() * way);
            }
            Spoiling::Noise => {
                self.shot.exposure = random.between(0.06, 0.25);
                self.shot.read_noise = random.between(0.012, 0.03) * share;
                self.shot.shot_noise = random.between(0.000_5, 0.002) * share;
            }
            Spoiling::LowContrast => {
                self.surface = self
                    .surface
                    .clone()
                    .faded(random.between(0.12, 0.35) / share);
                self.shot.veil = random.between(0.2, 0.6) * share;
            }
            Spoiling::UnevenLight => {
                self.shadow = Some((
                    random.between(0.08, 0.3) / share,
                    random.between(0.0, std::f32::consts::TAU),
                ));
            }
            Spoiling::Glare | Spoiling::PhoneGlare => {
                let (x, y) = self.stand.middle;
                let reach = module * self.surface.code.side as f32 * 0.5;
                self.lamp = Some(Lamp {
                    place: (
                        x + random.between(-reach, reach),
                        y + random.between(-reach, reach),
                    ),
                    radius: reach * random.between(0.2, 0.5) * share,
                    strength: random.between(0.4, 1.6) * share,
                });
            }
            Spoiling::Moire => {
                let near_pixel = random.between(0.8, 1.25);
                let dark = random.between(0.3, 0.7) * share;
                self.surface = self.surface.clone().coarse(module * near_pixel, dark);
                self.shot.sharpening = random.between(0.3, 1.0);
            }
            Spoiling::CrackedGlass => self.surface = self.surface.clone().cracked(random),
            Spoiling::Everyday => {
                const PAIRS: [Spoiling; 7] = [
                    Spoiling::Defocus,
                    Spoiling::Motion,
                    Spoiling::Noise,
                    Spoiling::LowContrast,
                    Spoiling::UnevenLight,
                    Spoiling::Glare,
                    Spoiling::Bend,
                ];
                let one = random.below(PAIRS.len());
                let other = (one + 1 + random.below(PAIRS.len() - 1)) % PAIRS.len();
                self.spoil(PAIRS[one], 0.6, random);
                self.spoil(PAIRS[other], 0.6, random);
            }
        }
    }

    /// A hand moves a little from frame to frame, and so does the focus.
    fn frame(&self, number: usize, random: &mut Random) -> Picture {
        let mut stand = self.stand;
        let mut shot = self.shot;
        if number > 0 {
            let way = 1.2 * self.size.0 as f32 / 640.0;
            stand.middle.0 += random.normal() * way;
            stand.middle.1 += random.normal() * way;
            stand.turn += random.normal() * 0.5;
            stand.tilt += random.normal() * 0.7;
            stand.module *= 1.0 + random.normal() * 0.006;
            let varied = |random: &mut Random| random.between(0.75, 1.2);
            shot.defocus *= varied(random);
            shot.motion.0 *= varied(random);
            shot.motion.1 *= varied(random);
            shot.exposure *= random.between(0.95, 1.05);
        }
        let side = self.surface.code.side;
        let pose = Pose::new(stand, side, self.size.0 as f32);
        let middle = side as f32 / 2.0;
        shot.take(self.size, random, |x, y| {
            let place = pose.surface_at(x, y);
            let surface = place.and_then(|(u, v)| {
                let light = self.surface.light_at(u, v)?;
                let Some((share, angle)) = self.shadow else {
                    return Some(light);
                };
                // A shadow's edge is soft.
                let beyond = (u - middle) * angle.cos() + (v - middle) * angle.sin();
                let soft = 1.0 / (1.0 + (-beyond / 2.0).exp());
                Some(light * (share + (1.0 - share) * soft))
            });
            let Some(light) = surface else {
                return self.background.light_at(x, y);
            };
            let Some(lamp) = self.lamp else { return light };
            let far = (x - lamp.place.0).hypot(y - lamp.place.1) / lamp.radius;
            light + lamp.strength * (-far * far).exp()
        })
    }
}
