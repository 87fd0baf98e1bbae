//! The only place a connection to a cluster is made; every request has a limit.

use std::{sync::Arc, time::Duration};

use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::{client::Body, core::Status};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::object::{Kind, Object, path::query};

use super::{
    Error,
    config::{Target, configure, secure},
    discovery::Discovered,
    request::{Ended, Request, pause},
};

/// A handle to one namespace of one cluster; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    pub namespace: String,
    /// The context's name; `in-cluster` inside a pod.
    pub context: String,
    pub server: String,
    pub(super) discovered: Arc<Discovered>,
}

/// One request and its answer, retries included: longer, and a person thinks it hangs.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(15);

/// TCP and TLS to the API server.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Silence on a connection after which it counts as dead. Watches end by
/// themselves earlier ([`WATCH_SECONDS`]).
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// How long the server keeps one watch open before we ask again.
pub const WATCH_SECONDS: u32 = 45;

/// Largest answer kept in memory: a page of 500 pods is below 10 MB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Objects a page of a list.
const PAGE: &str = "500";

/// Pages of one list: 100 000 objects.
const PAGES_MAX: usize = 200;

/// An answer with the server's own clock beside it.
#[derive(Debug)]
pub struct Answer {
    pub value: Value,
    /// The `Date` header, where there is one.
    pub server_time: Option<String>,
}

impl Cluster {
    pub async fn connect(target: &Target) -> Result<Self, Error> {
        let (config, context) = configure(target).await?;
        Self::with(config, context, target.namespace.as_deref())
    }

    /// A cluster whose settings are at hand; its retries and time limits become ours.
    pub fn with(
        mut config: kube::Config,
        context: String,
        namespace: Option<&str>,
    ) -> Result<Self, Error> {
        secure(&config)?;
        config.connect_timeout = Some(CONNECT_TIME_MAX);
        config.read_timeout = Some(SILENCE_MAX);
        // kube's own policy waits up to 1000 s; ours is in `request::pause`.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let client = kube::Client::try_from(config).map_err(|source| Error::Unreachable {
            act: "set up the connection".to_owned(),
            server: server.clone(),
            source: Box::new(source),
        })?;
        Ok(Self {
            client,
            namespace,
            context,
            server,
            discovered: Arc::default(),
        })
    }

    /// The same cluster, looked at in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        let mut there = self.clone();
        namespace.clone_into(&mut there.namespace);
        there
    }

    /// kube's client, for its watches.
    pub(super) fn kube(&self) -> kube::Client {
        self.client.clone()
    }

    /// Sends a request until it is answered, its retries or its time are used up.
    pub async fn call(&self, request: &Request) -> Result<Value, Error> {
        self.answer(request).await.map(|answer| answer.value)
    }

    pub async fn answer(&self, request: &Request) -> Result<Answer, Error> {
        let deadline = Instant::now() + REQUEST_TIME_MAX;
        let mut attempt = 1;
        loop {
            let ended = match timeout_at(deadline, self.attempt(request)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(ended)) => ended,
                Err(_) => return Err(self.timed_out(request)),
            };
            let Some(wait) = pause(request.repeat, ended.how, attempt) else {
                return Err(ended.error);
            };
            if Instant::now() + wait >= deadline {
                return Err(ended.error);
            }
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &Request) -> Result<Answer, Unanswered> {
        let response = self.send(request).await.map_err(Unanswered::nothing)?;
        let code = response.status().as_u16();
        let server_time = header(response.headers(), &DATE);
        let retry_after = header(response.headers(), &RETRY_AFTER)
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        let bytes = read(request, response.into_body())
            .await
            .map_err(|error| match error {
                Error::TooLarge { .. } => Unanswered {
                    how: Ended::Status {
                        code,
                        retry_after: None,
                    },
                    error,
                },
                error => Unanswered::nothing(error),
            })?;
        if code >= 400 {
            let how = Ended::Status { code, retry_after };
            let status = Box::new(status_of(code, &bytes));
            let act = request.act.clone();
            return Err(Unanswered {
                how,
                error: Error::Refused { act, status },
            });
        }
        let value = serde_json::from_slice(&bytes).map_err(|source| Unanswered {
            how: Ended::Status {
                code,
                retry_after: None,
            },
            error: Error::Malformed {
                act: request.act.clone(),
                source,
            },
        })?;
        Ok(Answer { value, server_time })
    }

    /// The answer's head; its body is the caller's to read.
    async fn send(&self, request: &Request) -> Result<http::Response<Body>, Error> {
        let mut built = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.uri)
            .header(ACCEPT, "application/json, */*");
        if let Some(content_type) = request.content_type {
            built = built.header(CONTENT_TYPE, content_type);
        }
        let built = built
            .body(Body::from(request.body.clone()))
            .map_err(|source| self.unreachable(request, source))?;
        let sent = self.client.send(built).await;
        sent.map_err(|source| self.unreachable(request, source))
    }

    /// A body as text lines or bytes of any length (logs); the head has the usual limit.
    pub(super) async fn stream(&self, request: &Request) -> Result<Body, Error> {
        let sent = timeout(REQUEST_TIME_MAX, self.send(request)).await;
        let response = sent.map_err(|_| self.timed_out(request))??;
        let code = response.status().as_u16();
        if code < 400 {
            return Ok(response.into_body());
        }
        let bytes = timeout(REQUEST_TIME_MAX, read(request, response.into_body())).await;
        let bytes = bytes.map_err(|_| self.timed_out(request))??;
        Err(Error::Refused {
            act: request.act.clone(),
            status: Box::new(status_of(code, &bytes)),
        })
    }

    /// An answer that is no JSON (metrics, logs), whole.
    pub async fn text(&self, request: &Request) -> Result<String, Error> {
        let body = self.stream(request).await?;
        let read = timeout(REQUEST_TIME_MAX, read(request, body)).await;
        let bytes = read.map_err(|_| self.timed_out(request))??;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The object, or `None` where there is none of that name.
    pub async fn get(&self, kind: &Kind, name: &str) -> Result<Option<Object>, Error> {
        let act = format!("read {}", kind.name(&self.namespace, name));
        let request = Request::get(act, kind.object(&self.namespace, name));
        match self.call(&request).await {
            Ok(object) => Ok(Some(object.into())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a kind in this namespace that match a label selector.
    pub async fn list(&self, kind: &Kind, selector: &str) -> Result<Vec<Object>, Error> {
        self.pages(kind, &kind.collection(&self.namespace), selector)
            .await
    }

    /// All objects of a kind in every namespace.
    pub async fn list_everywhere(&self, kind: &Kind, selector: &str) -> Result<Vec<Object>, Error> {
        self.pages(kind, &kind.everywhere(), selector).await
    }

    async fn pages(&self, kind: &Kind, path: &str, selector: &str) -> Result<Vec<Object>, Error> {
        let act = format!("list {}", kind.plural);
        let mut items = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES_MAX {
            let mut pairs = vec![("limit", PAGE)];
            if !selector.is_empty() {
                pairs.push(("labelSelector", selector));
            }
            if !next.is_empty() {
                pairs.push(("continue", next.as_str()));
            }
            let request = Request::get(&act, format!("{path}{}", query(&pairs)));
            let mut page = self.call(&request).await?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found.into_iter().map(|mut item| {
                    // Items of a list come without the two.
                    item["apiVersion"] = Value::String(kind.api_version());
                    item["kind"] = Value::String(kind.kind.to_string());
                    Object::from(item)
                }));
            }
            next = match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => token.to_owned(),
                _ => return Ok(items),
            };
        }
        Err(Error::TooLarge {
            act,
            bytes_max: PAGES_MAX * 500,
        })
    }

    fn timed_out(&self, request: &Request) -> Error {
        Error::TimedOut {
            act: request.act.clone(),
            server: self.server.clone(),
            seconds: REQUEST_TIME_MAX.as_secs(),
        }
    }

    fn unreachable(
        &self,
        request: &Request,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error::Unreachable {
            act: request.act.clone(),
            server: self.server.clone(),
            source: Box::new(source),
        }
    }
}

/// An attempt without an answer that can be used: how it ended, and as whose error.
struct Unanswered {
    how: Ended,
    error: Error,
}

impl Unanswered {
    fn nothing(error: Error) -> Self {
        Self {
            how: Ended::NoAnswer,
            error,
        }
    }
}

fn header(headers: &http::HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

async fn read(request: &Request, body: Body) -> Result<Vec<u8>, Error> {
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge {
            act: request.act.clone(),
            bytes_max: ANSWER_BYTES_MAX,
        }),
        Err(source) => Err(Error::Unreachable {
            act: request.act.clone(),
            server: "the API server".to_owned(),
            source,
        }),
    }
}

/// The server's `Status`; the answer of a proxy in between becomes one too.
fn status_of(code: u16, bytes: &[u8]) -> Status {
    /// Enough of a proxy's page to recognise it.
    const TEXT_MAX: usize = 300;
    match serde_json::from_slice::<Status>(bytes) {
        Ok(status) if !status.message.is_empty() => status.with_code(code),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let text: String = text.trim().chars().take(TEXT_MAX).collect();
            let reason = http::StatusCode::from_u16(code)
                .ok()
                .and_then(|code| code.canonical_reason())
                .unwrap_or("error");
            Status::failure(if text.is_empty() { "no message" } else { &text }, reason)
                .with_code(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_page_becomes_a_status_with_its_code() {
        let status = status_of(502, b"<html>Bad Gateway</html>");
        assert_eq!((status.code, status.reason.as_str()), (502, "Bad Gateway"));
        assert!(status.message.contains("Bad Gateway"));
        let status = status_of(
            404,
            br#"{"kind":"Status","message":"pods \"a\" not found","reason":"NotFound"}"#,
        );
        assert!(status.is_not_found());
    }
}
