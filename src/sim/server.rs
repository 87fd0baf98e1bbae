//! The server's life: it listens, answers, drains, or ends as a fault wants it.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    Error, Simulation, http,
    metrics::{Metrics, Totals},
    slots::Slots,
};

/// Connections at once; more wait in the kernel's queue. Above any load test's streams.
const CONNECTIONS_MAX: usize = 16_384;
/// After a failed accept (no file descriptors left), so as not to spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) simulation: Simulation,
    pub(super) metrics: Metrics,
    pub(super) slots: Slots,
    pub(super) started: Instant,
    received: AtomicU64,
    fatal: watch::Sender<Option<Ended>>,
}

/// Why a simulated server has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped; so many connections were cut because they outlived the limit.
    Stopped { cut: usize },
    /// `Faults::crash_after` came true.
    Crashed,
    /// `Faults::fails_to_start` came true.
    FailedToStart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stop {
    No,
    Drain,
    Now,
}

impl Engine {
    /// The engine, and what ends it from within.
    pub(super) fn new(simulation: Simulation) -> (Arc<Self>, watch::Receiver<Option<Ended>>) {
        let (fatal, ended) = watch::channel(None);
        let engine = Self {
            metrics: Metrics::new(&simulation.model, simulation.law.context_tokens),
            slots: Slots::new(&simulation.law),
            started: Instant::now(),
            received: AtomicU64::new(0),
            fatal,
            simulation,
        };
        (Arc::new(engine), ended)
    }

    pub(super) fn is_ready(&self) -> bool {
        let faults = &self.simulation.faults;
        !faults.fails_to_start && self.started.elapsed() >= faults.startup
    }

    /// Numbers a request in order of arrival; does not return if the engine crashes now.
    pub(super) async fn receive(&self) -> u64 {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let last = self.simulation.faults.crash_after;
        if last.is_some_and(|last| number >= last) {
            self.fatal.send_replace(Some(Ended::Crashed));
            std::future::pending::<()>().await;
        }
        self.metrics.received();
        number
    }
}

/// Starts simulated servers.
#[derive(Debug)]
pub struct Server;

/// A running simulated server; dropping it stops it at once.
#[derive(Debug)]
pub struct Handle {
    pub addr: SocketAddr,
    engine: Arc<Engine>,
    stop: watch::Sender<Stop>,
    life: JoinHandle<Ended>,
}

impl Server {
    /// Listens on `addr` (port 0 takes a free one) and answers until stopped.
    pub async fn start(
        simulation: impl Into<Simulation>,
        addr: SocketAddr,
    ) -> Result<Handle, Error> {
        let simulation = simulation.into();
        simulation.law.check()?;
        simulation.faults.check()?;
        let listen = |source| Error::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let (engine, ended) = Engine::new(simulation);
        let (stop, stopping) = watch::channel(Stop::No);
        let life = tokio::spawn(live(listener, Arc::clone(&engine), stopping, ended));
        Ok(Handle {
            addr,
            engine,
            stop,
            life,
        })
    }
}

impl Handle {
    pub fn totals(&self) -> Totals {
        self.engine.metrics.totals()
    }

    /// Stops accepting, lets answers finish up to the drain limit, then ends.
    pub fn drain(&self) {
        self.stop.send_replace(Stop::Drain);
    }

    /// Ends now, cutting what is under way.
    pub fn cut(&self) {
        self.stop.send_replace(Stop::Now);
    }

    /// Waits for the end, whatever causes it.
    pub async fn ended(&mut self) -> Ended {
        // Polled again after the end, or the runtime is going: nothing is left to cut.
        (&mut self.life).await.unwrap_or(Ended::Stopped { cut: 0 })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.life.abort();
    }
}

async fn live(
    listener: TcpListener,
    engine: Arc<Engine>,
    mut stopping: watch::Receiver<Stop>,
    mut ended: watch::Receiver<Option<Ended>>,
) -> Ended {
    let mut connections = JoinSet::new();
    let faults = &engine.simulation.faults;
    let startup = tokio::time::sleep(faults.startup);
    let mut startup = pin!(startup);
    loop {
        tokio::select! {
            biased;
            _ = ended.changed() => return (*ended.borrow()).unwrap_or(Ended::Crashed),
            _ = stopping.changed() => break,
            () = &mut startup, if faults.fails_to_start => return Ended::FailedToStart,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&engine), stopping.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(engine.simulation.drain) => {}
        _ = stopping.wait_for(|stop| *stop == Stop::Now) => {}
    }
    Ended::Stopped {
        cut: connections.len(),
    }
}

/// One connection, until it ends or is idle while the server drains.
async fn serve(stream: TcpStream, engine: Arc<Engine>, mut stopping: watch::Receiver<Stop>) {
    // Without it a token may wait for the acknowledgement of the one before.
    let _only_slower = stream.set_nodelay(true);
    let service = service_fn(|request| http::handle(Arc::clone(&engine), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let draining = tokio::select! {
        _client_left = connection.as_mut() => return,
        draining = stopping.wait_for(|stop| *stop >= Stop::Drain) => draining.is_ok(),
    };
    if draining {
        connection.as_mut().graceful_shutdown();
        let _client_left = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Faults, Law};

    const ANY_PORT: &str = "127.0.0.1:0";

    #[tokio::test]
    async fn a_server_in_process_answers_and_stops() {
        let mut server = Server::start(Law::default(), ANY_PORT.parse().unwrap())
            .await
            .unwrap();
        let url = format!("http://{}/health", server.addr);
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
        assert_eq!(server.totals().requests, 0);
        server.cut();
        assert!(matches!(server.ended().await, Ended::Stopped { .. }));
        assert!(reqwest::get(&url).await.is_err());
    }

    #[tokio::test]
    async fn a_failed_start_ends_it_by_itself() {
        let mut simulation = Simulation::from(Law::default());
        simulation.faults = Faults {
            fails_to_start: true,
            startup: Duration::from_millis(10),
            ..Faults::default()
        };
        let server = Server::start(simulation, ANY_PORT.parse().unwrap()).await;
        assert_eq!(server.unwrap().ended().await, Ended::FailedToStart);
    }

    #[tokio::test]
    async fn a_law_that_cannot_hold_is_refused_before_it_listens() {
        let law = Law {
            slots: 0,
            ..Law::default()
        };
        let refused = Server::start(law, ANY_PORT.parse().unwrap()).await;
        assert!(matches!(refused, Err(Error::Law(_))));
    }
}
