//! Looks at who answers through the gateway: small requests that name no version.
//!
//! `GET /v1/models` costs an engine nothing and takes the way of every other request, so
//! whoever answers it is whom users meet. No status of a route says that a proxy has taken
//! it over; this does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Endpoint, VERSION_HEADER, WEIGHT_HEADER};
use crate::{header_match::HeaderMatch, name::VersionId, weight::Weight};

const TIME_MAX: Duration = Duration::from_secs(5);

/// Answers of one version in a row after which the gateway has moved: a share of 10% left
/// behind would show with a chance of 93%, half of the traffic with 99.99999%.
const IN_A_ROW: u32 = 25;

/// Unreachable this often in a row, the gateway is not for this machine to see.
const UNREACHABLE_MAX: u32 = 5;

const PAUSE: Duration = Duration::from_millis(100);

/// A client of the gateway.
#[derive(Debug, Clone)]
pub struct Looker {
    client: reqwest::Client,
    endpoint: Endpoint,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    pub status: u16,
    /// Where the gateway says it.
    pub version: Option<String>,
    /// The weight it was sent by, in percent; while there is a candidate.
    pub weight: Option<u8>,
}

/// What a gateway is seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All requests reach the version.
    Moved,
    /// They are answered, but not by whom.
    Unsaid,
    /// It cannot be reached from here.
    Unreachable,
    /// Not within the time; in words.
    Not(String),
}

impl Looker {
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

    /// One look, by a request that `matches` where that is given.
    pub async fn look(&self, matches: Option<&HeaderMatch>) -> Result<Looked, reqwest::Error> {
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
        Ok(Looked {
            status: answer.status().as_u16(),
            version: header(VERSION_HEADER).map(ToOwned::to_owned),
            weight: header(WEIGHT_HEADER).and_then(|weight| weight.parse().ok()),
        })
    }

    /// Waits until all answers say that they were sent by `weight`; every other request carries
    /// the header of the match that has `ended`.
    pub async fn wait_for_weight(&self, weight: Weight, ended: Option<&HeaderMatch>) {
        let (mut in_a_row, mut with_it) = (0, false);
        while in_a_row < in_a_row_of(ended) {
            with_it = !with_it;
            match self.look(ended.filter(|_| with_it)).await {
                Ok(looked) if looked.weight == Some(weight.percent()) => in_a_row += 1,
                Ok(_) | Err(_) => {
                    in_a_row = 0;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits until `version` alone answers, or for `limit`; every other request carries the
    /// header of the match that has `ended`.
    pub async fn wait_for(
        &self,
        version: &VersionId,
        ended: Option<&HeaderMatch>,
        limit: Duration,
    ) -> Seen {
        let deadline = Instant::now() + limit;
        let mut tally = Tally {
            wanted: in_a_row_of(ended),
            ..Tally::default()
        };
        let mut with_it = false;
        loop {
            with_it = !with_it;
            let looked = self.look(ended.filter(|_| with_it)).await.ok();
            if let Some(seen) = tally.take(looked, version.as_str()) {
                return seen;
            }
            if Instant::now() >= deadline {
                return Seen::Not(tally.last);
            }
            if tally.wrong {
                sleep(PAUSE).await;
            }
        }
    }
}

/// [`IN_A_ROW`] of each kind.
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
    unsaid: u32,
    unreachable: u32,
    /// Whether the last one was not as wanted.
    wrong: bool,
    last: String,
}

impl Tally {
    fn take(&mut self, looked: Option<Looked>, wanted: &str) -> Option<Seen> {
        self.wrong = true;
        let Some(looked) = looked else {
            self.unreachable += 1;
            (self.right, self.unsaid) = (0, 0);
            "it cannot be reached".clone_into(&mut self.last);
            return (self.unreachable >= UNREACHABLE_MAX).then_some(Seen::Unreachable);
        };
        self.unreachable = 0;
        match looked {
            Looked {
                version: Some(version),
                ..
            } if version == wanted => {
                self.right += 1;
                self.wrong = false;
            }
            Looked {
                version: Some(version),
                ..
            } => {
                (self.right, self.unsaid) = (0, 0);
                self.last = format!("{version} still answers");
            }
            // The gateway's own: no backend stands behind it yet.
            Looked { status, .. } if status == 404 || status >= 500 => {
                (self.right, self.unsaid) = (0, 0);
                self.last = format!("it answers {status}");
            }
            Looked { .. } => {
                self.unsaid += 1;
                self.wrong = false;
            }
        }
        if self.right >= self.wanted {
            Some(Seen::Moved)
        } else if self.unsaid >= self.wanted {
            Some(Seen::Unsaid)
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

    fn answer(status: u16, version: Option<&str>) -> Looked {
        Looked {
            status,
            version: version.map(ToOwned::to_owned),
            weight: None,
        }
    }

    #[test]
    fn a_gateway_has_moved_once_nobody_else_answers_for_a_while() {
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
            Some(Seen::Moved)
        );
    }

    #[test]
    fn the_gateways_own_errors_are_no_answer_and_a_silent_one_is_not_for_us_to_see() {
        let mut tally = tally();
        for _ in 0..100 {
            assert_eq!(tally.take(Some(answer(503, None)), WANTED), None);
        }
        assert_eq!(tally.last, "it answers 503");
        let seen: Vec<_> = (0..UNREACHABLE_MAX)
            .map(|_| tally.take(None, WANTED))
            .collect();
        assert_eq!(seen.last(), Some(&Some(Seen::Unreachable)));
        let unsaid: Vec<_> = (0..IN_A_ROW)
            .map(|_| tally.take(Some(answer(200, None)), WANTED))
            .collect();
        assert_eq!(unsaid.last(), Some(&Some(Seen::Unsaid)));
    }
}
