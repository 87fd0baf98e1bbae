//! Who gets which share of a release's traffic: one record to read, one write to change it.
//!
//! The record says the live version, at most one candidate and the candidate's
//! weight; the canary's journal is stored with it, so that whoever holds the
//! weight also holds the story of how it got there. A write names what it read
//! and is refused where somebody else wrote meanwhile.

pub mod http_route;
mod local;
pub mod service;

use std::error::Error as StdError;

use serde_json::Value;

pub use self::{
    http_route::{Endpoint, HttpRoute},
    local::Local,
    service::StableService,
};
use crate::{
    explain::{Explain, Kind},
    header_match::HeaderMatch,
    name::VersionId,
    weight::Weight,
};

/// Where the split of one release is kept.
#[derive(Debug, Clone)]
pub enum Router {
    Local(Local),
    /// A Gateway API route: any split.
    HttpRoute(HttpRoute),
    /// No gateway: all or nothing, by the stable Service's selector.
    Service(StableService),
}

impl Router {
    pub async fn read(&self) -> Result<Split, Error> {
        match self {
            Self::Local(local) => local.read().await,
            Self::HttpRoute(route) => route.read().await,
            Self::Service(service) => service.read().await,
        }
    }

    /// Makes `change` of `read`, in one write; [`Error::Conflict`] where somebody else has
    /// changed the versions, the weight or the run since.
    pub async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        match self {
            Self::Local(local) => local.write(read, change).await,
            Self::HttpRoute(route) => route.write(read, change).await,
            Self::Service(service) => service.write(read, change).await,
        }
    }

    /// Whether requests can be split here at all, rather than moved as a whole, and by `matches`
    /// where that is given.
    pub async fn splits(&self, matches: Option<&HeaderMatch>) -> Result<(), Error> {
        match (self, matches) {
            (Self::HttpRoute(route), Some(wanted)) => route.admits(wanted).await,
            (Self::Local(_) | Self::HttpRoute(_), _) => Ok(()),
            (Self::Service(service), _) => Err(service.whole()),
        }
    }

    /// Where users send requests, `http://127.0.0.1:8080`.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Local(local) => local.endpoint(),
            Self::HttpRoute(route) => route.endpoint(),
            Self::Service(service) => service.endpoint(),
        }
    }

    /// The `Host` that requests to the endpoint need, where a route asks for a name.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::HttpRoute(route) => route.host(),
            Self::Local(_) | Self::Service(_) => None,
        }
    }

    /// Where a gateway leads to the release; `said` is `traffic.endpoint`, in place of the
    /// Gateway's own address. `None` without a gateway, or while it has no address.
    pub fn gateway(&self, said: Option<&str>) -> Option<Endpoint> {
        let Self::HttpRoute(route) = self else {
            return None;
        };
        let own = Some(route.endpoint()).filter(|own| !own.is_empty());
        Some(Endpoint {
            url: said.or(own)?.to_owned(),
            host: route.host().map(ToOwned::to_owned),
        })
    }

    /// What holds the weight, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Local(local) => local.name(),
            Self::HttpRoute(route) => route.name(),
            Self::Service(service) => service.name(),
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
    /// The canary's journal, whoever wrote it.
    pub journal: Option<Value>,
    /// Who wrote it last, for people; `None` where that is not kept.
    pub writer: Option<String>,
}

impl Split {
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
    /// Everything to `live`: nobody else has a part, and no run owns the split any more.
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
}

/// Why the split could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote since the split was read; nothing was changed.
    #[error("the traffic split of {object} was changed by {who} meanwhile")]
    Conflict { object: String, who: String },
    /// Another tool manages this object and would undo the write.
    #[error("the traffic split of {object} is managed by {manager}")]
    Managed { object: String, manager: String },
    #[error("{object} has no live version")]
    NothingLive { object: String },
    #[error("{object} cannot split traffic: {reason}")]
    Unsupported { object: String, reason: String },
    #[error("cannot {act} the traffic split of {object}")]
    Transport {
        /// `read` or `write`.
        act: &'static str,
        object: String,
        source: Box<dyn StdError + Send + Sync>,
    },
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
            Self::Transport { .. } => self.inner().map_or_else(Vec::new, Explain::hints),
        }
    }
}

impl Error {
    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        let Self::Transport { source, .. } = self else {
            return false;
        };
        let cluster = source.downcast_ref::<crate::cluster::Error>();
        cluster.is_some_and(crate::cluster::Error::is_transient)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_run_that_owns_a_split_is_named_by_its_journal() {
        let mut split = Split {
            live: "v3c1f2a90b".parse().unwrap(),
            candidate: None,
            weight: Weight::ZERO,
            matches: None,
            token: "7".to_owned(),
            journal: None,
            writer: None,
        };
        assert_eq!(split.run(), None);
        split.journal = Some(json!({"run_id": "r-1", "step": 0}));
        assert_eq!(split.run(), Some("r-1"));
    }
}
