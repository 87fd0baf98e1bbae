//! Processes as `/proc` shows them.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
};

use rustix::process::{PidfdFlags, Signal};

use super::{adopt::Identity, process::pid};

/// In an engine's environment: which start of which version it is. Its workers have
/// it too, so they are found after the engine itself has ended.
pub(super) const MARK_VARIABLE: &str = "INFER_ENGINE";

/// Most of an environment that is read in search of the mark.
const ENVIRONMENT_BYTES_MAX: u64 = 1 << 20;

/// This boot of the machine.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The process that has this pid now.
pub(super) fn identity(pid: u32) -> io::Result<Identity> {
    let start_ticks = start_ticks(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(Identity {
        pid,
        start_ticks,
        boot_id: boot_id()?,
    })
}

/// When the process with this pid started; `None` where none runs. A zombie does not run.
pub(super) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_start_ticks(&stat)
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold anything, so fields
/// are counted from its last closing parenthesis.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The engine that carries `mark`: of all such processes the one that started first.
pub(super) fn find_marked(mark: &str) -> io::Result<Option<Identity>> {
    let mut found: Vec<Identity> = marked(mark)?
        .into_iter()
        .filter_map(|pid| identity(pid).ok())
        .collect();
    found.sort_by_key(|identity| (identity.start_ticks, identity.pid));
    Ok(found.into_iter().next())
}

/// Kills every process that carries `mark`: workers that outlived their engine.
pub(super) fn kill_marked(mark: &str) -> io::Result<()> {
    for number in marked(mark)? {
        let Ok(pidfd) = rustix::process::pidfd_open(pid(number)?, PidfdFlags::empty()) else {
            continue;
        };
        // The pidfd is held: what carries the mark now is what will be killed.
        if carries(number, mark) {
            match rustix::process::pidfd_send_signal(&pidfd, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn marked(mark: &str) -> io::Result<Vec<u32>> {
    let own = rustix::process::getuid().as_raw();
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let owned = entry.metadata().is_ok_and(|metadata| metadata.uid() == own);
        if owned && carries(pid, mark) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn carries(pid: u32, mark: &str) -> bool {
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let mut environment = Vec::new();
    let read = file
        .take(ENVIRONMENT_BYTES_MAX)
        .read_to_end(&mut environment);
    let wanted = format!("{MARK_VARIABLE}={mark}");
    read.is_ok()
        && environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_forge_the_start_time() {
        let stat = "42 (a) R 1 2 (b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1";
        assert_eq!(parse_start_ticks(stat), Some(777));
        assert_eq!(parse_start_ticks(&stat.replace(" S ", " Z ")), None);
        assert_eq!(parse_start_ticks("42 (a"), None);
        assert_eq!(parse_start_ticks(""), None);
    }

    #[test]
    fn this_process_is_found_and_a_mark_that_nobody_carries_is_not() {
        let own = std::process::id();
        assert_eq!(identity(own).unwrap(), identity(own).unwrap());
        assert_eq!(find_marked("chat/v012345678/nobody").unwrap(), None);
    }
}
