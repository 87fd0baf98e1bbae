//! What this machine offers: an engine, a port, room for models, credentials.

use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use crate::{
    cluster::checks::{Check, State},
    engine::ENGINES,
    home::Home,
    release::local::engine::on_path,
    spec::{Spec, Target},
    ui::bytes,
};

/// Where the local gateway looks for a port.
const PORTS: RangeInclusive<u16> = 8080..=8099;

/// Below this no model of use fits.
const DISK_BYTES_LOW: u64 = 5_000_000_000;

/// Looks at this machine; what the local target cannot do without is needed.
pub(super) async fn checks(spec: Option<&Spec>) -> Vec<Check> {
    let local = spec.is_some_and(|spec| spec.target == Target::Local);
    let spec = spec.cloned();
    let looked = tokio::task::spawn_blocking(move || {
        let mut checks = engines(spec.as_ref(), local);
        checks.push(port(spec.as_ref(), local));
        checks.push(disk(local));
        checks.extend(unwritable(local));
        checks.push(credentials());
        checks
    });
    looked.await.unwrap_or_default()
}

fn engines(spec: Option<&Spec>, local: bool) -> Vec<Check> {
    let Some(spec) = spec.filter(|_| local) else {
        let there: Vec<_> = ENGINES
            .iter()
            .filter(|engine| engine.binary_is_its_own)
            .filter_map(|engine| on_path(engine.binary))
            .map(|path| path.display().to_string())
            .collect();
        let found = if there.is_empty() {
            "no engine on PATH".to_owned()
        } else {
            there.join(", ")
        };
        return vec![Check::new("Engine", State::Ok, found)];
    };
    if spec.engine.kind.is_simulated() {
        let found = "simulated by infer itself: no model is run";
        return vec![Check::new("Engine", State::Ok, found).needed(true)];
    }
    let command = spec
        .engine
        .command
        .as_ref()
        .and_then(|command| command.first().cloned());
    let program = command.unwrap_or_else(|| spec.engine.kind.row().binary.to_owned());
    let check = |state, found: String| Check::new("Engine", state, found).needed(true);
    vec![match on_path(&program) {
        Some(path) => check(State::Ok, path.display().to_string()),
        None => check(State::Missing, format!("{program} is not on PATH"))
            .fix(spec.engine.kind.row().install.to_owned()),
    }]
}

fn port(spec: Option<&Spec>, local: bool) -> Check {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let wanted = spec.filter(|_| local).and_then(|spec| spec.traffic.port);
    let found = wanted.map_or_else(
        || PORTS.into_iter().find(|port| is_free(*port)),
        |port| is_free(port).then_some(port),
    );
    match (found, wanted) {
        (Some(port), _) => {
            Check::new("Port", State::Ok, format!("127.0.0.1:{port} is free")).needed(local)
        }
        // Its own gateway may be what holds it.
        (None, Some(port)) => Check::new(
            "Port",
            State::Note,
            format!("127.0.0.1:{port} is in use"),
        )
        .needed(local)
        .fix(
            "if it is not this release's own (`infer status`): another traffic.port in infer.yaml",
        ),
        (None, None) => Check::new("Port", State::Missing, "8080 to 8099 are all in use")
            .needed(local)
            .fix("end a release (`infer status`, `infer delete NAME`), or set traffic.port"),
    }
}

fn disk(local: bool) -> Check {
    let folder = match Home::find() {
        Ok(home) => home.cache,
        Err(error) => {
            return Check::new("Disk", State::Missing, error.to_string())
                .needed(local)
                .fix("set HOME, or INFER_HOME to the folder infer may use");
        }
    };
    let Ok(free) = free_bytes(&folder) else {
        return Check::new(
            "Disk",
            State::Unknown,
            format!("{} cannot be looked at", folder.display()),
        );
    };
    let found = format!("{} free for models in {}", bytes(free), folder.display());
    if free < DISK_BYTES_LOW {
        return Check::new("Disk", State::Note, found)
            .fix("free some, or move it: INFER_HOME=/another/disk");
    }
    Check::new("Disk", State::Ok, found)
}

/// Room on the disk of the nearest folder that exists.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(existing(folder))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The folder, or the nearest above it that is there.
fn existing(folder: &Path) -> &Path {
    let mut above = folder.ancestors();
    above.find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

/// A folder of infer's own that it may not write to; nothing is written to find out.
fn unwritable(local: bool) -> Option<Check> {
    let home = Home::find().ok()?;
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    [home.state, home.runtime, home.cache]
        .into_iter()
        .find_map(|folder| {
            let refused = rustix::fs::access(existing(&folder), wanted).err()?;
            let found = format!("{} cannot be written to: {refused}", folder.display());
            Some(
                Check::new("Folder", State::Missing, found)
                    .needed(local)
                    .fix("choose another: INFER_HOME=/another/folder"),
            )
        })
}

fn credentials() -> Check {
    let folder = env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else {
        return Check::new(
            "Registry logins",
            State::Note,
            "neither HOME nor DOCKER_CONFIG is set",
        )
        .fix("set one of them to push to a registry that asks for a login");
    };
    let shown = path.display();
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::new(
            "Registry logins",
            State::Ok,
            "none: open registries and OCI layouts only",
        ),
        Err(error) => Check::new(
            "Registry logins",
            State::Missing,
            format!("{shown}: {error}"),
        )
        .fix(format!("make it readable: chmod u+r {shown}")),
        Ok(text) => match registries(&text) {
            None => Check::new(
                "Registry logins",
                State::Missing,
                format!("{shown} is not valid JSON"),
            )
            .fix("correct it, or log in again: docker login REGISTRY"),
            Some(0) => Check::new("Registry logins", State::Ok, format!("none in {shown}")),
            Some(count) => Check::new("Registry logins", State::Ok, format!("{count} in {shown}")),
        },
    }
}

/// How many registries a docker config knows a login for; its secrets stay unread.
fn registries(text: &[u8]) -> Option<usize> {
    let config: serde_json::Value = serde_json::from_slice(text).ok()?;
    let count = |field: &str| {
        config
            .get(field)
            .and_then(|value| value.as_object())
            .map_or(0, serde_json::Map::len)
    };
    let store = usize::from(config.get("credsStore").is_some());
    Some(count("auths").max(count("credHelpers")).max(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_counted_and_broken_files_noticed() {
        assert_eq!(
            registries(br#"{"auths": {"a": {"auth": "c2VjcmV0"}, "b": {}}}"#),
            Some(2)
        );
        assert_eq!(registries(br#"{"credsStore": "pass"}"#), Some(1));
        assert_eq!(registries(b"{"), None);
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        assert!(on_path("sh").is_some());
        assert!(on_path("/bin/sh").is_some());
        assert_eq!(on_path("no-such-engine"), None);
        assert_eq!(on_path("/etc/passwd"), None);
    }
}
