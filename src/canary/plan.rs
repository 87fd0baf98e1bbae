//! What a canary is to do, checked before anything moves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::Rules;
use crate::{header_match::HeaderMatch, weight::Weight};

/// Chance of a wrong decision in a whole run.
pub const ALPHA: f64 = 0.01;

/// Canary requests a second, of any kind, below which nothing can be decided in a
/// sensible time: 30 samples would take longer than two and a half minutes.
pub const RATE_MIN: f64 = 0.2;

/// Weights one run may pass through; more would only thin out α.
const STEPS_MAX: usize = 20;

/// What is done when time is up without a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUndecided {
    /// Back to the split from before the run.
    Restore,
    /// The weight stays.
    Hold,
}

/// What is done on a signal that does not come from a person at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnInterrupt {
    RollBack,
    /// The weight stays and the journal stays open.
    Freeze,
}

/// A checked plan; it goes into the journal, so that `resume` follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Weights to judge, rising; never empty, never 100.
    steps: Vec<Weight>,
    /// Whether everything moves to the candidate once the last step is not worse.
    pub promote: bool,
    /// A/B: measure and report, but act on no decision.
    pub hold: bool,
    /// A/B: requests with this header go to the candidate, all others to live; the only step is 0.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<HeaderMatch>,
    /// Longest time for one step.
    pub step_limit_s: u64,
    pub margin: f64,
    /// Paired probes a second; 0 turns them off.
    pub probe_rate: f64,
    pub pool_noise: Option<f64>,
    pub on_undecided: OnUndecided,
    pub on_interrupt: OnInterrupt,
}

/// What was asked for, not yet checked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `--weight`, or `--steps` as given.
    pub weights: Vec<Weight>,
    pub promote: bool,
    pub hold: bool,
    pub matches: Option<HeaderMatch>,
    pub step_limit: Duration,
    pub margin: f64,
    pub probe_rate: f64,
    pub pool_noise: Option<f64>,
    pub on_undecided: OnUndecided,
    pub on_interrupt: OnInterrupt,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("steps must rise: {0} is followed by {1}")]
    NotRising(Weight, Weight),
    #[error("a canary needs a weight below 100% to compare at")]
    NothingToJudge,
    #[error("{0} steps are more than {STEPS_MAX}")]
    TooMany(usize),
    #[error("a weight of 0% compares by probes only, and --probe-rate 0 turns them off")]
    NoEvidence,
    #[error(
        "--hold keeps the share whatever the result, so it cannot be combined with --promote or --steps"
    )]
    HoldActs,
    #[error(
        "--match routes by a header, not by a share: it needs --hold and takes no --weight or --steps"
    )]
    MatchShares,
    #[error("{what} must be {range}")]
    OutOfRange {
        what: &'static str,
        range: &'static str,
    },
}

impl Plan {
    pub fn new(asked: &Asked) -> Result<Self, PlanError> {
        for pair in asked.weights.windows(2) {
            if pair[0] >= pair[1] {
                return Err(PlanError::NotRising(pair[0], pair[1]));
            }
        }
        let ends_in_all = asked.weights.last() == Some(&Weight::ALL);
        let mut steps = asked.weights.clone();
        steps.retain(|weight| *weight != Weight::ALL);
        if steps.is_empty() {
            return Err(PlanError::NothingToJudge);
        }
        if steps.len() > STEPS_MAX {
            return Err(PlanError::TooMany(steps.len()));
        }
        if asked.matches.is_some() && (!asked.hold || steps != [Weight::ZERO]) {
            return Err(PlanError::MatchShares);
        }
        if steps[0] == Weight::ZERO && asked.probe_rate == 0.0 && asked.matches.is_none() {
            return Err(PlanError::NoEvidence);
        }
        if asked.hold && (asked.promote || ends_in_all || steps.len() > 1) {
            return Err(PlanError::HoldActs);
        }
        in_range("--margin", asked.margin, 0.01..=10.0, "from 1% to 1000%")?;
        in_range(
            "--probe-rate",
            asked.probe_rate,
            0.0..=50.0,
            "from 0 to 50 pairs a second",
        )?;
        if let Some(noise) = asked.pool_noise {
            in_range("--pool-noise", noise, 0.0..=0.3, "from 0% to 30%")?;
        }
        Ok(Self {
            steps,
            promote: asked.promote || ends_in_all,
            hold: asked.hold,
            matches: asked.matches.clone(),
            step_limit_s: asked.step_limit.as_secs().max(1),
            margin: asked.margin,
            probe_rate: asked.probe_rate,
            pool_noise: asked.pool_noise,
            on_undecided: asked.on_undecided,
            on_interrupt: asked.on_interrupt,
        })
    }

    /// Whether `other` asks for the same; a number may have been rounded in a journal.
    pub fn is_same(&self, other: &Self) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let noise = match (self.pool_noise, other.pool_noise) {
            (Some(a), Some(b)) => near(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let exact = Self {
            margin: self.margin,
            probe_rate: self.probe_rate,
            pool_noise: self.pool_noise,
            ..other.clone()
        };
        noise
            && near(self.margin, other.margin)
            && near(self.probe_rate, other.probe_rate)
            && exact == *self
    }

    pub fn steps(&self) -> &[Weight] {
        &self.steps
    }

    /// The share of one step; none beyond the last.
    pub fn weight(&self, step: usize) -> Weight {
        self.steps.get(step).copied().unwrap_or_default()
    }

    /// Whether a part of users' requests is to meet the candidate.
    pub fn splits_traffic(&self) -> bool {
        self.matches.is_some() || self.steps.iter().any(|step| *step != Weight::ZERO)
    }

    pub fn rules(&self) -> Rules {
        Rules {
            margin: self.margin,
            alpha: ALPHA,
            steps: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
            probing: self.probe_rate > 0.0,
            pool_noise: self.pool_noise,
        }
    }
}

fn in_range(
    what: &'static str,
    value: f64,
    allowed: std::ops::RangeInclusive<f64>,
    range: &'static str,
) -> Result<(), PlanError> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(PlanError::OutOfRange { what, range })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn asked(weights: &[u8]) -> Asked {
        Asked {
            weights: weights
                .iter()
                .map(|w| Weight::try_from(*w).unwrap())
                .collect(),
            promote: false,
            hold: false,
            matches: None,
            step_limit: Duration::from_mins(10),
            margin: 0.2,
            probe_rate: 2.0,
            pool_noise: None,
            on_undecided: OnUndecided::Restore,
            on_interrupt: OnInterrupt::RollBack,
        }
    }

    #[test]
    fn steps_that_end_in_100_promote_and_100_itself_is_not_judged() {
        let plan = Plan::new(&asked(&[5, 25, 100])).unwrap();
        assert!(plan.promote);
        assert_eq!(plan.steps().len(), 2);
        assert_eq!(plan.rules().steps, 2);
        assert!(!Plan::new(&asked(&[10])).unwrap().promote);
        let rounded = Plan {
            margin: plan.margin + 1e-16,
            ..plan.clone()
        };
        assert!(plan.is_same(&rounded));
        assert!(!plan.is_same(&Plan::new(&asked(&[5, 30, 100])).unwrap()));
        // A move of everything needs nothing that splits.
        assert!(plan.splits_traffic() && !Plan::new(&asked(&[0, 100])).unwrap().splits_traffic());
    }

    #[test]
    fn plans_that_cannot_end_well_are_refused() {
        assert!(matches!(
            Plan::new(&asked(&[25, 5])),
            Err(PlanError::NotRising(..))
        ));
        assert_eq!(Plan::new(&asked(&[100])), Err(PlanError::NothingToJudge));
        let mut blind = asked(&[0]);
        blind.probe_rate = 0.0;
        assert_eq!(Plan::new(&blind), Err(PlanError::NoEvidence));
        let mut hold = asked(&[10]);
        (hold.hold, hold.promote) = (true, true);
        assert_eq!(Plan::new(&hold), Err(PlanError::HoldActs));
        let mut matched = asked(&[0]);
        matched.matches = "header:x-beta=1".parse().ok();
        assert_eq!(Plan::new(&matched), Err(PlanError::MatchShares));
        (matched.hold, matched.probe_rate) = (true, 0.0);
        assert!(Plan::new(&matched).is_ok(), "requests are its evidence");
        matched.weights = asked(&[10]).weights;
        assert_eq!(Plan::new(&matched), Err(PlanError::MatchShares));
        for (margin, probe_rate, noise) in [
            (0.0, 2.0, None),
            (f64::NAN, 2.0, None),
            (0.2, -1.0, None),
            (0.2, 2.0, Some(0.9)),
        ] {
            let mut wrong = asked(&[10]);
            (wrong.margin, wrong.probe_rate, wrong.pool_noise) = (margin, probe_rate, noise);
            assert!(matches!(
                Plan::new(&wrong),
                Err(PlanError::OutOfRange { .. })
            ));
        }
    }
}
