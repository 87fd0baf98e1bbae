//! Which version gets which share of a release's traffic: one record to read, one write to
//! change it.
//!
//! The record names the live version, at most one candidate and the candidate's weight. The
//! canary's journal is stored in the same object, so that the weight and the account of how it
//! came about change together. A write names what it was built on and is refused where another
//! client has written meanwhile.
//!
//! [`route`] holds one row for each kind of object that can hold a split on a cluster, all pure;
//! [`cluster`] is the one loop that reads, tests, writes and waits for acceptance; [`probe`]
//! asks the gateway itself which version answers.

pub mod cluster;
mod local;
pub mod probe;
pub mod route;
mod transition;

use std::error::Error as StdError;

use serde_json::Value;

pub use self::{
    cluster::{ClusterRouter, Pace, point_service, service_target},
    local::Local,
    probe::{ProbeOutcome, RouteProbe},
    route::{
        Acceptance, Capabilities, Endpoint, Route, VERSION_HEADER, VersionHeader, WEIGHT_HEADER,
    },
};
use crate::{
    explain::{Explain, Kind},
    header_match::HeaderMatch,
    interrupt::Interrupt,
    name::VersionId,
    weight::Weight,
};

/// Where the split of one release is kept.
#[derive(Debug, Clone)]
pub enum Router {
    /// The weighted gateway of this machine.
    Local(Local),
    /// An object of a cluster.
    Cluster(ClusterRouter),
}

impl Router {
    pub async fn read(&self) -> Result<Split, Error> {
        match self {
            Self::Local(local) => local.read().await,
            Self::Cluster(router) => router.read().await,
        }
    }

    /// The split; `None` where no version is live.
    pub async fn read_live(&self) -> Result<Option<Split>, Error> {
        match self.read().await {
            Err(Error::NothingLive { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Makes `change` of `read`; [`Error::Conflict`] where another client has changed the
    /// versions, the weight or the run since.
    ///
    /// A signal that arrives after the call has begun ends it with [`Error::Interrupted`] where
    /// nothing was written yet; otherwise the writes are finished without the waits between them.
    pub async fn write(
        &self,
        read: &Split,
        change: &Change,
        interrupt: &Interrupt,
    ) -> Result<Split, Error> {
        match self {
            Self::Local(local) => local.write(read, change).await,
            Self::Cluster(router) => router.write(read, change, interrupt).await,
        }
    }

    /// Waits for the gateway's controller to accept the route as it stands. A rejection is an
    /// error; silence is not, because what users meet is measured.
    pub async fn wait_accepted(&self, interrupt: &Interrupt) -> Result<(), Error> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Cluster(router) => router.wait_accepted(interrupt).await,
        }
    }

    /// Whether requests can be split here at all, rather than moved as a whole, and by `matches`
    /// where that is given.
    pub async fn splits(&self, matches: Option<&HeaderMatch>) -> Result<(), Error> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Cluster(router) => router.splits(matches).await,
        }
    }

    /// Where users send requests, `http://127.0.0.1:8080`; empty where that is not known.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Local(local) => local.endpoint(),
            Self::Cluster(router) => router.endpoint(),
        }
    }

    /// The `Host` that requests to the endpoint need, where a route asks for a name.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Local(_) => None,
            Self::Cluster(router) => router.host(),
        }
    }

    /// Where a gateway leads to the release; `endpoint_override` (`--endpoint`,
    /// `traffic.endpoint`) stands in for the gateway's own address. `None` without a gateway, or
    /// while it has no address.
    pub fn gateway(&self, endpoint_override: Option<&str>) -> Option<Endpoint> {
        match self {
            Self::Local(_) => None,
            Self::Cluster(router) => router.gateway(endpoint_override),
        }
    }

    /// What holds the weight, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Local(local) => local.name(),
            Self::Cluster(router) => router.name(),
        }
    }

    pub fn capabilities(&self) -> Capabilities {
        match self {
            Self::Local(_) => local::CAPABILITIES,
            Self::Cluster(router) => router.capabilities(),
        }
    }
}

/// The share of each version as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    pub live: VersionId,
    pub candidate: Option<VersionId>,
    /// The candidate's share; zero where there is no candidate.
    pub weight: Weight,
    /// The requests that go to the candidate whatever its share.
    pub matches: Option<HeaderMatch>,
    /// The state that was read (a generation or a resource version); opaque outside the router.
    pub token: String,
    /// The canary's journal, whichever run wrote it.
    pub journal: Option<Value>,
    /// The last client that wrote it, for people; `None` where that is not kept.
    pub writer: Option<String>,
}

impl Split {
    /// The version that users meet: the candidate where it has all traffic and no run holds the
    /// split, which is a move that was cut off before its last write; else live.
    pub fn serving(&self) -> &VersionId {
        match &self.candidate {
            Some(candidate) if self.weight == Weight::ALL && self.journal.is_none() => candidate,
            _ => &self.live,
        }
    }

    /// Live, then the candidate.
    pub fn versions(&self) -> impl Iterator<Item = &VersionId> {
        std::iter::once(&self.live).chain(&self.candidate)
    }

    /// Whether requests reach `version`, by its share or by the match.
    pub fn gives_to(&self, version: &VersionId) -> bool {
        Change::standing(self).gives_to(version)
    }

    /// Whether versions, weight, match and run are those of `other`.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.live == other.live
            && self.candidate == other.candidate
            && self.weight == other.weight
            && self.matches == other.matches
            && self.run() == other.run()
    }

    /// Whether it already is what `change` asks for.
    pub fn is_made_by(&self, change: &Change) -> bool {
        self.live == change.live
            && self.candidate == change.candidate
            && self.weight == change.weight
            && self.matches == change.matches
            && self.journal == change.journal
    }

    /// The run that owns the split: `run_id` of its journal.
    pub fn run(&self) -> Option<&str> {
        self.journal.as_ref()?.get("run_id")?.as_str()
    }
}

/// What one write makes of a [`Split`]. Without a candidate the weight is zero
/// and the loser is taken out of the split, not left at weight 0 (a sticky
/// session would keep it: GEP-1619).
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub live: VersionId,
    pub candidate: Option<VersionId>,
    pub weight: Weight,
    /// The requests that go to the candidate whatever its weight.
    pub matches: Option<HeaderMatch>,
    pub journal: Option<Value>,
    /// The run that writes. The write is refused where the journal read names another
    /// run; a split without a journal is free for any.
    pub run: String,
}

impl Change {
    /// Everything to `live`: no other version has a part, and no run owns the split any more.
    pub fn all_to(live: &VersionId, run: &str) -> Self {
        Self {
            live: live.clone(),
            candidate: None,
            weight: Weight::ZERO,
            matches: None,
            journal: None,
            run: run.to_owned(),
        }
    }

    /// The change that makes the split what it is already.
    pub fn standing(split: &Split) -> Self {
        Self {
            live: split.live.clone(),
            candidate: split.candidate.clone(),
            weight: split.weight,
            matches: split.matches.clone(),
            journal: split.journal.clone(),
            run: split.run().unwrap_or_default().to_owned(),
        }
    }

    /// Live, then the candidate.
    pub fn versions(&self) -> impl Iterator<Item = &VersionId> {
        std::iter::once(&self.live).chain(&self.candidate)
    }

    /// Whether requests reach `version`, by its share or by the match.
    pub fn gives_to(&self, version: &VersionId) -> bool {
        let live_share = self.candidate.is_none() || self.weight != Weight::ALL;
        let candidate_share = self.weight != Weight::ZERO || self.matches.is_some();
        (*version == self.live && live_share)
            || (Some(version) == self.candidate.as_ref() && candidate_share)
    }
}

/// Why the split could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another client wrote since the split was read; nothing was changed.
    #[error("the traffic split of {object} was changed by {who} meanwhile")]
    Conflict { object: String, who: String },
    /// Another tool manages this object and would undo the write.
    #[error("the traffic split of {object} is managed by {manager}")]
    Managed { object: String, manager: String },
    #[error("{object} has no live version")]
    NothingLive { object: String },
    #[error("{object} cannot split traffic: {reason}")]
    Unsupported { object: String, reason: String },
    /// The gateway's controller does not accept the route.
    #[error("gateway {gateway} rejects {object} ({reason}){}", left.describe())]
    Rejected {
        object: String,
        gateway: String,
        reason: String,
        left: Left,
    },
    #[error("cannot {act} the traffic split of {object}")]
    Transport {
        /// `read` or `write`.
        act: &'static str,
        object: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Nothing was written.
    #[error("interrupted before the traffic split of {object} was changed")]
    Interrupted { object: String },
}

/// What became of a write that was rejected.
#[derive(Debug)]
pub enum Left {
    /// Nothing was written: the route stands as it was found.
    Untouched,
    TakenBack,
    /// It could not be taken back.
    Standing(Box<Error>),
}

impl Left {
    fn describe(&self) -> String {
        match self {
            Self::Untouched => String::new(),
            Self::TakenBack => "; the change was taken back".to_owned(),
            Self::Standing(error) => {
                let mut text = format!("; the change could not be taken back: {error}");
                let mut source = error.source();
                while let Some(cause) = source {
                    text = format!("{text}: {cause}");
                    source = cause.source();
                }
                text
            }
        }
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        let Self::Transport { source, .. } = self else {
            return None;
        };
        let cluster = source.downcast_ref::<crate::cluster::Error>();
        let cluster = cluster.map(|error| error as &dyn Explain);
        let local = || source.downcast_ref::<crate::local::Error>();
        cluster.or_else(|| local().map(|error| error as &dyn Explain))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Conflict { .. } | Self::Managed { .. } => Kind::Conflict,
            Self::Unsupported { .. } | Self::NothingLive { .. } => Kind::Usage,
            Self::Rejected { .. } => Kind::Failed,
            Self::Interrupted { .. } => Kind::Interrupted,
            Self::Transport { .. } => self.inner().map_or(Kind::Failed, Explain::kind),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Conflict { .. } => {
                vec!["see who with `infer canary status`, then run the command again".to_owned()]
            }
            Self::Managed { manager, .. } => {
                vec![format!(
                    "change the weight through {manager}, or take the object out of its hands"
                )]
            }
            Self::NothingLive { .. } => vec!["bring a version up with `infer deploy`".to_owned()],
            Self::Unsupported { .. } => {
                vec!["compare without shifting traffic: `infer canary --weight 0`".to_owned()]
            }
            Self::Rejected { left, .. } => match left {
                Left::Standing(_) => vec![
                    "run the command again once the cluster answers: it starts from what stands"
                        .to_owned(),
                ],
                Left::Untouched | Left::TakenBack => Vec::new(),
            },
            Self::Transport { .. } => self.inner().map_or_else(Vec::new, Explain::hints),
            Self::Interrupted { .. } => Vec::new(),
        }
    }
}

impl Error {
    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        self.cluster_error()
            .is_some_and(crate::cluster::Error::is_transient)
    }

    fn cluster_error(&self) -> Option<&crate::cluster::Error> {
        let Self::Transport { source, .. } = self else {
            return None;
        };
        source.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(candidate: Option<&str>, percent: u8) -> Split {
        Split {
            live: "v3c1f2a90b".parse().unwrap(),
            candidate: candidate.map(|version| version.parse().unwrap()),
            weight: Weight::try_from(percent).unwrap(),
            matches: None,
            token: "7".to_owned(),
            journal: None,
            writer: None,
        }
    }

    #[test]
    fn the_run_that_owns_a_split_is_named_by_its_journal() {
        let mut split = split(None, 0);
        assert_eq!(split.run(), None);
        split.journal = Some(json!({"run_id": "r-1", "step": 0}));
        assert_eq!(split.run(), Some("r-1"));
    }

    #[test]
    fn a_candidate_serves_once_it_has_everything_and_no_run_may_still_take_it_back() {
        let new = Some("v7aa01c44e");
        assert_eq!(split(None, 0).serving().as_str(), "v3c1f2a90b");
        assert_eq!(split(new, 99).serving().as_str(), "v3c1f2a90b");
        let mut all = split(new, 100);
        assert_eq!(all.serving().as_str(), "v7aa01c44e");
        all.journal = Some(json!({"run_id": "r-1"}));
        assert_eq!(all.serving().as_str(), "v3c1f2a90b");
    }
}
