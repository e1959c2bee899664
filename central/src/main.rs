//! The `central` program.

fn main() -> std::process::ExitCode {
    central::commands::main()
}
