//! A camera's compressed pictures (Motion-JPEG) into grey frames: like JPEG files, but many cameras
//! leave out the tables that are always the same, and colours are not even unpacked.

use std::borrow::Cow;

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::Frame;

/// Longest side of a camera's picture; the memory for it stays far below the process's limit.
const SIDE_MAX: usize = 8_192;

const START_OF_IMAGE: u8 = 0xd8;
const START_OF_SCAN: u8 = 0xda;
const HUFFMAN_TABLES: u8 = 0xc4;

/// Unpacks a picture of a camera.
///
/// # Errors
/// Why it cannot be unpacked, in words.
pub fn unpack_motion_jpeg(picture: &[u8]) -> Result<Frame, String> {
    let picture = with_tables(picture);
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::Luma)
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture.as_ref()), options);
    let damaged = |error: zune_jpeg::errors::DecodeErrors| format!("damaged JPEG: {error}");
    let luma = decoder.decode().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or("damaged JPEG: it has no size")?;
    let side = |side: usize| u32::try_from(side).map_err(|error| error.to_string());
    Frame::new(side(width)?, side(height)?, luma).map_err(|error| error.to_string())
}

/// The picture with the standard tables of Huffman codes, when it has none of its own.
fn with_tables(picture: &[u8]) -> Cow<'_, [u8]> {
    match scan_without_tables(picture) {
        None => Cow::Borrowed(picture),
        Some(scan) => {
            let length = u16::try_from(2 + STANDARD_TABLES.len()).expect("two bytes are enough");
            let tables = [&[0xff, HUFFMAN_TABLES][..], &length.to_be_bytes()];
            let parts = [
                &picture[..scan],
                tables[0],
                tables[1],
                &STANDARD_TABLES,
                &picture[scan..],
            ];
            Cow::Owned(parts.concat())
        }
    }
}

/// Where the first scan begins, if no tables stand before it. `None` for what is no JPEG either:
/// the unpacker says why.
fn scan_without_tables(picture: &[u8]) -> Option<usize> {
    let [0xff, START_OF_IMAGE, ..] = picture else {
        return None;
    };
    let mut at = 2;
    loop {
        // Any number of 0xff may stand before a marker.
        let fill = picture.get(at..)?.iter().take_while(|&&byte| byte == 0xff);
        let fill = fill.count();
        if fill == 0 {
            return None;
        }
        match *picture.get(at + fill)? {
            HUFFMAN_TABLES => return None,
            START_OF_SCAN => return Some(at + fill - 1),
            // Markers that stand alone.
            0x01 | 0xd0..=0xd7 => at += fill + 1,
            _ => {
                let length = picture.get(at + fill + 1..at + fill + 3)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                at += fill + 1 + length.max(2);
            }
        }
    }
}

/// ITU-T T.81, tables K.3 to K.6, as the content of a DHT segment: for each table its class and
/// number, how many codes there are of each length from 1 to 16, and their values.
#[rustfmt::skip]
const STANDARD_TABLES: [u8; 416] = [
    0, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 0, 3, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7,
    8, 9, 10, 11, 16, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0,
    0, 1, 125, 1, 2, 3, 0, 4, 17, 5, 18, 33, 49, 65, 6, 19, 81, 97,
    7, 34, 113, 20, 50, 129, 145, 161, 8, 35, 66, 177, 193, 21, 82, 209, 240, 36,
    51, 98, 114, 130, 9, 10, 22, 23, 24, 25, 26, 37, 38, 39, 40, 41, 42, 52,
    53, 54, 55, 56, 57, 58, 67, 68, 69, 70, 71, 72, 73, 74, 83, 84, 85, 86,
    87, 88, 89, 90, 99, 100, 101, 102, 103, 104, 105, 106, 115, 116, 117, 118, 119, 120,
    121, 122, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147, 148, 149, 150, 151, 152, 153,
    154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182, 183, 184, 185,
    186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215, 216, 217,
    218, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 241, 242, 243, 244, 245, 246, 247,
    248, 249, 250, 17, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1,
    2, 119, 0, 1, 2, 3, 17, 4, 5, 33, 49, 6, 18, 65, 81, 7, 97, 113,
    19, 34, 50, 129, 8, 20, 66, 145, 161, 177, 193, 9, 35, 51, 82, 240, 21, 98,
    114, 209, 10, 22, 36, 52, 225, 37, 241, 23, 24, 25, 26, 38, 39, 40, 41, 42,
    53, 54, 55, 56, 57, 58, 67, 68, 69, 70, 71, 72, 73, 74, 83, 84, 85, 86,
    87, 88, 89, 90, 99, 100, 101, 102, 103, 104, 105, 106, 115, 116, 117, 118, 119, 120,
    121, 122, 130, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147, 148, 149, 150, 151, 152,
    153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182, 183, 184,
    185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215, 216,
    217, 218, 226, 227, 228, 229, 230, 231, 232, 233, 234, 242, 243, 244, 245, 246, 247, 248,
    249, 250,
];

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};
    use proptest::prelude::*;

    use super::super::drawing::Drawing;
    use super::*;

    /// In colour, as cameras write them, with a code in it.
    fn camera_picture() -> Vec<u8> {
        let drawing = Drawing::camera_frame("SP1:MOTION");
        let picture = RgbImage::from_fn(drawing.width, drawing.height, |x, y| {
            let grey = drawing.luma[(y * drawing.width + x) as usize];
            image::Rgb([grey, grey, grey])
        });
        let mut bytes = Vec::new();
        picture
            .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))
            .unwrap();
        bytes
    }

    /// Without its segments of tables.
    fn stripped(picture: &[u8]) -> Vec<u8> {
        let (mut at, mut kept) = (2, picture[..2].to_vec());
        while picture[at + 1] != START_OF_SCAN {
            let length = usize::from(u16::from_be_bytes([picture[at + 2], picture[at + 3]]));
            let segment = &picture[at..at + 2 + length];
            if segment[1] != HUFFMAN_TABLES {
                kept.extend_from_slice(segment);
            }
            at += segment.len();
        }
        kept.extend_from_slice(&picture[at..]);
        kept
    }

    #[test]
    fn a_picture_without_tables_is_the_same_as_with_them() {
        let whole = camera_picture();
        let bare = stripped(&whole);
        assert!(bare.len() + 400 < whole.len(), "there were tables to strip");
        let frame = unpack_motion_jpeg(&whole).unwrap();
        assert_eq!((frame.width(), frame.height()), (640, 480));
        assert_eq!(unpack_motion_jpeg(&bare).unwrap(), frame);
        assert!(matches!(with_tables(&whole), Cow::Borrowed(_)));
    }

    #[test]
    fn the_grey_plane_is_what_was_drawn() {
        let drawing = Drawing::camera_frame("SP1:MOTION");
        let frame = unpack_motion_jpeg(&camera_picture()).unwrap();
        let off: u64 = frame
            .luma()
            .iter()
            .zip(&drawing.luma)
            .map(|(&one, &other)| u64::from(one.abs_diff(other)))
            .sum();
        let pixels = u64::from(frame.width() * frame.height());
        assert!(off / pixels < 4, "{off} over {pixels} pixels");
    }

    #[test]
    fn what_is_no_camera_picture_is_refused_in_words() {
        for garbage in [
            &b""[..],
            b"\xff",
            b"\xff\xd8",
            b"\xff\xd8\xff\xda",
            b"GIF89a",
        ] {
            assert!(unpack_motion_jpeg(garbage).is_err(), "{garbage:?}");
        }
        let png = Drawing::blank(8, 8, 0).encoded(ImageFormat::Png);
        let error = unpack_motion_jpeg(&png).unwrap_err();
        assert!(error.starts_with("damaged JPEG"), "{error}");
        // A size that would take gigabytes.
        let mut huge = camera_picture();
        let size = huge
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .unwrap();
        huge[size + 5..size + 9].fill(0xff);
        assert!(unpack_motion_jpeg(&huge).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_damaged_picture_never_breaks_anything_but_itself(
            cut in 0..20_000_usize,
            changes in prop::collection::vec((0..20_000_usize, any::<u8>()), 0..8),
        ) {
            let mut picture = stripped(&camera_picture());
            let length = picture.len();
            for (at, byte) in changes {
                picture[at % length] = byte;
            }
            picture.truncate(length.saturating_sub(cut));
            // The process that unpacks catches panics of the unpacker; ours has none.
            let _ = with_tables(&picture);
            let _ = std::panic::catch_unwind(|| unpack_motion_jpeg(&picture));
        }
    }
}
