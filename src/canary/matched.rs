//! Proof of a match: the requests that carry its header reach the candidate, the others live
//! (pure).

use super::{event::Event, reading::Look, sample::Arm};
use crate::{header_match::HeaderMatch, weight::Weight};

/// Looks of each kind in a row that prove it: 20 seconds of them.
const PROOF_LOOKS: u32 = 50;

/// A look that goes astray weighs this much, one that does not takes one back; from
/// [`ASTRAY_WEIGHT`] on the gateway does not do as asked. Where all go astray that is ten
/// seconds, where one is usual; where half do, four times that.
const STRAY: u32 = 2;
const ASTRAY_WEIGHT: u32 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Proven,
    Wrong,
}

/// Looks of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    right_in_a_row: u32,
    astray: u32,
}

/// What looks without and with the header have shown.
#[derive(Debug)]
pub(super) struct Matched {
    header: HeaderMatch,
    kinds: [Kind; 2],
    said: Said,
}

impl Matched {
    pub(super) fn new(header: &HeaderMatch) -> Self {
        Self {
            header: header.clone(),
            kinds: [Kind::default(); 2],
            said: Said::Nothing,
        }
    }

    pub(super) fn look(&mut self, look: &Look) {
        let (meant, weight) = if look.matched {
            (Arm::Candidate, Weight::ALL)
        } else {
            (Arm::Live, Weight::ZERO)
        };
        let kind = &mut self.kinds[usize::from(look.matched)];
        if look.arm == Some(meant) && look.weight == Some(weight.percent()) {
            kind.right_in_a_row += 1;
            kind.astray = kind.astray.saturating_sub(1);
        } else {
            kind.right_in_a_row = 0;
            kind.astray = (kind.astray + STRAY).min(ASTRAY_WEIGHT);
        }
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.said == Said::Wrong
    }

    /// What there is to say that was not said before.
    pub(super) fn news(&mut self) -> Option<Event> {
        let kinds = || self.kinds.iter();
        let now = if kinds().any(|kind| kind.astray >= ASTRAY_WEIGHT) {
            Said::Wrong
        } else if kinds().all(|kind| kind.right_in_a_row >= PROOF_LOOKS) {
            Said::Proven
        } else {
            self.said
        };
        if std::mem::replace(&mut self.said, now) == now {
            return None;
        }
        let header = self.header.clone();
        match now {
            Said::Nothing => None,
            Said::Proven => Some(Event::MatchProven {
                header,
                looks: 2 * PROOF_LOOKS,
            }),
            Said::Wrong => Some(Event::MatchWrong {
                header,
                with_it: self.kinds[1].astray >= ASTRAY_WEIGHT,
                without_it: self.kinds[0].astray >= ASTRAY_WEIGHT,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(with_it: bool) -> Look {
        let (arm, weight) = if with_it {
            (Arm::Candidate, 100)
        } else {
            (Arm::Live, 0)
        };
        Look {
            started_ms: 0,
            arm: Some(arm),
            weight: Some(weight),
            matched: with_it,
        }
    }

    /// Plain looks all arrive; those with the header as told. What is said, in order.
    fn told(with_it: impl Iterator<Item = Look>) -> Vec<Event> {
        let mut matched = Matched::new(&"header:x-beta=1".parse().unwrap());
        let mut said = Vec::new();
        for look in with_it {
            matched.look(&right(false));
            matched.look(&look);
            said.extend(matched.news());
        }
        said
    }

    fn astray(arm: Option<Arm>) -> Look {
        Look {
            arm,
            weight: arm.map(|_| 0),
            ..right(true)
        }
    }

    #[test]
    fn a_match_is_proven_by_enough_looks_of_both_kinds_and_said_once() {
        let said = told((0..200).map(|_| right(true)));
        assert!(matches!(said[..], [Event::MatchProven { looks: 100, .. }]));
        let few = told((0..PROOF_LOOKS - 1).map(|_| right(true)));
        assert!(few.is_empty(), "{few:?}");
    }

    #[test]
    fn a_gateway_that_does_not_send_by_it_is_said_and_so_is_one_that_then_does() {
        // By the rule of before, or nowhere.
        for arm in [Some(Arm::Live), None] {
            let late = (0..25)
                .map(|_| astray(arm))
                .chain((0..60).map(|_| right(true)));
            let said = told(late);
            let wrong = &said[0];
            assert!(
                matches!(
                    wrong,
                    Event::MatchWrong {
                        with_it: true,
                        without_it: false,
                        ..
                    }
                ),
                "{wrong:?}"
            );
            assert!(matches!(said[1..], [Event::MatchProven { .. }]));
        }
    }

    #[test]
    fn one_proxy_of_two_that_is_behind_is_wrong_and_a_stray_look_is_nothing() {
        let every = |nth: u32| {
            (1..=200).map(move |n| {
                if n % nth == 0 {
                    astray(Some(Arm::Live))
                } else {
                    right(true)
                }
            })
        };
        assert!(matches!(told(every(2))[..], [Event::MatchWrong { .. }]));
        assert!(told(every(10)).is_empty());
    }
}
