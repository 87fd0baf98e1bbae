//! The port of the lifecycle: what a place that runs releases can do. One implementation acts
//! on a cluster, one on this machine.

use futures_util::future::BoxFuture;

use super::plan::{Observed, Wanted};
use crate::{
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    release::{Error, event::PhaseSeconds, record::Record},
    traffic::{Change, Split},
    weight::Weight,
};

/// What a site is doing for its caller.
pub type Doing<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A place that runs one release. Every act may be repeated; every wait looks at the interrupt.
pub trait Site: Sync {
    fn release(&self) -> &ReleaseName;

    /// Where it is, for people: `local`, or context and namespace.
    fn place(&self) -> String;

    /// `local` or `kubernetes`, for results.
    fn target(&self) -> &'static str;

    /// Reads what stands; with what is wanted, what it would change and the room it finds.
    fn observe<'a>(&'a self, wanted: Option<&'a Wanted>) -> Doing<'a, Observed>;

    /// Fails once the lock of the release is not this run's any more.
    fn check_lock(&self) -> Result<(), Error>;

    /// Ends with the reason when the lock is lost, and not before.
    fn lost(&self) -> BoxFuture<'_, Error>;

    /// Writes the record, and what brings the wanted version up again, over what was observed.
    fn save<'a>(&'a self, record: &'a Record) -> Doing<'a, ()>;

    fn apply_shared(&self) -> Doing<'_, ()>;

    fn prepare<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds>;

    /// Gives the version so many replicas and waits until all are Ready.
    fn bring_up<'a>(
        &'a self,
        version: &'a VersionId,
        replicas: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds>;

    fn first_token<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds>;

    /// Takes the version down to so many replicas and waits until the others' GPUs are free.
    fn shrink<'a>(
        &'a self,
        version: &'a VersionId,
        replicas: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()>;

    /// Creates what holds the traffic, with all of it for `version`.
    fn expose<'a>(&'a self, version: &'a VersionId, interrupt: &'a Interrupt) -> Doing<'a, ()>;

    /// Deletes what holds the traffic.
    fn unexpose(&self) -> Doing<'_, ()>;

    fn apply_route(&self) -> Doing<'_, ()>;

    fn write_split<'a>(
        &'a self,
        read: &'a Split,
        change: &'a Change,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, Split>;

    fn point_service<'a>(&'a self, version: &'a VersionId) -> Doing<'a, ()>;

    /// Waits until users reach `version`, and sees a first token the way they do.
    fn confirm<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds>;

    /// Takes the version to no replicas, after its last requests where `drain` says so.
    fn end<'a>(
        &'a self,
        version: &'a VersionId,
        drain: bool,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()>;

    /// Gives the candidate the replicas that `weight` of live's load needs, all Ready; never
    /// fewer than it has. No autoscaler takes either version below what it then has.
    fn make_room<'a>(
        &'a self,
        live: &'a VersionId,
        candidate: &'a VersionId,
        weight: Weight,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()>;

    /// Sets the floor of the version's autoscaler that was there before a canary opened.
    fn unfloor<'a>(&'a self, version: &'a VersionId) -> Doing<'a, ()>;

    /// Deletes what belongs to versions that `record` does not know.
    fn prune<'a>(&'a self, record: &'a Record) -> Doing<'a, ()>;

    /// Leaves nothing running that serves nothing, after a run that failed.
    fn leave(&self) -> Doing<'_, ()>;

    /// Where users send requests.
    fn endpoint(&self) -> Doing<'_, String>;
}
