//! Spoiled frames: never a panic, never a text that was not in the picture.

use std::thread;

use code_finder::{Frame, Stream, Wanted, read_as_gate};
use code_pictures::{Half, Hostile, Random, Spoiling, Take, hostile, pass_frame};

/// Small enough for seconds, large enough for [`CODE_CHARS_MAX`].
const SIZE: (u32, u32) = (160, 120);

/// Characters of the codes that are spoiled: static passes, of 41 or 45 modules on a side.
const CODE_CHARS_MAX: usize = 178;

const FRAMES: usize = 20_000;

/// Parts that run side by side, each a stream of its own.
const PARTS: usize = 4;

/// Spoils a rectangle: by noise, by one value, by hostile patterns, or by what stands elsewhere.
fn mutate(luma: &mut [u8], patterns: &[u8], random: &mut Random) {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    for _ in 0..1 + random.below(6) {
        let (left, top) = (random.below(width), random.below(height));
        let right = (left + 1 + random.below(80)).min(width);
        let bottom = (top + 1 + random.below(60)).min(height);
        let (kind, value) = (random.below(5), random.bits() as u8);
        let from = random.below(luma.len());
        for y in top..bottom {
            for x in left..right {
                let place = y * width + x;
                luma[place] = match kind {
                    0 => random.bits() as u8,
                    1 => value,
                    2 => patterns[place],
                    3 => luma[(place + from) % luma.len()],
                    _ => luma[place] ^ value,
                };
            }
        }
    }
}

/// What was read from a part of the frames.
#[derive(Default)]
struct Tally {
    right: usize,
    wrong: Vec<String>,
}

fn read_part(part: usize, takes: &[Take], patterns: &[u8]) -> Tally {
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    let mut random = Random::new(20_000 + part as u64);
    let mut stream = Stream::new();
    let mut tally = Tally::default();
    for number in 0..FRAMES / PARTS {
        let take = &takes[number % takes.len()];
        let mut luma = take.frames[0].luma.clone();
        mutate(&mut luma, patterns, &mut random);
        let frame = Frame::new(SIZE.0, SIZE.1, luma).unwrap();
        let reading = match number % 16 {
            0 => read_as_gate(&frame, &wanted),
            _ => stream.read(&frame, &wanted),
        };
        for code in reading.codes {
            if code.text == take.text {
                tally.right += 1;
            } else {
                tally.wrong.push(code.text);
            }
        }
    }
    tally
}

#[test]
fn twenty_thousand_mutated_frames_give_their_own_text_or_none() {
    let takes: Vec<Take> = Spoiling::ALL
        .iter()
        .flat_map(|&spoiling| (0..6).map(move |number| (spoiling, number)))
        .map(|(spoiling, number)| pass_frame(spoiling, SIZE, Half::Tuning, number))
        .filter(|take| take.text.len() <= CODE_CHARS_MAX)
        .collect();
    let patterns = hostile(Hostile::MixedFinders, SIZE.0, SIZE.1, 1).luma;
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let parts: Vec<_> = (0..PARTS)
            .map(|part| {
                scope.spawn({
                    let (takes, patterns) = (&takes, &patterns);
                    move || read_part(part, takes, patterns)
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect()
    });
    let right: usize = tallies.iter().map(|tally| tally.right).sum();
    let wrong: Vec<&String> = tallies.iter().flat_map(|tally| &tally.wrong).collect();
    assert!(
        right > FRAMES / 20,
        "{right} were read: too much is spoiled"
    );
    assert!(wrong.is_empty(), "{} wrong, as {:?}", wrong.len(), wrong[0]);
}

#[test]
fn noise_of_every_shape_holds_no_code() {
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    let mut random = Random::new(9);
    let sizes = [
        (1, 1),
        (1, 300),
        (300, 1),
        (2, 2),
        (7, 39),
        (40, 40),
        (57, 200),
        (300, 200),
    ];
    for (width, height) in sizes {
        for amplitude in [0, 1, 40, 255] {
            let luma = (0..width * height)
                .map(|_| random.below(amplitude + 1) as u8)
                .collect();
            let frame = Frame::new(width, height, luma).unwrap();
            assert!(read_as_gate(&frame, &wanted).codes.is_empty());
        }
    }
}
