//! Children that never outlive whoever started them.

use std::process::Command;

use crate::kernel;

/// Has the child killed with SIGKILL when the *thread* that starts it ends, however it ends. The
/// child's own children are not meant; they lose their pipes.
pub fn die_with_parent(command: &mut Command) {
    kernel::die_with_parent(command);
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
        thread,
    };

    use super::*;

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let (mut child, mut lines) = thread::spawn(|| {
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", "echo started; exec sleep 1000"])
                .stdout(Stdio::piped());
            die_with_parent(&mut command);
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            assert_eq!(line, "started\n");
            (child, lines)
        })
        .join()
        .unwrap();
        // Without the signal this waits for the sleep, and the test for its time limit.
        let mut rest = String::new();
        lines.read_line(&mut rest).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }
}
