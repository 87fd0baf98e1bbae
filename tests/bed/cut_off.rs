//! Runs that are killed at the lines they print, on real objects: the same command again ends
//! where an undisturbed run ends. The whole table, write by write, is in tests/cli/cut_off.rs.

use serde_json::{Value, json};

use super::{
    rows::{free_the_lock, groups, mesh},
    shares::Shares,
    simulated::{self, RELEASE},
    traffic::{end_whole, load},
};
use crate::support::{
    bed::Namespace, fake_nodes::FakeNodes, fake_pods::FakePods, process::wait_until,
};

/// A line of a run: an event, and its phase where it has one.
type Line = (&'static str, Option<&'static str>);

const APPLIED: Line = ("phase-started", Some("schedule"));
const READY: Line = ("phase-done", Some("load"));
const FIRST_TOKEN: Line = ("phase-done", Some("first_token"));
const MOVED: Line = ("moved", None);
const DRAINING: Line = ("draining", None);
const DRAINED: Line = ("drained", None);
const HANDING_OVER: Line = ("handing-over", None);

/// A release of one kind of workload behind one kind of route.
struct Release {
    namespace: Namespace,
    workload: &'static str,
    route: &'static str,
    _pods: FakePods,
}

impl Release {
    fn deployed(what: &str, yaml: impl Fn(&Namespace) -> String) -> Self {
        Self::of(Namespace::new(what), yaml)
    }

    fn of(namespace: Namespace, yaml: impl Fn(&Namespace) -> String) -> Self {
        let yaml = yaml(&namespace);
        let is_group = yaml.contains("as: lws");
        let is_mesh = yaml.contains("virtual-service");
        namespace.place.write("infer.yaml", yaml);
        let pods = FakePods::answer(&namespace);
        namespace.result(&["deploy"]);
        Self {
            namespace,
            workload: if is_group {
                "leaderworkerset"
            } else {
                "deployment"
            },
            route: if is_mesh {
                "virtualservices.networking.istio.io"
            } else {
                "httproute"
            },
            _pods: pods,
        }
    }

    fn live(&self) -> String {
        let status = self.namespace.result(&["status"]);
        status["live"].as_str().expect("a version").to_owned()
    }

    /// Kills `infer` at `line`; a run that was faster has ended.
    fn killed(&self, args: &[&str], line: Line) {
        let mut run = self.namespace.start(args);
        loop {
            let event: Value = serde_json::from_str(&run.line()).expect("JSON");
            assert_ne!(event["event"], "error", "{event}");
            let phase = line.1.is_none_or(|phase| event["phase"] == phase);
            if (event["event"] == line.0 && phase) || event["event"] == "result" {
                break;
            }
        }
        run.kill();
        free_the_lock(&self.namespace);
    }

    /// What a command that replaced `old` leaves, in words that are those of every such run.
    fn left(&self, old: &str) -> Value {
        let new = self.live();
        let namespace = &self.namespace;
        wait_until("what ends has ended", || {
            let workloads = namespace.list(self.workload);
            let workloads = workloads.as_array().expect("a list");
            let settled = workloads.iter().all(|one| {
                one["status"]["replicas"].as_u64().unwrap_or(0) == one["spec"]["replicas"]
            });
            settled.then_some(())
        });
        let workloads = namespace.list(self.workload);
        let workloads: Vec<_> = workloads
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                let name = &one["metadata"]["name"];
                let ready = one["status"]["readyReplicas"].as_u64().unwrap_or(0);
                json!([name, one["spec"]["replicas"], ready])
            })
            // What neither run is about: at 0, as it was.
            .filter(|one| {
                one.to_string().contains(&new) || one.to_string().contains(old) || one[1] != 0
            })
            .collect();
        let route = namespace.get(self.route, RELEASE);
        let spec = &route["spec"];
        let rules = if spec["http"].is_null() {
            &spec["rules"]
        } else {
            &spec["http"]
        };
        let record = namespace.get("configmap", &format!("infer-{RELEASE}"));
        let record = record["data"]["record.json"].as_str().expect("a record");
        let record: Value = serde_json::from_str(record).expect("JSON");
        let of_both = |list: &Value, fields: &[&str]| -> Vec<Value> {
            let list = list.as_array().cloned().unwrap_or_default();
            let ours = list
                .iter()
                .filter(|one| one["version"] == new || one["version"] == old);
            ours.map(|one| fields.iter().map(|field| one[*field].clone()).collect())
                .collect()
        };
        let lease = namespace.get("lease", &format!("infer-{RELEASE}"));
        let mut services: Vec<_> = namespace
            .list("service")
            .as_array()
            .expect("a list")
            .iter()
            .filter(|one| one["metadata"]["name"] == RELEASE)
            .map(|one| one["spec"]["selector"].clone())
            .collect();
        services.sort_by_key(ToString::to_string);
        let left = json!({
            "workloads": workloads,
            "rules": rules,
            "journal": route["metadata"]["annotations"]["infer.dev/canary"],
            "service": services,
            "revisions": of_both(&record["revisions"], &["version", "state", "replicas"]),
            "holder": lease["spec"]["holderIdentity"].as_str().unwrap_or(""),
        });
        let text = left.to_string().replace(&new, "NEW").replace(old, "OLD");
        sorted(serde_json::from_str(&text).expect("JSON"))
    }

    /// Kills `args` at each line and runs it again; each end is the undisturbed one.
    fn survives(&self, lines: &[Line], mut next: impl FnMut() -> Vec<String>) {
        let run = |args: &[String]| -> Value {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            self.namespace.result(&args)
        };
        let before = self.live();
        run(&next());
        let undisturbed = self.left(&before);
        for line in lines {
            let before = self.live();
            let args = next();
            let words: Vec<_> = args.iter().map(String::as_str).collect();
            self.killed(&words, *line);
            // What a run went back to is not wanted by its next one.
            run(&args);
            assert_eq!(self.left(&before), undisturbed, "killed at {line:?}");
        }
    }
}

/// Lists of what has no order, in one order.
fn sorted(mut left: Value) -> Value {
    for field in ["workloads", "revisions"] {
        if let Some(list) = left[field].as_array_mut() {
            list.sort_by_key(ToString::to_string);
        }
    }
    left
}

/// `infer deploy` of one version after the other.
fn deploys(more: &'static [&'static str]) -> impl FnMut() -> Vec<String> {
    let mut number = 1;
    move || {
        number += 1;
        let set = format!("engine.env.REVISION={number}");
        let words = ["deploy", "--set", &set]
            .into_iter()
            .chain(more.iter().copied());
        words.map(ToOwned::to_owned).collect()
    }
}

#[test]
fn a_replacement_that_is_killed_at_any_line_is_finished_by_the_same_command() {
    let release = Release::deployed("cut", |namespace| simulated::file(namespace, 2, ""));
    let shares = Shares::watch(&release.namespace, release.route, release.workload);
    let traffic = load(&release.namespace, "10", "8");
    let lines = [APPLIED, READY, FIRST_TOKEN, MOVED, DRAINING, DRAINED];
    release.survives(&lines, deploys(&[]));
    end_whole(traffic);
    shares.end();
}

#[test]
fn a_rollback_that_is_killed_is_finished_and_goes_no_further_back() {
    let release = Release::deployed("cut-back", |namespace| simulated::file(namespace, 1, ""));
    let namespace = &release.namespace;
    let first = release.live();
    let second = namespace.result(&["deploy", "--set", "engine.env.REVISION=2"])["version"].clone();
    namespace.result(&["deploy", "--set", "engine.env.REVISION=3"]);
    let third = release.live();
    // Two steps undisturbed, one back each.
    namespace.result(&["rollback"]);
    let undisturbed = release.left(&third);
    assert_eq!(release.live(), second);
    for line in [APPLIED, MOVED] {
        namespace.result(&["deploy", "--set", "engine.env.REVISION=3"]);
        assert_eq!(release.live(), third);
        release.killed(&["rollback"], line);
        namespace.result(&["rollback"]);
        assert_eq!(release.live(), second, "not {first}");
        assert_eq!(release.left(&third), undisturbed, "killed at {line:?}");
    }
}

#[test]
fn a_hand_over_that_is_killed_goes_on_replica_by_replica() {
    let namespace = Namespace::new("cut-full");
    let product = "NVIDIA-GB200";
    let _nodes = FakeNodes::of_one_product(&namespace, product, 2);
    let release = Release::of(namespace, |namespace| {
        simulated::file(namespace, 2, "")
            .replace("NVIDIA-H100-80GB-HBM3, NVIDIA-L40S", product)
            .replace("startup: 60s", "surge: none, startup: 60s")
    });
    let shares = Shares::watch(&release.namespace, release.route, release.workload);
    release.survives(&[HANDING_OVER, FIRST_TOKEN, MOVED], deploys(&[]));
    shares.end();
}

#[test]
fn a_replaced_group_of_pods_is_finished_by_the_same_command() {
    let release = Release::deployed("cut-groups", groups);
    let shares = Shares::watch(&release.namespace, release.route, release.workload);
    release.survives(&[APPLIED, MOVED, DRAINED], deploys(&[]));
    shares.end();
}

#[test]
fn a_moved_virtual_service_is_finished_by_the_same_command() {
    // With an autoscaler, so that one is met half made, too.
    let release = Release::deployed("cut-mesh", |namespace| {
        mesh(namespace, 1).replace(
            "scale: {replicas: 1}",
            "scale: {horizontal: {by: hpa, min: 2, max: 4, metric: {pods: {name: load, average: 5}}}}",
        )
    });
    let shares = Shares::watch(&release.namespace, release.route, release.workload);
    release.survives(&[APPLIED, FIRST_TOKEN, MOVED, DRAINED], deploys(&[]));
    shares.end();
}

#[test]
fn a_deletion_that_is_killed_is_finished_and_leaves_nothing() {
    let release = Release::deployed("cut-gone", |namespace| simulated::file(namespace, 2, ""));
    let namespace = &release.namespace;
    namespace.result(&["deploy", "--set", "engine.env.REVISION=2"]);
    release.killed(&["delete", RELEASE, "--yes"], DRAINING);
    namespace.result(&["delete", RELEASE, "--yes"]);
    let kinds = "deployments,services,httproutes,configmaps,leases,poddisruptionbudgets,\
                 serviceaccounts,horizontalpodautoscalers";
    let selector = format!("infer.dev/release={RELEASE}");
    wait_until("nothing is left", || {
        let left = namespace.kubectl(&["get", kinds, "-l", &selector, "-o", "name"]);
        left.trim().is_empty().then_some(())
    });
    namespace.infer(&["status", RELEASE]).expect_code(1);
}
