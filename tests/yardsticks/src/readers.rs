//! Everything that reads codes, behind one call.

use std::panic::{AssertUnwindSafe, catch_unwind};

use code_finder::{Frame, Wanted, read_as_gate, read_thoroughly};
use rxing::qrcode::cpp_port::QrReader;
use rxing::{BinaryBitmap, DecodeHints, Luma8Source, Reader as _, common::HybridBinarizer};

/// A reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Ours, with every step that a picture file gets.
    Ours,
    /// Ours, with the steps of a gate's stream alone, all on one frame.
    OursAsGate,
    /// `rqrr`.
    Rqrr,
    /// `quircs`.
    Quircs,
    /// `rxing`, trying harder, the inverted picture too.
    Rxing,
    /// `zxing-cpp`, with all its options.
    ZxingCpp,
}

impl Reader {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ours,
        Self::OursAsGate,
        Self::Rqrr,
        Self::Quircs,
        Self::Rxing,
        Self::ZxingCpp,
    ];

    /// The other people's.
    pub(crate) const YARDSTICKS: [Self; 4] =
        [Self::Rqrr, Self::Quircs, Self::Rxing, Self::ZxingCpp];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "code-finder",
            Self::OursAsGate => "code-finder, gate's steps",
            Self::Rqrr => "rqrr",
            Self::Quircs => "quircs",
            Self::Rxing => "rxing",
            Self::ZxingCpp => "zxing-cpp",
        }
    }

    /// The texts of a frame; none when the reader gives up on it.
    pub(crate) fn texts(self, frame: &Frame) -> Vec<String> {
        catch_unwind(AssertUnwindSafe(|| self.read(frame))).unwrap_or_default()
    }

    fn read(self, frame: &Frame) -> Vec<String> {
        match self {
            Self::Ours => ours(frame, 128, read_thoroughly),
            Self::OursAsGate => ours(frame, 16, read_as_gate),
            Self::Rqrr => rqrr(frame),
            Self::Quircs => quircs(frame),
            Self::Rxing => rxing(frame),
            Self::ZxingCpp => zxing_cpp(frame),
        }
    }
}

fn ours(
    frame: &Frame,
    codes_max: usize,
    read: fn(&Frame, &Wanted<'_>) -> code_finder::Reading,
) -> Vec<String> {
    let wanted = Wanted {
        codes_max,
        is_over: &|| false,
    };
    let codes = read(frame, &wanted).codes;
    codes.into_iter().map(|code| code.text).collect()
}

fn rqrr(frame: &Frame) -> Vec<String> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let luma = frame.luma();
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| luma[y * width + x]);
    let grids = prepared.detect_grids();
    grids
        .iter()
        .filter_map(|grid| Some(grid.decode().ok()?.1))
        .collect()
}

fn quircs(frame: &Frame) -> Vec<String> {
    let mut reader = quircs::Quirc::default();
    let codes = reader.identify(
        frame.width() as usize,
        frame.height() as usize,
        frame.luma(),
    );
    codes
        .filter_map(|code| {
            let payload = code.ok()?.decode().ok()?.payload;
            Some(String::from_utf8_lossy(&payload).into_owned())
        })
        .collect()
}

fn rxing(frame: &Frame) -> Vec<String> {
    let inverted: Vec<u8> = frame.luma().iter().map(|value| 255 - value).collect();
    [frame.luma(), &inverted]
        .into_iter()
        .filter_map(|luma| {
            let source = Luma8Source::new_with_slice(luma, frame.width(), frame.height()).ok()?;
            let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
            let hints = DecodeHints {
                TryHarder: Some(true),
                ..DecodeHints::default()
            };
            let read = QrReader.decode_with_hints(&mut bitmap, &hints);
            Some(read.ok()?.getText().to_owned())
        })
        .collect()
}

fn zxing_cpp(frame: &Frame) -> Vec<String> {
    let view = zxingcpp::ImageView::from_slice(
        frame.luma(),
        frame.width(),
        frame.height(),
        zxingcpp::ImageFormat::Lum,
    );
    let reader = zxingcpp::read()
        .formats([zxingcpp::BarcodeFormat::QRCode])
        .try_harder(true)
        .try_rotate(true)
        .try_invert(true)
        .try_downscale(true);
    let Ok(codes) = view.and_then(|view| reader.from(view)) else {
        return Vec::new();
    };
    codes.iter().map(|code| code.text()).collect()
}
