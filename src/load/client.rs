//! Sends one request and times its answer.

use std::{
    error::Error as _,
    io,
    path::PathBuf,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::{Certificate, Response, Url};
use tokio::time::Sleep;

use super::{
    chunk::{Chunk, shorten},
    error::Error,
    fault::{Failed, Fault},
    request::Body,
    timing::{self, End, Stream, Timing},
};

/// Largest answer read whole; thousands of embeddings fit.
const BODY_BYTES_MAX: usize = 64 << 20;

/// As much of a refusal as is read for its message.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// How long a connection may lie unused. Servers close theirs unannounced, uvicorn, and so vLLM,
/// after 5 s; a request that is sent just then is lost.
const UNUSED_MAX: Duration = Duration::from_secs(4);

/// How long the end of a body may follow its `[DONE]`; later the connection is dropped.
const AFTER_DONE_MAX: Duration = Duration::from_secs(1);

/// Which version of a release answered; see DESIGN §3.
pub const VERSION_HEADER: &str = "x-infer-version";

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From sending to the first token event.
    pub first: Duration,
    /// Between two reads after that.
    pub idle: Duration,
    /// From sending to the end.
    pub total: Duration,
}

impl Default for Timeouts {
    /// Long enough for a deep queue and a 100k-token prompt; a dead server is still noticed.
    fn default() -> Self {
        Self {
            first: Duration::from_mins(2),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}

/// How to reach the server.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    pub headers: HeaderMap,
    /// Certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Takes any certificate.
    pub insecure: bool,
    /// A new connection for each request.
    pub afresh: bool,
    pub timeouts: Timeouts,
}

/// One HTTP client: its connections live on the runtime that sends.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    timeouts: Timeouts,
}

/// What came of one request.
#[derive(Debug)]
pub struct Answer {
    /// Just before sending; connecting comes after.
    pub sent: Instant,
    pub status: Option<u16>,
    /// From the header `x-infer-version`.
    pub version: Option<String>,
    pub result: Result<Timing, Failed>,
    /// Gaps between token events.
    pub gaps_us: Vec<u32>,
}

impl Client {
    /// No proxy and no redirects: what is measured is the server itself.
    pub fn new(connection: &Connection) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("infer/", env!("CARGO_PKG_VERSION")))
            .default_headers(connection.headers.clone())
            .redirect(reqwest::redirect::Policy::none())
            // A retried request would be measured twice and sent once.
            .retry(reqwest::retry::never())
            .pool_idle_timeout(UNUSED_MAX)
            .pool_max_idle_per_host(if connection.afresh { 0 } else { usize::MAX })
            .no_proxy()
            .tls_danger_accept_invalid_certs(connection.insecure);
        if let Some(path) = &connection.ca {
            let unread = |source| Error::Ca {
                path: path.clone(),
                source,
            };
            let pem = std::fs::read(path).map_err(unread)?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| unread(io::Error::new(io::ErrorKind::InvalidData, error)))?;
            if certificates.is_empty() {
                return Err(unread(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it holds no PEM certificate",
                )));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: builder.build().map_err(Error::Client)?,
            timeouts: connection.timeouts,
        })
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends `body` with `headers` on top of the connection's own; `on_tokens` hears of
    /// token events while they arrive. Never waits longer than the timeouts.
    pub async fn send(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: &Body,
        on_tokens: impl Fn(u64),
    ) -> Answer {
        let request = self
            .http
            .post(url.clone())
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
            .headers(headers.clone())
            .body(body.bytes.clone());
        let sent = Instant::now();
        let mut answer = Answer {
            sent,
            status: None,
            version: None,
            result: Err(Failed::new(Fault::Cancelled, "not finished")),
            gaps_us: Vec::new(),
        };
        let patience = Patience {
            sent,
            timeouts: self.timeouts,
        };
        let mut timer = pin!(tokio::time::sleep_until(patience.first().into()));
        let response = tokio::select! {
            biased;
            response = request.send() => response,
            () = &mut timer => {
                answer.result = Err(patience.exceeded(patience.first()));
                return answer;
            }
        };
        match response {
            Err(error) => answer.result = Err(failed(&error)),
            Ok(response) => {
                answer.status = Some(response.status().as_u16());
                answer.version = text_header(&response, &HeaderName::from_static(VERSION_HEADER));
                let streamed = body.streamed && !is_json(&response);
                answer.result = if let Some(fault) = Fault::of_status(response.status().as_u16()) {
                    Err(refusal(response, fault, &patience).await)
                } else if streamed {
                    let mut stream = Stream::keeping_gaps();
                    let end = read_stream(response, &mut stream, &patience, timer, on_tokens).await;
                    let result = stream.finish(end, body.expected);
                    answer.gaps_us = stream.into_gaps_us();
                    result
                } else {
                    read_body(response, &patience, BODY_BYTES_MAX)
                        .await
                        .and_then(|(bytes, at)| timing::body(&bytes, at, body.expected))
                };
            }
        }
        answer
    }
}

/// The deadlines of one request.
struct Patience {
    sent: Instant,
    timeouts: Timeouts,
}

impl Patience {
    fn first(&self) -> Instant {
        self.sent + self.timeouts.first.min(self.timeouts.total)
    }

    fn total(&self) -> Instant {
        self.sent + self.timeouts.total
    }

    /// When to give up a stream whose last bytes came at `read_at`.
    fn next(&self, stream: &Stream, read_at: Instant) -> Instant {
        let next = if stream.is_done() {
            read_at + AFTER_DONE_MAX
        } else if stream.has_started() {
            read_at + self.timeouts.idle
        } else {
            self.first()
        };
        next.min(self.total())
    }

    /// What it means that `deadline` has passed.
    fn exceeded(&self, deadline: Instant) -> Failed {
        let (fault, wait) = if deadline >= self.total() {
            (Fault::TimeoutTotal, self.timeouts.total)
        } else if deadline == self.first() {
            (Fault::TimeoutFirst, self.timeouts.first)
        } else {
            (Fault::TimeoutIdle, self.timeouts.idle)
        };
        let what = match fault {
            Fault::TimeoutTotal => "no end",
            Fault::TimeoutFirst => "no token",
            _ => "no byte",
        };
        Failed::new(fault, format!("{what} within {} s", wait.as_secs_f64()))
    }
}

async fn read_stream(
    mut response: Response,
    stream: &mut Stream,
    patience: &Patience,
    mut timer: Pin<&mut Sleep>,
    on_tokens: impl Fn(u64),
) -> End {
    let mut read_at = patience.sent;
    loop {
        let read = tokio::select! {
            biased;
            read = response.chunk() => read,
            () = &mut timer => {
                // Set once and moved only when it fires: a token costs no timer.
                let deadline = patience.next(stream, read_at);
                if Instant::now() < deadline {
                    timer.as_mut().reset(deadline.into());
                    continue;
                }
                if stream.is_done() {
                    return End::Closed;
                }
                return End::Broken(patience.exceeded(deadline));
            }
        };
        match read {
            Ok(Some(bytes)) => {
                read_at = Instant::now();
                let was_waiting = !stream.has_started() || stream.is_done();
                let tokens = stream.read(&bytes, read_at);
                if tokens > 0 {
                    on_tokens(tokens);
                }
                if stream.is_malformed() {
                    return End::Closed;
                }
                if was_waiting != (!stream.has_started() || stream.is_done()) {
                    timer.as_mut().reset(patience.next(stream, read_at).into());
                }
            }
            Ok(None) => return End::Closed,
            Err(error) => return End::Broken(failed(&error)),
        }
    }
}

/// A whole body and when its end arrived.
async fn read_body(
    mut response: Response,
    patience: &Patience,
    bytes_max: usize,
) -> Result<(Vec<u8>, Instant), Failed> {
    let mut bytes = Vec::new();
    let mut timer = pin!(tokio::time::sleep_until(patience.total().into()));
    loop {
        let read = tokio::select! {
            biased;
            read = response.chunk() => read,
            () = &mut timer => return Err(patience.exceeded(patience.total())),
        };
        match read {
            Ok(Some(more)) if bytes.len() + more.len() > bytes_max => {
                return Err(Failed::new(
                    Fault::Malformed,
                    format!("the answer is longer than {bytes_max} bytes"),
                ));
            }
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) => return Ok((bytes, Instant::now())),
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// A status that is not 200, with the server's own words where it gave some.
async fn refusal(response: Response, fault: Fault, patience: &Patience) -> Failed {
    let status = response.status();
    let location = text_header(&response, &header::LOCATION);
    let body = read_body(response, patience, REFUSAL_BYTES_MAX).await;
    let body = body.map(|(bytes, _)| bytes).unwrap_or_default();
    let said = match (Chunk::parse(&body), location) {
        (_, Some(location)) => format!("to {}", shorten(&location)),
        (
            Ok(Chunk {
                error: Some(error), ..
            }),
            None,
        ) => error,
        _ => shorten(&String::from_utf8_lossy(&body)),
    };
    let reason = status.canonical_reason().unwrap_or("no standard status");
    let detail = if said.is_empty() {
        format!("{} {reason}", status.as_u16())
    } else {
        format!("{} {reason}: {said}", status.as_u16())
    };
    Failed::new(fault, detail)
}

fn is_json(response: &Response) -> bool {
    let kind = text_header(response, &header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

fn text_header(response: &Response, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

/// Which fault an HTTP error is; the innermost cause tells.
pub(super) fn failed(error: &reqwest::Error) -> Failed {
    let mut fault = if error.is_connect() {
        Fault::Connect
    } else {
        Fault::Reset
    };
    let mut innermost = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        innermost = cause.to_string();
        if let Some(http) = cause.downcast_ref::<hyper::Error>()
            && http.is_incomplete_message()
        {
            fault = Fault::Truncated;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            fault = match io.kind() {
                io::ErrorKind::UnexpectedEof if fault != Fault::Connect => Fault::Truncated,
                // rustls wraps its own errors in these.
                io::ErrorKind::InvalidData if fault == Fault::Connect => Fault::Tls,
                _ => fault,
            };
        }
        source = cause.source();
    }
    Failed::new(fault, shorten(&innermost))
}
