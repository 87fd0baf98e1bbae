//! The versions of a release while a canary is open, whatever runs them.

use super::{cluster::outage::outlast, error::Error, event::Event, ports::Fleet, result::Verdict};
use crate::{
    interrupt::Interrupt,
    name::VersionId,
    release::{
        lifecycle::{self, Run},
        record::RevisionState,
    },
    weight::Weight,
};

/// The versions' replicas, through the release's site.
pub struct SiteFleet<'a> {
    pub run: &'a Run<'a>,
    pub live: &'a VersionId,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

impl SiteFleet<'_> {
    /// What a signal asks for is done in spite of it; only a further one ends it.
    async fn finish(
        &self,
        interrupt: &Interrupt,
        ended: Option<(&VersionId, RevisionState)>,
    ) -> Result<(), Error> {
        let run = Run {
            interrupt,
            ..*self.run
        };
        let run = &run;
        outlast(self.on_event, |_| async move {
            Ok(lifecycle::finish(run, ended).await.map(drop)?)
        })
        .await
    }
}

impl Fleet for SiteFleet<'_> {
    async fn ready(&self, candidate: &VersionId, weight: Weight) -> Result<(), Error> {
        let run = self.run;
        outlast(self.on_event, |_| async {
            let room = run
                .site
                .make_room(self.live, candidate, weight, run.interrupt);
            Ok(room.await?)
        })
        .await
    }

    async fn promoted(&self, _: &VersionId) -> Result<(), Error> {
        let interrupt = self.run.interrupt.later();
        self.finish(&interrupt, None).await
    }

    async fn refused(&self, candidate: &VersionId, verdict: Verdict) -> Result<(), Error> {
        let interrupt = self.run.interrupt.later();
        let state = if verdict == Verdict::RolledBack {
            RevisionState::Refused
        } else {
            RevisionState::Withdrawn
        };
        self.finish(&interrupt, Some((candidate, state))).await
    }
}
