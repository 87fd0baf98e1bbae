//! Looks at the split while a canary runs: who answers requests that name no version.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    canary::{Error, Look, probe::now_ms, sample::Arm},
    header_match::HeaderMatch,
    name::VersionId,
    traffic::{Endpoint, RouteProbe},
};

/// Five a second prove a split within 20 s.
const EVERY: Duration = Duration::from_millis(200);

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

/// Every other look carries the header of the match, where there is one.
pub(super) fn start(
    gateway: &Endpoint,
    versions: &[VersionId; 2],
    matches: Option<HeaderMatch>,
) -> Result<Looks, Error> {
    let looker = RouteProbe::new(gateway).map_err(|error| Error::Endpoint {
        endpoint: gateway.url.clone(),
        source: Box::new(error),
    })?;
    let versions = versions.each_ref().map(ToString::to_string);
    let (sender, results) = mpsc::channel(1024);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut unsaid = 0;
        let mut with_it = false;
        loop {
            ticks.tick().await;
            with_it = matches.is_some() && !with_it;
            let started_ms = now_ms();
            let header = matches.as_ref().filter(|_| with_it);
            let answer = looker.ask(header).await.ok();
            let said = answer.as_ref().and_then(|answer| answer.version.as_deref());
            let arm = match said {
                Some(said) if *said == versions[0] => Some(Arm::Live),
                Some(said) if *said == versions[1] => Some(Arm::Candidate),
                _ => None,
            };
            if arm.is_some() {
                unsaid = 0;
            } else if answer.is_some() {
                unsaid += 1;
                if unsaid >= UNSAID_MAX {
                    // Nobody may be left to hear it.
                    let _ = sender.send(Looked::Unsaid).await;
                    return;
                }
            }
            // Who does not answer says nothing about a share, and probes see that it fails; no
            // probe goes the way of a header.
            if arm.is_none() && header.is_none() {
                continue;
            }
            let look = Look {
                started_ms,
                arm,
                weight: answer.and_then(|answer| answer.weight),
                matched: with_it,
            };
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
