//! Parts of the bed that stop amid a canary: the API server, the gateway's controller, its proxy.

use std::time::{Duration, Instant};

use super::{
    faults::canary,
    simulated::on,
    traffic::{end_whole, load},
};
use crate::support::{bed::Namespace, process::wait_until};

#[test]
fn an_api_server_that_is_away_for_half_a_minute_loses_nothing() {
    let (namespace, _pods) = on(Namespace::alone("outage"), 2);
    let traffic = load(&namespace, "10", "8");
    let mut run = canary(
        &namespace,
        &[
            "--weight",
            "20",
            "--for",
            "10m",
            "--promote",
            "--probe-rate",
            "4",
        ],
    );
    run.event("weight-set");
    let server = namespace.bed.component("kube-apiserver");
    server.stop();
    let since = Instant::now();
    // Probes go on through the gateway meanwhile, and are judged; a verdict that falls now is
    // carried out when the server is back.
    run.event("judged");
    run.event("judged");
    wait_until("half a minute is over", || {
        (since.elapsed() >= Duration::from_secs(30)).then_some(())
    });
    server.go_on();
    let result = run.event("result");
    assert_eq!(result["verdict"], "promoted", "{result}");
    assert_eq!(run.exit_code(), Some(0));
    end_whole(traffic);
}

#[test]
fn a_gateway_that_does_not_move_is_noticed_and_not_judged() {
    let (namespace, _pods) = on(Namespace::alone("stalled"), 2);
    let traffic = load(&namespace, "10", "8");
    let controller = namespace.bed.component("contour");
    let mut run = canary(
        &namespace,
        &["--weight", "50", "--for", "20s", "--pool-noise", "1%"],
    );
    run.event("begun");
    controller.stop();
    let wrong = run.event("split-wrong");
    assert!(
        wrong["measured"].as_f64().is_some_and(|share| share < 0.1),
        "{wrong}"
    );
    let result = run.event("result");
    assert_eq!(result["verdict"], "undecided", "{result}");
    assert!(
        result["reason"]
            .as_str()
            .is_some_and(|why| why.contains("split")),
        "{result}"
    );
    assert_eq!(run.exit_code(), Some(4));
    controller.go_on();
    end_whole(traffic);
}

#[test]
fn a_proxy_that_restarts_is_no_reason_to_roll_back() {
    let (namespace, _pods) = on(Namespace::alone("proxy"), 2);
    let mut run = canary(
        &namespace,
        &["--weight", "20", "--for", "5m", "--probe-rate", "4"],
    );
    run.event("weight-set");
    namespace.bed.restart("envoy");
    let result = run.event("result");
    assert_ne!(result["verdict"], "rolled-back", "{result}");
    assert_eq!(result["verdict"], "held", "{result}");
}
