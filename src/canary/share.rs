//! Proof of the split: the share measured against the share asked.

use super::sample::Arm;
use crate::weight::Weight;

/// Requests that named no version, by who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Share {
    pub live: u32,
    pub candidate: u32,
    /// Of both: answered by the other version because the chosen one was not ready.
    pub diverted: u32,
}

/// α of the alarm that the split is wrong.
const ALPHA: f64 = 0.01;

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

    /// Whether the share is shown to differ from `asked`, at any look (false alarms ≤ 1%).
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
}
