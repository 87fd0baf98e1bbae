//! One lifecycle for every place that runs releases: [`plan()`] says which steps are left,
//! [`reach`] takes them over a [`Site`], and undoes by the same plan what fails.

mod handover;
mod plan;
mod site;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;

pub use self::{
    plan::{
        Changes, Goal, Observed, Options, Refused, Room, Standing, Step, Wanted, plan, settle,
        stops_serving, undo,
    },
    site::{Doing, Site},
};
use super::{
    Error, Failed,
    event::{Deployed, Event, PhaseSeconds, downtime},
    record::{Entry, Record, RevisionState},
};
use crate::{
    interrupt::Interrupt,
    name::VersionId,
    spec::OnFailure,
    traffic::{Change, Split},
    weight::Weight,
};

/// How long what must be undone is tried while the site does not answer.
const OUTAGE_MAX: Duration = Duration::from_mins(3);
const AGAIN: Duration = Duration::from_secs(2);

/// One run of a verb that changes a release.
pub struct Run<'a> {
    pub site: &'a dyn Site,
    /// Names the run in the split and in the lock.
    pub run: &'a str,
    pub on_failure: OnFailure,
    /// Old versions kept for `rollback`.
    pub history: usize,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

/// The version that is to serve or to wait, and how.
pub struct Aim<'a> {
    pub entry: &'a Entry,
    pub wanted: &'a Wanted,
    pub options: Options,
}

/// What the steps of a run have come to.
struct Progress {
    record: Record,
    split: Option<Split>,
    from: Option<VersionId>,
    phases: PhaseSeconds,
    /// How far live's replicas have been handed over, where they are one by one.
    handover: Option<HandedOver>,
    /// Since when nothing serves.
    down: Option<Instant>,
    downtime: Option<Duration>,
}

/// The replicas of two versions that do not fit side by side.
struct HandedOver {
    version: VersionId,
    live: VersionId,
    old: u32,
    new: u32,
}

impl Progress {
    fn new(observed: Observed) -> Self {
        Self {
            from: observed.before().cloned(),
            record: observed.record,
            split: observed.split,
            phases: PhaseSeconds::default(),
            handover: None,
            down: None,
            downtime: None,
        }
    }
}

/// Makes the aim so; a failure leaves what served before as it was.
pub async fn reach(run: &Run<'_>, aim: &Aim<'_>) -> Result<Deployed, Error> {
    let site = run.site;
    let mut observed = site.observe(Some(aim.wanted)).await?;
    let steps = plan(aim.wanted, &observed, aim.options)
        .map_err(|refused| run.refused(&aim.wanted.version, refused))?;
    (run.on_event)(Event::Planned {
        release: site.release().clone(),
        target: site.place(),
        live: observed.before().cloned(),
        version: aim.wanted.version.clone(),
        what: sentence(aim.wanted, &observed, &steps),
    });
    (run.on_event)(Event::Changes {
        objects: std::mem::take(&mut observed.differences),
    });
    if let (Some(room), true) = (&observed.room, is_change(&steps)) {
        let message = room.sentence.clone();
        (run.on_event)(Event::Noticed { message });
    }
    let shrinks = steps.iter().find_map(|step| match step {
        Step::Shrink { version, .. } => Some(version),
        _ => None,
    });
    let one_by_one =
        |live: &&VersionId| observed.standing(live).replicas.max(aim.wanted.replicas) > 1;
    let handover = shrinks.filter(one_by_one).map(|live| HandedOver {
        version: aim.wanted.version.clone(),
        live: live.clone(),
        old: observed.standing(live).replicas,
        new: observed.standing(&aim.wanted.version).ready,
    });
    let mut progress = Progress {
        handover,
        ..Progress::new(observed)
    };
    let taken = run
        .take(&steps, &mut progress, Some(aim), run.interrupt)
        .await;
    if let Err(cause) = taken {
        return Err(run.recover(cause, &aim.wanted.version, progress).await);
    }
    if aim.wanted.goal == Goal::Wait && is_change(&steps) {
        let message = format!("{} waits as candidate without traffic", aim.wanted.version);
        (run.on_event)(Event::Noticed { message });
    }
    Ok(Deployed {
        release: site.release().to_string(),
        version: aim.wanted.version.to_string(),
        target: site.target().to_owned(),
        changed: is_change(&steps),
        simulated: aim.entry.simulated,
        phases_s: progress.phases,
        downtime_s: progress.downtime.map(|took| downtime(took, run.on_event)),
        endpoint: site.endpoint().await?,
    })
}

/// Finishes what earlier runs left; a candidate named in `ended` ends as that state. Says
/// whether anything was left.
pub async fn finish(
    run: &Run<'_>,
    ended: Option<(&VersionId, RevisionState)>,
) -> Result<bool, Error> {
    let observed = run.site.observe(None).await?;
    let mut steps = settle(&observed);
    for step in &mut steps {
        if let (Step::End { version, state, .. }, Some((named, as_state))) = (step, ended)
            && version == named
        {
            *state = as_state;
        }
    }
    let mut progress = Progress::new(observed);
    run.take(&steps, &mut progress, None, run.interrupt).await?;
    Ok(!steps.is_empty())
}

impl Run<'_> {
    async fn take(
        &self,
        steps: &[Step],
        progress: &mut Progress,
        aim: Option<&Aim<'_>>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        for step in steps {
            self.site.check_lock()?;
            tokio::select! {
                taken = self.step(step, progress, aim, interrupt) => taken?,
                lost = self.site.lost() => return Err(lost),
            }
        }
        Ok(())
    }

    async fn step(
        &self,
        step: &Step,
        progress: &mut Progress,
        aim: Option<&Aim<'_>>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let site = self.site;
        match step {
            Step::ApplyShared => site.apply_shared().await?,
            Step::ApplyRoute => site.apply_route().await?,
            Step::Prepare { version } => {
                progress
                    .phases
                    .merge(site.prepare(version, interrupt).await?);
            }
            Step::Remember { .. } => {
                if let Some(aim) = aim {
                    progress.record.candidate(aim.entry, Timestamp::now());
                }
                site.save(&progress.record).await?;
            }
            Step::BringUp { version, replicas } => {
                let took = site.bring_up(version, *replicas, interrupt).await?;
                progress.phases.merge(took);
                self.handed_over(progress, version, *replicas);
            }
            Step::FirstToken { version } => {
                progress
                    .phases
                    .merge(site.first_token(version, interrupt).await?);
            }
            Step::Shrink { version, replicas } => {
                if *replicas == 0 && progress.split_serves(version) {
                    progress.down = Some(Instant::now());
                }
                site.shrink(version, *replicas, interrupt).await?;
                self.handed_over(progress, version, *replicas);
            }
            Step::Expose { version } => {
                site.expose(version, interrupt).await?;
                progress.serves();
            }
            Step::Beside { version } => {
                self.write(progress, version, Some(Weight::ZERO), interrupt)
                    .await?;
            }
            Step::Share { version, weight } => {
                self.write(progress, version, Some(*weight), interrupt)
                    .await?;
            }
            Step::Move { version } => {
                self.write(progress, version, None, interrupt).await?;
                progress.serves();
            }
            Step::PointService { version } => site.point_service(version).await?,
            Step::Unexpose => site.unexpose().await?,
            Step::Confirm { version } => {
                progress
                    .phases
                    .merge(site.confirm(version, interrupt).await?);
            }
            Step::Promote { version } => self.promote(progress, version).await?,
            Step::End {
                version,
                state,
                drain,
            } => {
                site.end(version, *drain, interrupt).await?;
                if progress.record.state(version) == Some(RevisionState::Candidate) {
                    progress.record.end(version, *state, Timestamp::now());
                    site.save(&progress.record).await?;
                }
            }
            Step::Unfloor { version } => site.unfloor(version).await?,
            Step::Prune => site.prune(&progress.record).await?,
        }
        Ok(())
    }

    async fn promote(&self, progress: &mut Progress, version: &VersionId) -> Result<(), Error> {
        (self.on_event)(Event::Moved {
            version: version.clone(),
            from: progress.from.clone().filter(|from| from != version),
        });
        let now = Timestamp::now();
        progress.record.promote(version, self.history, now);
        self.site.save(&progress.record).await
    }

    /// Tells how far a hand-over is after `version` has come to `replicas`.
    fn handed_over(&self, progress: &mut Progress, version: &VersionId, replicas: u32) {
        let Some(handover) = &mut progress.handover else {
            return;
        };
        if *version == handover.live {
            handover.old = replicas;
        } else {
            handover.new = replicas;
        }
        (self.on_event)(Event::HandingOver {
            version: handover.version.clone(),
            new: handover.new,
            live: handover.live.clone(),
            old: handover.old,
        });
    }

    /// A part of the traffic for `version`, or all of it where no weight is given.
    async fn write(
        &self,
        progress: &mut Progress,
        version: &VersionId,
        weight: Option<Weight>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let Some(read) = &progress.split else {
            return Ok(());
        };
        let change = match weight {
            None => Change::all_to(version, self.run),
            Some(weight) => Change {
                candidate: Some(version.clone()),
                weight,
                ..Change::all_to(&read.live, self.run)
            },
        };
        let written = self.site.write_split(read, &change, interrupt).await?;
        progress.split = Some(written);
        Ok(())
    }

    /// Brings back what served before, by what is read now; what clean-up could not do is told
    /// beside the cause and never in its place.
    async fn recover(&self, cause: Error, failed: &VersionId, progress: Progress) -> Error {
        // The run that has the lock now decides what becomes of it.
        if self.site.check_lock().is_err() {
            return cause;
        }
        // What asked the run to stop has been heard; only a further signal ends the clean-up.
        let interrupt = self.interrupt.later();
        let mut also = Vec::new();
        if let Err(error) = self
            .back(&cause, failed, progress, &interrupt, &mut also)
            .await
        {
            also.push(error.to_string());
        }
        if let Err(error) = self.site.leave().await {
            also.push(error.to_string());
        }
        if also.is_empty() {
            cause
        } else {
            Error::Failed(Box::new(Failed { cause, also }))
        }
    }

    async fn back(
        &self,
        cause: &Error,
        failed: &VersionId,
        progress: Progress,
        interrupt: &Interrupt,
        also: &mut Vec<String>,
    ) -> Result<(), Error> {
        let before = progress.from;
        let observed = outlast(interrupt, || self.site.observe(None)).await?;
        let state = if cause.is_interrupted() {
            RevisionState::Withdrawn
        } else {
            RevisionState::Refused
        };
        let keep = self.on_failure == OnFailure::Keep;
        let steps = undo(before.as_ref(), failed, &observed, (state, keep));
        let displaced = steps
            .iter()
            .any(|step| matches!(step, Step::BringUp { .. }));
        let mut back = Progress::new(observed);
        for step in &steps {
            let taken = self.step(step, &mut back, None, interrupt).await;
            match (step, taken) {
                // The replicas are asked for; an interrupted run does not wait for them.
                (_, Ok(())) | (Step::BringUp { .. }, Err(Error::Interrupted)) => {}
                // The gateway is late; the version that it may still send to is drained.
                (Step::Confirm { .. }, Err(error)) => also.push(error.to_string()),
                (_, Err(error)) => return Err(error),
            }
            if let (Step::BringUp { version, replicas }, true) = (step, displaced) {
                let s = if *replicas == 1 { "" } else { "s" };
                let message = format!("{version} serves again with {replicas} replica{s}");
                (self.on_event)(Event::Noticed { message });
            }
            if let Step::End { version, .. } = step {
                (self.on_event)(Event::Withdrawn {
                    version: version.clone(),
                    live: before.clone().filter(|_| !displaced),
                });
            }
        }
        if keep && before.is_some() {
            let message = format!("{failed} is kept to look at, without traffic");
            (self.on_event)(Event::Noticed { message });
        }
        Ok(())
    }

    fn refused(&self, version: &VersionId, refused: Refused) -> Error {
        let release = self.site.release().clone();
        match refused {
            Refused::CanaryOpen { candidate, run } => Error::CanaryOpen {
                release,
                candidate: candidate.map_or_else(|| "a candidate".to_owned(), |id| id.to_string()),
                run,
            },
            Refused::NoRoom { lack, alone } => Error::NoRoom {
                release,
                version: version.clone(),
                lack,
                alone,
            },
        }
    }
}

impl Progress {
    fn split_serves(&self, version: &VersionId) -> bool {
        let serving = self.split.as_ref().map(Split::serving);
        serving.is_none_or(|serving| serving == version)
    }

    fn serves(&mut self) {
        self.downtime = self.downtime.or(self.down.map(|since| since.elapsed()));
    }
}

/// Makes `attempt` until it ends otherwise than by the site's absence.
pub async fn outlast<'a, T>(
    interrupt: &Interrupt,
    attempt: impl Fn() -> Doing<'a, T>,
) -> Result<T, Error> {
    let deadline = Instant::now() + OUTAGE_MAX;
    loop {
        match attempt().await {
            Err(error) if error.is_transient() && Instant::now() < deadline => {}
            ended => return ended,
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            _ = interrupt.any() => return Err(Error::Interrupted),
        }
    }
}

/// Whether the steps do more than apply what is no part of a version.
fn is_change(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        !matches!(
            step,
            Step::ApplyShared
                | Step::ApplyRoute
                | Step::Prepare { .. }
                | Step::Remember { .. }
                | Step::BringUp { .. }
        )
    })
}

/// What the steps come to, for people.
fn sentence(wanted: &Wanted, observed: &Observed, steps: &[Step]) -> String {
    if stops_serving(steps) {
        return "stop live, start it in live's place, see its first token; nothing serves meanwhile"
            .to_owned();
    }
    let shrinks = steps.iter().any(|step| matches!(step, Step::Shrink { .. }));
    if let (true, Some(live)) = (shrinks, observed.before()) {
        return format!(
            "take live's place replica by replica ({} to begin with), each with its part of the traffic",
            observed.standing(live).replicas
        );
    }
    if !is_change(steps) {
        return "unchanged".to_owned();
    }
    let is_serving = observed.serving() == Some(&wanted.version);
    match (wanted.goal, observed.before().is_some()) {
        _ if is_serving => finishing(steps),
        (Goal::Wait, true) => {
            "start it beside live, see its first token, no traffic yet".to_owned()
        }
        (Goal::Wait, false) => "start it, see its first token, no traffic yet".to_owned(),
        (Goal::Serve, false) => "start it, see its first token, give it all traffic".to_owned(),
        (Goal::Serve, true) => {
            "start it beside live, see its first token, move all traffic, drain live".to_owned()
        }
    }
}

/// What is left of an earlier run, for people.
fn finishing(steps: &[Step]) -> String {
    let mut left: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Move { .. } => left.push("move all traffic".to_owned()),
            Step::PointService { .. } => left.push("point the Service to it".to_owned()),
            Step::Promote { .. } => left.push("record it as live".to_owned()),
            Step::End { version, .. } => left.push(format!("end {version}")),
            _ => {}
        }
    }
    if left.is_empty() {
        left.push("delete what no version needs".to_owned());
    }
    format!(
        "it serves; finish what an earlier run began: {}",
        left.join(", ")
    )
}
