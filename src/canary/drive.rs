//! Sets the weight, waits, measures, has it judged, goes on or back. It decides nothing
//! itself and keeps no clock: time is what the measuring says.

use std::time::Duration;

use super::{
    ending::{Ending, Verdict},
    error::{Error, four_commands},
    event::{Begun, Event},
    journal::Journal,
    judge::Ruling,
    plan::{OnInterrupt, OnUndecided},
    ports::{Fleet, Measure, Traffic, promote, roll_back},
    reason::reason_of,
    state::State,
};
use crate::{
    header_match::HeaderMatch,
    interrupt::{Interrupt, Signals},
    name::VersionId,
    traffic::{self, Change, Split},
    weight::Weight,
};

/// How `drive` came to its end.
#[derive(Debug)]
pub enum Stopped {
    Ended(Box<Ending>),
    /// The weight stays, the journal stays open.
    Frozen {
        weight: Weight,
        matches: Option<HeaderMatch>,
    },
}

/// How long after a first Ctrl-C a second one is waited for.
pub const AGAIN: Duration = Duration::from_secs(3);

/// One run's ends to the world.
pub struct Drive<'a, T, M, F> {
    pub traffic: &'a T,
    pub measure: &'a mut M,
    pub fleet: &'a F,
    pub interrupt: &'a Interrupt,
    /// Whether a person at a terminal can press Ctrl-C.
    pub on_terminal: bool,
    /// [`AGAIN`].
    pub again: Duration,
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

impl<T: Traffic, M: Measure, F: Fleet> Drive<'_, T, M, F> {
    /// Drives `journal`'s plan from its step on; `split` is what stands now. Hands back the
    /// state too, for the report.
    pub async fn run(
        mut self,
        journal: &Journal,
        mut split: Split,
    ) -> Result<(Stopped, State), Error> {
        let history = self.measure.history().await?;
        let mut state = State::new(journal, &history, self.simulated);
        for block in state.learn(&history) {
            (self.on_event)(Event::Learned { block });
        }
        let first = journal.weight();
        self.begun(&state, first);
        if let Some(reason) = state.too_quiet(first) {
            let ending = state.ending(Verdict::Undecided, split.weight, reason);
            return Ok((self.ended(ending), state));
        }
        let signals = self.interrupt.signals();
        if signals.any() {
            // Nothing has moved, so there is nothing to freeze or to take back.
            let reason = format!("{} before anything moved", reason_of(signals));
            let mut ending = state.ending(Verdict::Aborted, split.weight, reason);
            ending.interrupted = true;
            return Ok((self.ended(ending), state));
        }
        let steps = journal.plan.steps().len();
        for step in journal.step..steps {
            split = self.set(&mut state, &split, step).await?;
            let end = self.step(&mut state, &split).await?;
            let last = step + 1 == steps;
            let stopped = match end {
                StepEnd::NotWorse(_) if !last => continue,
                StepEnd::NotWorse(reason) if journal.plan.promote => {
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
                StepEnd::Interrupted(signals) => {
                    self.interrupted(&mut state, &split, signals).await?
                }
            };
            return Ok((stopped, state));
        }
        // A held run whose steps are all done.
        let reason = "every step has been judged".to_owned();
        let stopped = self.hold(&state, &split, Verdict::Held, reason).await?;
        Ok((stopped, state))
    }

    fn begun(&self, state: &State, weight: Weight) {
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
            reach: state.reach(weight),
            simulated: self.simulated,
        })));
    }

    /// Makes room, then sets the weight of `step` in one write, the journal with it.
    async fn set(&self, state: &mut State, split: &Split, step: usize) -> Result<Split, Error> {
        let journal = state.journal().clone();
        let weight = journal.plan.steps()[step];
        self.fleet.ready(&journal.candidate, weight).await?;
        state.begin_step(step);
        let written = self.keep(state, split, weight, |_| {}).await?;
        (self.on_event)(match journal.plan.matches {
            Some(header) => Event::MatchSet { header },
            None => Event::WeightSet {
                step,
                steps: journal.plan.steps().len(),
                weight,
                from: split.weight,
            },
        });
        Ok(written)
    }

    /// Writes `weight` and the plan's match with the journal as `change` makes it.
    async fn keep(
        &self,
        state: &State,
        split: &Split,
        weight: Weight,
        change: impl FnOnce(&mut Journal) + Send,
    ) -> Result<Split, Error> {
        let matches = state.journal().plan.matches.clone();
        self.write(state, split, (weight, matches), change).await
    }

    async fn write(
        &self,
        state: &State,
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
        Ok(self.traffic.write(split, &change).await?)
    }

    /// Measures one weight until something is decided.
    async fn step(&mut self, state: &mut State, split: &Split) -> Result<StepEnd, Error> {
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
                self.check(split).await?;
            }
            if let Some((ruling, reason)) = state.ruling().filter(|_| !plan.hold) {
                (self.on_event)(Event::Ruled {
                    weight: state.journal().weight(),
                    ruling,
                    reason: reason.clone(),
                });
                return Ok(match ruling {
                    Ruling::Worse { .. } => StepEnd::Worse(reason),
                    Ruling::NotWorse | Ruling::Open => StepEnd::NotWorse(reason),
                });
            }
            match state.undecided(deadline_ms) {
                Some(reason) if !plan.hold => return Ok(StepEnd::Undecided(reason)),
                Some(_) if state.now_ms() >= deadline_ms => {
                    let ruled = state.ruling().map(|(_, reason)| reason);
                    let reason = ruled.unwrap_or_else(|| state.compared());
                    return Ok(StepEnd::HeldOut(reason));
                }
                _ => {}
            }
        }
    }

    /// Whether the split still is what this run has written.
    async fn check(&self, split: &Split) -> Result<(), Error> {
        // One failed read is no news: the measuring says so where it lasts.
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
            (None, None) => "somebody else".to_owned(),
        };
        Err(Error::Traffic(traffic::Error::Conflict {
            object: self.traffic.name(),
            who,
        }))
    }

    async fn promote(
        &self,
        state: &State,
        split: &Split,
        reason: String,
    ) -> Result<Stopped, Error> {
        let journal = state.journal();
        self.fleet.ready(&journal.candidate, Weight::ALL).await?;
        promote(self.traffic, split, journal).await?;
        let ended = self.fleet.promoted(&journal.candidate).await;
        self.warn_unless(&journal.live, ended);
        Ok(self.ended(state.ending(Verdict::Promoted, Weight::ALL, reason)))
    }

    async fn hold(
        &self,
        state: &State,
        split: &Split,
        verdict: Verdict,
        reason: String,
    ) -> Result<Stopped, Error> {
        let weight = state.journal().weight();
        self.keep(state, split, weight, |journal| journal.held = true)
            .await?;
        Ok(self.ended(state.ending(verdict, weight, reason)))
    }

    async fn roll_back(
        &self,
        state: &State,
        split: &Split,
        verdict: Verdict,
        reason: String,
    ) -> Result<Stopped, Error> {
        let journal = state.journal();
        roll_back(self.traffic, split, journal).await?;
        let ended = self.fleet.refused(&journal.candidate).await;
        self.warn_unless(&journal.candidate, ended);
        Ok(self.ended(state.ending(verdict, Weight::ZERO, reason)))
    }

    /// The traffic has moved, so a loser that does not end is a warning, not a failure.
    fn warn_unless(&self, lost: &VersionId, ended: Result<(), Error>) {
        if let Err(error) = ended {
            (self.on_event)(Event::Warning {
                text: format!("{lost} has no traffic any more, but could not be ended: {error}"),
            });
        }
    }

    /// Time is up: back to what was before the run, or stay.
    async fn give_up(
        &self,
        state: &State,
        split: &Split,
        reason: String,
    ) -> Result<Stopped, Error> {
        let journal = state.journal();
        match journal.plan.on_undecided {
            OnUndecided::Hold => self.hold(state, split, Verdict::Undecided, reason).await,
            OnUndecided::Restore
                if journal.original_weight == Weight::ZERO && journal.original_match.is_none() =>
            {
                self.roll_back(state, split, Verdict::Undecided, reason)
                    .await
            }
            OnUndecided::Restore => {
                let weight = journal.original_weight;
                let before = (weight, journal.original_match.clone());
                let restored = self
                    .write(state, split, before, |journal| journal.held = true)
                    .await?;
                let reason = match restored.matches {
                    Some(header) => format!("{reason}; {header} is back"),
                    None => reason,
                };
                Ok(self.ended(state.ending(Verdict::Undecided, weight, reason)))
            }
        }
    }

    async fn interrupted(
        &self,
        state: &mut State,
        split: &Split,
        signals: Signals,
    ) -> Result<Stopped, Error> {
        let asked = signals.ended_by.is_none() && self.on_terminal;
        let freeze = asked || state.journal().plan.on_interrupt == OnInterrupt::Freeze;
        if freeze && signals.interrupts < 2 {
            let weight = state.journal().weight();
            let frozen = self
                .keep(state, split, weight, |journal| journal.frozen = true)
                .await?;
            let again_s = if asked { self.again.as_secs() } else { 0 };
            (self.on_event)(Event::Frozen {
                release: self.traffic.name(),
                weight,
                matches: frozen.matches.clone(),
                again_s,
                next: four_commands(self.traffic.name()),
            });
            let again = tokio::time::timeout(self.again, self.interrupt.beyond(signals));
            if !asked || again.await.is_err() {
                let matches = frozen.matches;
                return Ok(Stopped::Frozen { weight, matches });
            }
            return self.back(state, &frozen, "interrupted twice").await;
        }
        self.back(state, split, reason_of(signals)).await
    }

    async fn back(&self, state: &State, split: &Split, reason: &str) -> Result<Stopped, Error> {
        let reason = reason.to_owned();
        let stopped = self
            .roll_back(state, split, Verdict::Aborted, reason)
            .await?;
        Ok(match stopped {
            Stopped::Ended(mut ending) => {
                ending.interrupted = true;
                Stopped::Ended(ending)
            }
            frozen @ Stopped::Frozen { .. } => frozen,
        })
    }

    fn ended(&self, mut ending: Ending) -> Stopped {
        ending.release = self.traffic.name();
        Stopped::Ended(Box::new(ending))
    }
}
