//! Whether requests go where the split sends them: the share measured against the share asked,
//! or the header of a match (pure).

use super::{
    event::Event,
    pair::{Arm, Pair},
    reading::SplitProbe,
};
use crate::{header_match::HeaderMatch, weight::Weight};

/// α of the alarm that the split is wrong.
const ALPHA: f64 = 0.01;

/// Requests that prove a split once it is not wrong.
const PROOF_REQUESTS: u32 = 100;

/// Split probes in a row sent by another weight, after which the gateway has not taken the
/// write over: ten seconds, where one second is usual.
const BEHIND_MIN: u32 = 50;

/// Split probes of each kind in a row that prove a match: 20 seconds of them.
const PROOF_PROBES: u32 = 50;

/// A misrouted probe weighs this much, one that is not takes one back; from
/// [`MISROUTED_MAX`] on the gateway does not do as asked. Where all are misrouted that is ten
/// seconds, where one is usual; where half are, four times that.
const MISROUTED: u32 = 2;
const MISROUTED_MAX: u32 = 50;

/// Requests that named no version, by the version that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Share {
    pub live: u32,
    pub candidate: u32,
    /// Of both: answered by the other version because the chosen one was not ready.
    pub diverted: u32,
}

impl Share {
    /// One request, answered by `arm`.
    pub fn of(arm: Arm) -> Self {
        Self {
            live: u32::from(arm == Arm::Live),
            candidate: u32::from(arm == Arm::Candidate),
            diverted: 0,
        }
    }

    pub fn add(&mut self, other: Self) {
        self.live += other.live;
        self.candidate += other.candidate;
        self.diverted += other.diverted;
    }

    pub fn total(&self) -> u32 {
        self.live + self.candidate
    }

    /// The candidate's share as a fraction; `None` before the first request.
    pub fn measured(&self) -> Option<f64> {
        (self.total() > 0).then(|| f64::from(self.candidate) / f64::from(self.total()))
    }

    /// 95% interval of the share (Wilson 1927).
    pub fn interval(&self) -> Option<[f64; 2]> {
        const Z: f64 = 1.959_964;
        let measured = self.measured()?;
        let n = f64::from(self.total());
        let middle = measured + Z * Z / (2.0 * n);
        let half = Z * (measured * (1.0 - measured) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Some([
            ((middle - half) / scale).max(0.0),
            ((middle + half) / scale).min(1.0),
        ])
    }

    /// Whether the share is shown to differ from `asked`, however often this is asked (false
    /// alarms ≤ 1%).
    ///
    /// `e` is the likelihood averaged over all shares against that of the one asked
    /// (Robbins 1970): `B(k+1, n−k+1) / (w^k (1−w)^(n−k))`.
    pub fn is_wrong(&self, asked: Weight) -> bool {
        let (k, n) = (f64::from(self.candidate), f64::from(self.total()));
        // A share of exactly 0 or 1 would turn one straggler into a proof.
        let w = asked.fraction().clamp(0.001, 0.999);
        let ln_beta = libm::lgamma(k + 1.0) + libm::lgamma(n - k + 1.0) - libm::lgamma(n + 2.0);
        ln_beta - k * w.ln() - (n - k) * (1.0 - w).ln() >= (1.0 / ALPHA).ln()
    }
}

/// What was reported of a split last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Open,
    Proven,
    Wrong,
}

/// What the requests of one step prove about its split.
#[derive(Debug)]
pub(super) struct Proof {
    expected: Expected,
    /// Requests of this step that named no version.
    share: Share,
    /// Split probes since the last one that was sent by this step's weight.
    behind: Share,
    reported: Reported,
}

#[derive(Debug)]
enum Expected {
    Share(Weight),
    /// Requests with the header to the candidate, all others to live; probes without the
    /// header, then with it.
    Match(HeaderMatch, Pair<Routed>),
}

/// Split probes that are all meant for one version.
#[derive(Debug, Clone, Copy, Default)]
struct Routed {
    right_in_a_row: u32,
    misrouted: u32,
}

impl Proof {
    pub(super) fn new(asked: Weight, matches: Option<&HeaderMatch>) -> Self {
        Self {
            expected: match matches {
                Some(header) => Expected::Match(header.clone(), Pair::default()),
                None => Expected::Share(asked),
            },
            share: Share::default(),
            behind: Share::default(),
            reported: Reported::Open,
        }
    }

    /// A new share is in force; a match is proven once for the whole run.
    pub(super) fn begin_step(&mut self, weight: Weight) {
        (self.share, self.behind) = (Share::default(), Share::default());
        if let Expected::Share(asked) = &mut self.expected {
            *asked = weight;
            self.reported = Reported::Open;
        }
    }

    pub(super) fn is_by_header(&self) -> bool {
        matches!(self.expected, Expected::Match(..))
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    /// Requests that ended.
    pub(super) fn add(&mut self, share: Share) {
        self.share.add(share);
    }

    /// A split probe sent by this step's weight proves it; others show a gateway that is behind.
    pub(super) fn probe(&mut self, probe: &SplitProbe) {
        match &mut self.expected {
            Expected::Share(asked) => {
                let share = probe.arm.map(Share::of).unwrap_or_default();
                if probe.weight == Some(asked.percent()) {
                    self.share.add(share);
                    self.behind = Share::default();
                } else {
                    self.behind.add(share);
                }
            }
            Expected::Match(_, routed) => {
                let (meant, weight) = if probe.matched {
                    (Arm::Candidate, Weight::ALL)
                } else {
                    (Arm::Live, Weight::ZERO)
                };
                let is_right = probe.arm == Some(meant) && probe.weight == Some(weight.percent());
                routed[meant].add(is_right);
            }
        }
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.reported == Reported::Wrong
    }

    /// The header whose senders do not all reach the candidate, or others do.
    pub(super) fn wrong_match(&self) -> Option<&HeaderMatch> {
        match &self.expected {
            Expected::Match(header, _) if self.is_wrong() => Some(header),
            _ => None,
        }
    }

    /// What is measured in place of the share that was asked, where that is so.
    pub(super) fn wrong_share(&self) -> Option<Share> {
        (self.is_wrong() && !self.is_by_header()).then(|| self.shown().0)
    }

    /// The share that is seen, and whether it is that of a gateway that is behind.
    fn shown(&self) -> (Share, bool) {
        if self.behind.total() >= BEHIND_MIN {
            (self.behind, true)
        } else {
            (self.share, false)
        }
    }

    /// What there is to report that was not reported before.
    pub(super) fn news(&mut self) -> Option<Event> {
        let (shown, is_behind) = self.shown();
        let now = match &self.expected {
            Expected::Share(asked) if *asked == Weight::ZERO || shown.total() == 0 => return None,
            Expected::Share(asked) if is_behind || shown.is_wrong(*asked) => Reported::Wrong,
            Expected::Share(_) if shown.total() >= PROOF_REQUESTS => Reported::Proven,
            Expected::Match(_, routed) if routed.live.is_wrong() || routed.candidate.is_wrong() => {
                Reported::Wrong
            }
            Expected::Match(_, routed)
                if routed.live.is_proven() && routed.candidate.is_proven() =>
            {
                Reported::Proven
            }
            Expected::Share(_) | Expected::Match(..) => self.reported,
        };
        if std::mem::replace(&mut self.reported, now) == now {
            return None;
        }
        Some(match (&self.expected, now) {
            (_, Reported::Open) => return None,
            (&Expected::Share(asked), Reported::Proven) => Event::SplitProven {
                asked,
                share: shown,
            },
            (&Expected::Share(asked), Reported::Wrong) => Event::SplitWrong {
                asked,
                share: shown,
            },
            (Expected::Match(header, _), Reported::Proven) => Event::MatchProven {
                header: header.clone(),
                probes: 2 * PROOF_PROBES,
            },
            (Expected::Match(header, routed), Reported::Wrong) => Event::MatchWrong {
                header: header.clone(),
                with_it: routed.candidate.is_wrong(),
                without_it: routed.live.is_wrong(),
            },
        })
    }
}

impl Routed {
    fn add(&mut self, is_right: bool) {
        if is_right {
            self.right_in_a_row += 1;
            self.misrouted = self.misrouted.saturating_sub(1);
        } else {
            self.right_in_a_row = 0;
            self.misrouted = (self.misrouted + MISROUTED).min(MISROUTED_MAX);
        }
    }

    fn is_wrong(self) -> bool {
        self.misrouted >= MISROUTED_MAX
    }

    fn is_proven(self) -> bool {
        self.right_in_a_row >= PROOF_PROBES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(live: u32, candidate: u32) -> Share {
        Share {
            live,
            candidate,
            diverted: 0,
        }
    }

    #[test]
    fn a_split_as_asked_is_never_called_wrong() {
        let ten = Weight::try_from(10).unwrap();
        for n in 1..500 {
            assert!(!share(9 * n, n).is_wrong(ten), "{n}");
        }
    }

    #[test]
    fn a_wrong_split_is_called_wrong_within_110_requests() {
        let ten = Weight::try_from(10).unwrap();
        assert!(share(110, 0).is_wrong(ten));
        assert!(share(55, 55).is_wrong(ten));
        assert!(!share(20, 1).is_wrong(ten));
    }

    #[test]
    fn the_interval_holds_the_measured_share_and_narrows() {
        let [low, high] = share(2140, 236).interval().unwrap();
        let measured = share(2140, 236).measured().unwrap();
        assert!(low < measured && measured < high && high - low < 0.03);
        assert_eq!(share(0, 0).interval(), None);
    }

    fn right(with_it: bool) -> SplitProbe {
        let (arm, weight) = if with_it {
            (Arm::Candidate, 100)
        } else {
            (Arm::Live, 0)
        };
        SplitProbe {
            started_ms: 0,
            arm: Some(arm),
            weight: Some(weight),
            matched: with_it,
        }
    }

    /// Plain probes all arrive; those with the header as told. What is reported, in order.
    fn reported(with_it: impl Iterator<Item = SplitProbe>) -> Vec<Event> {
        let mut proof = Proof::new(Weight::ZERO, "header:x-beta=1".parse().ok().as_ref());
        let mut events = Vec::new();
        for probe in with_it {
            proof.probe(&right(false));
            proof.probe(&probe);
            events.extend(proof.news());
        }
        events
    }

    fn misrouted(arm: Option<Arm>) -> SplitProbe {
        SplitProbe {
            arm,
            weight: arm.map(|_| 0),
            ..right(true)
        }
    }

    #[test]
    fn a_match_is_proven_by_enough_probes_of_both_kinds_and_reported_once() {
        let events = reported((0..200).map(|_| right(true)));
        assert!(matches!(
            events[..],
            [Event::MatchProven { probes: 100, .. }]
        ));
        let few = reported((0..PROOF_PROBES - 1).map(|_| right(true)));
        assert!(few.is_empty(), "{few:?}");
    }

    #[test]
    fn a_gateway_that_does_not_send_by_it_is_reported_and_so_is_one_that_then_does() {
        // By the rule of before, or nowhere.
        for arm in [Some(Arm::Live), None] {
            let late = (0..25)
                .map(|_| misrouted(arm))
                .chain((0..60).map(|_| right(true)));
            let events = reported(late);
            let wrong = &events[0];
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
            assert!(matches!(events[1..], [Event::MatchProven { .. }]));
        }
    }

    #[test]
    fn one_proxy_of_two_that_is_behind_is_wrong_and_a_single_probe_is_nothing() {
        let every = |nth: u32| {
            (1..=200).map(move |n| {
                if n % nth == 0 {
                    misrouted(Some(Arm::Live))
                } else {
                    right(true)
                }
            })
        };
        assert!(matches!(reported(every(2))[..], [Event::MatchWrong { .. }]));
        assert!(reported(every(10)).is_empty());
    }
}
