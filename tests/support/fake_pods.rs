//! Pods on nodes that KWOK plays, answering for real: for each one the command of its
//! container runs here, bound to the pod's address. The name says that the node is fake;
//! the engine is `infer sim` as the manifest has it.

use std::{
    collections::HashMap,
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use super::bed::Namespace;

/// Holds a pod that is not Ready until its engine answers; see tests/bed/config/stages.
pub const HOLD: &str = "bed.infer.dev/play: hold";
const GO: &str = "bed.infer.dev/go=now";

/// How long a pod's engine may take to listen.
const LISTENS: Duration = Duration::from_secs(10);

/// Engines of a namespace's fake pods, for as long as it is kept.
pub struct FakePods {
    over: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

impl FakePods {
    /// Follows the namespace's pods from now on.
    pub fn answer(namespace: &Namespace) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let name = namespace.name.clone();
        let bed = namespace.bed;
        let stop = Arc::clone(&over);
        let watch = thread::spawn(move || {
            // A thread begins in the network of the process.
            super::bed::join();
            let mut engines: HashMap<String, Child> = HashMap::new();
            while !stop.load(Ordering::Relaxed) {
                // While the API server is away nothing changes.
                let pods = bed.asked(&["-n", &name, "get", "pods", "-o", "json"]);
                let Some(pods) = pods else {
                    pause();
                    continue;
                };
                let pods: Value = serde_json::from_str(&pods).expect("JSON");
                let pods = pods["items"].as_array().cloned().unwrap_or_default();
                engines.retain(|pod, engine| {
                    let here = pods
                        .iter()
                        .find(|one| one["metadata"]["name"] == pod.as_str());
                    let ending =
                        here.is_none_or(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
                    if ending {
                        end(engine);
                    }
                    !ending
                });
                for pod in &pods {
                    let id = pod["metadata"]["name"].as_str().unwrap_or_default();
                    if engines.contains_key(id) || !pod["metadata"]["deletionTimestamp"].is_null() {
                        continue;
                    }
                    if let Some(engine) = serve(pod) {
                        engines.insert(id.to_owned(), engine);
                        // A pod that is gone meanwhile needs no word.
                        bed.asked(&["-n", &name, "annotate", "pod", id, GO, "--overwrite"]);
                    }
                }
                pause();
            }
            for engine in engines.values_mut() {
                drop(engine.kill());
                drop(engine.wait());
            }
        });
        Self {
            over,
            watch: Some(watch),
        }
    }
}

impl Drop for FakePods {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watch) = self.watch.take() {
            // Its panic is shown by its own thread.
            drop(watch.join());
        }
    }
}

/// As a kubelet ends a container: it may finish what it has begun.
fn end(engine: &mut Child) {
    let pid = engine.id().to_string();
    drop(Command::new("kill").args(["-TERM", &pid]).status());
}

/// Runs the pod's container bound to the pod's address; `None` while it has none.
fn serve(pod: &Value) -> Option<Child> {
    let address = pod["status"]["podIP"].as_str()?;
    let container = &pod["spec"]["containers"][0];
    let words = |field: &str| -> Vec<String> {
        let words = container[field].as_array().cloned().unwrap_or_default();
        words
            .iter()
            .map(|word| word.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut args = [words("command"), words("args")].concat();
    for word in &mut args {
        if word == "0.0.0.0" {
            address.clone_into(word);
        }
    }
    let port = container["ports"][0]["containerPort"].as_u64()?;
    let engine = Command::new(env!("CARGO_BIN_EXE_infer"))
        .args(args.get(1..)?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("infer sim starts");
    let address = format!("{address}:{port}").parse().expect("an address");
    let began = std::time::Instant::now();
    while TcpStream::connect_timeout(&address, LISTENS).is_err() {
        assert!(
            began.elapsed() < LISTENS,
            "infer sim does not listen at {address}"
        );
        pause();
    }
    Some(engine)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of a test's own may sleep between two looks"
)]
fn pause() {
    thread::sleep(Duration::from_millis(200));
}
