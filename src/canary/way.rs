//! How a probe reaches one of the two versions.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header::HOST};

use super::{error::Error, sample::Felt};
use crate::{
    cluster::{Cluster, inventory::of_version, pods},
    load::{
        self, Api, Body, Client, Connection, Failed, Fault, Timeouts, VERSION_HEADER,
        timing::{End, Stream, Timing},
    },
    name::{ReleaseName, VersionId},
    traffic::Endpoint,
};

/// A probe that takes longer has failed; a person would have gone.
pub(super) const TIMEOUTS: Timeouts = Timeouts {
    first: Duration::from_secs(30),
    idle: Duration::from_secs(15),
    total: Duration::from_mins(1),
};

/// Headers that every request through a gateway carries.
fn headers(gateway: &Endpoint) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let host = gateway.host.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(host)) = host {
        headers.insert(HOST, host);
    }
    headers
}

/// The address of one of a gateway's paths.
fn url(gateway: &Endpoint, path: &str) -> Result<reqwest::Url, Error> {
    let base = load::base(&gateway.url).map_err(Error::Probes)?;
    base.join(path).map_err(|error| Error::Endpoint {
        endpoint: gateway.url.clone(),
        source: Box::new(error),
    })
}

/// How probes reach the versions: live first, then the candidate.
pub enum Way {
    /// As users do, each pinned to its version by a header.
    Gateway {
        client: Client,
        url: reqwest::Url,
        headers: [HeaderMap; 2],
        versions: [String; 2],
    },
    /// To a pod of the version, through the API server: both versions pay its price alike.
    Pods {
        cluster: Cluster,
        release: ReleaseName,
        versions: [VersionId; 2],
    },
}

/// What came of one probe.
pub(super) struct Asked {
    pub(super) status: Option<u16>,
    /// Another version than the one asked for has answered.
    pub(super) strayed: bool,
    pub(super) felt: Felt,
}

impl Way {
    /// Through `gateway`, pinned to `versions`.
    pub fn through(gateway: &Endpoint, versions: [String; 2]) -> Result<Self, Error> {
        let client = Client::new(&Connection {
            timeouts: TIMEOUTS,
            ..Connection::default()
        });
        let pins = versions.each_ref().map(|version| {
            let mut headers = headers(gateway);
            if let Ok(version) = HeaderValue::from_str(version) {
                headers.insert(VERSION_HEADER, version);
            }
            headers
        });
        Ok(Self::Gateway {
            client: client.map_err(Error::Probes)?,
            url: url(gateway, Api::Chat.path())?,
            headers: pins,
            versions,
        })
    }

    pub(super) async fn ask(&self, arm: usize, body: &Body) -> Asked {
        match self {
            Self::Gateway {
                client,
                url,
                headers,
                versions,
            } => {
                let answer = client.send(url, &headers[arm], body, |_| {}).await;
                let other = |version: &String| *version != versions[arm];
                Asked {
                    status: answer.status,
                    strayed: answer.version.as_ref().is_some_and(other),
                    felt: felt(&answer.result, answer.sent),
                }
            }
            Self::Pods {
                cluster,
                release,
                versions,
            } => {
                let asked = ask_pod(cluster, release, &versions[arm], body);
                let late = || Err(Failed::new(Fault::TimeoutTotal, "no end"));
                let (sent, result) = match tokio::time::timeout(TIMEOUTS.total, asked).await {
                    Ok(asked) => asked,
                    Err(_) => (Instant::now(), late()),
                };
                Asked {
                    status: None,
                    strayed: false,
                    felt: felt(&result, sent),
                }
            }
        }
    }
}

async fn ask_pod(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    body: &Body,
) -> (Instant, Result<Timing, Failed>) {
    let failed = |detail: String| Err(Failed::new(Fault::Connect, detail));
    let mut sent = Instant::now();
    let found = match pods::find(cluster, &of_version(release, version)).await {
        Ok(found) => found,
        Err(error) => return (sent, failed(error.to_string())),
    };
    let ready = found.into_iter().find(|pod| pod.ready);
    let Some((pod, port)) = ready.and_then(|pod| Some((pod.pod, pod.port?))) else {
        return (sent, failed("no pod is Ready".to_owned()));
    };
    let Ok(json) = serde_json::from_slice(&body.bytes) else {
        return (sent, failed("the probe is no JSON".to_owned()));
    };
    sent = Instant::now();
    let path = format!("/{}", Api::Chat.path());
    let mut pieces = match pods::post(cluster, &pod, port, &path, &json).await {
        Ok(pieces) => Box::pin(pieces),
        Err(error) => return (sent, failed(error.to_string())),
    };
    let mut stream = Stream::default();
    let mut end = End::Closed;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(bytes) => {
                stream.read(&bytes, Instant::now());
            }
            Err(error) => {
                end = End::Broken(Failed::new(Fault::Reset, error.to_string()));
                break;
            }
        }
    }
    (sent, stream.finish(end, body.expected))
}

fn felt(result: &Result<Timing, Failed>, sent: Instant) -> Felt {
    match result {
        Ok(timing) => {
            let latencies = timing.latencies(sent);
            Felt {
                failed: false,
                ttft_ms: latencies.ttft_ms,
                tpot_ms: latencies.tpot_ms,
            }
        }
        Err(_) => Felt {
            failed: true,
            ttft_ms: None,
            tpot_ms: None,
        },
    }
}
