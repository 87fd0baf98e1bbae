//! How a probe reaches one of the two versions.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header::HOST};

use tokio::sync::Mutex;

use super::{
    error::Error,
    pair::{Arm, Pair},
    sample::Outcome,
};
use crate::{
    cluster::{
        self, Cluster,
        inventory::of_version,
        pods::{self, PodView},
    },
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

/// How probes reach the versions.
pub enum ProbeTransport {
    /// As users' requests do, each pinned to its version by a header.
    Gateway {
        client: Client,
        url: reqwest::Url,
        headers: Pair<HeaderMap>,
        versions: Pair<String>,
    },
    /// To the pods of the version in turn, through the API server: both versions pay its price
    /// alike.
    Pods {
        cluster: Cluster,
        pods: Pair<Mutex<ReadyPods>>,
    },
}

/// What came of one probe.
pub(super) struct ProbeAnswer {
    pub(super) status: Option<u16>,
    /// Another version than the one asked for has answered.
    pub(super) misrouted: bool,
    pub(super) outcome: Outcome,
}

impl ProbeAnswer {
    pub(super) fn is_server_error(&self) -> bool {
        self.status
            .is_some_and(|status| (500..600).contains(&status))
    }
}

impl ProbeTransport {
    /// Through `gateway`, pinned to `versions`.
    pub fn through(gateway: &Endpoint, versions: Pair<String>) -> Result<Self, Error> {
        let client = Client::new(&Connection {
            timeouts: TIMEOUTS,
            ..Connection::default()
        });
        let pins = versions.as_ref().map(|version| {
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

    /// To the pods of `versions`.
    pub fn to_pods(cluster: &Cluster, release: &ReleaseName, versions: Pair<&VersionId>) -> Self {
        let pods = versions.map(|version| Mutex::new(ReadyPods::new(of_version(release, version))));
        Self::Pods {
            cluster: cluster.clone(),
            pods,
        }
    }

    pub(super) async fn send(&self, arm: Arm, body: &Body) -> ProbeAnswer {
        match self {
            Self::Gateway {
                client,
                url,
                headers,
                versions,
            } => {
                let answer = client.send(url, &headers[arm], body, |_| {}).await;
                let other = |version: &String| *version != versions[arm];
                ProbeAnswer {
                    status: answer.status,
                    misrouted: answer.version.as_ref().is_some_and(other),
                    outcome: outcome(&answer.result, answer.sent),
                }
            }
            Self::Pods { cluster, pods } => {
                let pods = &pods[arm];
                let late = || Err(Failed::new(Fault::TimeoutTotal, "no end"));
                let mut status = None;
                let asked = send_to_pod(cluster, pods, body, &mut status);
                let (sent, result) = match tokio::time::timeout(TIMEOUTS.total, asked).await {
                    Ok(asked) => asked,
                    Err(_) => (Instant::now(), late()),
                };
                if result.is_err() {
                    // The pod may be gone: the next probe asks which there are.
                    pods.lock().await.listed = None;
                }
                ProbeAnswer {
                    status,
                    misrouted: false,
                    outcome: outcome(&result, sent),
                }
            }
        }
    }
}

/// How long a list of pods is used.
const PODS_AGE_MAX: Duration = Duration::from_secs(5);

/// The Ready pods of one version, taken in turn.
#[derive(Debug)]
pub struct ReadyPods {
    selector: String,
    /// Name and port.
    pods: Vec<(String, u16)>,
    listed: Option<Instant>,
    turn: usize,
}

impl ReadyPods {
    fn new(selector: String) -> Self {
        Self {
            selector,
            pods: Vec::new(),
            listed: None,
            turn: 0,
        }
    }

    /// The pod whose turn it is; `list` is asked at most every [`PODS_AGE_MAX`].
    async fn next<E>(
        &mut self,
        now: Instant,
        list: impl AsyncFnOnce(&str) -> Result<Vec<PodView>, E>,
    ) -> Result<Option<(String, u16)>, E> {
        let is_old = |at: Instant| now.duration_since(at) >= PODS_AGE_MAX;
        if self.listed.is_none_or(is_old) {
            match list(&self.selector).await {
                Ok(found) => {
                    let ready = found.into_iter().filter(|pod| pod.ready);
                    self.pods = ready.filter_map(|pod| Some((pod.pod, pod.port?))).collect();
                }
                // While the API server does not answer, those of before.
                Err(error) if self.pods.is_empty() => return Err(error),
                Err(_) => {}
            }
            self.listed = Some(now);
        }
        self.turn = self.turn.wrapping_add(1);
        Ok(self.pods.get(self.turn % self.pods.len().max(1)).cloned())
    }
}

/// Sends to the pod whose turn it is; `status` is set where it answers with a server error.
async fn send_to_pod(
    cluster: &Cluster,
    pods: &Mutex<ReadyPods>,
    body: &Body,
    status: &mut Option<u16>,
) -> (Instant, Result<Timing, Failed>) {
    let failed = |detail: String| Err(Failed::new(Fault::Connect, detail));
    let mut sent = Instant::now();
    let list = async |selector: &str| pods::find(cluster, selector).await;
    let next = pods.lock().await.next(sent, list).await;
    let (pod, port) = match next {
        Ok(Some(next)) => next,
        Ok(None) => return (sent, failed("no pod is Ready".to_owned())),
        Err(error) => return (sent, failed(error.to_string())),
    };
    let Ok(json) = serde_json::from_slice(&body.bytes) else {
        return (sent, failed("the probe is not valid JSON".to_owned()));
    };
    sent = Instant::now();
    let path = format!("/{}", Api::Chat.path());
    let mut pieces = match pods::post(cluster, &pod, port, &path, &json).await {
        Ok(pieces) => Box::pin(pieces),
        Err(error) => {
            *status = server_error(&error);
            return (sent, failed(error.to_string()));
        }
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

fn server_error(error: &cluster::Error) -> Option<u16> {
    match error {
        cluster::Error::Refused { status, .. } if (500..600).contains(&status.code) => {
            Some(status.code)
        }
        _ => None,
    }
}

fn outcome(result: &Result<Timing, Failed>, sent: Instant) -> Outcome {
    match result {
        Ok(timing) => {
            let latencies = timing.latencies(sent);
            Outcome {
                failed: false,
                ttft_ms: latencies.ttft_ms,
                tpot_ms: latencies.tpot_ms,
            }
        }
        Err(_) => Outcome {
            failed: true,
            ttft_ms: None,
            tpot_ms: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ready: bool) -> PodView {
        PodView {
            pod: name.to_owned(),
            version: None,
            node: None,
            ready,
            restarts: 0,
            container: "vllm".to_owned(),
            port: Some(8000),
            started: None,
        }
    }

    #[tokio::test]
    async fn probes_go_to_all_ready_pods_in_turn_and_list_them_every_five_seconds() {
        let mut pods = ReadyPods::new("version=v1".to_owned());
        let (start, mut lists) = (Instant::now(), 0);
        let mut met = Vec::new();
        for tenths in 0..100 {
            let now = start + Duration::from_millis(100 * tenths);
            let list = async |_: &str| {
                lists += 1;
                Ok::<_, ()>(vec![pod("a", true), pod("b", false), pod("c", true)])
            };
            let (name, _) = pods.next(now, list).await.unwrap().unwrap();
            met.push(name);
        }
        assert_eq!(lists, 2);
        let to = |name: &str| met.iter().filter(|met| *met == name).count();
        assert_eq!((to("a"), to("b"), to("c")), (50, 0, 50));
    }

    #[tokio::test]
    async fn where_no_pod_is_ready_there_is_none_to_send_to() {
        let mut pods = ReadyPods::new("version=v1".to_owned());
        let list = async |_: &str| Ok::<_, ()>(vec![pod("b", false)]);
        assert_eq!(pods.next(Instant::now(), list).await, Ok(None));
    }
}
