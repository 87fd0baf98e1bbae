//! Starting an `infer serve` that outlives the verb that needs it.

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Client, Error, SessionKey, lock, log};
use crate::{file::write_atomically, home::Home};

/// How to serve a release that is not being served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The gateway's port; `None` is the release's own, or the next free one.
    pub port: Option<u16>,
    /// What keeps a user on one version; `None` leaves it as it is.
    pub session: Option<SessionKey>,
    /// The `infer` to run; `None` is the one that is running.
    pub executable: Option<PathBuf>,
}

/// Until its socket answers: it reads one file and looks up its engines first.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How often the socket is tried until it answers.
const ANSWER_POLL: Duration = Duration::from_millis(20);

/// Beyond the drain, until the process is gone: engines get this long after SIGTERM.
const END_GRACE: Duration = Duration::from_secs(45);

/// The running binary, even where its file has been replaced since.
const THIS_EXECUTABLE: &str = "/proc/self/exe";

pub(super) async fn detached(client: &Client, launch: &Launch) -> Result<(), Error> {
    room_to_write(client)?;
    let mut serve = spawn(client, launch).map_err(|source| Error::Spawn {
        release: client.release().clone(),
        source,
    })?;
    let waiting = tokio::time::timeout(ANSWER_LIMIT, answering(client, &mut serve));
    waiting.await.unwrap_or_else(|_| {
        Err(Error::NotInTime {
            release: client.release().clone(),
            waited_s: ANSWER_LIMIT.as_secs(),
            log: client.paths().serve_log(),
        })
    })
}

/// A disk that takes no writes is told here: `infer serve` would have no place to say it.
fn room_to_write(client: &Client) -> Result<(), Error> {
    let paths = client.paths();
    let failed = |source| Error::File {
        path: paths.folder().to_owned(),
        source,
    };
    paths.make().map_err(failed)?;
    let probe = paths.folder().join("probe");
    write_atomically(&probe, b"infer\n").map_err(failed)?;
    std::fs::remove_file(probe).map_err(failed)
}

fn spawn(client: &Client, launch: &Launch) -> io::Result<Child> {
    let path = client.paths().serve_log();
    let log = log::open(&path)?;
    log::trim(&path)?;
    let program = launch
        .executable
        .as_deref()
        .unwrap_or(Path::new(THIS_EXECUTABLE));
    let mut command = Command::new(program);
    command
        .arg0("infer")
        .args(["serve", client.release().as_str(), "--detached"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A folder that is removed later must not be held.
        .current_dir("/")
        // Flags that `infer` reads from the environment were meant for the verb that runs now.
        .env_remove("INFER_OUTPUT")
        .env_remove("INFER_QUIET");
    // Found by the caller from a folder that may not be the child's.
    let root = client.home().state.parent().unwrap_or(Path::new("/"));
    if *client.home() == Home::below(root) {
        command.env("INFER_HOME", root);
    }
    if let Some(port) = launch.port {
        command.arg("--port").arg(port.to_string());
    }
    command.spawn()
}

async fn answering(client: &Client, serve: &mut Child) -> Result<(), Error> {
    loop {
        match client.state().await {
            Ok(_) => return Ok(()),
            Err(Error::NotRunning { .. }) => {}
            Err(error) => return Err(error),
        }
        let ended = serve.try_wait().map_err(|source| Error::Spawn {
            release: client.release().clone(),
            source,
        })?;
        // Another verb may have been faster: its `infer serve` will answer, ours has lost.
        if ended.is_some() && !is_served(client)? {
            let log = client.paths().serve_log();
            return Err(Error::EndedEarly {
                release: client.release().clone(),
                said: log::last_error(&log).unwrap_or_else(|| "it said nothing".to_owned()),
                log,
            });
        }
        tokio::time::sleep(ANSWER_POLL).await;
    }
}

fn is_served(client: &Client) -> Result<bool, Error> {
    Ok(lock::peek(&client.paths().serve_lock())?.is_some())
}

/// Waits until the process that serves the release has let go of it.
pub(super) async fn ended(client: &Client, drain: Duration) -> Result<(), Error> {
    let limit = drain + END_GRACE;
    let wait = async {
        while is_served(client)? {
            tokio::time::sleep(ANSWER_POLL).await;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(limit, wait).await;
    waited.unwrap_or_else(|_| {
        Err(Error::NotStopped {
            release: client.release().clone(),
            version: "infer serve".to_owned(),
            waited_s: limit.as_secs(),
        })
    })
}
