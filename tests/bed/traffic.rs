//! What the tests send through the gateway, and what the gateway says it sent on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    bed::{Bed, Namespace, join},
    process::Process,
};

/// A load on the release through the gateway, until it is dropped or has ended.
pub(crate) fn load(namespace: &Namespace, rate: &str, output_tokens: &str) -> Process {
    load_with(namespace, rate, output_tokens, &[])
}

/// The same with `more` words.
pub(crate) fn load_with(
    namespace: &Namespace,
    rate: &str,
    output_tokens: &str,
    more: &[&str],
) -> Process {
    let host = format!("Host:{}", namespace.host());
    let words = [
        "load",
        namespace.bed.setting("GATEWAY_URL"),
        "--header",
        &host,
        "--rate",
        rate,
        "--duration",
        "15m",
        "--input-tokens",
        "16",
        "--output-tokens",
        output_tokens,
    ];
    namespace.start(&[&words, more].concat())
}

/// Ends a load; all of its requests but those it was ended amid must have ended well: no
/// stream was cut.
#[track_caller]
pub(crate) fn end_whole(mut load: Process) {
    load.interrupt();
    let result = load.event("result");
    let requests = &result["requests"];
    let cancelled = &requests["errors"]["cancelled"];
    let ended_by_us = if cancelled.is_null() {
        &json!(0)
    } else {
        cancelled
    };
    if requests["failed"] != *ended_by_us {
        panic!("{requests}\n{}", lost(join()));
    }
    assert!(requests["ok"].as_u64() > Some(0), "{requests}");
    load.exit_code();
}

/// Sends `count` small requests that name no version; answers which versions answered.
pub(crate) fn who_answers(namespace: &Namespace, count: u32) -> BTreeMap<String, u32> {
    let url = format!("{}/v1/models", namespace.bed.setting("GATEWAY_URL"));
    let host = namespace.host();
    asked(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let mut answered = BTreeMap::new();
        for _ in 0..count {
            let answer = client.get(&url).header("host", &host).send().await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200);
            let version = answer.headers().get("x-infer-version");
            let version = version.and_then(|version| version.to_str().ok());
            *answered
                .entry(version.expect("x-infer-version").to_owned())
                .or_default() += 1;
        }
        answered
    })
}

/// Requests that Envoy says it has finished, by the version whose Service they went to.
pub(crate) fn envoy_counts(namespace: &Namespace, release: &str) -> BTreeMap<String, u32> {
    let url = format!(
        "{}/stats?format=json&filter=upstream_rq_completed",
        namespace.bed.setting("ENVOY_ADMIN")
    );
    let stats: Value = asked(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let answer = client.get(&url).send().await.expect("Envoy's statistics");
        answer.json().await.expect("JSON")
    });
    let own = format!("cluster.{}_{release}-", namespace.name);
    let mut counts = BTreeMap::new();
    for stat in stats["stats"].as_array().into_iter().flatten() {
        let name = stat["name"].as_str().unwrap_or_default();
        // Envoy counts each request of a cluster once more by where it came from.
        let Some(rest) = name
            .strip_prefix(&own)
            .filter(|rest| !rest.contains("ternal."))
        else {
            continue;
        };
        let version = rest.split('_').next().unwrap_or_default();
        let count = stat["value"].as_u64().unwrap_or_default();
        *counts.entry(version.to_owned()).or_default() += u32::try_from(count).expect("few");
    }
    counts
}

/// What Envoy counts of requests that it could not send on, for a test that fails by them.
fn lost(bed: &Bed) -> String {
    let filter = "no_cluster|no_route|connect_fail|none_healthy|overflow|rq_503|rq_rx_reset";
    let url = format!(
        "{}/stats?usedonly&filter={filter}",
        bed.setting("ENVOY_ADMIN")
    );
    asked(async {
        let answer = reqwest::get(&url).await.expect("Envoy's statistics");
        answer.text().await.expect("text")
    })
}

fn asked<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(what)
}
