//! Evidence that the candidate fails more often than live: a binomial e-process.

/// Failures that are forgiven: one point more than live's share.
pub const MARGIN: f64 = 0.01;

/// How far above the forgiven share the bets are placed. Their mean is an e-process too.
const BETS: [f64; 5] = [0.02, 0.05, 0.15, 0.4, 0.8];

/// What a version is thought to fail before it was seen: 0.1 of 10 requests.
const START_FAILED: f64 = 0.1;
const START_SENT: f64 = 10.0;

/// Requests that ended, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Requests {
    pub sent: u32,
    pub failed: u32,
}

impl Requests {
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.failed += other.failed;
    }

    /// Share that failed; `None` where nothing was sent.
    pub fn failed_share(self) -> Option<f64> {
        (self.sent > 0).then(|| f64::from(self.failed) / f64::from(self.sent))
    }
}

/// The e-process for the null "the candidate's failure rate is at most live's plus
/// [`MARGIN`]".
///
/// Each block bets on a point `(θ_live, θ_candidate)` chosen from earlier blocks only and
/// divides its likelihood by that of the null's nearest point (reverse information
/// projection), which makes the quotient an e-variable for the whole convex null (Turner,
/// Ly & Grünwald 2024, "Generic E-variables for exact sequential k-sample tests").
#[derive(Debug, Clone)]
pub struct Failures {
    live: Requests,
    ln_e: [f64; BETS.len()],
}

impl Default for Failures {
    fn default() -> Self {
        Self::new()
    }
}

impl Failures {
    pub fn new() -> Self {
        Self {
            live: Requests::default(),
            ln_e: [0.0; BETS.len()],
        }
    }

    /// Begins a new experiment; what is known about live stays.
    pub fn restart(&mut self) {
        self.ln_e = [0.0; BETS.len()];
    }

    pub fn add(&mut self, live: Requests, candidate: Requests) {
        if live.sent > 0 && candidate.sent > 0 {
            let expected = (f64::from(self.live.failed) + START_FAILED)
                / (f64::from(self.live.sent) + START_SENT);
            for (ln_e, bet) in self.ln_e.iter_mut().zip(BETS) {
                let bet = (expected + MARGIN + bet).min(0.99);
                *ln_e += ln_quotient(live, candidate, expected, bet);
            }
        }
        self.live.add(live);
    }

    #[expect(clippy::cast_precision_loss, reason = "there are five bets")]
    pub fn ln_e(&self) -> f64 {
        let top = self.ln_e.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.ln_e.iter().map(|ln_e| (ln_e - top).exp()).sum();
        top + (sum / BETS.len() as f64).ln()
    }
}

/// `ln` of the likelihood of one block under the bet over that under the null's nearest point.
fn ln_quotient(live: Requests, candidate: Requests, live_bet: f64, candidate_bet: f64) -> f64 {
    if candidate_bet <= live_bet + MARGIN {
        return 0.0;
    }
    let nearest = nearest_null(
        f64::from(live.sent),
        f64::from(candidate.sent),
        live_bet,
        candidate_bet,
    );
    let part = |requests: Requests, bet: f64, null: f64| {
        let (failed, fine) = (
            f64::from(requests.failed),
            f64::from(requests.sent - requests.failed),
        );
        failed * (bet / null).ln() + fine * ((1.0 - bet) / (1.0 - null)).ln()
    };
    part(live, live_bet, nearest) + part(candidate, candidate_bet, nearest + MARGIN)
}

/// The `q` for which `(q, q + MARGIN)` is nearest to the bet in Kullback–Leibler
/// divergence: the root of a rising derivative between the two bets, by bisection.
fn nearest_null(live_sent: f64, candidate_sent: f64, live_bet: f64, candidate_bet: f64) -> f64 {
    let slope = |share: f64, bet: f64| (share - bet) / (share * (1.0 - share));
    let (mut low, mut high) = (live_bet, candidate_bet - MARGIN);
    // 30 halvings: below 1e-9.
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        let derivative = live_sent * slope(middle, live_bet)
            + candidate_sent * slope(middle + MARGIN, candidate_bet);
        if derivative < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(sent: u32, failed: u32) -> Requests {
        Requests { sent, failed }
    }

    fn probability(n: u32, k: u32, p: f64) -> f64 {
        let ways = (0..k)
            .map(|i| f64::from(n - i) / f64::from(i + 1))
            .product::<f64>();
        ways * p.powi(k.cast_signed()) * (1.0 - p).powi((n - k).cast_signed())
    }

    #[test]
    fn the_expectation_is_at_most_one_everywhere_in_the_null() {
        for (n, m) in [(1, 1), (9, 1), (4, 4), (2, 6)] {
            for bet in [0.04, 0.2, 0.6] {
                for live_share in [0.0, 0.005, 0.02, 0.3, 0.9] {
                    for below in [0.0, 0.004, 0.01, 0.2] {
                        let share = (live_share + MARGIN - below).clamp(0.0, 1.0);
                        let mut mean = 0.0;
                        for k in 0..=n {
                            for j in 0..=m {
                                let ln = ln_quotient(requests(n, k), requests(m, j), 0.01, bet);
                                mean += probability(n, k, live_share)
                                    * probability(m, j, share)
                                    * ln.exp();
                            }
                        }
                        assert!(
                            mean <= 1.0 + 1e-6,
                            "{n}:{m} {bet} {live_share} {share}: {mean}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_candidate_that_always_fails_is_found_within_a_few_requests() {
        let mut failures = Failures::new();
        failures.add(requests(45, 0), requests(5, 5));
        assert!(failures.ln_e() > 300f64.ln(), "{}", failures.ln_e());
    }

    #[test]
    fn equal_failures_are_no_evidence() {
        let mut failures = Failures::new();
        for _ in 0..100 {
            failures.add(requests(90, 4), requests(20, 0));
            failures.add(requests(90, 4), requests(5, 1));
        }
        assert!(failures.ln_e() < 2.0, "{}", failures.ln_e());
    }
}
