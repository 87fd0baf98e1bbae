//! What `infer sim` shows: where it listens, under which law, and what it has done.

use super::{Answer, Paint, Screen, Show, count, seconds};
use crate::sim::{Event, Law, Summary};

impl Show for Event {
    fn human(&self, screen: &Screen) {
        match self {
            Self::Listening {
                url, model, law, ..
            } => {
                screen.line(&format!(
                    "{model} listens on {url} · simulated, no model is run"
                ));
                screen.line(&stated(law));
            }
            Self::Draining { limit } => screen.line(&format!(
                "draining: answers under way have {} to finish",
                seconds(*limit)
            )),
        }
    }
}

impl Answer for Summary {
    fn human(&self, _paint: &Paint) -> String {
        let totals = self.totals;
        format!(
            "{}, {} answered, {}, all simulated",
            count(totals.requests, "request"),
            totals.answered,
            count(totals.output_tokens, "output token")
        )
    }
}

/// The law with its numbers in it.
fn stated(law: &Law) -> String {
    let mut text = format!(
        "first token {} ms + {} ms a prompt token, then {} ms a token, noise {}%, {} slots",
        milliseconds(law.base),
        milliseconds(law.prefill_per_token),
        milliseconds(law.per_token),
        law.noise * 100.0,
        law.slots,
    );
    if law.slowdown > 0.0 {
        text = format!("{text}, {}% slower when full", law.slowdown * 100.0);
    }
    if law.drift > 0.0 {
        text = format!("{text}, drifting by {}%", law.drift * 100.0);
    }
    text
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_is_stated_with_its_units() {
        assert_eq!(
            stated(&Law {
                slowdown: 0.5,
                ..Law::default()
            }),
            "first token 40 ms + 0.1 ms a prompt token, then 10 ms a token, noise 5%, 64 slots, \
             50% slower when full"
        );
    }
}
