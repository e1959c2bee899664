use super::*;

fn config(text: &str) -> Result<ReaderConfig, String> {
    #[derive(Deserialize)]
    struct Outer {
        reader: ReaderConfig,
    }
    toml::from_str::<Outer>(text)
        .map(|outer| outer.reader)
        .map_err(|error| error.message().to_owned())
}

#[test]
fn a_reader_is_of_one_kind() {
    assert_eq!(
        config("reader.pictures.folder = '/in'").unwrap(),
        ReaderConfig::Pictures(PicturesConfig::Folder {
            folder: PathBuf::from("/in"),
            existing: ExistingPictures::Skip,
        })
    );
    assert_eq!(
        config("[reader.pictures]\nfolder = '/in'\nexisting = 'read'").unwrap(),
        ReaderConfig::Pictures(PicturesConfig::Folder {
            folder: PathBuf::from("/in"),
            existing: ExistingPictures::Read,
        })
    );
    assert_eq!(
        config("reader.pictures.files = ['a.png', 'b.png']").unwrap(),
        ReaderConfig::Pictures(PicturesConfig::Files {
            files: vec![PathBuf::from("a.png"), PathBuf::from("b.png")],
        })
    );
    assert_eq!(
        config("reader.texts.socket = '/run/texts'").unwrap(),
        ReaderConfig::Texts(TextsConfig {
            socket: PathBuf::from("/run/texts"),
        })
    );
    assert_eq!(
        config("reader.serial.device = '/dev/ttyACM0'").unwrap(),
        ReaderConfig::Serial(SerialConfig {
            device: PathBuf::from("/dev/ttyACM0"),
            baud: 9_600,
        })
    );
    assert_eq!(
        config("reader.keyboard.device = '/dev/input/event3'").unwrap(),
        ReaderConfig::Keyboard(KeyboardConfig {
            device: PathBuf::from("/dev/input/event3"),
        })
    );
}

#[test]
fn a_camera_needs_nothing_and_takes_everything() {
    assert_eq!(
        config("[reader.camera]").unwrap(),
        ReaderConfig::Camera(CameraConfig::default())
    );
    let whole = "[reader.camera]
        device = '/dev/v4l/by-id/usb-cam'
        width = 800
        height = 600
        frames_per_second = 20
        format = 'mjpeg'
        exposure = { time_us = 4000 }
        focus = 'automatic'
        mains_hz = 50";
    assert_eq!(
        config(whole).unwrap(),
        ReaderConfig::Camera(CameraConfig {
            device: Some(CameraName::Path(PathBuf::from("/dev/v4l/by-id/usb-cam"))),
            size: Some((800, 600)),
            rate: Some(20),
            format: Some(CameraFormat::Mjpeg),
            exposure: Some(Exposure::TimeUs(4_000)),
            focus: Some(Focus::Automatic),
            mains_hz: Some(50),
        })
    );
    let numbered = config("reader.camera.device = 2").unwrap();
    assert_eq!(numbered.device(), Some(PathBuf::from("/dev/video2")));
}

#[test]
fn a_command_says_how_large_its_frames_are() {
    let text = "[reader.command]\nprogram = 'rpicam-vid'\nwidth = 640\nheight = 480";
    let ReaderConfig::Command(command) = config(text).unwrap() else {
        panic!("no command");
    };
    assert_eq!(
        (command.width, command.height, command.stride),
        (640, 480, 640)
    );
    let ReaderConfig::Command(command) = config(&format!("{text}\nstride = 704")).unwrap() else {
        panic!("no command");
    };
    assert_eq!(command.stride, 704);
}

#[test]
fn wrong_readers_are_refused_with_the_reason() {
    for (text, reason) in [
        (
            "reader.pictures.folder = '/in'\nreader.pictures.files = ['a']",
            "not both",
        ),
        ("[reader.pictures]", "pictures need"),
        ("reader.pictures.files = []", "at least one"),
        (
            "reader.pictures.files = ['a']\nreader.pictures.existing = 'read'",
            "belongs to",
        ),
        ("reader.pictures.folders = '/in'", "unknown field"),
        (
            "reader.texts.socket = '/run/texts'\nreader.texts.mode = 3",
            "unknown field",
        ),
        ("reader.texts = {}", "missing field"),
        ("reader.webcam.path = '/dev/video0'", "unknown variant"),
        ("reader.camera.path = '/dev/video0'", "unknown field"),
        ("reader.camera.width = 640", "belong together"),
        (
            "reader.camera.width = 640\nreader.camera.height = 5000",
            "between 100 and 4096",
        ),
        ("reader.camera.frames_per_second = 0", "between 1 and 120"),
        ("reader.camera.mains_hz = 55", "50 or 60"),
        ("reader.camera.format = 'h264'", "unknown variant"),
        ("reader.camera.exposure.time_us = 0", "at least 1"),
        (
            "[reader.command]\nprogram = 'x'\nwidth = 640\nheight = 480\nstride = 639",
            "at least `width`",
        ),
        (
            "[reader.command]\nprogram = ''\nwidth = 640\nheight = 480",
            "empty",
        ),
        (
            "[reader.command]\nprogram = 'x'\nwidth = 640",
            "missing field",
        ),
        ("[reader.keyboard]", "missing field"),
    ] {
        let error = config(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn relative_paths_begin_at_the_files_folder_and_bare_programs_in_the_search_path() {
    let beside = |text| config(text).unwrap().beside(Path::new("/box"));
    assert_eq!(
        beside("reader.serial.device = 'tty'").device(),
        Some(PathBuf::from("/box/tty"))
    );
    assert_eq!(
        beside("reader.camera.device = '/dev/video7'").device(),
        Some(PathBuf::from("/dev/video7"))
    );
    for (program, found) in [
        ("rpicam-vid", "rpicam-vid"),
        ("./frames", "/box/./frames"),
        ("/usr/bin/frames", "/usr/bin/frames"),
    ] {
        let text = format!("[reader.command]\nprogram = '{program}'\nwidth = 640\nheight = 480");
        let read = config(&text).unwrap().beside(Path::new("/box"));
        let ReaderConfig::Command(command) = read else {
            panic!("no command");
        };
        assert_eq!(command.program, Path::new(found));
    }
}
