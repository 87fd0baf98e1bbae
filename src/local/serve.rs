//! One release served: supervisor, gateway and control socket, from start to end.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    Error, Event, Holder, ReleasePaths, api, event,
    gateway::Gateway,
    listener::{self, Acceptor},
    lock, log,
    record::{Record, ports_of_others},
    recover,
    ring::Ring,
    store::{OnEvent, StateStore},
    supervisor::Command,
};
use crate::{
    clock,
    home::Home,
    interrupt::{Interrupt, Signals},
    name::ReleaseName,
};

/// How to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `None` is the release's own port, or the next free one.
    pub port: Option<u16>,
    pub mode: Mode,
}

/// What a signal does to the engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They end with it; a second Ctrl-C does not wait for requests in flight.
    Foreground,
    /// They keep running, and the next `infer serve` finds them.
    Keep,
    /// As `Keep`, and without a terminal.
    Detached,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// `infer delete`, or another verb, asked for it.
    ShutDown,
    Interrupted,
}

/// How long requests in flight may go on where the gateway ends without the engines.
const GATEWAY_DRAIN: Duration = Duration::from_secs(10);

/// Until every engine is gone: SIGTERM, SIGKILL, and time for the kernel.
const ENGINES_END_LIMIT: Duration = Duration::from_secs(40);

/// How often logs are looked at for their length.
const LOG_CHECK_PERIOD: Duration = Duration::from_secs(5);

/// How often the view is drawn.
const VIEW_PERIOD: Duration = Duration::from_secs(1);

/// Serves a release until a signal or a shutdown; engines of an earlier `infer serve`
/// are taken over.
///
/// # Errors
///
/// Another `infer serve` has the release, its port is taken, or its record is unreadable.
pub async fn serve(
    home: &Home,
    release: &ReleaseName,
    options: Options,
    interrupt: &Interrupt,
    on_event: OnEvent,
) -> Result<Ended, Error> {
    let paths = ReleasePaths::new(home, release);
    paths.make().map_err(|source| Error::File {
        path: paths.folder().to_owned(),
        source,
    })?;
    let _lock = lock::hold(&paths.serve_lock(), &Holder::here("serve", ""))?.map_err(|held| {
        Error::ServedAlready {
            release: release.clone(),
            pid: held.map(|held| held.pid),
        }
    })?;
    let (record, listener) = claim_port(home, release, &paths, options.port)?;
    raise_descriptor_limit();
    let left = record.versions.clone();
    let store = StateStore::new(
        paths.clone(),
        record,
        options.mode == Mode::Detached,
        on_event,
    );
    recover::versions(&store, left)
        .await
        .map_err(|source| Error::File {
            path: "/proc".into(),
            source,
        })?;
    store.apply_split();
    store.save().await?;
    let ring = Arc::new(Ring::starting_after(clock::now_ms() * 1000));
    let control = listener::control(&paths)?;
    let (shutdown, mut asked_to_end) = mpsc::channel(1);
    let api = Arc::new(api::Api {
        store: Arc::clone(&store),
        ring: Arc::clone(&ring),
        shutdown,
    });
    let gateway = Arc::new(Gateway {
        routes: Arc::clone(&store.routes),
        ring: Arc::clone(&ring),
    });
    let acceptor = Acceptor::start(listener, gateway, Arc::clone(&store));
    let mut background = JoinSet::new();
    background.spawn(api::serve(control, api));
    background.spawn(keep_logs_short(Arc::clone(&store)));
    background.spawn(show(Arc::clone(&store), ring, options.mode));
    store.tell(Event::Serving {
        release: release.clone(),
        endpoint: store.endpoint(),
    });
    let ended = tokio::select! {
        Some(drain) = asked_to_end.recv() => {
            acceptor.close(drain);
            end_engines(&store, Some(drain), interrupt).await;
            Ended::ShutDown
        }
        signals = interrupt.any() => {
            stop(&store, acceptor, options.mode, interrupt, signals, &mut asked_to_end).await
        }
    };
    drop(background);
    // The next one makes its own; a socket that stays behind is removed by it.
    drop(std::fs::remove_file(paths.socket()));
    Ok(ended)
}

/// The release's record, and its port bound before anything else is touched.
fn claim_port(
    home: &Home,
    release: &ReleaseName,
    paths: &ReleasePaths,
    asked: Option<u16>,
) -> Result<(Record, tokio::net::TcpListener), Error> {
    let known = Record::load(paths)?;
    let port = asked
        .or(known.as_ref().map(|record| record.port))
        .map_or(listener::Port::Any, listener::Port::Own);
    let listener = listener::gateway(release, port, &ports_of_others(home, release))?;
    let address = listener.local_addr().map_err(|source| Error::Listen {
        what: "127.0.0.1".to_owned(),
        source,
    })?;
    let mut record = known.unwrap_or_else(|| Record::new(release, address.port()));
    record.port = address.port();
    Ok((record, listener))
}

/// Ends after a signal as the mode requires; a shutdown request that comes meanwhile wins.
async fn stop(
    store: &Arc<StateStore>,
    acceptor: Acceptor,
    mode: Mode,
    interrupt: &Interrupt,
    signals: Signals,
    shut_down: &mut mpsc::Receiver<Duration>,
) -> Ended {
    store.tell(Event::Stopping {
        in_flight: store.in_flight(),
    });
    match mode {
        Mode::Foreground => {
            acceptor.close(ENGINES_END_LIMIT);
            end_engines(store, None, interrupt).await;
        }
        Mode::Keep | Mode::Detached => {
            let drained = acceptor.close(GATEWAY_DRAIN);
            tokio::select! {
                () = drained.done() => {}
                _ = interrupt.beyond(signals) => {}
                Some(drain) = shut_down.recv() => {
                    end_engines(store, Some(drain), interrupt).await;
                    return Ended::ShutDown;
                }
            }
            let engines = store.running().len();
            store.tell(Event::Left { engines });
        }
    }
    Ended::Interrupted
}

/// Ends every engine: each after its own drain time, or after `drain`, or at once on
/// one more signal.
async fn end_engines(store: &Arc<StateStore>, drain: Option<Duration>, interrupt: &Interrupt) {
    let mut longest = Duration::ZERO;
    for version in store.running() {
        let own = store.with(&version, |entry| entry.record.engine.drain_s);
        let drain = drain.unwrap_or(Duration::from_secs(own.unwrap_or_default()));
        longest = longest.max(drain);
        store.command(&version, Command::Stop { drain });
    }
    let until = Instant::now() + longest + ENGINES_END_LIMIT;
    let mut seen = interrupt.signals();
    while !store.running().is_empty() && Instant::now() < until {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            now = interrupt.beyond(seen) => {
                seen = now;
                for version in store.running() {
                    store.command(&version, Command::Stop { drain: Duration::ZERO });
                }
            }
        }
    }
}

async fn keep_logs_short(store: Arc<StateStore>) {
    loop {
        tokio::time::sleep(LOG_CHECK_PERIOD).await;
        let mut paths: Vec<_> = store
            .running()
            .iter()
            .map(|version| store.paths().engine_log(version))
            .collect();
        paths.push(store.paths().serve_log());
        let gone: Vec<_> = store
            .prune()
            .iter()
            .map(|version| store.paths().engine_log(version))
            .collect();
        let trim = move || {
            for path in paths {
                // One that is not there yet is short enough.
                drop(log::trim(&path));
            }
            for path in gone {
                drop(std::fs::remove_file(log::older(&path)));
                drop(std::fs::remove_file(path));
            }
        };
        drop(tokio::task::spawn_blocking(trim).await);
    }
}

async fn show(store: Arc<StateStore>, ring: Arc<Ring>, mode: Mode) {
    if mode == Mode::Detached {
        return;
    }
    loop {
        let since_ms = clock::now_ms().saturating_sub(clock::milliseconds(event::TRAFFIC_SPAN));
        let view = event::view(store.state(), &ring.since(since_ms));
        store.tell(Event::Seen(Box::new(view)));
        tokio::time::sleep(VIEW_PERIOD).await;
    }
}

/// Each stream takes two descriptors, and the usual soft limit is 1024. Engines inherit
/// the higher limit; those that run at scale ask for it themselves.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const WANTED: u64 = 65_536;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_some_and(|now| now < current) {
        // Without it the gateway still serves some 500 streams.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(current),
                maximum: limit.maximum,
            },
        );
    }
}
