//! What a canary needs of the world, and the two writes that end it.

use std::future::Future;

use super::{error::Error, journal::Journal, reading::Reading};
use crate::{
    interrupt::Interrupt,
    name::VersionId,
    traffic::{self, Change, Router, Split},
    weight::Weight,
};

/// Where the split is kept.
pub trait Traffic: Sync {
    fn read(&self) -> impl Future<Output = Result<Split, traffic::Error>> + Send;
    fn write(
        &self,
        read: &Split,
        change: &Change,
    ) -> impl Future<Output = Result<Split, traffic::Error>> + Send;
    /// The release, for people.
    fn name(&self) -> String;
}

impl Traffic for Router {
    async fn read(&self) -> Result<Split, traffic::Error> {
        Self::read(self).await
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, traffic::Error> {
        // This machine's gateway answers at once.
        Self::write(self, read, change, &Interrupt::pair().1).await
    }

    fn name(&self) -> String {
        Self::name(self)
    }
}

/// What sees the requests.
pub trait Measure: Send {
    /// What is known from before the run, and the time.
    fn history(&mut self) -> impl Future<Output = Result<Reading, Error>> + Send;
    /// Waits a moment (a fifth of a second), then tells what has happened since.
    fn next(&mut self) -> impl Future<Output = Result<Reading, Error>> + Send;
}

/// What runs the versions.
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
    fn refused(&self, candidate: &VersionId) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Gives everything to the candidate, in one write; live leaves the split.
pub async fn promote(
    traffic: &impl Traffic,
    split: &Split,
    journal: &Journal,
) -> Result<Split, Error> {
    let change = Change::all_to(&journal.candidate, &journal.run_id);
    Ok(traffic.write(split, &change).await?)
}

/// Takes the candidate out of the split, in one write; live is not touched.
pub async fn roll_back(
    traffic: &impl Traffic,
    split: &Split,
    journal: &Journal,
) -> Result<Split, Error> {
    let change = Change::all_to(&journal.live, &journal.run_id);
    Ok(traffic.write(split, &change).await?)
}
