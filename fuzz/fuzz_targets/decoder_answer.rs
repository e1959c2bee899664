#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_fuzz::run("decoder_answer", input));
