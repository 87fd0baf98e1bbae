//! Disks that are full or take nothing, and an output that nobody reads.

use std::{ffi::OsStr, fs::File};

use super::{LOCAL, assert_clear, workplace};
use crate::{
    assert_ran,
    support::{
        process::Process,
        small_disk::{self, Disk},
    },
};

/// Verbs that write, as they write to a folder `disk`.
const WRITERS: [&str; 8] = [
    "init other --engine sim --file disk/new/infer.yaml",
    "pack --to oci:disk/image",
    "pack --lock disk/new/infer.lock",
    "unpack --into disk/model",
    "render --file cluster.yaml --into disk/manifests",
    "template eject --set templates=disk/templates",
    "man --into disk/man",
    "load http://127.0.0.1:1 --report disk/new/report.html",
];

#[test]
fn a_full_disk_is_told_and_nothing_half_written_stays() {
    for line in WRITERS {
        let place = workplace();
        let (ran, left) = small_disk::run(&place, Disk::Full, line);
        assert!(
            ran.stderr().contains("No space left on device"),
            "{line}: {}",
            ran.stderr()
        );
        assert!(
            ran.stderr().contains("hint: free some space"),
            "{line}: {}",
            ran.stderr()
        );
        assert_eq!(ran.code(), 1, "{line}: {}", ran.stderr());
        assert_eq!(left, "disk\n", "{line}");
    }
}

#[test]
fn a_disk_that_takes_nothing_is_told_with_what_to_do() {
    for line in WRITERS {
        let place = workplace();
        let (ran, left) = small_disk::run(&place, Disk::ReadOnly, line);
        assert!(
            ran.stderr().contains("Read-only file system"),
            "{line}: {}",
            ran.stderr()
        );
        assert!(
            ran.stderr().contains("choose a folder you may write to"),
            "{line}: {}",
            ran.stderr()
        );
        assert_eq!(ran.code(), 1, "{line}: {}", ran.stderr());
        assert_eq!(left, "disk\n", "{line}");
    }
}

#[test]
fn a_file_that_is_there_survives_a_write_that_fails() {
    let place = workplace();
    place.write("disk/infer.yaml", LOCAL);
    place.write("disk/templates/service.yaml.j2", "mine");
    let whole = "disk\ndisk/infer.yaml\ndisk/templates\ndisk/templates/service.yaml.j2\n";
    for line in [
        "init other --engine sim --file disk/infer.yaml --force",
        "template eject --force --file disk/infer.yaml --set templates=templates",
    ] {
        let (ran, left) = small_disk::run(&place, Disk::Full, line);
        assert_eq!(ran.code(), 1, "{line}: {}", ran.stderr());
        assert_eq!(left, whole, "{line}");
    }
}

#[test]
fn a_home_on_such_a_disk_is_told_too() {
    for (disk, hint) in [
        (Disk::Full, "free some space"),
        (Disk::ReadOnly, "choose a folder you may write to"),
    ] {
        for line in ["deploy", "serve chat"] {
            let place = workplace();
            let home = place.join("disk/home").display().to_string();
            let place = place.env("INFER_HOME", &home);
            let (ran, left) = small_disk::run(&place, disk, line);
            assert_clear(&ran, line);
            assert!(ran.stderr().contains(hint), "{line}: {}", ran.stderr());
            assert!(!left.contains("state.json"), "{line}: {left}");
        }
    }
    let place = workplace();
    let home = place.join("disk/home").display().to_string();
    let place = place.env("INFER_HOME", &home);
    let (doctor, _) = small_disk::run(&place, Disk::ReadOnly, "doctor");
    assert_eq!(doctor.code(), 3, "{}", doctor.stdout());
    assert!(
        doctor.stdout().contains("cannot be written to"),
        "{}",
        doctor.stdout()
    );
}

#[test]
fn a_load_tests_answer_is_printed_even_where_its_report_cannot_be() {
    let place = workplace();
    let mut sim = Process::start(
        &mut place.command("--output json sim --port 0 --base 1ms --per-token 1ms".split(' ')),
    );
    let url = sim.event("listening")["url"]
        .as_str()
        .expect("a URL")
        .to_owned();
    let line = format!("load {url} -n 3 --output-tokens 2 --report disk/report.html");
    // Room for the check before the run, and none for the report after it.
    let (ran, left) = small_disk::run(&place, Disk::NearlyFull, &line);
    assert_eq!(ran.code(), 1, "{}", ran.stderr());
    assert!(ran.stdout().contains("3 requests"), "{}", ran.stdout());
    assert!(
        ran.stderr().contains("cannot write disk/report.html"),
        "{}",
        ran.stderr()
    );
    assert_eq!(left, "disk\n");
    drop(sim);
}

#[test]
fn an_answer_that_stdout_does_not_take_is_a_failure() {
    let place = workplace();
    let full = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    for line in [
        "schema",
        "inspect",
        "render --file cluster.yaml",
        "--help",
        "--output json schema",
    ] {
        let mut command = place.command(line.split(' '));
        let ran = place.ran(command.stdout(full()).output().expect("infer starts"));
        assert_eq!(ran.code(), 1, "{line}: {}", ran.stderr());
    }
    let mut command = place.command(["schema"]);
    let ran = place.ran(command.stdout(full()).output().expect("infer starts"));
    assert_ran!(ran, @r#"
    exit 1
    --- stderr
    error: cannot write the answer to stdout
    caused by: No space left on device (os error 28)
    "#);
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let place = workplace();
    for line in [
        "schema",
        "man",
        "completions bash",
        "render --file cluster.yaml",
    ] {
        let infer = place.command(line.split(' '));
        let script = format!("\"$0\" {line} | head -n 1 >first; echo ${{PIPESTATUS[0]}}");
        let mut command = std::process::Command::new("bash");
        command.args([OsStr::new("-c"), OsStr::new(&script), infer.get_program()]);
        command
            .current_dir(place.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let output = command.env("HOME", place.path()).output().expect("bash");
        assert_eq!(
            output.stdout,
            b"0\n",
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.stderr.is_empty(), "{line}");
    }
}
