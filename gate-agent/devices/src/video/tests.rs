use super::*;

fn capability(capabilities: u32, device_caps: u32) -> Capability {
    let mut answer = Capability {
        capabilities,
        device_caps,
        ..Capability::default()
    };
    answer.card[..6].copy_from_slice(b"Webcam");
    answer.driver[..8].copy_from_slice(b"uvcvideo");
    answer
}

#[test]
fn a_node_is_told_by_what_it_can_itself_and_not_by_what_its_hardware_can() {
    let streams = wire::CAP_VIDEO_CAPTURE | wire::CAP_STREAMING;
    let whole = streams | wire::CAP_DEVICE_CAPS;
    let picture = identity_of(&capability(whole, streams));
    assert_eq!(picture.capture, Capture::Streams);
    assert_eq!(
        (&picture.card[..], &picture.driver[..]),
        ("Webcam", "uvcvideo")
    );
    // The second node of every USB camera: metadata.
    let metadata = identity_of(&capability(whole, 0x0080_0000 | wire::CAP_STREAMING));
    assert_eq!(metadata.capture, Capture::None);
    let old = identity_of(&capability(streams, 0));
    assert_eq!(old.capture, Capture::Streams);
    let planes = wire::CAP_VIDEO_CAPTURE_MPLANE | wire::CAP_STREAMING;
    assert_eq!(
        identity_of(&capability(whole, planes)).capture,
        Capture::SeveralPlanes
    );
    assert_eq!(
        identity_of(&capability(wire::CAP_VIDEO_CAPTURE, 0)).capture,
        Capture::None
    );
}

#[test]
fn offers_are_one_or_a_range() {
    let offer = |kind| SizeOffer {
        kind,
        numbers: [640, 480, 7, 1, 2, 3],
        ..SizeOffer::default()
    };
    let one = Sizes::One {
        width: 640,
        height: 480,
    };
    assert_eq!(sizes_of(&offer(DISCRETE)), one);
    let between = Sizes::Between {
        width: [640, 480, 7],
        height: [1, 2, 3],
    };
    assert_eq!(sizes_of(&offer(3)), between);
    let fraction = |denominator| Fraction {
        numerator: 1,
        denominator,
    };
    let offer = |kind| IntervalOffer {
        kind,
        intervals: [fraction(30), fraction(5), fraction(0)],
        ..IntervalOffer::default()
    };
    let interval = |denominator| Interval {
        numerator: 1,
        denominator,
    };
    assert_eq!(intervals_of(&offer(DISCRETE)), Intervals::One(interval(30)));
    let between = Intervals::Between {
        shortest: interval(30),
        longest: interval(5),
    };
    assert_eq!(intervals_of(&offer(2)), between);
}

#[test]
fn a_list_ends_where_the_device_says_so_or_at_the_limit_and_errors_are_not_ends() {
    let ends_at = |end: u32| {
        move |index: u32| {
            if index == end {
                Err(io::Error::from_raw_os_error(Errno::INVAL.raw_os_error()))
            } else {
                Ok(index)
            }
        }
    };
    assert_eq!(collect(ends_at(3)).unwrap(), [0, 1, 2]);
    assert_eq!(
        collect(ends_at(u32::MAX)).unwrap().len(),
        OFFERS_MAX as usize
    );
    let gone =
        |_| -> io::Result<u32> { Err(io::Error::from_raw_os_error(Errno::NODEV.raw_os_error())) };
    assert!(collect(gone).is_err());
}

#[test]
fn a_control_that_is_switched_off_is_none_and_a_ruled_one_says_so() {
    let query = |flags| ControlQuery {
        minimum: 1,
        maximum: 9,
        flags,
        ..ControlQuery::default()
    };
    assert_eq!(range_of(&query(wire::CTRL_FLAG_DISABLED)), None);
    let state = |flags| range_of(&query(flags)).unwrap().state;
    assert_eq!(state(0), ControlState::Free);
    assert_eq!(state(wire::CTRL_FLAG_INACTIVE), ControlState::Ruled);
    assert_eq!(state(wire::CTRL_FLAG_READ_ONLY), ControlState::ReadOnly);
}

#[test]
fn letters_are_shown_as_letters_and_garbage_escaped() {
    assert_eq!(FourCc::of(b"YUYV").to_string(), "YUYV");
    assert_eq!(FourCc::of(b"YUYV").0, 0x5659_5559);
    assert_eq!(FourCc(0x0a31_3259).to_string(), "Y21\\n");
}

#[test]
fn what_is_no_camera_is_not_taken_for_one() {
    let error = Camera::open(Path::new("/dev/null"))
        .unwrap()
        .identity()
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOTTY.raw_os_error()));
    let error = Camera::open(Path::new("/dev/video-none")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
