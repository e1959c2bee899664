//! Reading over the set that the repository draws itself: both halves, both sizes.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use code_finder::{Frame, Stream, Wanted};
use code_pictures::{Half, Picture, Spoiling, Take, pass_frames};

use crate::bench::{Figure, Goal, Spread, Unit};
use crate::readers::Reader;

/// How much is drawn and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Quick,
    Full,
}

impl Extent {
    /// Passes of each kind, size and half.
    fn passes(self) -> u64 {
        match self {
            Self::Quick => 3,
            Self::Full => 12,
        }
    }
}

pub(crate) const SIZES: [(u32, u32); 2] = [(640, 480), (1280, 720)];
const HALVES: [Half; 2] = [Half::Tuning, Half::Test];

/// Frames within which a pass that is held up must be read.
const FRAMES: usize = 5;

/// What came of some pictures.
#[derive(Clone, Copy, Default)]
struct Tally {
    all: u32,
    streamed: u32,
    wrong: u32,
    read: [u32; Reader::ALL.len()],
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.streamed += other.streamed;
        self.wrong += other.wrong;
        for (sum, other) in self.read.iter_mut().zip(other.read) {
            *sum += other;
        }
    }

    fn share(&self, read: u32) -> f64 {
        f64::from(read) * 100.0 / f64::from(self.all)
    }

    fn read_by(&self, reader: Reader) -> u32 {
        let place = Reader::ALL.iter().position(|&other| other == reader);
        self.read[place.expect("one of all")]
    }
}

pub(crate) fn frame_of(picture: &Picture) -> Frame {
    Frame::new(picture.width, picture.height, picture.luma.clone())
        .expect("a drawn picture has a pixel for each place")
}

/// Whether a gate would look at it as a pass.
fn passes_for_ours(text: &str) -> bool {
    text.starts_with("SP1:") || text.starts_with("SL1:")
}

fn read(take: &Take) -> (Tally, Vec<&'static str>) {
    let mut tally = Tally {
        all: 1,
        ..Tally::default()
    };
    let mut missed = Vec::new();
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    let mut count_wrong = |texts: &[String]| {
        let wrong = texts
            .iter()
            .any(|text| *text != take.text && passes_for_ours(text));
        tally.wrong += u32::from(wrong);
    };
    let mut stream = Stream::new();
    let mut is_streamed = false;
    for picture in &take.frames {
        let codes = stream.read(&frame_of(picture), &wanted).codes;
        let texts: Vec<String> = codes.into_iter().map(|code| code.text).collect();
        count_wrong(&texts);
        is_streamed |= texts.contains(&take.text);
    }
    let frame = frame_of(&take.frames[0]);
    let mut read = [0; Reader::ALL.len()];
    for (reader, count) in Reader::ALL.into_iter().zip(&mut read) {
        let texts = reader.texts(&frame);
        if matches!(reader, Reader::Ours | Reader::OursAsGate) {
            count_wrong(&texts);
        }
        if texts.contains(&take.text) {
            *count += 1;
        } else {
            missed.push(reader.name());
        }
    }
    if !is_streamed {
        missed.push("stream");
    }
    tally.streamed = u32::from(is_streamed);
    tally.read = read;
    (tally, missed)
}

/// Reads the set on all cores.
pub(crate) fn measure(extent: Extent, list: bool) -> Vec<Figure> {
    let mut jobs = Vec::new();
    for half in HALVES {
        for size in SIZES {
            for spoiling in Spoiling::ALL {
                jobs.extend((0..extent.passes()).map(|number| (half, size, spoiling, number)));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let tallies = Mutex::new(BTreeMap::<(usize, u32), Tally>::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(half, size, spoiling, number)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let take = pass_frames(spoiling, size, half, number, FRAMES);
                    let (tally, missed) = read(&take);
                    if list && !missed.is_empty() {
                        println!(
                            "{spoiling:?} {half:?} {}x{} {number}: not read by {}",
                            size.0,
                            size.1,
                            missed.join(", ")
                        );
                    }
                    let mut tallies = tallies.lock().expect("no worker panics");
                    tallies
                        .entry((half as usize, size.0))
                        .or_default()
                        .add(tally);
                }
            });
        }
    });
    let tallies = tallies.into_inner().expect("no worker panics");
    figures(&tallies)
}

fn figures(tallies: &BTreeMap<(usize, u32), Tally>) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut all = Tally::default();
    for (&(half, width), tally) in tallies {
        let half = if half == Half::Test as usize {
            "test"
        } else {
            "tuning"
        };
        let set = format!("{half} half at {width} pixels");
        figures.push(Figure::with_goal(
            &format!("Read within {FRAMES} frames of a sequence, {set}"),
            Spread::exactly(tally.share(tally.streamed)),
            Unit::Percent,
            Goal::AtLeast(97.0),
        ));
        figures.push(Figure::with_goal(
            &format!("Single pictures with every step, {set}"),
            Spread::exactly(tally.share(tally.read_by(Reader::Ours))),
            Unit::Percent,
            Goal::AtLeast(95.0),
        ));
        for reader in Reader::ALL
            .into_iter()
            .filter(|&reader| reader != Reader::Ours)
        {
            figures.push(Figure::for_reading(
                &format!("  {}", reader.name()),
                Spread::exactly(tally.share(tally.read_by(reader))),
                Unit::Percent,
            ));
        }
        all.add(*tally);
    }
    figures.push(Figure::with_goal(
        "Wrong texts that pass for ours",
        Spread::exactly(f64::from(all.wrong)),
        Unit::Count,
        Goal::AtMost(0.0),
    ));
    let fewest = Reader::YARDSTICKS
        .into_iter()
        .max_by_key(|&reader| all.read_by(reader))
        .expect("there are yardsticks");
    let failures = |reader| f64::from(all.all - all.read_by(reader));
    figures.push(Figure::with_goal(
        &format!("Pictures not read, of {}", all.all),
        Spread::exactly(failures(Reader::Ours)),
        Unit::Count,
        Goal::AtMost(failures(fewest) - 1.0),
    ));
    for reader in Reader::ALL
        .into_iter()
        .filter(|&reader| reader != Reader::Ours)
    {
        figures.push(Figure::for_reading(
            &format!("  {}", reader.name()),
            Spread::exactly(failures(reader)),
            Unit::Count,
        ));
    }
    figures
}
