use super::*;

fn offer(format: FourCc, width: u32, height: u32, rates: &[u32]) -> Offer {
    Offer {
        format,
        sizes: Some(Sizes::One { width, height }),
        intervals: rates
            .iter()
            .map(|&rate| Intervals::One(per_second(rate)))
            .collect(),
    }
}

fn per_second(denominator: u32) -> Interval {
    Interval {
        numerator: 1,
        denominator,
    }
}

/// As `v4l2-ctl --list-formats-ext` shows a common USB 2 camera: uncompressed pictures are slow
/// when they are large.
fn webcam() -> Vec<Offer> {
    vec![
        offer(MJPEG, 1920, 1080, &[30, 15]),
        offer(MJPEG, 1280, 720, &[30, 15]),
        offer(MJPEG, 640, 480, &[30, 15]),
        offer(YUYV, 1920, 1080, &[5]),
        offer(YUYV, 1280, 720, &[10, 5]),
        offer(YUYV, 800, 600, &[20, 15]),
        offer(YUYV, 640, 480, &[30, 25, 20, 15, 10]),
        offer(YUYV, 320, 240, &[30]),
    ]
}

const ANY: Wanted = Wanted {
    size: None,
    rate: RATE_DEFAULT,
    format: None,
};

fn chosen(offers: &[Offer], wanted: Wanted) -> (FourCc, u32, u32, u32) {
    let choice = choose(offers, &wanted).unwrap();
    let rate = choice.interval.map_or(0, |interval| interval.denominator);
    (choice.format, choice.width, choice.height, rate)
}

#[test]
fn the_largest_uncompressed_size_that_is_fast_enough_is_taken_at_the_slowest_rate_that_is_enough() {
    assert_eq!(chosen(&webcam(), ANY), (YUYV, 800, 600, 15));
}

#[test]
fn the_size_asked_for_is_taken_compressed_where_it_is_too_slow_otherwise() {
    let wanted = Wanted {
        size: Some((1280, 720)),
        ..ANY
    };
    assert_eq!(chosen(&webcam(), wanted), (MJPEG, 1280, 720, 15));
    let slow = Wanted { rate: 10, ..wanted };
    assert_eq!(chosen(&webcam(), slow), (YUYV, 1280, 720, 10));
    let near = Wanted {
        size: Some((700, 500)),
        ..ANY
    };
    assert_eq!(chosen(&webcam(), near), (YUYV, 640, 480, 15));
}

#[test]
fn the_format_asked_for_is_taken_and_no_other() {
    let wanted = |format| Wanted {
        format: Some(format),
        ..ANY
    };
    assert_eq!(
        chosen(&webcam(), wanted(CameraFormat::Mjpeg)),
        (MJPEG, 1280, 720, 15)
    );
    let error = choose(&webcam(), &wanted(CameraFormat::Grey)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the camera does not have the configured format; it has: MJPG, YUYV"
    );
}

#[test]
fn a_camera_without_a_format_that_is_read_is_refused_by_name() {
    let raw = [offer(FourCc::of(b"BA81"), 640, 480, &[30])];
    let error = choose(&raw, &ANY).unwrap_err();
    assert_eq!(error, NoChoice::NoKnownFormat(vec![FourCc::of(b"BA81")]));
    assert!(error.to_string().ends_with("it has: BA81"));
    assert!(choose(&[], &ANY).is_err());
}

#[test]
fn of_the_same_size_the_cheapest_format_is_taken() {
    let all = [YUYV, MJPEG, GREY, NV12].map(|format| offer(format, 640, 480, &[30]));
    assert_eq!(chosen(&all, ANY).0, GREY);
    assert_eq!(chosen(&all[..2], ANY).0, YUYV);
    assert_eq!(chosen(&[all[0].clone(), all[3].clone()], ANY).0, NV12);
}

#[test]
fn a_range_of_sizes_is_stepped_through() {
    let range = Offer {
        format: NV12,
        sizes: Some(Sizes::Between {
            width: [48, 1920, 16],
            height: [32, 1200, 8],
        }),
        intervals: vec![Intervals::Between {
            shortest: per_second(60),
            longest: per_second(1),
        }],
    };
    assert_eq!(
        chosen(std::slice::from_ref(&range), ANY),
        (NV12, 1280, 720, 15)
    );
    let wanted = Wanted {
        size: Some((650, 5000)),
        ..ANY
    };
    assert_eq!(chosen(&[range], wanted), (NV12, 640, 1200, 15));
    assert_eq!(nearest([10, 10, 0], 99), 10);
    assert_eq!(nearest([20, 10, 1], 5), 20);
}

#[test]
fn a_camera_that_says_nothing_of_sizes_and_rates_is_asked_for_what_is_wanted() {
    let silent = Offer {
        format: YUYV,
        sizes: None,
        intervals: Vec::new(),
    };
    let choice = choose(std::slice::from_ref(&silent), &ANY).unwrap();
    assert_eq!(
        (choice.width, choice.height, choice.interval),
        (1280, 720, None)
    );
}

#[test]
fn the_fastest_is_taken_where_none_is_fast_enough() {
    let slow = [
        offer(YUYV, 1280, 720, &[5]),
        offer(YUYV, 640, 480, &[10, 8]),
    ];
    assert_eq!(chosen(&slow, ANY), (YUYV, 640, 480, 10));
}

#[test]
fn rates_that_are_not_whole_numbers_count_as_what_they_are_called() {
    let ntsc = Interval {
        numerator: 1001,
        denominator: 30_000,
    };
    assert!(reaches(&ntsc, 30));
    assert!(!reaches(&ntsc, 31));
    let broken = Interval {
        numerator: 0,
        denominator: 0,
    };
    assert_eq!(interval_for(&[Intervals::One(broken)], 15), None);
}

#[test]
fn of_a_range_of_rates_the_one_asked_for_is_taken_or_the_nearest_end() {
    let range = Intervals::Between {
        shortest: per_second(30),
        longest: per_second(10),
    };
    for (rate, taken) in [(5, 10), (10, 10), (15, 15), (30, 30), (60, 30)] {
        assert_eq!(interval_for(&[range], rate), Some(per_second(taken)));
    }
}

/// As the kernel's `vivid` offers its webcam input: large sizes are slower.
#[test]
fn a_size_that_is_too_slow_gives_way_to_a_smaller_one() {
    let vivid = [
        offer(GREY, 320, 180, &[1, 5, 15, 25, 30]),
        offer(GREY, 640, 360, &[1, 5, 15, 25]),
        offer(GREY, 640, 480, &[1, 5, 15]),
        offer(GREY, 1280, 720, &[1, 5, 10]),
        offer(YUYV, 640, 480, &[1, 5, 15]),
    ];
    assert_eq!(chosen(&vivid, ANY), (GREY, 640, 480, 15));
}

#[test]
fn too_small_is_better_than_nothing_and_too_large_too() {
    let small = [offer(YUYV, 160, 120, &[30]), offer(YUYV, 320, 240, &[30])];
    assert_eq!(chosen(&small, ANY), (YUYV, 320, 240, 30));
    let large = [
        offer(YUYV, 3840, 2160, &[30]),
        offer(YUYV, 1920, 1080, &[30]),
    ];
    assert_eq!(chosen(&large, ANY), (YUYV, 1920, 1080, 30));
}
