//! Requests that name no version, sent while a canary runs: which version the split sends
//! them to.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    canary::{Error, SplitProbe, pair::Pair, probe::now_ms},
    header_match::HeaderMatch,
    name::VersionId,
    traffic::{Endpoint, RouteProbe},
};

/// Five a second prove a split within 20 s.
const EVERY: Duration = Duration::from_millis(200);

/// Answers in a row that name no version, after which it is no use to go on.
const UNNAMED_MAX: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SplitProbed {
    Answered(SplitProbe),
    /// Answers name no version.
    Unnamed,
}

/// Split probes that go on until this is dropped.
pub(super) struct SplitProbes {
    pub(super) results: mpsc::Receiver<SplitProbed>,
    _task: JoinSet<()>,
}

/// Every other probe carries the header of the match, where there is one.
pub(super) fn start(
    gateway: &Endpoint,
    versions: Pair<&VersionId>,
    matches: Option<HeaderMatch>,
) -> Result<SplitProbes, Error> {
    let looker = RouteProbe::new(gateway).map_err(|error| Error::Endpoint {
        endpoint: gateway.url.clone(),
        source: Box::new(error),
    })?;
    let versions = versions.map(ToString::to_string);
    let (sender, results) = mpsc::channel(1024);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut unnamed = 0;
        let mut with_it = false;
        loop {
            ticks.tick().await;
            with_it = matches.is_some() && !with_it;
            let started_ms = now_ms();
            let header = matches.as_ref().filter(|_| with_it);
            let answer = looker.ask(header).await.ok();
            let named = answer.as_ref().and_then(|answer| answer.version.as_deref());
            let arm = named.and_then(|named| versions.arm_of(named));
            if arm.is_some() {
                unnamed = 0;
            } else if answer.is_some() {
                unnamed += 1;
                if unnamed >= UNNAMED_MAX {
                    // The measure may be gone already.
                    let _ = sender.send(SplitProbed::Unnamed).await;
                    return;
                }
            }
            // A probe without an answer proves nothing about a share, and the paired probes
            // show the failure. By a header it counts: no paired probe carries one.
            if arm.is_none() && header.is_none() {
                continue;
            }
            let probe = SplitProbe {
                started_ms,
                arm,
                weight: answer.and_then(|answer| answer.weight),
                matched: with_it,
            };
            if sender.send(SplitProbed::Answered(probe)).await.is_err() {
                return;
            }
        }
    });
    Ok(SplitProbes {
        results,
        _task: task,
    })
}
