//! Asks the gateway which version answers, with small requests that name no version.
//!
//! `GET /v1/models` costs an engine nothing and is routed like every other request, so the
//! version that answers it is the one that users meet. No status of a route tells whether a
//! proxy follows it; an answer does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Endpoint, VERSION_HEADER, WEIGHT_HEADER};
use crate::{header_match::HeaderMatch, interrupt::Interrupt, name::VersionId, weight::Weight};

const TIME_MAX: Duration = Duration::from_secs(5);

/// Answers of one version in a row after which the gateway has moved: a share of 10% left
/// behind would show with a chance of 93%, half of the traffic with 99.99999%.
const IN_A_ROW: u32 = 25;

/// Unreachable this often in a row, the gateway cannot be seen from this machine.
const UNREACHABLE_MAX: u32 = 5;

const PAUSE: Duration = Duration::from_millis(100);

/// A client of the gateway that asks which version answers.
#[derive(Debug, Clone)]
pub struct RouteProbe {
    client: reqwest::Client,
    endpoint: Endpoint,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    pub status: u16,
    /// The version that answered; `None` where the answer does not name it.
    pub version: Option<String>,
    /// The weight that the request was sent by, in percent, while there is a candidate.
    pub weight: Option<u8>,
}

/// What a gateway was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// All requests reach the version.
    Moved,
    /// Requests are answered, and the answers do not name their version.
    Unnamed,
    /// The gateway cannot be reached from this machine.
    Unreachable,
    /// Not within the time; the last answer, in words.
    Behind(String),
    Interrupted,
}

impl RouteProbe {
    pub fn new(endpoint: &Endpoint) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIME_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            endpoint: endpoint.clone(),
        })
    }

    /// Sends one request, which `matches` where that is given.
    pub async fn ask(&self, matches: Option<&HeaderMatch>) -> Result<ProbeAnswer, reqwest::Error> {
        let url = format!("{}/v1/models", self.endpoint.url.trim_end_matches('/'));
        let mut request = self.client.get(url);
        if let Some(host) = &self.endpoint.host {
            request = request.header(http::header::HOST, host);
        }
        if let Some(header) = matches {
            request = request.header(header.name(), header.value());
        }
        let answer = request.send().await?;
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        Ok(ProbeAnswer {
            status: answer.status().as_u16(),
            version: header(VERSION_HEADER).map(ToOwned::to_owned),
            weight: header(WEIGHT_HEADER).and_then(|weight| weight.parse().ok()),
        })
    }

    /// Waits until all answers name `weight` as the one they were sent by; every other request
    /// carries the header of the match that has `ended`. It has no limit of its own.
    pub async fn wait_for_weight(&self, weight: Weight, ended: Option<&HeaderMatch>) {
        let (mut in_a_row, mut with_header) = (0, false);
        while in_a_row < in_a_row_of(ended) {
            with_header = !with_header;
            match self.ask(ended.filter(|_| with_header)).await {
                Ok(answer) if answer.weight == Some(weight.percent()) => in_a_row += 1,
                Ok(_) | Err(_) => {
                    in_a_row = 0;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits until `version` alone answers, for `limit` at most or until a signal; every other
    /// request carries the header of the match that has `ended`.
    pub async fn wait_for(
        &self,
        version: &VersionId,
        ended: Option<&HeaderMatch>,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> ProbeOutcome {
        tokio::select! {
            outcome = self.watch(version, ended, limit) => outcome,
            _ = interrupt.any() => ProbeOutcome::Interrupted,
        }
    }

    async fn watch(
        &self,
        version: &VersionId,
        ended: Option<&HeaderMatch>,
        limit: Duration,
    ) -> ProbeOutcome {
        let deadline = Instant::now() + limit;
        let mut tally = Tally {
            wanted: in_a_row_of(ended),
            ..Tally::default()
        };
        let mut with_header = false;
        loop {
            with_header = !with_header;
            let answer = self.ask(ended.filter(|_| with_header)).await.ok();
            if let Some(outcome) = tally.take(answer, version.as_str()) {
                return outcome;
            }
            if Instant::now() >= deadline {
                return ProbeOutcome::Behind(tally.last);
            }
            if tally.is_wrong {
                sleep(PAUSE).await;
            }
        }
    }
}

/// [`IN_A_ROW`] for each kind of request: without the header, and with it.
fn in_a_row_of(matches: Option<&HeaderMatch>) -> u32 {
    if matches.is_some() {
        2 * IN_A_ROW
    } else {
        IN_A_ROW
    }
}

/// Answers so far (pure).
#[derive(Debug, Default)]
struct Tally {
    /// Right ones in a row that are enough.
    wanted: u32,
    right: u32,
    unnamed: u32,
    unreachable: u32,
    /// Whether the last one was not as wanted.
    is_wrong: bool,
    last: String,
}

impl Tally {
    fn take(&mut self, answer: Option<ProbeAnswer>, wanted: &str) -> Option<ProbeOutcome> {
        self.is_wrong = true;
        let Some(answer) = answer else {
            self.unreachable += 1;
            (self.right, self.unnamed) = (0, 0);
            "it cannot be reached".clone_into(&mut self.last);
            return (self.unreachable >= UNREACHABLE_MAX).then_some(ProbeOutcome::Unreachable);
        };
        self.unreachable = 0;
        match answer {
            ProbeAnswer {
                version: Some(version),
                ..
            } if version == wanted => {
                self.right += 1;
                self.is_wrong = false;
            }
            ProbeAnswer {
                version: Some(version),
                ..
            } => {
                (self.right, self.unnamed) = (0, 0);
                self.last = format!("{version} still answers");
            }
            // The gateway's own: no backend stands behind it yet.
            ProbeAnswer { status, .. } if status == 404 || status >= 500 => {
                (self.right, self.unnamed) = (0, 0);
                self.last = format!("it answers {status}");
            }
            ProbeAnswer { .. } => {
                self.unnamed += 1;
                self.is_wrong = false;
            }
        }
        if self.right >= self.wanted {
            Some(ProbeOutcome::Moved)
        } else if self.unnamed >= self.wanted {
            Some(ProbeOutcome::Unnamed)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "v3c1f2a90b";

    fn tally() -> Tally {
        Tally {
            wanted: in_a_row_of(None),
            ..Tally::default()
        }
    }

    fn answer(status: u16, version: Option<&str>) -> ProbeAnswer {
        ProbeAnswer {
            status,
            version: version.map(ToOwned::to_owned),
            weight: None,
        }
    }

    #[test]
    fn a_gateway_has_moved_once_no_other_version_answers_for_a_while() {
        let mut tally = tally();
        for _ in 0..20 {
            assert_eq!(tally.take(Some(answer(200, Some(WANTED))), WANTED), None);
        }
        assert_eq!(
            tally.take(Some(answer(200, Some("v7aa01c44e"))), WANTED),
            None
        );
        assert_eq!(tally.last, "v7aa01c44e still answers");
        for _ in 1..IN_A_ROW {
            assert_eq!(tally.take(Some(answer(401, Some(WANTED))), WANTED), None);
        }
        assert_eq!(
            tally.take(Some(answer(200, Some(WANTED))), WANTED),
            Some(ProbeOutcome::Moved)
        );
    }

    #[test]
    fn the_gateways_own_errors_do_not_count_and_a_silent_gateway_cannot_be_seen() {
        let mut tally = tally();
        for _ in 0..100 {
            assert_eq!(tally.take(Some(answer(503, None)), WANTED), None);
        }
        assert_eq!(tally.last, "it answers 503");
        let seen: Vec<_> = (0..UNREACHABLE_MAX)
            .map(|_| tally.take(None, WANTED))
            .collect();
        assert_eq!(seen.last(), Some(&Some(ProbeOutcome::Unreachable)));
        let unnamed: Vec<_> = (0..IN_A_ROW)
            .map(|_| tally.take(Some(answer(200, None)), WANTED))
            .collect();
        assert_eq!(unnamed.last(), Some(&Some(ProbeOutcome::Unnamed)));
    }
}
