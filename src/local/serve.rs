//! One release served: supervisor, gateway and control socket, from start to end.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{
    Error, Event, Holder, Place, api,
    book::{Book, OnEvent},
    clock,
    doors::Doors,
    gateway::Gateway,
    keeper::Order,
    listen, lock, log,
    record::{Record, ports_of_others},
    recover,
    ring::Ring,
    task::Task,
    view,
};
use crate::{
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
    let place = Place::new(home, release);
    place.make().map_err(|source| Error::File {
        path: place.folder().to_owned(),
        source,
    })?;
    let _lock = lock::hold(&place.serve_lock(), &Holder::here("serve", ""))?.map_err(|held| {
        Error::ServedAlready {
            release: release.clone(),
            pid: held.map(|held| held.pid),
        }
    })?;
    let (record, listener) = claim_port(home, release, &place, options.port)?;
    raise_descriptor_limit();
    let left = record.versions.clone();
    let book = Book::new(
        place.clone(),
        record,
        options.mode == Mode::Detached,
        on_event,
    );
    recover::versions(&book, left)
        .await
        .map_err(|source| Error::File {
            path: "/proc".into(),
            source,
        })?;
    book.apply_split();
    book.save().await?;
    let ring = Arc::new(Ring::starting_after(clock::now_ms() * 1000));
    let control = listen::control(&place)?;
    let (shutdown, mut asked_to_end) = mpsc::channel(1);
    let api = Arc::new(api::Api {
        book: Arc::clone(&book),
        ring: Arc::clone(&ring),
        shutdown,
    });
    let gateway = Arc::new(Gateway {
        routes: Arc::clone(&book.routes),
        ring: Arc::clone(&ring),
    });
    let doors = Doors::open(listener, gateway, Arc::clone(&book));
    let chores = [
        Task::spawn(api::serve(control, api)),
        Task::spawn(keep_logs_short(Arc::clone(&book))),
        Task::spawn(show(Arc::clone(&book), ring, options.mode)),
    ];
    book.tell(Event::Serving {
        release: release.clone(),
        endpoint: book.endpoint(),
    });
    let ended = tokio::select! {
        Some(drain) = asked_to_end.recv() => {
            doors.close(drain);
            end_engines(&book, Some(drain), interrupt).await;
            Ended::ShutDown
        }
        signals = interrupt.any() => {
            stop(&book, doors, options.mode, interrupt, signals, &mut asked_to_end).await
        }
    };
    drop(chores);
    // The next one makes its own; a socket that stays behind is removed by it.
    drop(std::fs::remove_file(place.socket()));
    Ok(ended)
}

/// The release's record, and its port bound before anything else is touched.
fn claim_port(
    home: &Home,
    release: &ReleaseName,
    place: &Place,
    asked: Option<u16>,
) -> Result<(Record, tokio::net::TcpListener), Error> {
    let known = Record::load(place)?;
    let port = asked
        .or(known.as_ref().map(|record| record.port))
        .map_or(listen::Port::Any, listen::Port::Own);
    let listener = listen::gateway(release, port, &ports_of_others(home, release))?;
    let address = listener.local_addr().map_err(|source| Error::Listen {
        what: "127.0.0.1".to_owned(),
        source,
    })?;
    let mut record = known.unwrap_or_else(|| Record::new(release, address.port()));
    record.port = address.port();
    Ok((record, listener))
}

/// Ends after a signal, as the mode says; a shutdown that comes meanwhile is obeyed.
async fn stop(
    book: &Arc<Book>,
    doors: Doors,
    mode: Mode,
    interrupt: &Interrupt,
    signals: Signals,
    shut_down: &mut mpsc::Receiver<Duration>,
) -> Ended {
    book.tell(Event::Stopping {
        in_flight: book.in_flight(),
    });
    match mode {
        Mode::Foreground => {
            doors.close(ENGINES_END_LIMIT);
            end_engines(book, None, interrupt).await;
        }
        Mode::Keep | Mode::Detached => {
            let drained = doors.close(GATEWAY_DRAIN);
            tokio::select! {
                () = drained.done() => {}
                _ = interrupt.beyond(signals) => {}
                Some(drain) = shut_down.recv() => {
                    end_engines(book, Some(drain), interrupt).await;
                    return Ended::ShutDown;
                }
            }
            let engines = book.running().len();
            book.tell(Event::Left { engines });
        }
    }
    Ended::Interrupted
}

/// Ends every engine: each after its own drain time, or after `drain`, or at once on
/// one more signal.
async fn end_engines(book: &Arc<Book>, drain: Option<Duration>, interrupt: &Interrupt) {
    let mut longest = Duration::ZERO;
    for version in book.running() {
        let own = book.with(&version, |entry| entry.kept.engine.drain_s);
        let drain = drain.unwrap_or(Duration::from_secs(own.unwrap_or_default()));
        longest = longest.max(drain);
        book.order(&version, Order::Stop { drain });
    }
    let until = Instant::now() + longest + ENGINES_END_LIMIT;
    let mut seen = interrupt.signals();
    while !book.running().is_empty() && Instant::now() < until {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            now = interrupt.beyond(seen) => {
                seen = now;
                for version in book.running() {
                    book.order(&version, Order::Stop { drain: Duration::ZERO });
                }
            }
        }
    }
}

async fn keep_logs_short(book: Arc<Book>) {
    loop {
        tokio::time::sleep(LOG_CHECK_PERIOD).await;
        let mut paths: Vec<_> = book
            .running()
            .iter()
            .map(|version| book.place().engine_log(version))
            .collect();
        paths.push(book.place().serve_log());
        let gone: Vec<_> = book
            .prune()
            .iter()
            .map(|version| book.place().engine_log(version))
            .collect();
        let chore = move || {
            for path in paths {
                // One that is not there yet is short enough.
                drop(log::trim(&path));
            }
            for path in gone {
                drop(std::fs::remove_file(log::older(&path)));
                drop(std::fs::remove_file(path));
            }
        };
        drop(tokio::task::spawn_blocking(chore).await);
    }
}

async fn show(book: Arc<Book>, ring: Arc<Ring>, mode: Mode) {
    if mode == Mode::Detached {
        return;
    }
    loop {
        let since_ms = clock::now_ms().saturating_sub(clock::milliseconds(view::TRAFFIC_SPAN));
        let view = view::view(book.state(), &ring.since(since_ms));
        book.tell(Event::Seen(Box::new(view)));
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
