//! The gateway's connections: let in, and let out.

use std::{future::pending, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::Instant,
};

use super::{Event, book::Book, gateway::Gateway, task::Task};

/// Connections at once; more wait to be accepted. Each takes two descriptors.
const CONNECTIONS_MAX: usize = 16_384;

/// A client that has connected and sends no whole head for this long is no client.
const HEAD_LIMIT: Duration = Duration::from_mins(1);

/// After accept fails (no descriptor left), until it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Open doors: connections are accepted and served.
#[derive(Debug)]
pub(super) struct Doors {
    accepting: Task,
    /// When every connection has to be closed; `None` while the doors are open.
    closing: watch::Sender<Option<Instant>>,
}

/// Closed doors, and connections behind them that may not have ended.
#[derive(Debug)]
pub(super) struct Closed {
    closing: watch::Sender<Option<Instant>>,
}

impl Doors {
    pub(super) fn open(listener: TcpListener, gateway: Arc<Gateway>, book: Arc<Book>) -> Self {
        let (closing, closed) = watch::channel(None);
        Self {
            accepting: Task::spawn(accept(listener, gateway, book, closed)),
            closing,
        }
    }

    /// Accepts no more; idle connections end now, the others after their answer or `limit`.
    pub(super) fn close(self, limit: Duration) -> Closed {
        let Self { accepting, closing } = self;
        drop(accepting);
        closing.send_replace(Some(Instant::now() + limit));
        Closed { closing }
    }
}

impl Closed {
    /// Waits until the last connection has ended.
    pub(super) async fn done(&self) {
        self.closing.closed().await;
    }
}

async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    book: Arc<Book>,
    closed: watch::Receiver<Option<Instant>>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let gateway = Arc::clone(&gateway);
                let closed = closed.clone();
                tokio::spawn(async move {
                    let _place = place;
                    serve(stream, gateway, closed).await;
                });
            }
            Err(error) => {
                book.tell(Event::Trouble(format!(
                    "a connection was not accepted: {error}"
                )));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    gateway: Arc<Gateway>,
    mut closed: watch::Receiver<Option<Instant>>,
) {
    // Each token is its own small packet: none waits for the acknowledgement of the last.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.answer(request).await }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut deadline = None;
    loop {
        let at_deadline = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // A client that breaks off ends its connection; what it asked for notices itself.
            _ = connection.as_mut() => return,
            changed = closed.changed(), if deadline.is_none() => {
                deadline = Some(closed.borrow().unwrap_or_else(Instant::now));
                if changed.is_err() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = at_deadline => return,
        }
    }
}
