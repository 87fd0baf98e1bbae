//! One engine's process: started in a group of its own, watched by a pidfd, ended
//! only where it is proved to be the one that was started.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    adopt::Identity,
    control::{Engine, PORT_PLACEHOLDER},
    log, proc,
};

/// A running engine. Dropped, it goes on running.
#[derive(Debug)]
pub(super) struct Process {
    pidfd: AsyncFd<OwnedFd>,
    /// `None` where an earlier `infer serve` was its parent.
    child: Option<Child>,
    identity: Identity,
    mark: String,
    log: PathBuf,
    since: Instant,
}

/// Where and as what an engine is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpawnOptions<'a> {
    pub(super) port: u16,
    /// Tells this start from every other: see [`proc::MARK_VARIABLE`].
    pub(super) mark: &'a str,
    pub(super) log: &'a Path,
    pub(super) folder: &'a Path,
}

impl Process {
    pub(super) fn start(engine: &Engine, options: SpawnOptions) -> io::Result<Self> {
        let mut child = command(engine, options)?.spawn()?;
        let pid = child.id();
        let watched = pidfd(pid).and_then(|pidfd| Ok((pidfd, proc::identity(pid)?)));
        match watched {
            Ok((pidfd, identity)) => Ok(Self {
                pidfd,
                child: Some(child),
                identity,
                mark: options.mark.to_owned(),
                log: options.log.to_owned(),
                since: Instant::now(),
            }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Takes over a process of an earlier `infer serve`; `None` where it is gone.
    pub(super) fn adopt(identity: &Identity, mark: &str, log: &Path) -> io::Result<Option<Self>> {
        let pidfd = match pidfd(identity.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // The pidfd holds the process that has the pid now; only after it is open does a check of the
        // identity prove anything.
        if proc::identity(identity.pid).ok().as_ref() != Some(identity) {
            return Ok(None);
        }
        Ok(Some(Self {
            pidfd,
            child: None,
            identity: identity.clone(),
            mark: mark.to_owned(),
            log: log.to_owned(),
            since: Instant::now(),
        }))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Waits for its end, kills what is left of its process group, and returns how it ended.
    pub(super) async fn ended(&mut self) -> io::Result<String> {
        // Not cleared: a process that has ended stays so.
        let _ = self.pidfd.readable().await?.get_inner();
        let ran_s = self.since.elapsed().as_secs_f64();
        // Until the child is reaped, no other process or group can have its number.
        self.signal(Signal::KILL)?;
        let how = match &mut self.child {
            Some(child) => child.wait()?.to_string(),
            None => "ended".to_owned(),
        };
        let mark = self.mark.clone();
        let workers = tokio::task::spawn_blocking(move || proc::kill_marked(&mark)).await;
        workers.map_err(io::Error::other)??;
        let said = log::last_line(&self.log)
            .map(|line| format!(": {line}"))
            .unwrap_or_default();
        Ok(match &self.child {
            Some(_) => format!("{how} after {ran_s:.1} s{said}"),
            None => format!("{how}{said}"),
        })
    }

    /// Asks the whole group to end.
    pub(super) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Signals the group, unless another process may have its number by now.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        let own = self.identity.start_ticks;
        let taken = || proc::start_ticks(self.identity.pid).is_some_and(|ticks| ticks != own);
        if self.child.is_none() && taken() {
            return Ok(());
        }
        match rustix::process::kill_process_group(pid(self.identity.pid)?, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn command(engine: &Engine, options: SpawnOptions) -> io::Result<Command> {
    let port = options.port.to_string();
    let with_port = |text: &String| text.replace(PORT_PLACEHOLDER, &port);
    let mut words = engine.argv.iter().map(with_port);
    let program = words
        .next()
        .ok_or_else(|| io::Error::other("its command is empty"))?;
    let log = log::open(options.log)?;
    let mut command = Command::new(program);
    command
        .args(words)
        .envs(
            engine
                .env
                .iter()
                .map(|(name, value)| (name, with_port(value))),
        )
        .envs(&engine.secret_env)
        .env(proc::MARK_VARIABLE, options.mark)
        .current_dir(engine.folder.as_deref().unwrap_or(options.folder))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    Ok(command)
}

fn pidfd(number: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pidfd = rustix::process::pidfd_open(pid(number)?, PidfdFlags::NONBLOCK)?;
    // SAFETY: an `OwnedFd` is a valid, open descriptor, is the same one all its life, and is
    // moved into the `AsyncFd`, which nothing takes it out of.
    #[expect(
        unsafe_code,
        reason = "tokio cannot know that a descriptor stays the same"
    )]
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
    Ok(watched?)
}

pub(super) fn pid(number: u32) -> io::Result<Pid> {
    i32::try_from(number)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other(format!("{number} is not a valid process id")))
}

/// A loopback port that is free now, for an engine to listen on.
pub(super) fn free_port() -> io::Result<u16> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// After SIGTERM, until SIGKILL: what a kubelet gives.
pub(super) const TERMINATE_GRACE: Duration = Duration::from_secs(30);
