//! The proof that a version works: a request through the gateway, answered with a token.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use reqwest::Url;

use crate::{
    interrupt::Interrupt,
    load::{Api, Client as LoadClient, Connection, Timeouts, VERSION_HEADER},
    local::Client,
    name::VersionId,
    release::{
        error::{Error, NotReady},
        event::{Event, Phase, PhaseSeconds},
        one_word,
    },
};

/// A model that is Ready and has not said a word in this time will not say one.
const TIMEOUTS: Timeouts = Timeouts {
    first: Duration::from_mins(2),
    idle: Duration::from_mins(1),
    total: Duration::from_mins(3),
};

/// Asks `version` through the gateway, by name, until its first token has come.
pub(super) async fn see(
    client: &Client,
    version: &VersionId,
    on_event: &(dyn Fn(Event) + Send + Sync),
    interrupt: &Interrupt,
) -> Result<PhaseSeconds, Error> {
    let mut seconds = PhaseSeconds::default();
    on_event(Event::PhaseStarted {
        phase: Phase::FirstToken,
        detail: String::new(),
    });
    let state = client.state().await?;
    let known = state
        .version(version)
        .ok_or_else(|| Error::UnknownVersion {
            release: client.release().clone(),
            version: version.clone(),
        })?;
    let refused = |reason: String| {
        Error::NotReady(Box::new(NotReady {
            release: client.release().clone(),
            version: version.clone(),
            phase: Phase::FirstToken,
            reason,
            log_tail: super::bring_up::log_tail(&known.log).unwrap_or_default(),
            log: known.log.clone(),
            live: state.split.live.clone(),
        }))
    };
    let started = Instant::now();
    let asked = ask(&state.endpoint, version, &known.engine.served_model);
    tokio::select! {
        answer = asked => answer.map_err(|reason| refused(format!("no first token: {reason}")))?,
        _ = interrupt.any() => return Err(Error::Interrupted),
    }
    let took = started.elapsed();
    seconds.set(Phase::FirstToken, took);
    on_event(Event::PhaseDone {
        phase: Phase::FirstToken,
        took,
        detail: "through the gateway".to_owned(),
    });
    Ok(seconds)
}

async fn ask(endpoint: &str, version: &VersionId, model: &str) -> Result<(), String> {
    let http = LoadClient::new(&Connection {
        timeouts: TIMEOUTS,
        ..Connection::default()
    })
    .map_err(|error| error.to_string())?;
    let url = Url::parse(&format!("{endpoint}/{}", Api::Chat.path()))
        .map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    let pin = HeaderValue::from_str(version.as_str()).map_err(|error| error.to_string())?;
    headers.insert(VERSION_HEADER, pin);
    let answer = http
        .send(&url, &headers, &one_word::body(model), |_| {})
        .await;
    answer.result.map(drop).map_err(|failed| failed.to_string())
}
