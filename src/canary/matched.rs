//! Proof of a match: the requests that carry its header reach the candidate, the others live
//! (pure).

use super::{event::Event, reading::Look, sample::Arm};
use crate::{header_match::HeaderMatch, weight::Weight};

/// Looks that prove it once none goes astray: 20 seconds of them.
const PROOF_LOOKS: u32 = 100;

/// Looks of one kind in a row that reach the other version, after which the gateway does not
/// do as asked: ten seconds, where one second is usual.
const ASTRAY_MIN: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Proven,
    Wrong,
}

/// What looks with and without the header have shown.
#[derive(Debug)]
pub(super) struct Matched {
    header: HeaderMatch,
    right: u32,
    /// In a row: of those without the header, and of those with it.
    astray: [u32; 2],
    said: Said,
}

impl Matched {
    pub(super) fn new(header: &HeaderMatch) -> Self {
        Self {
            header: header.clone(),
            right: 0,
            astray: [0; 2],
            said: Said::Nothing,
        }
    }

    pub(super) fn look(&mut self, look: &Look) {
        let (meant, weight) = if look.matched {
            (Arm::Candidate, Weight::ALL)
        } else {
            (Arm::Live, Weight::ZERO)
        };
        let astray = &mut self.astray[usize::from(look.matched)];
        if look.arm == meant && look.weight == Some(weight.percent()) {
            self.right += 1;
            *astray = 0;
        } else {
            *astray += 1;
        }
    }

    /// What there is to say that was not said before.
    pub(super) fn news(&mut self) -> Option<Event> {
        let now = if self.astray.iter().any(|astray| *astray >= ASTRAY_MIN) {
            Said::Wrong
        } else if self.right >= PROOF_LOOKS && self.astray == [0; 2] {
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
                looks: self.right,
            }),
            Said::Wrong => Some(Event::MatchWrong {
                header,
                with_it: self.astray[1],
                without_it: self.astray[0],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(matched: bool, arm: Arm, weight: u8) -> Look {
        Look {
            started_ms: 0,
            arm,
            weight: Some(weight),
            matched,
        }
    }

    fn matched() -> Matched {
        Matched::new(&"header:x-beta=1".parse().unwrap())
    }

    #[test]
    fn a_match_is_proven_by_looks_of_both_kinds_and_said_once() {
        let mut matched = matched();
        for _ in 0..50 {
            assert!(matched.news().is_none());
            matched.look(&look(true, Arm::Candidate, 100));
            matched.look(&look(false, Arm::Live, 0));
        }
        let proven = matched.news();
        assert!(matches!(
            proven,
            Some(Event::MatchProven { looks: 100, .. })
        ));
        assert!(matched.news().is_none());
    }

    #[test]
    fn a_gateway_that_has_not_taken_it_over_is_said_and_so_is_one_that_then_does() {
        let mut matched = matched();
        for _ in 0..ASTRAY_MIN {
            matched.look(&look(false, Arm::Live, 0));
            matched.look(&look(true, Arm::Live, 0));
        }
        let wrong = matched.news();
        assert!(matches!(
            wrong,
            Some(Event::MatchWrong {
                with_it: 25,
                without_it: 0,
                ..
            })
        ));
        for _ in 0..PROOF_LOOKS {
            matched.look(&look(true, Arm::Candidate, 100));
        }
        assert!(matches!(matched.news(), Some(Event::MatchProven { .. })));
    }
}
