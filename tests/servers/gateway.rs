//! The local gateway: who gets which request, and what becomes of streams.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use infer::for_tests::local::{Observation, Phase, SessionKey};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::serve::{A, B, Served, kill, version};

async fn two(options: &[&str]) -> Served {
    let served = Served::start().await;
    served.up(A, options).await;
    served.up(B, options).await;
    served
}

async fn ask(client: &Client, served: &Served, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut request = client.post(served.url("/v1/completions")).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

fn answered_by(response: &Response) -> String {
    let version = response.headers().get("x-infer-version");
    version.expect("a version").to_str().unwrap().to_owned()
}

fn short() -> Value {
    json!({"prompt": "hello", "max_tokens": 2})
}

fn stream(tokens: u32) -> Value {
    json!({"prompt": "hello", "max_tokens": tokens, "stream": true})
}

async fn observed(served: &Served) -> Vec<Observation> {
    served.client.observations(0).await.unwrap().observations
}

#[tokio::test]
async fn any_hundred_consecutive_requests_at_ten_percent_give_exactly_ten() {
    let served = two(&[]).await;
    served.split(Some(A), Some(B), 10).await;
    let client = Client::new();
    let mut versions = Vec::new();
    for _ in 0..230 {
        let answer = client.get(served.url("/v1/models")).send().await.unwrap();
        versions.push(answered_by(&answer));
    }
    for window in versions.windows(100) {
        assert_eq!(window.iter().filter(|version| *version == B).count(), 10);
    }
    // Forty at a time, over connections of their own: the count is as exact.
    let answers = (0..400).map(|_| client.get(served.url("/v1/models")).send());
    let by: BTreeMap<String, usize> = futures_util::stream::iter(answers)
        .buffer_unordered(40)
        .fold(BTreeMap::new(), async |mut by, answer| {
            *by.entry(answered_by(&answer.unwrap())).or_default() += 1;
            by
        })
        .await;
    assert_eq!(
        by,
        BTreeMap::from([(A.to_owned(), 360), (B.to_owned(), 40)])
    );
}

#[tokio::test]
async fn a_session_moves_once_while_the_weight_rises_and_back_when_it_falls() {
    let served = two(&[]).await;
    let client = Client::new();
    let mut history: Vec<Vec<bool>> = vec![Vec::new(); 30];
    for weight in [0, 10, 50, 100, 50, 10, 0] {
        served.split(Some(A), Some(B), weight).await;
        for (id, on_candidate) in history.iter_mut().enumerate() {
            let id = format!("user-{id}");
            let answer = ask(&client, &served, &[("x-session-id", &id)], &short()).await;
            on_candidate.push(answered_by(&answer) == B);
        }
    }
    for places in &history {
        assert!(!places[0] && places[3] && !places[6], "{places:?}");
        let moves = places.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(moves, 2, "{places:?}");
        // The same weight is the same place, on the way up as on the way down.
        assert_eq!((places[1], places[2]), (places[5], places[4]));
    }
    served
        .client
        .set_session(&SessionKey::Cookie("sid".to_owned()))
        .await
        .unwrap();
    served.split(Some(A), Some(B), 50).await;
    for id in 0..10 {
        let cookie = format!("theme=dark; sid=user-{id}");
        let mut places = Vec::new();
        for _ in 0..4 {
            let answer = ask(&client, &served, &[("cookie", &cookie)], &short()).await;
            places.push(answered_by(&answer));
        }
        places.dedup();
        assert_eq!(places.len(), 1);
    }
}

#[tokio::test]
async fn a_stream_lives_through_weight_changes_and_the_drain_of_its_version() {
    let served = two(&["--per-token", "20ms"]).await;
    served.split(Some(A), Some(B), 100).await;
    let client = Client::new();
    let answer = ask(&client, &served, &[], &stream(60)).await;
    assert_eq!(answered_by(&answer), B);
    let mut bytes = answer.bytes_stream();
    let mut text = String::from_utf8(bytes.next().await.unwrap().unwrap().to_vec()).unwrap();

    served.split(Some(A), Some(B), 0).await;
    served.split(Some(A), None, 0).await;
    let draining = served
        .client
        .stop(&version(B), Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!((draining.phase, draining.in_flight), (Phase::Draining, 1));
    // It gets nothing new, not even what asks for it by name.
    let refused = ask(&client, &served, &[("x-infer-version", B)], &short()).await;
    assert_eq!(refused.status(), 503);
    for _ in 0..5 {
        assert_eq!(answered_by(&ask(&client, &served, &[], &short()).await), A);
    }
    while let Some(more) = bytes.next().await {
        text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
    }
    assert!(text.ends_with("[DONE]\n\n"));
    assert_eq!(
        text.matches("\"text\":").count(),
        61,
        "60 tokens and the end"
    );
    let stopped = served.phase(B, |phase| *phase == Phase::Stopped).await;
    assert!(stopped.last_exit.unwrap().starts_with("exit status: 0"));
    let whole = observed(&served)
        .await
        .into_iter()
        .find(|one| one.version == version(B))
        .unwrap();
    assert_eq!((whole.failed, whole.output_tokens), (None, Some(60)));
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let served = two(&["--per-token", "50ms"]).await;
    served.split(Some(A), None, 0).await;
    let client = Client::new();
    let answer = ask(&client, &served, &[("x-infer-version", B)], &stream(1000)).await;
    served
        .client
        .stop(&version(B), Duration::from_secs(1))
        .await
        .unwrap();
    // The engine itself lets its answers end after SIGTERM; nobody waits for 50 s of them.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    served
        .client
        .stop(&version(B), Duration::ZERO)
        .await
        .unwrap();
    served
        .client
        .stopped(&version(B), Duration::from_secs(20))
        .await
        .unwrap();
    let read = answer.text().await;
    assert!(read.is_err() || !read.unwrap().contains("[DONE]"));
    let cut = observed(&served).await.pop().unwrap();
    assert!(cut.pinned && cut.failed.is_some(), "{cut:?}");
}

#[tokio::test]
async fn the_share_of_a_dead_engine_goes_to_the_other_one_and_is_counted() {
    let served = two(&[]).await;
    served.split(Some(A), Some(B), 50).await;
    let candidate = served.version(B).await.pid.unwrap();
    kill("KILL", candidate);
    let client = Client::new();
    for _ in 0..20 {
        let answer = ask(&client, &served, &[], &short()).await;
        assert_eq!(
            (answer.status().as_u16(), answered_by(&answer)),
            (200, A.to_owned())
        );
    }
    let diverted = observed(&served)
        .await
        .iter()
        .filter(|one| one.diverted)
        .count();
    assert_eq!(diverted, 10);
    // Back again, it gets its share again.
    served.phase(B, |phase| *phase == Phase::Ready).await;
    let answers = [
        ask(&client, &served, &[], &short()).await,
        ask(&client, &served, &[], &short()).await,
    ];
    assert!(answers.iter().any(|answer| answered_by(answer) == B));
}

#[tokio::test]
async fn tokens_are_passed_on_one_by_one_and_timed() {
    let served = two(&["--base", "100ms", "--per-token", "30ms"]).await;
    served.split(Some(A), None, 0).await;
    let answer = ask(&Client::new(), &served, &[], &stream(10)).await;
    let mut reads = 0;
    let mut bytes = answer.bytes_stream();
    while let Some(more) = bytes.next().await {
        more.unwrap();
        reads += 1;
    }
    assert!(reads >= 10, "{reads} reads of 10 tokens");
    let seen = observed(&served).await.pop().unwrap();
    assert!(seen.streamed && seen.failed.is_none());
    let (ttft, tpot) = (seen.ttft_ms.unwrap(), seen.tpot_ms.unwrap());
    // The law's own figures; the upper bounds are for busy machines.
    assert!((100.0..180.0).contains(&ttft), "{ttft}");
    assert!((29.0..45.0).contains(&tpot), "{tpot}");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let served = two(&["--per-token", "20ms"]).await;
    served.split(Some(A), None, 0).await;
    let client = Client::new();
    // One leaves in the middle of a stream, one before the first byte of an answer.
    let mut streaming = ask(&client, &served, &[], &stream(2000)).await;
    streaming.chunk().await.unwrap();
    drop(streaming);
    let long = json!({"prompt": "hello", "max_tokens": 2000});
    let waiting = ask(&client, &served, &[], &long);
    let limit = Duration::from_millis(200);
    assert!(tokio::time::timeout(limit, waiting).await.is_err());

    let engine = served.version(A).await.port.unwrap();
    let running = async || {
        let url = format!("http://127.0.0.1:{engine}/metrics");
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("vllm:num_requests_running"));
        line.unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let gone = async {
        while running().await > 0.0 || served.version(A).await.in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .expect("the engine stops");
    let seen = observed(&served).await;
    assert_eq!(seen.len(), 2);
    for one in seen {
        assert_eq!(
            (one.status, one.failed.as_deref()),
            (499, Some("cancelled"))
        );
    }
}

#[tokio::test]
async fn refusals_are_errors_that_openai_clients_read() {
    let served = Served::start().await;
    let client = Client::new();
    let code = async |headers: &[(&str, &str)]| {
        let answer = ask(&client, &served, headers, &short()).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code(&[]).await, refused(503, "nothing_live"));
    served.up(A, &[]).await;
    served.split(Some(A), None, 0).await;
    assert_eq!(
        code(&[("x-infer-version", B)]).await,
        refused(404, "version_not_found")
    );
    kill("KILL", served.version(A).await.pid.unwrap());
    served.phase(A, |phase| *phase != Phase::Ready).await;
    assert_eq!(code(&[]).await, refused(503, "no_version_ready"));
    assert_eq!(
        code(&[("x-infer-version", A)]).await,
        refused(503, "version_not_ready")
    );
    let huge = client
        .post(served.url("/v1/completions"))
        .header("content-length", "300000000")
        .body("x")
        .send()
        .await;
    assert_eq!(huge.unwrap().status(), 413);
}

#[tokio::test]
async fn a_split_is_changed_only_as_it_was_read_and_a_live_version_is_not_stopped() {
    let served = two(&[]).await;
    let split = served.split(Some(A), Some(B), 10).await;
    let stale = infer::for_tests::local::SplitChange {
        expect_generation: split.generation - 1,
        expect_run: None,
        live: Some(version(A)),
        candidate: None,
        weight: 0.try_into().unwrap(),
        matches: None,
        journal: None,
    };
    let refused = served.client.set_split(&stale).await.unwrap_err();
    assert!(
        matches!(refused, infer::for_tests::local::Error::Conflict { .. }),
        "{refused}"
    );
    for part in [A, B] {
        let refused = served
            .client
            .stop(&version(part), Duration::ZERO)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, infer::for_tests::local::Error::Conflict { .. }),
            "{refused}"
        );
    }
    assert_eq!(served.client.state().await.unwrap().split, split);
    assert_eq!(served.record()["split"]["generation"], split.generation);
}
