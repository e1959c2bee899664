//! Unix sockets of the agent: made beside their place and moved there with their permissions set,
//! so that nobody slips in between; a killed agent's socket is replaced, a living one's is not.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tokio::net::UnixListener;

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The agent's user alone.
    Owner,
    /// The agent's user and its group.
    Group,
}

impl Audience {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

/// Listens at `path`.
///
/// # Errors
/// When another process listens there, something else lies there, or it cannot be made.
pub fn listen(path: &Path, audience: Audience) -> anyhow::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                bail!(
                    "the socket {} is in use: another gate-agent listens on it; stop that one first",
                    path.display()
                );
            }
        }
        Ok(_) => bail!(
            "{} is no socket: remove it, or choose another path",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot look at the socket {}", path.display()));
        }
    }
    let cannot_make = || {
        format!(
            "cannot make the socket {}: its folder must exist and belong to the agent's user",
            path.display()
        )
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(cannot_make);
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&beside).with_context(cannot_make)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(audience.mode()))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(cannot_make)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = listen(&path, Audience::Group).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        let message = listen(&path, Audience::Group).unwrap_err().to_string();
        assert!(message.contains("in use"), "{message}");
        drop(first);
        listen(&path, Audience::Owner).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(listen(&file, Audience::Owner).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }
}
