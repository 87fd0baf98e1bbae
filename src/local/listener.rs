//! The gateway's port and its connections, and the control socket.

use std::{
    collections::BTreeSet,
    fs,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

use super::{Error, Event, ReleasePaths, gateway::Gateway, store::StateStore};
use crate::name::ReleaseName;

/// Where a release without a port of its own looks for one.
const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8099;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// How the port is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Given by a flag or by the record: this one or an error.
    Own(u16),
    Any,
}

/// Listens on the release's port, or on the next free one that no other release has.
pub(super) fn gateway(
    release: &ReleaseName,
    port: Port,
    others: &BTreeSet<u16>,
) -> Result<TcpListener, Error> {
    match port {
        Port::Own(port) => bind(port).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortInUse {
                release: release.clone(),
                port,
                by: listener_of(port),
            },
            _ => Error::Listen {
                what: format!("127.0.0.1:{port}"),
                source,
            },
        }),
        Port::Any => (FIRST_PORT..=LAST_PORT)
            .filter(|port| !others.contains(port))
            .find_map(|port| bind(port).ok())
            .ok_or_else(|| Error::NoFreePort {
                release: release.clone(),
                first: FIRST_PORT,
                last: LAST_PORT,
            }),
    }
}

fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Old connections on the port may linger; binding still fails where another process listens.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

/// The control socket, for this user alone. The caller holds the release's serve lock, so a
/// socket file that exists already was left behind by an `infer serve` that has ended.
pub(super) fn control(paths: &ReleasePaths) -> Result<UnixListener, Error> {
    let failed = |source| Error::Listen {
        what: paths.socket().display().to_string(),
        source,
    };
    match fs::remove_file(paths.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let name = paths.socket_name().map_err(failed)?;
    let listener = UnixListener::bind(&name.path).map_err(failed)?;
    fs::set_permissions(paths.socket(), fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// The process that listens on a loopback port, `python3 (process 4711)`, where this user may
/// see it.
fn listener_of(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let socket = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let has_it = |path: &Path| fs::read_link(path).is_ok_and(|to| to.as_os_str() == &*socket);
        if descriptors.flatten().any(|fd| has_it(&fd.path())) {
            let program = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", program.trim()));
        }
    }
    None
}

/// From `/proc/net/tcp`: the inode of the socket in state LISTEN (0A) on `port`.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A";
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}

/// Connections at once; more wait to be accepted. Each takes two descriptors.
const CONNECTIONS_MAX: usize = 16_384;

/// A connection that sends no whole request head for this long is closed.
const HEAD_LIMIT: Duration = Duration::from_mins(1);

/// Between a failed accept (no descriptor left) and the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections and serves them until it is closed.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// Dropped, it accepts no more.
    accepting: JoinSet<()>,
    /// When every connection has to be closed; `None` while connections are accepted.
    closing: watch::Sender<Option<Instant>>,
}

/// Connections that were open when the acceptor was closed.
#[derive(Debug)]
pub(super) struct OpenConnections {
    closing: watch::Sender<Option<Instant>>,
}

impl Acceptor {
    pub(super) fn start(
        listener: TcpListener,
        gateway: Arc<Gateway>,
        store: Arc<StateStore>,
    ) -> Self {
        let (closing, closed) = watch::channel(None);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, gateway, store, closed));
        Self { accepting, closing }
    }

    /// Accepts no more; idle connections end now, the others after their answer or `limit`.
    pub(super) fn close(self, limit: Duration) -> OpenConnections {
        let Self { accepting, closing } = self;
        drop(accepting);
        closing.send_replace(Some(Instant::now() + limit));
        OpenConnections { closing }
    }
}

impl OpenConnections {
    /// Waits until the last connection has ended.
    pub(super) async fn done(&self) {
        self.closing.closed().await;
    }
}

async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    store: Arc<StateStore>,
    closed: watch::Receiver<Option<Instant>>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let gateway = Arc::clone(&gateway);
                let closed = closed.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    serve(stream, gateway, closed).await;
                });
            }
            Err(error) => {
                store.tell(Event::Trouble(format!(
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
            // A client that breaks off ends its connection; its request is cancelled with it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_who_uses_it() {
        let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let release = "chat".parse().unwrap();
        let error = gateway(&release, Port::Own(port), &BTreeSet::new()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&port.to_string()), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
    }

    #[tokio::test]
    async fn a_port_that_another_release_has_for_good_is_passed_by() {
        let release = "chat".parse().unwrap();
        let others = (FIRST_PORT..LAST_PORT).collect();
        // Only the last one is left; it may be taken on this machine.
        match gateway(&release, Port::Any, &others) {
            Ok(listener) => assert_eq!(listener.local_addr().unwrap().port(), LAST_PORT),
            Err(error) => assert!(matches!(error, Error::NoFreePort { .. })),
        }
    }
}
