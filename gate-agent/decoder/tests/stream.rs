//! The frames of a camera: what each costs, and what is read from them.

use code_finder::{Frame, Hint, Reading, Stream, Wanted, Work, read_as_gate, read_thoroughly};
use code_pictures::{
    Half, Hostile, Picture, Scene, Spoiling, empty_frames, hostile, near_pass_frame, pass_frame,
    pass_frames,
};

const SIZE: (u32, u32) = (640, 480);

/// What one frame of a gate may cost: two looks with their limits, and a third where those were
/// cheap.
const FRAME_WORK_MAX: Work = Work {
    looks: 3,
    checks: 4_500,
    fits: 72,
    modules: 64_000,
};

fn frame_of(picture: &Picture) -> Frame {
    Frame::new(picture.width, picture.height, picture.luma.clone()).unwrap()
}

fn wanted() -> Wanted<'static> {
    Wanted {
        codes_max: 16,
        is_over: &|| false,
    }
}

fn read(stream: &mut Stream, picture: &Picture) -> Reading {
    stream.read(&frame_of(picture), &wanted())
}

fn texts(reading: &Reading) -> Vec<&str> {
    reading
        .codes
        .iter()
        .map(|code| code.text.as_str())
        .collect()
}

#[test]
fn an_empty_gate_costs_nothing_but_the_look_for_motion() {
    for scene in [Scene::Wall, Scene::Clutter] {
        let mut stream = Stream::new();
        let frames = empty_frames(scene, SIZE, 1, 0.0, 60);
        let looks: Vec<u32> = frames
            .iter()
            .map(|frame| read(&mut stream, frame).work.looks)
            .collect();
        assert!(looks[0] > 0, "the first frame is looked at");
        let later = looks[35..].iter().filter(|&&looks| looks > 0).count();
        assert!(later <= 25 / 5, "{scene:?}: {looks:?}");
    }
}

#[test]
fn a_pass_that_comes_before_an_empty_gate_is_read_within_five_frames() {
    let mut unread = Vec::new();
    let empty = empty_frames(Scene::Wall, SIZE, 3, 0.0, 45);
    for spoiling in Spoiling::ALL {
        let mut stream = Stream::new();
        for frame in &empty {
            assert!(read(&mut stream, frame).codes.is_empty());
        }
        let take = pass_frames(spoiling, SIZE, Half::Tuning, 1, 5);
        let is_read = take
            .frames
            .iter()
            .any(|frame| texts(&read(&mut stream, frame)).contains(&take.text.as_str()));
        if !is_read {
            unread.push(spoiling);
        }
    }
    assert!(unread.len() <= 1, "{unread:?}");
}

#[test]
fn a_code_that_is_hinted_at_and_held_still_is_worked_on() {
    // Finder patterns and timing of a code whose text is spoiled.
    let frame = hostile(Hostile::SpoiledCodes, 640, 480, 1);
    let mut stream = Stream::new();
    for number in 0..30 {
        let work = read(&mut stream, &frame).work;
        assert!(
            work.looks >= 2,
            "frame {number}: the plain look and a costlier one"
        );
    }
}

#[test]
fn a_hostile_frame_costs_a_bounded_amount_of_work_and_reads_as_nothing() {
    for way in Hostile::ALL {
        for (width, height) in [(640, 480), (1280, 720)] {
            let frame = hostile(way, width, height, 7);
            let mut stream = Stream::new();
            for _ in 0..10 {
                let reading = read(&mut stream, &frame);
                assert!(
                    reading.work.is_within(&FRAME_WORK_MAX),
                    "{way:?}: {:?}",
                    reading.work
                );
                assert!(reading.codes.is_empty(), "{way:?}");
            }
        }
    }
}

#[test]
fn a_read_pass_is_read_again_in_every_frame() {
    let take = pass_frames(Spoiling::Phone, SIZE, Half::Tuning, 2, 1);
    let mut stream = Stream::new();
    for _ in 0..40 {
        assert_eq!(texts(&read(&mut stream, &take.frames[0])), [&take.text]);
    }
}

#[test]
fn the_search_ends_when_the_caller_says_so() {
    let frame = frame_of(&hostile(Hostile::FindersOverNoise, 640, 480, 1));
    let at_once = Wanted {
        codes_max: 16,
        is_over: &|| true,
    };
    assert_eq!(read_thoroughly(&frame, &at_once).work.checks, 0);
    assert_eq!(read_as_gate(&frame, &at_once).work.checks, 0);
}

/// Two passes side by side.
fn beside(one: &Picture, other: &Picture) -> Picture {
    let rows = one
        .luma
        .chunks(one.width as usize)
        .zip(other.luma.chunks(other.width as usize));
    Picture {
        width: one.width + other.width,
        height: one.height,
        luma: rows
            .flat_map(|(one, other)| [one, other].concat())
            .collect(),
    }
}

#[test]
fn more_than_one_code_is_a_hint() {
    let one = pass_frame(Spoiling::Print, SIZE, Half::Tuning, 1);
    let other = pass_frame(Spoiling::Print, SIZE, Half::Tuning, 2);
    let both = beside(&one.frames[0], &other.frames[0]);
    let reading = read(&mut Stream::new(), &both);
    assert_eq!(reading.codes.len(), 2);
    assert_eq!(reading.hints, [Hint::SeveralCodes]);
    let alone = read(&mut Stream::new(), &one.frames[0]);
    assert_eq!((alone.codes.len(), alone.hints), (1, Vec::new()));
}

#[test]
fn a_code_that_does_not_fit_into_the_picture_is_too_near() {
    let mut unhinted = Vec::new();
    for number in 0..8 {
        let frame = &near_pass_frame(SIZE, Half::Tuning, number).frames[0];
        let mut stream = Stream::new();
        let mut hints = (0..11).flat_map(|_| {
            let reading = read(&mut stream, frame);
            assert!(reading.codes.is_empty());
            reading.hints
        });
        if !hints.any(|hint| hint == Hint::TooNear) {
            unhinted.push(number);
        }
    }
    assert!(unhinted.is_empty(), "{unhinted:?}");
}
