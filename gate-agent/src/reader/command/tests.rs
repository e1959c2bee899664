use super::*;

fn config(script: &str, stride: u32) -> CommandConfig {
    CommandConfig {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        width: 4,
        height: 3,
        stride,
    }
}

#[test]
fn a_frame_has_a_plane_of_grey_and_two_of_half_its_sides() {
    let bytes = |width, height, stride| {
        frame_bytes(&CommandConfig {
            width,
            height,
            stride,
            ..config("", 4)
        })
    };
    assert_eq!(bytes(640, 480, 640), 640 * 480 * 3 / 2);
    assert_eq!(bytes(640, 480, 704), 704 * 480 * 3 / 2);
    assert_eq!(bytes(5, 3, 5), 15 + 2 * 3 * 2);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let missing = CommandConfig {
        program: "no-such-camera-program".into(),
        ..config("", 4)
    };
    let Err(error) = Running::start(&missing, AccessPointId(1)) else {
        panic!("it started");
    };
    let words = format!("{error:#}");
    assert!(words.contains("no-such-camera-program"), "{words}");
    assert!(words.contains("is it installed"), "{words}");
}

#[test]
fn the_reason_of_an_end_has_the_status_and_the_last_words() {
    let config = config("echo trying >&2; echo '*** no cameras ***' >&2; exit 3", 4);
    let mut running = Running::start(&config, AccessPointId(1)).unwrap();
    let mut bytes = Vec::new();
    running.output.read_to_end(&mut bytes).unwrap();
    let words = running.end_words(&config, 0);
    assert!(words.contains("exit status: 3"), "{words}");
    assert!(words.ends_with("it said: *** no cameras ***"), "{words}");
    let words = running.end_words(&config, 5);
    assert!(
        words.contains("in the middle of a frame of 20 bytes"),
        "{words}"
    );
}

#[test]
fn what_the_program_started_ends_with_it() {
    let config = config(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo up; sleep 1000' & wait",
        4,
    );
    let mut running = Running::start(&config, AccessPointId(1)).unwrap();
    let mut output = BufReader::new(&mut running.output);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let _ = running.stop();
    // The grandchild holds the pipe: its end is the end of both.
    let mut rest = Vec::new();
    running.output.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

#[test]
fn lines_are_cut_and_garbage_is_made_harmless() {
    let long = [vec![b'x'; 3 * LINE_BYTES_MAX], b"\nnext\nlast".to_vec()].concat();
    let mut stream = BufReader::new(&long[..]);
    let mut read = || {
        let mut line = Vec::new();
        next_line(&mut stream, &mut line).unwrap();
        line
    };
    assert_eq!(read().len(), LINE_BYTES_MAX);
    assert_eq!(read(), b"next\n");
    assert_eq!(read(), b"last");
    assert_eq!(read(), b"");
    assert_eq!(printable(b"a\x1b[2Jb\xff\r\n"), "a [2Jb\u{fffd}");
}
