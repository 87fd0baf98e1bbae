//! The bed: a real cluster on this machine, started or joined once a run by `tests/bed/up`.
//!
//! A test calls [`Namespace::new`]: its thread, and whatever it starts, is then in the
//! bed's network, and it has a namespace of its own in which `infer` holds what
//! `examples/rbac.yaml` gives, and no more. `INFER_TEST_KUBECONFIG` names another,
//! throw-away cluster; a test that needs what only the bed has then fails and says so.

use std::{
    cell::Cell,
    collections::BTreeMap,
    env,
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::{
    infer::{Ran, Workplace},
    process::Process,
    turns::Turn,
};

/// Lines of each component's log that a failed test shows.
const LOG_LINES: usize = 8;

pub struct Bed {
    settings: BTreeMap<String, String>,
}

/// Starts the bed, or joins it; this thread is in its network from now on.
pub fn join() -> &'static Bed {
    static BED: OnceLock<Result<Bed, String>> = OnceLock::new();
    let bed = BED.get_or_init(start);
    let bed = bed.as_ref().unwrap_or_else(|why| panic!("{why}"));
    bed.enter();
    bed
}

fn start() -> Result<Bed, String> {
    if let Some(kubeconfig) = env::var_os("INFER_TEST_KUBECONFIG") {
        let kubeconfig = kubeconfig.to_string_lossy().into_owned();
        let names = ["KUBECONFIG", "KUBECONFIG_INFER"];
        let settings = names.map(|name| (name.to_owned(), kubeconfig.clone()));
        return Ok(Bed {
            settings: settings.into(),
        });
    }
    let up = root().join("tests/bed/up");
    let output = Command::new(up)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run tests/bed/up: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("tests/bed/up: {said}"));
    }
    let settings = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(Bed { settings })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Bed {
    /// One of the lines that `tests/bed/up` prints.
    pub fn setting(&self, name: &str) -> &str {
        let found = self.settings.get(name).map(String::as_str);
        found.unwrap_or_else(|| {
            panic!("this test needs the bed's own {name}: unset INFER_TEST_KUBECONFIG")
        })
    }

    fn enter(&self) {
        if let Some(name) = self.settings.get("NETNS") {
            let namespace = File::open(Path::new("/run/netns").join(name));
            let namespace = namespace.expect("the bed's network namespace");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("tests on the bed run as root");
        }
    }

    fn kubectl_command(&self) -> Command {
        let own = self.settings.get("BIN");
        let program = own.map_or_else(
            || PathBuf::from("kubectl"),
            |bin| Path::new(bin).join("kubectl"),
        );
        let mut command = Command::new(program);
        command.env("KUBECONFIG", self.setting("KUBECONFIG"));
        command
    }

    /// Runs kubectl as an administrator.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> String {
        let output = self.kubectl_command().args(args).output();
        let output = output.expect("kubectl starts");
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Applies YAML as an administrator.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), yaml).expect("a written file");
        let path = file.path().display().to_string();
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &path]);
    }

    /// Runs kubectl where it may fail; its stdout where it did not. (With `-o json` it
    /// prints an empty list when the API server is away.)
    pub fn asked(&self, args: &[&str]) -> Option<String> {
        let output = self.kubectl_command().args(args).output();
        let output = output.expect("kubectl starts");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// Kills a component and has the bed start it again.
    pub fn restart(&self, name: &str) {
        self.component(name).signal("-KILL");
        let up = Command::new(root().join("tests/bed/up")).output();
        assert!(up.is_ok_and(|up| up.status.success()), "tests/bed/up");
    }

    /// A component of the bed, to be stopped and started again.
    pub fn component(&self, name: &str) -> Component {
        let file = Path::new(self.setting("STATE")).join("pids").join(name);
        let text = fs::read_to_string(&file).expect("a component's pid file");
        let pid = text.split_whitespace().next().expect("a pid");
        Component {
            pid: pid.to_owned(),
            stopped: Cell::new(false),
        }
    }

    fn show_logs(&self) {
        let Some(state) = self.settings.get("STATE") else {
            return;
        };
        let logs = fs::read_dir(Path::new(state).join("logs"));
        for entry in logs.into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("── {}", entry.file_name().to_string_lossy());
            for line in last {
                eprintln!("{}", line.chars().take(200).collect::<String>());
            }
        }
    }
}

/// A process of the bed that a test stops for a while; it goes on when this is dropped.
pub struct Component {
    pid: String,
    stopped: Cell<bool>,
}

impl Component {
    /// Stopped as on a machine that hangs: its connections stay open and nothing answers.
    pub fn stop(&self) {
        self.signal("-STOP");
        self.stopped.set(true);
    }

    pub fn go_on(&self) {
        if self.stopped.replace(false) {
            self.signal("-CONT");
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.go_on();
    }
}

/// A test's own namespace and folder; deleted with all that is in it.
pub struct Namespace {
    pub bed: &'static Bed,
    pub name: String,
    pub place: Workplace,
    began: Instant,
    _turn: Turn,
}

impl Namespace {
    /// For a test that sends traffic.
    pub fn new(what: &str) -> Self {
        Self::made(what, Turn::busy())
    }

    /// For a test that only waits for what the cluster does.
    pub fn waiting(what: &str) -> Self {
        Self::made(what, Turn::waits())
    }

    /// While no other test is on the bed: for those that stop a part of it.
    pub fn alone(what: &str) -> Self {
        Self::made(what, Turn::alone())
    }

    fn made(what: &str, turn: Turn) -> Self {
        let bed = join();
        let name = format!("{what}-{}", std::process::id());
        let rbac =
            fs::read_to_string(root().join("examples/rbac.yaml")).expect("examples/rbac.yaml");
        let rbac = rbac.replace("namespace: inference\n", &format!("namespace: {name}\n"));
        bed.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n{rbac}"
        ));
        let place = Workplace::new().env("KUBECONFIG", bed.setting("KUBECONFIG_INFER"));
        Self {
            bed,
            name,
            place,
            began: Instant::now(),
            _turn: turn,
        }
    }

    /// Host name of this namespace's routes.
    pub fn host(&self) -> String {
        format!("{}.bed", self.name)
    }

    /// The keys of `infer.yaml` that put a release behind the bed's gateway.
    pub fn target(&self) -> String {
        let (namespace, name) = self
            .bed
            .setting("GATEWAY")
            .split_once('/')
            .expect("namespace/name");
        format!(
            "target: {{kubernetes: {{namespace: {}}}}}\n\
             traffic: {{host: {}, gateway: {{name: {name}, namespace: {namespace}}}}}\n",
            self.name,
            self.host()
        )
    }

    /// Runs kubectl in this namespace.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.bed
            .kubectl(&[&["-n", self.name.as_str()], args].concat())
    }

    /// One object, as JSON.
    #[track_caller]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        let json = self.kubectl(&["get", kind, name, "-o", "json"]);
        serde_json::from_str(&json).expect("JSON")
    }

    /// All objects of a kind, as a JSON list.
    #[track_caller]
    pub fn list(&self, kind: &str) -> Value {
        let json = self.kubectl(&["get", kind, "-o", "json"]);
        let list: Value = serde_json::from_str(&json).expect("JSON");
        list["items"].clone()
    }

    /// Runs `infer --output json`.
    pub fn infer(&self, args: &[&str]) -> Ran {
        self.place.run(["--output", "json"].iter().chain(args))
    }

    /// Its result, where it has to go well.
    #[track_caller]
    pub fn result(&self, args: &[&str]) -> Value {
        self.infer(args).expect_code(0).result()
    }

    /// Starts `infer --output json`; its events are read.
    pub fn start(&self, args: &[&str]) -> Process {
        Process::start(&mut self.place.command(["--output", "json"].iter().chain(args)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        eprintln!("── {} took {} s", self.name, self.began.elapsed().as_secs());
        if std::thread::panicking() {
            for what in ["pods", "deployments", "events"] {
                let args = ["-n", &self.name, "get", what, "-o", "wide"];
                let seen = self.bed.kubectl_command().args(args).output();
                let seen = seen.map(|output| output.stdout).unwrap_or_default();
                eprintln!("── {what}\n{}", String::from_utf8_lossy(&seen));
            }
            self.bed.show_logs();
        }
        let args = ["delete", "namespace", &self.name, "--wait=false"];
        drop(self.bed.kubectl_command().args(args).output());
    }
}
