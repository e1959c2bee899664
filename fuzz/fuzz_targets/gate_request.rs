#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_fuzz::run("gate_request", input));
