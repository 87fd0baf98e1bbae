//! A disk that is full, or that may not be written to: a file system in memory which only the
//! command under test and its children see, and which ends with them.

use std::process::Command;

use super::infer::{Ran, Workplace};

/// What is wrong with the folder `disk` of the workplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Holds the workplace's `disk` as it was, and not a byte more.
    Full,
    /// Has room for 12 kB more.
    NearlyFull,
    ReadOnly,
}

/// Runs `infer` with these words where `disk` is such a disk, and lists what is on it afterwards.
///
/// Needs root, or user namespaces.
pub fn run(place: &Workplace, disk: Disk, line: &str) -> (Ran, String) {
    let seal = match disk {
        // Folders can still be made, which shows what is left behind of them.
        Disk::Full => "cat /dev/zero >disk/ballast 2>/dev/null",
        Disk::NearlyFull => "head -c 250000 /dev/zero >disk/ballast",
        Disk::ReadOnly => "mount -o remount,ro disk",
    };
    let script = format!(
        "mkdir -p disk before && cp -a disk/. before && mount -t tmpfs -o size=256k tmpfs disk && \
         cp -a before/. disk && rm -r before || exit 99
         {seal}
         \"$INFER\" {line}
         code=$?
         find disk ! -name ballast | sort >left-behind
         exit $code"
    );
    let is_root = rustix::process::geteuid().is_root();
    let unshare = if is_root {
        "--mount"
    } else {
        "--map-root-user"
    };
    let infer = place.command(["--version"]);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", unshare, "sh", "-c", &script])
        .current_dir(place.path())
        .env_clear()
        .env("INFER", infer.get_program());
    for (name, value) in infer.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().expect("unshare, of util-linux, starts");
    assert_ne!(
        output.status.code(),
        Some(99),
        "no disk of its own, which needs root or user namespaces: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    (place.ran(output), place.read("left-behind"))
}
