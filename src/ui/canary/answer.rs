//! What a canary answers: its verdict in one line, or where an open one stands.

use crate::{
    canary::{CanaryResult, Verdict, open::OpenCanary},
    release::status::CanaryState,
    ui::{Answer, Paint, count, part},
};

impl Answer for CanaryResult {
    /// One line: verdict, release, version, weight, reason; then what to do next.
    fn human(&self, paint: &Paint) -> String {
        let verdict = match self.verdict {
            Verdict::Promoted | Verdict::Held => paint.green(self.verdict.name()),
            Verdict::RolledBack => paint.red(self.verdict.name()),
            Verdict::Undecided | Verdict::Aborted => paint.yellow(self.verdict.name()),
        };
        let (live, candidate) = (&self.versions.live, &self.versions.candidate);
        let all = live.requests + candidate.requests;
        let counts = if all == 0 {
            String::new()
        } else {
            format!(
                ", {} of {}, {}",
                candidate.requests,
                count(all, "request"),
                count(live.errors + candidate.errors, "error")
            )
        };
        let simulated = if self.simulated {
            " (simulated, no model is run)"
        } else {
            ""
        };
        // Any other verdict has ended the match.
        let header = self.split.matches.as_ref();
        let part = part(
            self.weight,
            header.filter(|_| self.verdict == Verdict::Held),
        );
        format!(
            "{verdict}: {} {} at {part}, {}{counts}{simulated}",
            self.release, candidate.version, self.reason
        )
    }
}

impl Answer for OpenCanary {
    const SUBCOMMAND: Option<&'static str> = Some("status");

    fn human(&self, paint: &Paint) -> String {
        let who = match (&self.state, &self.holder) {
            (CanaryState::Running, Some(holder)) => {
                format!("driven by {holder} since {}", self.since)
            }
            (CanaryState::Running, None) => format!("running since {}", self.since),
            (CanaryState::Held, _) => format!("held since {}", self.since),
            (CanaryState::Frozen, _) => format!("frozen since {}", self.since),
            (CanaryState::Abandoned, _) => paint.yellow(format!("abandoned since {}", self.since)),
        };
        let part = part(self.weight, self.matches.as_ref());
        let mut text = format!(
            "{}: live {}, candidate {} at {part}, step {} of {}, run {}: {who}",
            paint.bold(&self.release),
            self.live,
            self.candidate,
            self.step,
            self.steps,
            self.run
        );
        if self.holder.is_none() {
            let verbs = match self.state {
                CanaryState::Held => "promote | abort",
                CanaryState::Running | CanaryState::Frozen | CanaryState::Abandoned => {
                    "resume | promote | abort"
                }
            };
            text = format!("{text}\nnext: infer canary {verbs}");
        }
        text
    }
}
