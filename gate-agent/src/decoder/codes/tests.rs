use shared::pass::TEXT_LIMIT;

use super::*;
use crate::decoder::CUT_MARK;
use crate::decoder::drawing::{
    Drawing, Stamp, code, code_of_bytes, largest_code, next_random, pass_text,
};

const EFFORTS: [Effort; 2] = [Effort::Gate, Effort::Thorough];

fn frame_of(drawing: &Drawing) -> Frame {
    Frame::new(drawing.width, drawing.height, drawing.luma.clone()).unwrap()
}

/// Generous: these tests are about what is read, not about how fast.
fn read(drawing: &Drawing, effort: Effort) -> Vec<String> {
    let deadline = Deadline::in_ms(Clock::system(), 60_000);
    read_picture(&frame_of(drawing), effort, deadline).texts
}

#[track_caller]
fn assert_reads(drawing: &Drawing, effort: Effort, text: &str) {
    assert_eq!(read(drawing, effort), [text], "{effort:?}");
}

#[test]
fn a_pass_before_a_camera_is_read() {
    for number in 0..20 {
        let text = pass_text(number);
        assert_eq!(text.len(), 178);
        assert_eq!(code(&text).size, 45, "version 7");
        assert_reads(&Drawing::camera_frame(&text), Effort::Gate, &text);
    }
}

#[test]
fn a_code_is_read_inverted_and_from_every_side() {
    let text = pass_text(1);
    let upright = Drawing::camera_frame(&text);
    let mut turned = upright.clone();
    for effort in EFFORTS {
        for _ in 0..4 {
            assert_reads(&turned, effort, &text);
            assert_reads(&turned.clone().inverted(), effort, &text);
            turned = turned.turned_quarter();
        }
        for degrees in [7.0, 20.0, 33.0, 45.0, 61.0] {
            assert_reads(&upright.turned(degrees), effort, &text);
        }
    }
}

#[test]
fn every_code_of_a_picture_is_read_once() {
    let mut drawing = Drawing::blank(1280, 720, 128);
    let mut texts = Vec::new();
    for place in 0..6 {
        let text = pass_text(place);
        let (ink, paper) = if place % 2 == 0 { (10, 240) } else { (240, 10) };
        let (x, y) = (20 + place % 3 * 400, 20 + place / 3 * 340);
        drawing.stamp(
            &code(&text),
            Stamp {
                x,
                y,
                module: 5,
                ink,
                paper,
            },
        );
        texts.push(text);
    }
    for effort in EFFORTS {
        let mut found = read(&drawing, effort);
        found.sort();
        assert_eq!(found, texts, "{effort:?}");
    }
    let mut twice = Drawing::blank(700, 300, 255);
    for x in [0, 350] {
        twice.stamp(
            &code("SP1:SAME"),
            Stamp {
                x,
                y: 0,
                module: 8,
                ink: 0,
                paper: 255,
            },
        );
    }
    assert_reads(&twice, Effort::Thorough, "SP1:SAME");
}

#[test]
fn a_gate_reports_a_bounded_number_of_codes() {
    let mut drawing = Drawing::blank(1280, 720, 255);
    for place in 0..24 {
        let (x, y) = (place % 8 * 150, place / 8 * 150);
        let text = format!("CODE {place}");
        drawing.stamp(
            &code(&text),
            Stamp {
                x,
                y,
                module: 4,
                ink: 0,
                paper: 255,
            },
        );
    }
    assert_eq!(read(&drawing, Effort::Gate).len(), Effort::Gate.codes_max());
    assert_eq!(read(&drawing, Effort::Thorough).len(), 24);
}

#[test]
fn low_contrast_is_read() {
    let text = pass_text(3);
    let frame = Drawing::camera_frame(&text);
    for (low, range) in [(100, 30), (220, 20), (10, 15), (60, 10)] {
        for effort in EFFORTS {
            assert_reads(&frame.clone().squeezed(low, range), effort, &text);
            assert_reads(
                &frame.clone().squeezed(low, range).noisy(1, 9),
                effort,
                &text,
            );
            assert_reads(
                &frame.clone().inverted().squeezed(low, range),
                effort,
                &text,
            );
        }
    }
}

#[test]
fn blur_noise_and_small_modules_are_read() {
    let text = pass_text(4);
    let frame = Drawing::camera_frame(&text);
    for drawing in [
        frame.blurred(3),
        frame.clone().noisy(40, 5),
        frame.blurred(2).noisy(20, 6),
    ] {
        assert_reads(&drawing, Effort::Gate, &text);
        assert_reads(&drawing, Effort::Thorough, &text);
    }
    for module in [1, 2, 3] {
        assert_reads(
            &Drawing::of_code(&code(&text), module),
            Effort::Thorough,
            &text,
        );
    }
}

#[test]
fn the_longest_text_is_whole_for_a_thorough_search_and_cut_and_marked_for_a_gate() {
    let digits: String = (0..7_089)
        .map(|position| char::from(b'0' + (position * 7 % 10) as u8))
        .collect();
    let drawing = Drawing::of_code(&largest_code(&digits), 4);
    assert_reads(&drawing, Effort::Thorough, &digits);
    let mut cut = digits[..TEXT_LIMIT].to_owned();
    cut.push(CUT_MARK);
    assert_reads(&drawing, Effort::Gate, &cut);
}

#[test]
fn bytes_that_are_no_text_are_a_foreign_code_and_no_error() {
    let drawing = Drawing::of_code(&code_of_bytes(&[0xff, 0xfe, 0x00, 0xc3, 0x28, 0x80]), 5);
    for effort in EFFORTS {
        let texts = read(&drawing, effort);
        assert_eq!(texts.len(), 1);
        assert!(!texts[0].is_empty());
    }
    let drawing = Drawing::of_code(&code_of_bytes("Schülerausweis 学生证".as_bytes()), 5);
    assert_reads(&drawing, Effort::Gate, "Schülerausweis 学生证");
}

#[test]
fn frames_of_every_shape_without_a_code_hold_none() {
    let mut seed = 3;
    for (width, height) in [
        (1, 1),
        (1, 500),
        (500, 1),
        (2, 2),
        (7, 39),
        (39, 41),
        (40, 40),
        (41, 200),
    ] {
        for value in [0, 128, 255] {
            for effort in EFFORTS {
                assert!(read(&Drawing::blank(width, height, value), effort).is_empty());
                let noise = Drawing::blank(width, height, value).noisy(127, next_random(&mut seed));
                assert!(read(&noise, effort).is_empty());
            }
        }
    }
}

#[test]
fn the_search_ends_with_the_deadline() {
    let frame = frame_of(&Drawing::hostile(640, 480));
    let clock = Clock::system();
    let started = clock.uptime();
    let codes = read_picture(&frame, Effort::Thorough, Deadline::in_ms(clock, 100));
    assert!(codes.texts.is_empty());
    assert!(clock.uptime().since_ms(started) < 5_000);
}

#[test]
fn a_small_code_in_a_large_photograph_is_read_by_a_thorough_search() {
    let text = pass_text(8);
    let mut photo = Drawing::blank(3000, 2000, 150);
    photo.stamp(
        &code(&text),
        Stamp {
            x: 2101,
            y: 1303,
            module: 3,
            ink: 40,
            paper: 210,
        },
    );
    assert_reads(&photo, Effort::Thorough, &text);
}
