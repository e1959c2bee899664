use image::{ImageFormat, Rgba, RgbaImage};

use super::*;
use crate::decoder::drawing::{Drawing, code, next_random};

const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

#[test]
fn png_jpeg_and_webp_are_told_by_their_content() {
    let drawing = Drawing::of_code(&code("SP1:HELLO"), 4);
    for format in FORMATS {
        let frame = unpack_picture(&drawing.encoded(format)).unwrap();
        assert_eq!(
            (frame.width(), frame.height()),
            (drawing.width, drawing.height)
        );
        let largest_difference = frame
            .luma()
            .iter()
            .zip(&drawing.luma)
            .map(|(&one, &other)| one.abs_diff(other))
            .max();
        assert!(
            largest_difference.unwrap() < 60,
            "{format:?} differs by {largest_difference:?}"
        );
    }
}

#[test]
fn what_is_no_picture_is_said_to_be_none() {
    assert_eq!(unpack_picture(b"").unwrap_err(), PictureError::Empty);
    assert_eq!(
        unpack_picture(b"#!/bin/sh\n").unwrap_err(),
        PictureError::UnknownFormat
    );
    assert_eq!(
        unpack_picture(b"GIF89a\x01\x00\x01\x00").unwrap_err(),
        PictureError::UnknownFormat
    );
    assert_eq!(
        unpack_picture(&[0; 1000]).unwrap_err(),
        PictureError::UnknownFormat
    );
}

#[test]
fn a_picture_cut_anywhere_is_damaged_or_read_and_never_a_panic() {
    let drawing = Drawing::of_code(&code("SP1:HELLO"), 2);
    for format in FORMATS {
        let file = drawing.encoded(format);
        let mut damaged = 0;
        for length in (0..file.len()).step_by(7) {
            match unpack_picture(&file[..length]) {
                Err(PictureError::Damaged { .. }) => damaged += 1,
                // A JPEG without its last rows is still a picture, and so is a PNG without its end mark.
                Ok(_) => assert!(format == ImageFormat::Jpeg || length + 20 > file.len()),
                Err(PictureError::Empty | PictureError::UnknownFormat) => assert!(length < 16),
                Err(error) => panic!("{format:?} of {length} bytes: {error}"),
            }
        }
        assert!(damaged > 0, "{format:?}");
    }
}

#[test]
fn mutated_picture_files_never_panic() {
    let drawing = Drawing::of_code(&code("SP1:HELLO"), 2);
    let mut seed = 11;
    for format in FORMATS {
        let file = drawing.encoded(format);
        for _ in 0..300 {
            let mut file = file.clone();
            for _ in 0..=next_random(&mut seed) % 6 {
                let position = next_random(&mut seed) as usize % file.len();
                file[position] = next_random(&mut seed) as u8;
            }
            let _ = unpack_picture(&file);
        }
    }
}

/// A PNG that claims a size and has next to nothing inside.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 6, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [
        header,
        b"IDAT\x78\x9c\x63\x00\x00\x00\x01\x00\x01".to_vec(),
        b"IEND".to_vec(),
    ] {
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn a_picture_of_huge_dimensions_is_refused_before_memory_is_taken_for_it() {
    assert_eq!(
        unpack_picture(&png_bomb(60_000, 60_000)).unwrap_err(),
        PictureError::Frame(FrameError::TooManyPixels {
            width: 60_000,
            height: 60_000
        })
    );
    assert_eq!(
        unpack_picture(&png_bomb(1_000_000, 1)).unwrap_err(),
        PictureError::Frame(FrameError::TooManyPixels {
            width: 1_000_000,
            height: 1
        })
    );
    assert!(matches!(
        unpack_picture(&png_bomb(8_000, 8_000)).unwrap_err(),
        PictureError::Damaged { format: "PNG", .. }
    ));
    let too_large = vec![0; FILE_BYTES_MAX + 1];
    assert!(matches!(
        unpack_picture(&too_large).unwrap_err(),
        PictureError::FileTooLarge { .. }
    ));
}

#[test]
fn transparent_pixels_are_white_paper() {
    let mut picture = RgbaImage::from_pixel(3, 1, Rgba([0, 0, 0, 0]));
    picture.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
    picture.put_pixel(2, 0, Rgba([0, 0, 0, 128]));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    let frame = unpack_picture(&file.into_inner()).unwrap();
    assert_eq!(frame.luma(), [255, 0, 127]);
}
