//! A version in the place of live, where there is no room for both (`rollout.surge: none`):
//! live ends first, and comes back where the other does not start.

use std::time::{Duration, Instant};

use super::{
    moves::{Move, Planned, drain},
    up,
};
use crate::{
    local::SplitChange,
    name::VersionId,
    release::{
        error::Error,
        event::{Event, PhaseSeconds},
    },
    weight::Weight,
};

impl Move<'_> {
    /// Ends live where the plan says so. Answers since when nothing serves.
    pub(super) async fn displace(&self, planned: &mut Planned) -> Result<Option<Instant>, Error> {
        let Some(live) = planned.ends_first.clone() else {
            return Ok(None);
        };
        let since = Instant::now();
        self.all_to(planned, None).await?;
        let limit = Duration::from_secs(live.drain_s);
        drain(self.client, &live.version, limit, self.on_event).await?;
        Ok(Some(since))
    }

    /// Live serves again, where it had to end and what was to take its place did not start.
    pub(super) async fn put_back(&self, planned: &mut Planned) -> Result<(), Error> {
        let Some(live) = planned.ends_first.clone() else {
            return Ok(());
        };
        self.all_to(planned, Some(&live.version)).await?;
        let (client, on_event) = (self.client, self.on_event);
        let mut seconds = PhaseSeconds::default();
        match up::bring_up(client, &live, None, &mut seconds, on_event, self.interrupt).await {
            // It is started; who interrupts does not want to wait for it.
            Err(Error::Interrupted) => Ok(()),
            brought => {
                brought?;
                let message = format!("{} serves again", live.version);
                on_event(Event::Noticed { message });
                Ok(())
            }
        }
    }

    /// One write of the split: all to one version, or nothing to any.
    async fn all_to(
        &self,
        planned: &mut Planned,
        version: Option<&VersionId>,
    ) -> Result<(), Error> {
        let change = SplitChange {
            expect_generation: planned.state.split.generation,
            expect_run: None,
            live: version.cloned(),
            candidate: None,
            weight: Weight::ZERO,
            matches: None,
            journal: None,
        };
        planned.state.split = self.client.set_split(&change).await?;
        Ok(())
    }
}
