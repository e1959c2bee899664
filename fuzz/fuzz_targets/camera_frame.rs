#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_fuzz::run("camera_frame", input));
