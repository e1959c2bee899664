//! Spoiled frames: never a panic, never a text that was not in the picture.

use code_finder::{Frame, Stream, Wanted, read_as_gate};
use code_pictures::{Half, Hostile, Random, Spoiling, hostile, pass_frame};

const SIZE: (u32, u32) = (320, 240);

/// About a minute on one core, in the tests' own profile.
const FRAMES: usize = 20_000;

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

#[test]
fn twenty_thousand_mutated_frames_give_their_own_text_or_none() {
    let takes: Vec<_> = Spoiling::ALL
        .iter()
        .map(|&spoiling| pass_frame(spoiling, SIZE, Half::Tuning, 5))
        .collect();
    let patterns = hostile(Hostile::MixedFinders, SIZE.0, SIZE.1, 1).luma;
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    let mut random = Random::new(20_000);
    let mut stream = Stream::new();
    let (mut read, mut wrong) = (0, Vec::new());
    for number in 0..FRAMES {
        let take = &takes[number % takes.len()];
        let mut luma = take.frames[0].luma.clone();
        mutate(&mut luma, &patterns, &mut random);
        let frame = Frame::new(SIZE.0, SIZE.1, luma).unwrap();
        let reading = match number % 16 {
            0 => read_as_gate(&frame, &wanted),
            _ => stream.read(&frame, &wanted),
        };
        for code in reading.codes {
            read += 1;
            if code.text != take.text {
                wrong.push(code.text);
            }
        }
    }
    assert!(read > FRAMES / 20, "{read} were read: too much is spoiled");
    assert!(
        wrong.is_empty(),
        "{} wrong, as {:?}",
        wrong.len(),
        &wrong[..1]
    );
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
