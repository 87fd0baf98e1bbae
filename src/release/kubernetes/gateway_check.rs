//! The release as users reach it: through its gateway, not as its objects say.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::HOST};
use tokio::time::sleep;

use crate::{
    header_match::HeaderMatch,
    interrupt::Interrupt,
    load::{self, Api, Client, Connection, Timeouts},
    name::{ReleaseName, VersionId},
    release::{Error, event::Event, one_word},
    traffic::{Endpoint, ProbeOutcome, RouteProbe, Router},
};

/// How long a gateway may take to follow a write; its controller reads, then programs.
const FOLLOWS: Duration = Duration::from_mins(1);

/// Where answers do not name their version, every proxy is given this long.
const SETTLES: Duration = Duration::from_secs(5);

/// A gateway may lose sight of an endpoint for a moment; one that does five times in as many
/// seconds has none.
const ASKED_MAX: u32 = 5;
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// Longest wait for a first token of a model that has spoken before.
const TOKEN: Duration = Duration::from_mins(1);

/// The gateway of one release.
pub(super) struct GatewayCheck<'a> {
    release: &'a ReleaseName,
    endpoint: Option<Endpoint>,
    interrupt: &'a Interrupt,
}

impl<'a> GatewayCheck<'a> {
    /// `endpoint_override` is `traffic.endpoint`, in place of the Gateway's own address.
    pub(super) fn new(
        release: &'a ReleaseName,
        router: Option<&Router>,
        endpoint_override: Option<&str>,
        interrupt: &'a Interrupt,
    ) -> Self {
        let endpoint = router.and_then(|router| router.gateway(endpoint_override));
        Self {
            release,
            endpoint,
            interrupt,
        }
    }

    /// Waits until `version` alone answers through the gateway, those too that sent the header
    /// of a match that has `ended`. Where that cannot be seen
    /// from here, or nobody says who answers, it only waits.
    pub(super) async fn moved(
        &self,
        version: &VersionId,
        ended: Option<&HeaderMatch>,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), Error> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(());
        };
        let outcome = match RouteProbe::new(endpoint) {
            Ok(probe) => {
                probe
                    .wait_for(version, ended, FOLLOWS, self.interrupt)
                    .await
            }
            Err(_) => ProbeOutcome::Unreachable,
        };
        match outcome {
            ProbeOutcome::Moved => Ok(()),
            ProbeOutcome::Unnamed => self.settle().await,
            ProbeOutcome::Unreachable => {
                let message = format!(
                    "{} cannot be reached from here, so it was not seen that the gateway sends to {version}",
                    endpoint.url
                );
                on_event(Event::Noticed { message });
                self.settle().await
            }
            ProbeOutcome::Interrupted => Err(Error::Interrupted),
            ProbeOutcome::Behind(reason) => Err(Error::GatewayBehind {
                release: self.release.clone(),
                version: version.clone(),
                url: endpoint.url.clone(),
                seconds: FOLLOWS.as_secs(),
                reason,
            }),
        }
    }

    async fn settle(&self) -> Result<(), Error> {
        tokio::select! {
            () = sleep(SETTLES) => Ok(()),
            _ = self.interrupt.any() => Err(Error::Interrupted),
        }
    }

    /// Time to the first token through the gateway; `None` where there is none to ask.
    pub(super) async fn first_token(
        &self,
        version: &VersionId,
        model: &str,
    ) -> Result<Option<Duration>, Error> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(None);
        };
        let client = Client::new(&Connection {
            timeouts: Timeouts {
                first: TOKEN,
                idle: TOKEN,
                total: TOKEN,
            },
            ..Connection::default()
        });
        let url = load::base(&endpoint.url).ok();
        let url = url.and_then(|base| base.join(Api::Chat.path()).ok());
        let (Ok(client), Some(url)) = (client, url) else {
            return Ok(None);
        };
        let mut headers = HeaderMap::new();
        if let Some(Ok(host)) = endpoint.host.as_deref().map(HeaderValue::from_str) {
            headers.insert(HOST, host);
        }
        let body = one_word::body(model);
        let mut reason = String::new();
        for attempt in 1..=ASKED_MAX {
            let answer = tokio::select! {
                answer = client.send(&url, &headers, &body, |_| {}) => answer,
                _ = self.interrupt.any() => return Err(Error::Interrupted),
            };
            match answer.result {
                Ok(timing) => return Ok(timing.first.map(|first| first - answer.sent)),
                // Not reachable from here; the API server's way has shown its first token before.
                Err(_) if answer.status.is_none() => return Ok(None),
                Err(failed) => reason = failed.detail,
            }
            if attempt < ASKED_MAX {
                tokio::select! {
                    () = sleep(ASKED_AGAIN) => {}
                    _ = self.interrupt.any() => return Err(Error::Interrupted),
                }
            }
        }
        Err(Error::NoFirstToken {
            release: self.release.clone(),
            version: version.clone(),
            reason: format!("through {}: {reason}", endpoint.url),
        })
    }
}
