//! `infer` takes model weights to production traffic.
//!
//! # The map
//!
//! ```text
//! argv ───────► commands/<verb> ─► plan (pure) ─► act (async) ─► outcome ─► stdout
//! infer.yaml ─► spec ──┘                            │   │                └► exit code
//!                                                   │   └─ Event ─► ui ─► stderr or NDJSON
//!                           registry · cluster or this machine · HTTP server
//! ```
//!
//! A verb is one file in [`commands`]: its arguments and its `run`. A job is one
//! folder: a pure plan, then the act. Domains report events and never print;
//! [`ui`] is the only code that prints or asks. `tests/cli/layers.rs` checks which
//! module may import which.
//!
//! A verb that changes a release reads the present state and plans the steps that are left
//! ([`release::lifecycle`]), so the same command again finishes a run that was killed.
//!
//! # Capabilities
//!
//! A capability is a key of `infer.yaml`. It works, or it is refused: no key is read and ignored.
//! `tests/cli/capabilities.rs` checks each row against the program.
//!
//! | capability | key | objects | test | state |
//! |---|---|---|---|---|
//! | replicas | `scale.replicas` | Deployment, PodDisruptionBudget | `the_pod_is_as_production_wants_it` | works; the local target runs one |
//! | HPA | `scale.horizontal` | HorizontalPodAutoscaler | `an_autoscaler_owns_the_replicas_of_its_version` | works, by CPU or a metric of the pods; `by: keda` is refused |
//! | VPA | `scale.vertical` | VerticalPodAutoscaler | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | cluster autoscalers (Karpenter) | `hardware.nodes` | disruption and eviction annotations | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | device plugins | `hardware.gpus` | resource limits of the pod | `the_pod_is_as_production_wants_it` | works; `hardware.resource` names another vendor's, or a MIG slice as its device plugin does |
//! | MIG | `hardware.share` | resource limits of the pod | `a_slice_is_asked_for_by_its_name_and_the_engine_is_kept_within_it` | works for `{mig: PROFILE}`; MPS, time slices and HAMi are refused |
//! | DRA | `hardware.allocate` | ResourceClaimTemplate | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | affinity | `hardware.products` | node affinity on the GPU's product | `the_pod_is_as_production_wants_it` | works; `hardware.node_selector` too |
//! | taints | `hardware.tolerate` | tolerations | `the_pod_is_as_production_wants_it` | works |
//! | gateways | `traffic.gateway` | HTTPRoute | `a_route_has_one_backend_whose_answers_name_their_version` | works, with any controller of the Gateway API |
//! | without a gateway | `traffic.via` | Service | `a_release_is_deployed_replaced_rolled_back_and_deleted` | works; other words of it are refused |
//! | meshes | `traffic.mesh` | VirtualService | `a_virtual_service_has_one_destination_and_sends_no_prompt_twice` | works, with Istio |
//! | observability: metrics | `observe.metrics` | scrape annotations | `every_engine_renders` | works for `annotations`; monitors are refused |
//! | observability: dashboards, alerts | `observe.dashboard` | ConfigMap, PrometheusRule | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | observability: traces | `observe.traces` | engine flags | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | promises (SLO) | `gates.slo` | none | `the_report_and_the_test_cases_tell_the_gates` | works |
//! | canary | `rollout.history` | record, lock, journal | `an_open_canary_is_shown_holds_others_off_and_can_be_ended` | works by `infer canary` |
//! | A/B | `traffic.match` | route rules by header | `a_capability_that_is_refused_says_so` | refused: not supported yet; `infer canary --hold --match header:x-beta=1` does it |
//! | multi-version | `traffic.versions` | fixed shares of several versions | `a_capability_that_is_refused_says_so` | refused: not supported yet; a live version and one candidate |
//! | tenancy | `tenancy` | Namespace, ResourceQuota, LocalQueue, NetworkPolicy | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | model registries: OCI | `model.image` | image volume | `from_weights_to_an_image_and_back` | works; ModelPack manifests too |
//! | model registries: Kubeflow | `model.registry` | ModelVersion | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | several machines a replica | `hardware.hosts` | LeaderWorkerSet | `a_leader_worker_set_has_the_same_pod_twice` | works with `target.kubernetes.as: lws` |
//! | KServe, Ray | `target.kubernetes.as` | InferenceService, RayService | `a_capability_that_is_refused_says_so` | refused: not supported yet; a Deployment or a LeaderWorkerSet |
//! | vLLM, SGLang, llama.cpp | `engine.kind` | probes, drain and flags of each | `every_engine_renders` | works; `tgi` and `triton` are refused |
//! | cost, energy: choice | `hardware.choose` | none | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | cost, energy: budget | `gates.budget` | none | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | governance: secrets | `secrets` | references to Secrets, never their content | `no_right_names_secrets_a_wildcard_or_a_way_into_containers` | works |
//! | governance: quality | `gates.quality` | none | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | edge (KubeEdge) | `edge` | node selector, offline mode | `a_capability_that_is_refused_says_so` | refused: not supported yet |
//! | anything else | `patches` | any | `patches_change_what_no_key_says` | works; `templates` too |

mod canary;
mod cli;
mod clock;
mod cluster;
mod commands;
mod duration;
mod engine;
mod error;
mod explain;
mod file;
#[doc(hidden)]
pub mod for_tests;
mod header_match;
mod home;
mod interrupt;
mod json;
mod load;
mod local;
mod model;
mod name;
mod object;
mod pack;
mod registry;
mod release;
mod render;
mod sim;
mod slo;
mod spec;
mod timer;
mod traffic;
mod ui;
mod weight;
mod yaml;

use std::{env::ArgsOs, ffi::OsString, io::ErrorKind, process::ExitCode};

use crate::{
    commands::Session,
    error::{Failure, Kind, Outcome},
    interrupt::Interrupt,
    ui::Ui,
};

/// Runs one command line to its exit code. Not generic: a generic function is compiled where
/// it is called, and the binary would then hold most of the library twice.
pub fn run(args: ArgsOs) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let app = match cli::parse(args.clone()) {
        Ok(app) => app,
        Err(error) => return usage(&error, wants_json(&args)),
    };
    let globals = app.globals;
    let verb = app.command.verb();
    let mut ui = Ui::new(globals.output, globals.quiet, globals.color);
    ui.start(verb);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return end(&ui, Err(Failure::failed(&error))),
    };
    let (ui, result) = runtime.block_on(async {
        match Interrupt::listen() {
            Ok(interrupt) => {
                let session = Session { ui, interrupt };
                let result = cli::run(app.command, &session).await;
                (session.ui, result)
            }
            Err(error) => (ui, Err(Failure::failed(&error))),
        }
    });
    // A blocking read that nobody waits for any more must not keep the process alive.
    runtime.shutdown_background();
    end(&ui, result)
}

fn end(ui: &Ui, result: Result<Outcome, Failure>) -> ExitCode {
    let code = match result {
        Ok(_) if ui.answer_lost() => Kind::Failed.exit_code(),
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            ui.failure(&failure);
            failure.kind.exit_code()
        }
    };
    ExitCode::from(code)
}

/// Whether a command line that could not be read asks for JSON.
fn wants_json(args: &[OsString]) -> bool {
    let by_flag = args.windows(2).any(|pair| pair == ["--output", "json"])
        || args.iter().any(|arg| arg == "--output=json");
    by_flag || std::env::var_os("INFER_OUTPUT").is_some_and(|value| value == "json")
}

/// clap's own text: help on stdout, a usage error on stderr (an event where JSON is asked for)
/// with exit code 2.
fn usage(error: &clap::Error, json: bool) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.exit_code());
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let message = text.split("\n\nUsage:").next().unwrap_or(text);
        let failure = Failure::usage(message.split("\n\nFor more").next().unwrap_or(message))
            .hint("see what there is with --help");
        Ui::new(ui::Output::Json, false, ui::Color::Never).failure(&failure);
        return ExitCode::from(code);
    }
    match error.print() {
        // Nobody is left to tell when the stream is gone; on a full disk the text is lost.
        Err(lost) if lost.kind() != ErrorKind::BrokenPipe => {
            ExitCode::from(code.max(Kind::Failed.exit_code()))
        }
        _ => ExitCode::from(code),
    }
}
