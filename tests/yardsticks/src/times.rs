//! What a frame costs on one core.

use code_finder::{Reading, Stream, Wanted};
use code_pictures::{Half, Hostile, Picture, Scene, Spoiling, empty_frames, hostile, pass_frames};

use crate::bench::{Figure, Goal, Spread, Unit};
use crate::clock::timed;
use crate::generated::{Extent, SIZES, frame_of};

const SMALL: (u32, u32) = SIZES[0];

/// Frames for which a gate goes on looking after something moved.
const SETTLING: usize = 40;

fn read(stream: &mut Stream, picture: &Picture) -> (Reading, f64) {
    let frame = frame_of(picture);
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    timed(|| stream.read(&frame, &wanted))
}

pub(crate) fn measure(extent: Extent) -> Vec<Figure> {
    let rounds = match extent {
        Extent::Quick => 2,
        Extent::Full => 6,
    };
    let with_code = with_code(rounds);
    let still = empty(rounds, 0.0, SETTLING);
    let moving = empty(rounds, 4.0, 1);
    let at_most = |what: &str, times: Vec<f64>, goal: f64| {
        Figure::with_goal(
            what,
            Spread::of(times),
            Unit::Milliseconds,
            Goal::AtMost(goal),
        )
    };
    let mut figures = vec![
        at_most("A frame with a code, 640×480", with_code, 2.0),
        at_most("  empty and still", still, 0.5),
        at_most("  empty and moving", moving, 2.0),
    ];
    for size in SIZES {
        let worst = Hostile::ALL
            .into_iter()
            .map(|way| hostile_worst(way, size))
            .fold(0.0, f64::max);
        figures.push(at_most(
            &format!("Worst hostile frame, {}×{}", size.0, size.1),
            vec![worst],
            50.0,
        ));
    }
    figures
}

/// Every frame that is looked at while a pass is held up, read or not.
fn with_code(rounds: u64) -> Vec<f64> {
    let mut times = Vec::new();
    for spoiling in Spoiling::ALL {
        for number in 0..rounds {
            let take = pass_frames(spoiling, SMALL, Half::Test, number, 5);
            let mut stream = Stream::new();
            times.extend(take.frames.iter().map(|frame| read(&mut stream, frame).1));
        }
    }
    times
}

/// Frames of every scene, the first ones left out.
fn empty(rounds: u64, pixels_moved: f32, first: usize) -> Vec<f64> {
    let mut times = Vec::new();
    for scene in Scene::ALL {
        for number in 0..rounds {
            let mut stream = Stream::new();
            let frames = empty_frames(scene, SMALL, number, pixels_moved, first + 30);
            let costs = frames.iter().map(|frame| read(&mut stream, frame).1);
            times.extend(costs.skip(first));
        }
    }
    times
}

/// The dearest frame of a stream of one hostile picture; of each the cheapest of three tries, since
/// other programs run beside this one.
fn hostile_worst(way: Hostile, (width, height): (u32, u32)) -> f64 {
    const FRAMES: usize = 12;
    const TRIES: usize = 3;
    let picture = hostile(way, width, height, 7);
    let mut least = [f64::MAX; FRAMES];
    for _ in 0..TRIES {
        let mut stream = Stream::new();
        for least in &mut least {
            *least = least.min(read(&mut stream, &picture).1);
        }
    }
    least.into_iter().fold(0.0, f64::max)
}
