//! Which version gets a request. Pure: no clock, no randomness, no files.

use sha2::{Digest as _, Sha256};

use crate::{name::ReleaseName, weight::Weight};

/// One of the two versions of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    Live,
    Candidate,
}

impl Arm {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Live => Self::Candidate,
            Self::Candidate => Self::Live,
        }
    }
}

/// Smooth weighted round robin over two versions.
///
/// The candidate's percents add up; each time they pass 100 it gets a request. So
/// after any 100 choices the wheel is where it was, and the candidate has had
/// exactly its weight of them, spread as evenly as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wheel(u8);

impl Wheel {
    /// Half a turn on: the candidate's first request comes in the middle of its interval.
    pub(super) const START: Self = Self(50);

    #[must_use]
    pub(super) fn turn(self, weight: Weight) -> (Self, Arm) {
        let sum = self.0 + weight.percent();
        if sum >= 100 {
            (Self(sum - 100), Arm::Candidate)
        } else {
            (Self(sum), Arm::Live)
        }
    }

    pub(super) fn position(self) -> u8 {
        self.0
    }

    /// The wheel that was at `position`.
    pub(super) fn at(position: u8) -> Self {
        Self(position % 100)
    }
}

/// Parts that sessions are spread over: a hundredth of a percent each.
const SESSION_PARTS: u64 = 10_000;

/// Where the requests of one session go.
///
/// A session's place depends on nothing but its name and the run, so a rising weight
/// moves it to the candidate at most once, a falling one only back, and at 0 none stays.
/// Each run draws its own sessions, so that the same users are not always first.
pub(super) fn session_arm(release: &ReleaseName, run: &str, id: &[u8], weight: Weight) -> Arm {
    let mut hash = Sha256::new();
    for part in [release.as_str().as_bytes(), run.as_bytes(), id] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let start: [u8; 8] = digest[..8].try_into().expect("SHA-256 has 32 bytes");
    let place = u64::from_be_bytes(start) % SESSION_PARTS;
    if place < u64::from(weight.percent()) * (SESSION_PARTS / 100) {
        Arm::Candidate
    } else {
        Arm::Live
    }
}

/// Which of the two can take a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Able {
    pub(super) live: bool,
    pub(super) candidate: bool,
}

impl Able {
    fn is(self, arm: Arm) -> bool {
        match arm {
            Arm::Live => self.live,
            Arm::Candidate => self.candidate,
        }
    }
}

/// The version that gets the request, and whether the other one was chosen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) arm: Arm,
    pub(super) diverted: bool,
}

/// The version meant; else the other one; else `None`.
pub(super) fn divert(meant: Arm, able: Able) -> Option<Choice> {
    if able.is(meant) {
        Some(Choice {
            arm: meant,
            diverted: false,
        })
    } else if able.is(meant.other()) {
        Some(Choice {
            arm: meant.other(),
            diverted: true,
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights() -> impl Strategy<Value = Weight> {
        (0_u8..=100).prop_map(|percent| Weight::try_from(percent).unwrap())
    }

    fn turns(mut wheel: Wheel, weight: Weight, count: usize) -> Vec<Arm> {
        (0..count)
            .map(|_| {
                let (next, arm) = wheel.turn(weight);
                wheel = next;
                arm
            })
            .collect()
    }

    fn candidates(arms: &[Arm]) -> usize {
        arms.iter().filter(|arm| **arm == Arm::Candidate).count()
    }

    proptest! {
        #[test]
        fn any_hundred_consecutive_choices_give_exactly_the_weight(
            start in 0_u8..100, weight in weights(), offset in 0_usize..300,
        ) {
            let arms = turns(Wheel::at(start), weight, offset + 100);
            prop_assert_eq!(candidates(&arms[offset..]), usize::from(weight.percent()));
        }

        #[test]
        fn choices_are_smooth(start in 0_u8..100, weight in weights(), count in 1_usize..250) {
            let got = candidates(&turns(Wheel::at(start), weight, count));
            let exact = usize::from(weight.percent()) * count;
            prop_assert!((got * 100).abs_diff(exact) <= 100, "{} of {}", got, count);
        }

        #[test]
        fn a_change_of_weight_costs_neither_side_more_than_one_choice(
            before in weights(), after in weights(), count in 1_usize..150,
        ) {
            let mut wheel = Wheel::START;
            for _ in 0..count {
                wheel = wheel.turn(before).0;
            }
            let got = candidates(&turns(wheel, after, 100));
            prop_assert_eq!(got, usize::from(after.percent()));
        }

        #[test]
        fn a_session_moves_at_most_once_while_the_weight_rises(id in "[a-z0-9]{1,20}", run in "[a-z]{0,8}") {
            let release = "chat".parse().unwrap();
            let arms: Vec<Arm> = (0..=100)
                .map(|percent| {
                    session_arm(&release, &run, id.as_bytes(), Weight::try_from(percent).unwrap())
                })
                .collect();
            prop_assert_eq!(arms[0], Arm::Live);
            prop_assert_eq!(arms[100], Arm::Candidate);
            let moves = arms.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert_eq!(moves, 1);
        }

        #[test]
        fn a_version_that_cannot_take_it_never_gets_it(
            candidate in any::<bool>(), live_able in any::<bool>(), candidate_able in any::<bool>(),
        ) {
            let meant = if candidate { Arm::Candidate } else { Arm::Live };
            let able = Able { live: live_able, candidate: candidate_able };
            match divert(meant, able) {
                Some(choice) => {
                    prop_assert!(able.is(choice.arm));
                    prop_assert_eq!(choice.diverted, choice.arm != meant);
                }
                None => prop_assert!(!live_able && !candidate_able),
            }
        }
    }

    #[test]
    fn sessions_are_spread_as_the_weight_says() {
        let release = "chat".parse().unwrap();
        let weight = Weight::try_from(10).unwrap();
        let on_candidate = (0..20_000_u32)
            .filter(|id| session_arm(&release, "r", &id.to_le_bytes(), weight) == Arm::Candidate)
            .count();
        // Five standard deviations of a fair draw.
        assert!((1788..=2212).contains(&on_candidate), "{on_candidate}");
    }

    #[test]
    fn each_run_draws_its_own_sessions() {
        let release = "chat".parse().unwrap();
        let weight = Weight::try_from(50).unwrap();
        let same = (0..1000_u32)
            .filter(|id| {
                let arm = |run| session_arm(&release, run, &id.to_le_bytes(), weight);
                arm("one") == arm("two")
            })
            .count();
        assert!((400..600).contains(&same), "{same}");
    }
}
