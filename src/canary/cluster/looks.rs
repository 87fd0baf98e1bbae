//! Looks at the split: small requests that name no version, and who answered them.
//!
//! `GET /v1/models` costs an engine nothing and takes the way of every other request, so
//! its share is the split's.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    canary::{Error, Look, probe::now_ms, sample::Arm, way::Gateway},
    load::VERSION_HEADER,
    name::VersionId,
};

/// Five a second prove a split within 20 s.
const EVERY: Duration = Duration::from_millis(200);

const TIME_MAX: Duration = Duration::from_secs(5);

/// Answers in a row that do not say their version, after which it is no use to go on.
const UNSAID_MAX: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Looked {
    At(Look),
    /// Answers do not say which version they come from.
    Unsaid,
}

/// Looks that go on until this is dropped.
pub(super) struct Looks {
    pub(super) results: mpsc::Receiver<Looked>,
    _task: JoinSet<()>,
}

pub(super) fn start(gateway: &Gateway, versions: &[VersionId; 2]) -> Result<Looks, Error> {
    let url = gateway.url("v1/models")?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIME_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .default_headers(gateway.headers())
        .build()
        .map_err(|error| Error::Endpoint {
            endpoint: gateway.endpoint.clone(),
            source: Box::new(error),
        })?;
    let versions = versions.each_ref().map(ToString::to_string);
    let (sender, results) = mpsc::channel(1024);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut unsaid = 0;
        loop {
            ticks.tick().await;
            let started_ms = now_ms();
            // Who does not answer says nothing about the split; probes see that it fails.
            let Ok(answer) = client.get(url.clone()).send().await else {
                continue;
            };
            let version = answer.headers().get(VERSION_HEADER);
            let arm = match version.and_then(|version| version.to_str().ok()) {
                Some(said) if *said == versions[0] => Arm::Live,
                Some(said) if *said == versions[1] => Arm::Candidate,
                _ => {
                    unsaid += 1;
                    if unsaid < UNSAID_MAX {
                        continue;
                    }
                    // Nobody may be left to hear it.
                    let _ = sender.send(Looked::Unsaid).await;
                    return;
                }
            };
            unsaid = 0;
            let look = Look { started_ms, arm };
            if sender.send(Looked::At(look)).await.is_err() {
                return;
            }
        }
    });
    Ok(Looks {
        results,
        _task: task,
    })
}
