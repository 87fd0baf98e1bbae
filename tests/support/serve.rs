//! `infer serve` with simulated engines, and no engine left behind.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use infer::for_tests::{
    home::Home,
    local::{Client, Engine, Phase, Split, SplitChange, VersionState},
    name::{ReleaseName, VersionId},
};
use serde_json::Value;

use super::{
    infer::Workplace,
    process::{LIMIT, Process},
};

/// The two versions that tests serve.
pub const A: &str = "v00000000a";
pub const B: &str = "v00000000b";

pub fn version(text: &str) -> VersionId {
    text.parse().expect("a version")
}

/// A release that is served in the foreground.
pub struct Served {
    pub place: Workplace,
    pub process: Process,
    pub client: Client,
    pub endpoint: String,
    pub port: u16,
}

impl Served {
    pub async fn start() -> Self {
        Self::start_in(Workplace::new()).await
    }

    pub async fn start_in(place: Workplace) -> Self {
        let port = free_port();
        let process = serve(&place, &["--port", &port.to_string()]);
        Self::with(place, process, port).await
    }

    async fn with(place: Workplace, mut process: Process, port: u16) -> Self {
        let serving = process.event("serving");
        let client = Client::connect(&home(&place), &release())
            .await
            .expect("a served release");
        Self {
            place,
            process,
            client,
            endpoint: serving["endpoint"].as_str().expect("a URL").to_owned(),
            port,
        }
    }

    /// Kills it with -9 and serves the release again.
    pub fn kill_and_serve_again(&mut self) {
        self.process.kill();
        self.process = serve(&self.place, &[]);
        let serving = self.process.event("serving");
        assert_eq!(serving["endpoint"], Value::from(self.endpoint.clone()));
    }

    /// Starts a simulated engine and waits until it is ready.
    pub async fn up(&self, name: &str, options: &[&str]) -> VersionState {
        self.client
            .start(&sim(name, options))
            .await
            .expect("a start");
        self.phase(name, |phase| *phase == Phase::Ready).await
    }

    /// Waits until a version is in a phase.
    pub async fn phase(&self, name: &str, is: impl Fn(&Phase) -> bool) -> VersionState {
        let start = Instant::now();
        loop {
            let state = self.version(name).await;
            if is(&state.phase) {
                return state;
            }
            assert!(start.elapsed() < LIMIT, "{name} stays {:?}", state.phase);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn version(&self, name: &str) -> VersionState {
        let state = self.client.state().await.expect("a state");
        let found = state.version(&version(name));
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    }

    /// Sends the candidate `weight` percent, whatever the split was.
    pub async fn split(&self, live: Option<&str>, candidate: Option<&str>, weight: u8) -> Split {
        let before = self.client.state().await.expect("a state").split;
        let change = SplitChange {
            expect_generation: before.generation,
            expect_run: None,
            live: live.map(version),
            candidate: candidate.map(version),
            weight: weight.try_into().expect("a weight"),
            matches: None,
            journal: before.journal,
        };
        self.client.set_split(&change).await.expect("a split")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    pub fn record(&self) -> Value {
        let path = self.client.paths().record();
        serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill();
        end_engines(&self.place);
    }
}

/// Kills the engines that the release's record names; a record may be gone.
pub fn end_engines(place: &Workplace) {
    let path = home(place).state.join("chat/state.json");
    let Ok(text) = fs::read(path) else { return };
    let record: Value = serde_json::from_slice(&text).unwrap_or_default();
    for known in record["versions"].as_array().into_iter().flatten() {
        let Some(pid) = known["run"]["identity"]["pid"].as_u64() else {
            continue;
        };
        let mark = known["run"]["mark"].as_str().unwrap_or("no mark");
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(mark) {
            kill("KILL", u32::try_from(pid).expect("a pid"));
        }
    }
}

pub fn serve(place: &Workplace, options: &[&str]) -> Process {
    let mut args = vec!["--output", "json", "serve", "chat"];
    args.extend(options);
    Process::start(&mut place.command(args))
}

pub fn home(place: &Workplace) -> Home {
    Home::below(&place.join(".infer"))
}

pub fn release() -> ReleaseName {
    "chat".parse().expect("a name")
}

/// A simulated engine without noise.
pub fn sim(name: &str, options: &[&str]) -> Engine {
    let mut argv = vec![env!("CARGO_BIN_EXE_infer"), "sim", "--port", "{port}"];
    for pair in [["--noise", "0"], ["--base", "5ms"], ["--per-token", "5ms"]] {
        if !options.contains(&pair[0]) {
            argv.extend(pair);
        }
    }
    argv.extend(options);
    Engine {
        version: version(name),
        simulated: true,
        kind: "sim".to_owned(),
        argv: argv.into_iter().map(str::to_owned).collect(),
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        folder: None,
        health_path: "/health".to_owned(),
        startup_s: 30,
        drain_s: 30,
        served_model: "infer-sim".to_owned(),
        model_digest: None,
    }
}

pub fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .status();
    assert!(status.is_ok(), "kill runs");
}

pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    state.is_some_and(|state| state != b'Z' && state != b'X')
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
