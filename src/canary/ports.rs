//! What a canary needs of the world, and the two writes that end it.

use std::future::Future;

use super::{error::Error, journal::Journal, reading::Reading, result::Verdict};
use crate::{
    interrupt::Interrupt,
    name::VersionId,
    release,
    traffic::{Change, Router, Split},
    weight::Weight,
};

/// Where the split is kept.
pub trait Traffic: Sync {
    fn read(&self) -> impl Future<Output = Result<Split, Error>> + Send;
    fn write(
        &self,
        read: &Split,
        change: &Change,
    ) -> impl Future<Output = Result<Split, Error>> + Send;
    /// The release, for people.
    fn name(&self) -> String;
}

impl Traffic for Router {
    async fn read(&self) -> Result<Split, Error> {
        Ok(Self::read(self).await?)
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        Ok(Self::write(self, read, change, &Interrupt::never()).await?)
    }

    fn name(&self) -> String {
        Self::name(self)
    }
}

/// What sees the requests.
pub trait Measure: Send {
    /// What is known from before the run, and the time.
    fn history(&mut self) -> impl Future<Output = Result<Reading, Error>> + Send;
    /// Unix time.
    fn now_ms(&self) -> u64;
    /// Waits a moment (a fifth of a second), then tells what has happened since.
    fn next(&mut self) -> impl Future<Output = Result<Reading, Error>> + Send;
}

/// What runs the versions. A signal is the caller's to see: it drops the future. So an
/// implementation waits on, also after a signal: `refused` is part of what a signal asks for.
pub trait Fleet: Sync {
    /// Waits until the candidate can carry `weight` of live's load.
    fn ready(
        &self,
        candidate: &VersionId,
        weight: Weight,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// `candidate` serves everything from now on: writes that down and ends what served before.
    fn promoted(&self, candidate: &VersionId) -> impl Future<Output = Result<(), Error>> + Send;
    /// `candidate` serves nothing from now on: writes that down and ends it.
    /// It is recorded as refused only where it was found worse.
    fn refused(
        &self,
        candidate: &VersionId,
        verdict: Verdict,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// `promote` and `abort` by the operator: one write, then the loser is ended. Answers whether
/// it could be; the traffic has moved all the same.
pub async fn end(
    (traffic, fleet): (&impl Traffic, &impl Fleet),
    interrupt: &Interrupt,
    (split, journal): (&Split, &Journal),
    is_promotion: bool,
) -> Result<Result<(), Error>, Error> {
    let candidate = &journal.candidate;
    if is_promotion {
        unless_interrupted(interrupt, fleet.ready(candidate, Weight::ALL)).await??;
        unless_interrupted(interrupt, promote(traffic, split, journal)).await??;
        let ended = unless_interrupted(interrupt, fleet.promoted(candidate)).await;
        Ok(ended.flatten())
    } else {
        unless_interrupted(interrupt, roll_back(traffic, split, journal)).await??;
        let ended = unless_interrupted(interrupt, fleet.refused(candidate, Verdict::Aborted)).await;
        Ok(ended.flatten())
    }
}

async fn unless_interrupted<R>(
    interrupt: &Interrupt,
    work: impl Future<Output = R>,
) -> Result<R, Error> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        _ = interrupt.any() => Err(release::Error::Interrupted.into()),
    }
}

/// Gives everything to the candidate, in one write; live leaves the split.
pub(super) async fn promote(
    traffic: &impl Traffic,
    split: &Split,
    journal: &Journal,
) -> Result<Split, Error> {
    let change = Change::all_to(&journal.candidate, &journal.run_id);
    traffic.write(split, &change).await
}

/// Takes the candidate out of the split, in one write; live is not touched.
pub(super) async fn roll_back(
    traffic: &impl Traffic,
    split: &Split,
    journal: &Journal,
) -> Result<Split, Error> {
    let change = Change::all_to(&journal.live, &journal.run_id);
    traffic.write(split, &change).await
}
