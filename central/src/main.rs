//! The `central` program.

fn main() -> std::process::ExitCode {
    #[cfg(portcullis_defects)]
    if let Ok(name) = std::env::var(shared::defects::VARIABLE) {
        shared::defects::plant(shared::defects::Defect::from_name(&name).expect("a defect"));
    }
    central::commands::main()
}
