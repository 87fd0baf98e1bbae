//! One version as the gateway's upstream: its port, whether it takes requests, how many are in
//! flight, and its pool of idle connections.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, header::SERVER};
use http_body_util::Limited;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Notify};

use crate::name::VersionId;

/// A request's body on its way through.
pub(super) type RequestBody = Limited<Incoming>;

/// Idle connections kept open to one engine.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// Servers close idle connections after 5 s (uvicorn, llama.cpp); a request sent just
/// then would be lost, so none is kept for as long.
const IDLE_TIME_MAX: Duration = Duration::from_secs(3);

/// Connecting on this machine takes 0.1 ms; only a full backlog takes longer.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Upstream {
    version: VersionId,
    port: AtomicU16,
    open: AtomicBool,
    in_flight: AtomicU64,
    /// Notified when the last request in flight has ended.
    emptied: Notify,
    /// Notified when a request could not reach the engine.
    pub(super) suspected: Notify,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: PooledConnection,
    since: Instant,
}

/// One connection to an engine, between two requests.
#[derive(Debug)]
pub(super) struct PooledConnection {
    sender: SendRequest<RequestBody>,
    port: u16,
    /// The engine will close it after this answer.
    is_last: bool,
}

/// llama.cpp's server ends a streamed answer by closing the connection, but says
/// `Keep-Alive`: a request sent before the close arrives would be lost.
fn hangs_up(answer: &HeaderMap) -> bool {
    answer
        .get(SERVER)
        .is_some_and(|server| server.as_bytes() == b"llama.cpp")
}

/// Why an engine did not answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// Not one byte of the request was sent: it may go elsewhere.
    Unreached {
        request: Box<Request<RequestBody>>,
        source: io::Error,
    },
    /// The engine may have begun to work on it.
    Broken(hyper::Error),
}

impl Upstream {
    pub(super) fn new(version: VersionId) -> Arc<Self> {
        Arc::new(Self {
            version,
            port: AtomicU16::new(0),
            open: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            emptied: Notify::new(),
            suspected: Notify::new(),
            idle: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn version(&self) -> &VersionId {
        &self.version
    }

    /// Takes requests from now on.
    pub(super) fn open(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
        self.open.store(true, Ordering::SeqCst);
    }

    /// Takes no new requests from now on.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.idle().clear();
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Counts one request in; `None` where it takes none.
    ///
    /// Counted first and looked at second, so that a drain that sees none in flight
    /// after it has closed the upstream can be sure that none will come.
    pub(super) fn enter(self: &Arc<Self>) -> Option<InFlight> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight(Arc::clone(self));
        self.is_open().then_some(in_flight)
    }

    /// Waits until no request is in flight.
    pub(super) async fn emptied(&self) {
        loop {
            let told = self.emptied.notified();
            if self.in_flight() == 0 {
                return;
            }
            told.await;
        }
    }

    /// Sends a request over a kept connection or a new one.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, PooledConnection), SendError> {
        loop {
            let (mut connection, kept) = match self.take_idle() {
                Some(connection) => (connection, true),
                None => match self.connect().await {
                    Ok(connection) => (connection, false),
                    Err(source) => {
                        return Err(SendError::Unreached {
                            request: Box::new(request),
                            source,
                        });
                    }
                },
            };
            let mut error = match connection.sender.try_send_request(request).await {
                Ok(response) => {
                    connection.is_last = hangs_up(response.headers());
                    return Ok((response, connection));
                }
                Err(error) => error,
            };
            match error.take_message() {
                // The engine closed a kept connection before anything was sent on it.
                Some(unsent) if kept => request = unsent,
                Some(unsent) => {
                    return Err(SendError::Unreached {
                        request: Box::new(unsent),
                        source: io::Error::other(error.into_error()),
                    });
                }
                None => return Err(SendError::Broken(error.into_error())),
            }
        }
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) fn keep(&self, connection: PooledConnection) {
        let current = self.port.load(Ordering::SeqCst) == connection.port;
        let mut idle = self.idle();
        if current && self.is_open() && !connection.is_last && !connection.sender.is_closed() {
            idle.retain(|kept| kept.since.elapsed() < IDLE_TIME_MAX);
            if idle.len() < IDLE_CONNECTIONS_MAX {
                idle.push(Idle {
                    connection,
                    since: Instant::now(),
                });
            }
        }
    }

    /// The connection used last: the others may grow too old and go.
    fn take_idle(&self) -> Option<PooledConnection> {
        let mut idle = self.idle();
        while let Some(Idle { connection, since }) = idle.pop() {
            if connection.sender.is_ready() && since.elapsed() < IDLE_TIME_MAX {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> io::Result<PooledConnection> {
        let port = self.port.load(Ordering::SeqCst);
        let connecting = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let stream = tokio::time::timeout(CONNECT_LIMIT, connecting).await??;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // Ends with the sender: an error on it reaches the request that waits for a response.
        tokio::spawn(async { drop(driver.await) });
        Ok(PooledConnection {
            sender,
            port,
            is_last: false,
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Upstream>);

impl InFlight {
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_upstream_admits_no_request_and_waits_for_those_in_flight() {
        let upstream = Upstream::new("v012345678".parse().unwrap());
        assert!(upstream.enter().is_none());
        assert_eq!(upstream.in_flight(), 0);
        upstream.open(1);
        let in_flight = upstream.enter().unwrap();
        upstream.close();
        assert!(upstream.enter().is_none());
        let mut emptied = std::pin::pin!(upstream.emptied());
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut emptied).await.is_err());
        drop(in_flight);
        emptied.await;
    }
}
