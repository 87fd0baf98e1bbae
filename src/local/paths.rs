//! The paths of one local release: its files and its socket.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use crate::{
    home::Home,
    name::{ReleaseName, VersionId},
};

/// The files of one release; their folder need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePaths {
    folder: PathBuf,
    socket: PathBuf,
}

/// Longest path that fits a `sockaddr_un` with its final NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

impl ReleasePaths {
    pub fn new(home: &Home, release: &ReleaseName) -> Self {
        Self {
            folder: home.state.join(release.as_str()),
            socket: home.runtime.join(format!("{release}.sock")),
        }
    }

    /// `$XDG_STATE_HOME/infer/<name>`; others keep their files of the release here too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The record of `infer serve`; written by it alone.
    pub fn record(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Locked by `infer serve` for as long as it runs.
    pub(super) fn serve_lock(&self) -> PathBuf {
        self.folder.join("serve.lock")
    }

    /// Locked by the verb that changes the release.
    pub(super) fn operator_lock(&self) -> PathBuf {
        self.folder.join("operator.lock")
    }

    /// Output of a detached `infer serve`.
    pub fn serve_log(&self) -> PathBuf {
        self.folder.join("serve.log")
    }

    /// Output of a version's engine.
    pub fn engine_log(&self, version: &VersionId) -> PathBuf {
        self.folder.join(format!("{version}.log"))
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes the folders, for this user alone.
    pub(super) fn make(&self) -> io::Result<()> {
        private_folder(&self.folder)?;
        private_folder(self.socket.parent().expect("the socket is in a folder"))
    }

    /// A name for the socket that the kernel takes however deep its folder lies.
    pub(super) fn socket_name(&self) -> io::Result<SocketName> {
        if self.socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(SocketName {
                path: self.socket.clone(),
                _folder: None,
            });
        }
        let parent = self.socket.parent().expect("the socket is in a folder");
        let name = self.socket.file_name().expect("the socket has a name");
        let folder = rustix::fs::open(
            parent,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        Ok(SocketName {
            path: Path::new(&format!("/proc/self/fd/{number}")).join(name),
            _folder: Some(folder),
        })
    }
}

/// A path to bind or connect to, valid while this value lives.
#[derive(Debug)]
pub(super) struct SocketName {
    pub(super) path: PathBuf,
    /// The folder that `/proc/self/fd/N` stands for.
    _folder: Option<OwnedFd>,
}

/// The releases that have been served on this machine, by name.
pub fn releases(home: &Home) -> io::Result<Vec<ReleaseName>> {
    let entries = match fs::read_dir(&home.state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if ReleasePaths::new(home, &name).record().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_in_a_very_deep_folder_can_still_be_bound_and_reached() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        let paths = ReleasePaths::new(&Home::below(&deep), &"chat".parse().unwrap());
        paths.make().unwrap();
        let name = paths.socket_name().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&name.path).unwrap();
        assert!(paths.socket().exists());
        let again = paths.socket_name().unwrap();
        std::os::unix::net::UnixStream::connect(&again.path).unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn releases_are_the_folders_with_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(dir.path());
        assert!(releases(&home).unwrap().is_empty());
        for name in ["chat", "alpha", "Not-A-Name"] {
            fs::create_dir_all(home.state.join(name)).unwrap();
            fs::write(home.state.join(name).join("state.json"), "{}").unwrap();
        }
        fs::create_dir_all(home.state.join("empty")).unwrap();
        let names = releases(&home).unwrap();
        assert_eq!(names, ["alpha", "chat"].map(|n| n.parse().unwrap()));
    }
}
