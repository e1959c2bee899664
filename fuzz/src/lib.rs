//! Runs one decoder of outside bytes on one input. The functions are plain, so that the corpus is
//! replayed on the stable toolchain too (`tests/tests/fuzz_corpus.rs`).

mod appliance;
mod decoders;

/// Runs the target of this name.
///
/// # Panics
/// When the decoder accepts what it must not, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = decoders::TARGETS
        .iter()
        .chain(appliance::TARGETS)
        .find(|(of, _)| *of == name)
        .expect("a target of this name");
    target(input);
}
