//! The gateway's port and the control socket.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::{Error, Place};
use crate::name::ReleaseName;

/// Where a release without a port of its own looks for one.
const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8099;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// How the port was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Asked for, or had before: this one or none.
    Own(u16),
    Any,
}

/// Listens on the release's port, or on the next free one that is no other release's.
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
    // Connections of the one before may linger; a listener of somebody else still refuses.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

/// The control socket, for this user alone. Whoever calls holds the release's serve lock,
/// so a socket that is there already is nobody's.
pub(super) fn control(place: &Place) -> Result<UnixListener, Error> {
    let failed = |source| Error::Listen {
        what: place.socket().display().to_string(),
        source,
    };
    match fs::remove_file(place.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let name = place.socket_name().map_err(failed)?;
    let listener = UnixListener::bind(&name.path).map_err(failed)?;
    fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Who listens on a loopback port: `python3 (process 4711)`, where this user may know.
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
