//! Makes room, sets the weight, measures, has it judged, goes on or back. The judge decides;
//! time is what the measure says.
//!
//! A signal ends every wait here, whatever the ports do meanwhile: the future of the port is
//! dropped, and the split is read again where a write was on its way.

use std::{pin::pin, time::Duration};

use super::{
    error::{Error, four_commands},
    event::{Begun, Event},
    journal::Journal,
    judge::Decision,
    plan::{OnInterrupt, OnUndecided},
    ports::{Fleet, Measure, Traffic, promote, roll_back},
    reading::Reading,
    reason::reason_of,
    result::{CanaryResult, Verdict},
    state::RunState,
};
use crate::{
    explain::{Explain as _, Kind},
    header_match::HeaderMatch,
    interrupt::{Interrupt, Signals},
    name::VersionId,
    traffic::{self, Change, Split},
    weight::Weight,
};

/// How `drive` came to its end.
#[derive(Debug)]
pub enum RunEnd {
    Ended(Box<CanaryResult>),
    /// The weight stays, the journal stays open.
    Frozen {
        weight: Weight,
        matches: Option<HeaderMatch>,
    },
}

/// How long after a first Ctrl-C a second one is waited for.
pub const AGAIN: Duration = Duration::from_secs(3);

/// How long a write or a drain goes on after a signal, so that it is not cut off in the middle.
const GRACE: Duration = Duration::from_millis(900);

/// One run's ends to the world.
pub struct CanaryRun<'a, T, M, F> {
    pub traffic: &'a T,
    pub measure: &'a mut M,
    pub fleet: &'a F,
    pub interrupt: &'a Interrupt,
    /// Whether a person at a terminal can press Ctrl-C.
    pub on_terminal: bool,
    /// [`AGAIN`].
    pub again: Duration,
    /// Whether this run started the candidate's pods; a run that moves nothing then ends them.
    pub brought_up: bool,
    pub simulated: bool,
    pub on_event: &'a (dyn Fn(Event) + Sync),
}

/// How one step came to its end.
enum StepEnd {
    NotWorse(String),
    Worse(String),
    Undecided(String),
    /// `--hold`: the time is over.
    HeldOut(String),
    Interrupted(Signals),
}

/// How making room for a weight ended.
enum Room {
    Ready,
    Lacking(Error),
    Interrupted(Signals),
}

/// How a raise to the next weight ended.
enum Raise {
    Done(Split),
    NoRoom(Error),
    Interrupted(Signals),
    /// A signal came while the write was on its way; the split as it is read now.
    CutOff(Signals, Split),
}

/// Whether the share in force was judged not worse, by a run that then held it.
fn is_held(split: &Split) -> bool {
    let held = |journal: &serde_json::Value| journal.get("held")?.as_bool();
    split.journal.as_ref().and_then(held) == Some(true)
}

/// A split that no canary has touched: its candidate, if any, gets no request.
fn is_unmoved(split: &Split) -> bool {
    split.journal.is_none() && split.weight == Weight::ZERO && split.matches.is_none()
}

impl<T: Traffic, M: Measure, F: Fleet> CanaryRun<'_, T, M, F> {
    /// Drives `journal`'s plan from its step on; `split` is what stands now. Hands back the
    /// state too, for the report.
    pub async fn run(
        mut self,
        journal: &Journal,
        split: Split,
    ) -> Result<(RunEnd, RunState), Error> {
        let before = split.clone();
        let driven = Box::pin(self.drive(journal, split)).await;
        if driven.is_err() && is_unmoved(&before) {
            // If a write took effect, or another writer was first, the pods stay.
            let now = self.traffic.read().await;
            if now.is_ok_and(|now| now.says_the_same(&before)) {
                self.end_brought_up(&journal.candidate).await;
            }
        }
        driven
    }

    async fn drive(
        &mut self,
        journal: &Journal,
        mut split: Split,
    ) -> Result<(RunEnd, RunState), Error> {
        let interrupt = self.interrupt;
        let history = tokio::select! {
            biased;
            _ = interrupt.any() => None,
            history = self.measure.history() => Some(history?),
        };
        let history = history.unwrap_or_else(|| Reading {
            now_ms: self.measure.now_ms(),
            ..Reading::default()
        });
        let mut state = RunState::new(journal, &history, self.simulated);
        let signals = interrupt.signals();
        if signals.any() {
            let stopped = self.interrupted(&state, &split, signals).await?;
            return Ok((stopped, state));
        }
        for block in state.learn(&history) {
            (self.on_event)(Event::Learned { block });
        }
        let first = journal.weight();
        self.begun(&state, first);
        if let Some(reason) = state.too_quiet(first) {
            let stopped = self.too_quiet(&state, &split, reason).await?;
            return Ok((stopped, state));
        }
        let plan = &journal.plan;
        let (mut step, mut judged) = (journal.step, None);
        loop {
            split = match self.raise(&mut state, &split, step).await? {
                Raise::Done(split) => split,
                Raise::NoRoom(error) => {
                    let lacking = (plan.weight(step), error);
                    let stopped = self.no_room(&state, &split, judged, lacking).await?;
                    return Ok((stopped, state));
                }
                Raise::Interrupted(signals) => {
                    let stopped = self.interrupted(&state, &split, signals).await?;
                    return Ok((stopped, state));
                }
                // The write may still take effect, so the candidate is taken out by another one.
                Raise::CutOff(signals, now) if is_unmoved(&now) => {
                    let stopped = self.back(&state, &now, reason_of(signals)).await?;
                    return Ok((stopped, state));
                }
                Raise::CutOff(signals, now) => {
                    let stopped = self.interrupted(&state, &now, signals).await?;
                    return Ok((stopped, state));
                }
            };
            let end = self.step(&mut state, &split).await?;
            let last = step + 1 >= plan.steps().len();
            let stopped = match end {
                StepEnd::NotWorse(reason) if !last => {
                    (step, judged) = (step + 1, Some(reason));
                    continue;
                }
                StepEnd::NotWorse(reason) if plan.promote => {
                    self.promote(&state, &split, reason).await?
                }
                StepEnd::NotWorse(reason) | StepEnd::HeldOut(reason) => {
                    self.hold(&state, &split, Verdict::Held, reason).await?
                }
                StepEnd::Worse(reason) => {
                    self.roll_back(&state, &split, Verdict::RolledBack, reason)
                        .await?
                }
                StepEnd::Undecided(reason) => self.give_up(&state, &split, reason).await?,
                StepEnd::Interrupted(signals) => self.interrupted(&state, &split, signals).await?,
            };
            return Ok((stopped, state));
        }
    }

    fn begun(&self, state: &RunState, weight: Weight) {
        let (journal, rules) = (state.journal(), *state.judge().rules());
        let (noise, noise_blocks) = state.judge().noise();
        (self.on_event)(Event::Begun(Box::new(Begun {
            run: journal.run_id.clone(),
            release: self.traffic.name(),
            live: journal.live.clone(),
            candidate: journal.candidate.clone(),
            steps: journal.plan.steps().to_vec(),
            matches: journal.plan.matches.clone(),
            promote: journal.plan.promote,
            step_limit_s: journal.plan.step_limit_s,
            rules,
            noise,
            noise_blocks,
            live_per_s: state.live_per_s(),
            probes_per_s: journal.plan.probe_rate,
            detectable: state.detectable(weight),
            simulated: self.simulated,
        })));
    }

    /// Waits until the candidate can carry `weight`. A signal comes first, also where the fleet
    /// sees it too and calls it a failure.
    async fn room(&self, state: &RunState, weight: Weight) -> Room {
        let candidate = &state.journal().candidate;
        let ready = tokio::select! {
            biased;
            signals = self.interrupt.any() => return Room::Interrupted(signals),
            ready = self.fleet.ready(candidate, weight) => ready,
        };
        let signals = self.interrupt.signals();
        match ready {
            _ if signals.any() => Room::Interrupted(signals),
            Ok(()) => Room::Ready,
            Err(error) => Room::Lacking(error),
        }
    }

    /// Makes room, then sets the weight of `step` in one write, the journal with it.
    async fn raise(
        &self,
        state: &mut RunState,
        split: &Split,
        step: usize,
    ) -> Result<Raise, Error> {
        let plan = state.journal().plan.clone();
        let weight = plan.weight(step);
        match self.room(state, weight).await {
            Room::Ready => {}
            Room::Lacking(error) => return Ok(Raise::NoRoom(error)),
            Room::Interrupted(signals) => return Ok(Raise::Interrupted(signals)),
        }
        state.begin_step(step);
        let wanted = (weight, plan.matches.clone());
        let write = self.write(state, split, wanted, |_| {});
        let written = match self.until_signalled(Signals::default(), write).await {
            Ok(written) => written?,
            Err(signals) => return Ok(Raise::CutOff(signals, self.reread(split).await)),
        };
        (self.on_event)(match plan.matches {
            Some(header) => Event::MatchSet { header },
            None => Event::WeightSet {
                step,
                steps: plan.steps().len(),
                weight,
                from: split.weight,
            },
        });
        Ok(Raise::Done(written))
    }

    /// Waits for `work`; after a signal beyond `seen` only for [`GRACE`] more.
    async fn until_signalled<R>(
        &self,
        seen: Signals,
        work: impl Future<Output = R>,
    ) -> Result<R, Signals> {
        let mut work = pin!(work);
        let signals = tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            signals = self.interrupt.beyond(seen) => signals,
        };
        let done = tokio::time::timeout(GRACE, work).await;
        done.map_err(|_| signals)
    }

    /// The split after a write that was given up: made or not. Where it cannot be read, or is
    /// another run's, the next write fails on the old one.
    async fn reread(&self, split: &Split) -> Split {
        let read = tokio::time::timeout(GRACE, self.traffic.read()).await;
        match read {
            Ok(Ok(now))
                if split
                    .run()
                    .is_none_or(|run| now.run().is_none_or(|is| is == run)) =>
            {
                now
            }
            _ => split.clone(),
        }
    }

    async fn write(
        &self,
        state: &RunState,
        split: &Split,
        (weight, matches): (Weight, Option<HeaderMatch>),
        change: impl FnOnce(&mut Journal) + Send,
    ) -> Result<Split, Error> {
        let mut journal = state.journal().clone();
        journal.updated_ms = state.now_ms();
        journal.deadline_ms = state.now_ms() + journal.plan.step_limit_s * 1_000;
        (journal.frozen, journal.held) = (false, false);
        change(&mut journal);
        let change = Change {
            live: journal.live.clone(),
            candidate: Some(journal.candidate.clone()),
            weight,
            matches,
            run: journal.run_id.clone(),
            journal: Some(journal.to_value()),
        };
        self.traffic.write(split, &change).await
    }

    /// Measures one weight until something is decided.
    async fn step(&mut self, state: &mut RunState, split: &Split) -> Result<StepEnd, Error> {
        let plan = state.journal().plan.clone();
        let deadline_ms = state.now_ms() + plan.step_limit_s * 1_000;
        loop {
            let signals = self.interrupt.signals();
            if signals.any() {
                return Ok(StepEnd::Interrupted(signals));
            }
            let reading = tokio::select! {
                reading = self.measure.next() => reading?,
                signals = self.interrupt.any() => return Ok(StepEnd::Interrupted(signals)),
            };
            let mut judged = false;
            for event in state.take(&reading) {
                judged |= matches!(event, Event::Judged(_));
                (self.on_event)(event);
            }
            if judged {
                tokio::select! {
                    checked = self.check(split) => checked?,
                    signals = self.interrupt.any() => return Ok(StepEnd::Interrupted(signals)),
                }
            }
            if let Some((decision, reason)) = state.decision().filter(|_| !plan.hold) {
                (self.on_event)(Event::Decided {
                    weight: state.journal().weight(),
                    decision,
                    reason: reason.clone(),
                });
                return Ok(match decision {
                    Decision::Worse { .. } => StepEnd::Worse(reason),
                    Decision::NotWorse | Decision::Open => StepEnd::NotWorse(reason),
                });
            }
            match state.undecided(deadline_ms) {
                Some(reason) if !plan.hold => return Ok(StepEnd::Undecided(reason)),
                Some(_) if state.now_ms() >= deadline_ms => {
                    let ruled = state.decision().map(|(_, reason)| reason);
                    let reason = ruled.unwrap_or_else(|| state.compared());
                    return Ok(StepEnd::HeldOut(reason));
                }
                _ => {}
            }
        }
    }

    /// Whether the split still is what this run has written.
    async fn check(&self, split: &Split) -> Result<(), Error> {
        // One failed read proves nothing: the measure reports an absence that lasts.
        let Ok(now) = self.traffic.read().await else {
            return Ok(());
        };
        if now.says_the_same(split) {
            return Ok(());
        }
        let other_run = now.run().filter(|run| Some(*run) != split.run());
        let who = match (other_run, &now.writer) {
            (Some(run), _) => format!("run {run}"),
            (None, Some(writer)) => writer.clone(),
            (None, None) => "another writer".to_owned(),
        };
        Err(Error::Traffic(traffic::Error::Conflict {
            object: self.traffic.name(),
            who,
        }))
    }

    /// Too few requests to decide anything: what stands stays, unless it is a share that no run
    /// has judged.
    async fn too_quiet(
        &self,
        state: &RunState,
        split: &Split,
        reason: String,
    ) -> Result<RunEnd, Error> {
        if !is_unmoved(split) && !is_held(split) {
            return self.give_up(state, split, reason).await;
        }
        let mut ending = state.ending(Verdict::Undecided, split.weight, reason);
        if is_unmoved(split) {
            let candidate = &state.journal().candidate;
            ending.interrupted = self.end_brought_up(candidate).await;
        }
        Ok(self.ended(ending))
    }

    /// The candidate cannot carry its next weight: it keeps the share that was judged.
    async fn no_room(
        &self,
        state: &RunState,
        split: &Split,
        judged: Option<String>,
        (weight, error): (Weight, Error),
    ) -> Result<RunEnd, Error> {
        if error.kind() == Kind::Conflict || (judged.is_none() && is_unmoved(split)) {
            return Err(error);
        }
        (self.on_event)(Event::NoRoom {
            weight,
            reason: error.to_string(),
            evidence: error
                .evidence()
                .map_or_else(Vec::new, |found| found.texts()),
            next: error.hints(),
        });
        let lacking = format!("no room for {weight}: {error}");
        let kept = match judged {
            Some(reason) => {
                let reason = format!("{reason}; {lacking}");
                self.hold(state, split, Verdict::Held, reason).await
            }
            None if is_held(split) => self.hold(state, split, Verdict::Held, lacking).await,
            None => self.give_up(state, split, lacking).await,
        };
        kept.map_err(|unwritten| {
            let text = format!("the canary keeps {}: {unwritten}", split.weight);
            (self.on_event)(Event::Warning { text });
            error
        })
    }

    async fn promote(
        &self,
        state: &RunState,
        split: &Split,
        reason: String,
    ) -> Result<RunEnd, Error> {
        let journal = state.journal();
        match self.room(state, Weight::ALL).await {
            Room::Ready => {}
            Room::Lacking(error) => {
                let lacking = (Weight::ALL, error);
                return self.no_room(state, split, Some(reason), lacking).await;
            }
            Room::Interrupted(signals) => return self.interrupted(state, split, signals).await,
        }
        let write = promote(self.traffic, split, journal);
        match self.until_signalled(Signals::default(), write).await {
            Ok(written) => drop(written?),
            Err(signals) => {
                let now = self.reread(split).await;
                if now.live != journal.candidate {
                    return self.interrupted(state, &now, signals).await;
                }
            }
        }
        let ended = self.fleet.promoted(&journal.candidate);
        let mut ending = state.ending(Verdict::Promoted, Weight::ALL, reason);
        ending.interrupted = self.end(&journal.live, ended).await;
        Ok(self.ended(ending))
    }

    async fn hold(
        &self,
        state: &RunState,
        split: &Split,
        verdict: Verdict,
        reason: String,
    ) -> Result<RunEnd, Error> {
        let share = (split.weight, split.matches.clone());
        self.stay(state, split, share, (verdict, reason)).await
    }

    /// Ends with `share` in force and the journal open.
    async fn stay(
        &self,
        state: &RunState,
        split: &Split,
        share: (Weight, Option<HeaderMatch>),
        (verdict, reason): (Verdict, String),
    ) -> Result<RunEnd, Error> {
        let weight = share.0;
        let write = self.write(state, split, share, |journal| journal.held = true);
        match self.until_signalled(Signals::default(), write).await {
            Ok(written) => drop(written?),
            Err(signals) => {
                let now = self.reread(split).await;
                return self.interrupted(state, &now, signals).await;
            }
        }
        Ok(self.ended(state.ending(verdict, weight, reason)))
    }

    async fn roll_back(
        &self,
        state: &RunState,
        split: &Split,
        verdict: Verdict,
        reason: String,
    ) -> Result<RunEnd, Error> {
        let journal = state.journal();
        self.take_back(split, journal).await?;
        let ended = self.fleet.refused(&journal.candidate, verdict);
        let mut ending = state.ending(verdict, Weight::ZERO, reason);
        ending.interrupted = self.end(&journal.candidate, ended).await;
        Ok(self.ended(ending))
    }

    /// The write of a rollback. One signal more does not stop it, two do: its own wait is the
    /// only one in which a signal asks for what is under way.
    async fn take_back(&self, split: &Split, journal: &Journal) -> Result<(), Error> {
        let mut work = pin!(roll_back(self.traffic, split, journal));
        let seen = self.interrupt.signals();
        let seen = match self.until_signalled(seen, &mut work).await {
            Ok(written) => return written.map(drop),
            Err(signals) => signals,
        };
        (self.on_event)(Event::Warning {
            text: "the traffic is still being taken back; one more Ctrl-C leaves it".to_owned(),
        });
        match self.until_signalled(seen, work).await {
            Ok(written) => written.map(drop),
            Err(_) => Err(Error::LeftAt {
                release: self.traffic.name(),
                weight: split.weight,
            }),
        }
    }

    /// Waits for the end of a version without traffic; answers whether a further signal cut
    /// that short. The traffic has moved, so a failure here is a warning.
    async fn end(&self, lost: &VersionId, ended: impl Future<Output = Result<(), Error>>) -> bool {
        let seen = self.interrupt.signals();
        let (interrupted, why) = match self.until_signalled(seen, ended).await {
            Ok(Ok(())) => return false,
            Ok(Err(error)) => (false, error.to_string()),
            Err(signals) => (true, reason_of(signals).to_owned()),
        };
        (self.on_event)(Event::Warning {
            text: format!("{lost} has no traffic any more, but could not be ended: {why}"),
        });
        interrupted
    }

    /// Nothing has moved: ends the candidate where this run started it.
    async fn end_brought_up(&self, candidate: &VersionId) -> bool {
        let ended = self.fleet.refused(candidate, Verdict::Aborted);
        self.brought_up && self.end(candidate, ended).await
    }

    /// Time is up: back to what was before the run, or stay.
    async fn give_up(
        &self,
        state: &RunState,
        split: &Split,
        reason: String,
    ) -> Result<RunEnd, Error> {
        let journal = state.journal();
        let verdict = Verdict::Undecided;
        match journal.plan.on_undecided {
            OnUndecided::Hold => self.hold(state, split, verdict, reason).await,
            OnUndecided::Restore
                if journal.original_weight == Weight::ZERO && journal.original_match.is_none() =>
            {
                self.roll_back(state, split, verdict, reason).await
            }
            OnUndecided::Restore => {
                let before = (journal.original_weight, journal.original_match.clone());
                let reason = match &before.1 {
                    Some(header) => format!("{reason}; {header} is back"),
                    None => reason,
                };
                self.stay(state, split, before, (verdict, reason)).await
            }
        }
    }

    /// The first Ctrl-C at a terminal freezes what stands; any other signal takes it back.
    async fn interrupted(
        &self,
        state: &RunState,
        split: &Split,
        signals: Signals,
    ) -> Result<RunEnd, Error> {
        if is_unmoved(split) {
            let reason = format!("{} before anything moved", reason_of(signals));
            let mut ending = state.ending(Verdict::Aborted, Weight::ZERO, reason);
            self.end_brought_up(&state.journal().candidate).await;
            ending.interrupted = true;
            return Ok(self.ended(ending));
        }
        let asked = signals.ended_by.is_none() && self.on_terminal;
        let freeze = asked || state.journal().plan.on_interrupt == OnInterrupt::Freeze;
        if !freeze || signals.interrupts >= 2 {
            let reason = if signals.interrupts >= 2 {
                "interrupted twice"
            } else {
                reason_of(signals)
            };
            return self.back(state, split, reason).await;
        }
        let share = (split.weight, split.matches.clone());
        let write = self.write(state, split, share, |journal| journal.frozen = true);
        let Ok(frozen) = self.until_signalled(signals, write).await else {
            let now = self.reread(split).await;
            return self.back(state, &now, "interrupted twice").await;
        };
        let frozen = frozen?;
        let (weight, matches) = (frozen.weight, frozen.matches.clone());
        (self.on_event)(Event::Frozen {
            release: self.traffic.name(),
            weight,
            matches: matches.clone(),
            again_s: if asked { self.again.as_secs() } else { 0 },
            next: four_commands(self.traffic.name()),
        });
        let again = tokio::time::timeout(self.again, self.interrupt.beyond(signals));
        if asked && again.await.is_ok() {
            return self.back(state, &frozen, "interrupted twice").await;
        }
        Ok(RunEnd::Frozen { weight, matches })
    }

    async fn back(&self, state: &RunState, split: &Split, reason: &str) -> Result<RunEnd, Error> {
        let reason = reason.to_owned();
        let stopped = self
            .roll_back(state, split, Verdict::Aborted, reason)
            .await?;
        Ok(match stopped {
            RunEnd::Ended(mut ending) => {
                ending.interrupted = true;
                RunEnd::Ended(ending)
            }
            frozen @ RunEnd::Frozen { .. } => frozen,
        })
    }

    fn ended(&self, mut ending: CanaryResult) -> RunEnd {
        ending.release = self.traffic.name();
        RunEnd::Ended(Box::new(ending))
    }
}
