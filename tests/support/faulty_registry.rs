//! A registry that does wrong on demand, for what the real one will not do when asked.
//!
//! It keeps what it is sent and notes every request, so a test can say afterwards what
//! the client did.

mod acts;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use infer::for_tests::registry::Digest;
use tokio::{net::TcpListener, task::JoinHandle};

/// What goes wrong, once, with the next request that fits.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// Answered with this status and body; nothing is done.
    Status(u16, &'static str),
    /// Done, but answered with this status.
    DoneBut(u16),
    /// Done, but the connection is closed without an answer.
    LostAnswer,
    /// So many bytes of the body are taken, then the connection is closed.
    CutAfter(usize),
    /// 429 with this `Retry-After`.
    Slow(&'static str),
    /// 307 to the same path on another address.
    RedirectTo(SocketAddr),
    /// Only so many bytes of a blob are sent, under its full length.
    ShortBody(usize),
    /// The blob, with its first byte changed.
    ChangedBody,
    /// `Docker-Content-Digest` of something else.
    OtherDigest,
    /// A session whose `Location` is on another address.
    SessionAt(SocketAddr),
    /// Every token given out so far is worth nothing any more.
    TokensExpire,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub authorization: Option<String>,
    pub content_range: Option<String>,
    pub range: Option<String>,
    pub body_bytes: usize,
}

struct Planned {
    method: Method,
    part: &'static str,
    /// Fitting requests that still go well.
    skip: usize,
    wrong: Wrong,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (String, Vec<u8>)>,
    sessions: HashMap<u64, Vec<u8>>,
    next_id: u64,
    wrongs: Vec<Planned>,
    seen: Vec<Seen>,
    /// Like distribution 2.8: PATCH appends whatever `Content-Range` says.
    appends: bool,
    ignores_range: bool,
    /// Bearer tokens are wanted; the newest given out is the valid one.
    wants_token: bool,
    wants_basic: Option<&'static str>,
    token: u64,
}

pub struct FaultyRegistry {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Drop for FaultyRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

impl FaultyRegistry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { serve(&shared, address, request).await }
                });
                tokio::spawn(async move {
                    // A connection that we close in anger is an error here.
                    drop(
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self {
            address,
            state,
            server,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds this")
    }

    /// The next request of this method whose target holds `part` goes wrong.
    pub fn next(&self, method: Method, part: &'static str, wrong: Wrong) {
        self.after(0, method, part, wrong);
    }

    /// So many such requests go well, then one goes wrong.
    pub fn after(&self, skip: usize, method: Method, part: &'static str, wrong: Wrong) {
        self.state().wrongs.push(Planned {
            method,
            part,
            skip,
            wrong,
        });
    }

    pub fn append_blindly(&self) {
        self.state().appends = true;
    }

    pub fn ignore_range(&self) {
        self.state().ignores_range = true;
    }

    pub fn want_token(&self) {
        self.state().wants_token = true;
    }

    /// Wants this header, `Basic …`.
    pub fn want_basic(&self, header: &'static str) {
        self.state().wants_basic = Some(header);
    }

    pub fn put(&self, bytes: &[u8]) {
        let digest = Digest::of(bytes).to_string();
        self.state().blobs.insert(digest, bytes.to_owned());
    }

    pub fn put_manifest(&self, tag: &str, media_type: &str, bytes: &[u8]) {
        let entry = (media_type.to_owned(), bytes.to_owned());
        self.state().manifests.insert(tag.to_owned(), entry);
    }

    pub fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.state().blobs.get(&digest.to_string()).cloned()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// `METHOD PATH` of every request, without query and session number.
    pub fn story(&self) -> Vec<String> {
        let path = |seen: &Seen| {
            let path = seen.target.split('?').next().unwrap_or_default();
            let path = path.trim_start_matches("/v2/a/");
            path.split("/uploads/")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let mut story = Vec::new();
        for seen in self.seen() {
            let upload = if seen.target.contains("/uploads/") {
                " upload"
            } else {
                ""
            };
            let path = path(&seen);
            let path = path.split("/sha256").next().unwrap_or_default();
            story.push(format!("{} {path}{upload}", seen.method));
        }
        story
    }
}

async fn serve(
    shared: &Mutex<State>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, std::io::Error> {
    let (parts, mut body) = request.into_parts();
    let target = parts.uri.to_string();
    let wrong = shared
        .lock()
        .expect("unpoisoned")
        .planned(&parts.method, &target);
    let limit = match wrong {
        Some(Wrong::CutAfter(bytes)) => bytes,
        _ => usize::MAX,
    };
    let taken = take(&mut body, limit).await;
    let text = |name| {
        let value = parts.headers.get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let seen = Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        authorization: text(header::AUTHORIZATION),
        content_range: text(header::CONTENT_RANGE),
        range: text(header::RANGE),
        body_bytes: taken.len(),
    };
    let act = || {
        let mut state = shared.lock().expect("unpoisoned");
        state.act(&parts.method, &seen, &taken, address)
    };
    let session = |id| {
        let mut state = shared.lock().expect("unpoisoned");
        state.sessions.insert(id, Vec::new());
    };
    {
        let mut state = shared.lock().expect("unpoisoned");
        state.seen.push(seen.clone());
        if matches!(wrong, Some(Wrong::TokensExpire)) {
            state.token += 1;
        }
    }
    let answer = |status: u16| Response::builder().status(status);
    Ok(match wrong {
        Some(Wrong::Status(status, body)) => full(answer(status), body.as_bytes()),
        Some(Wrong::Slow(wait)) => full(answer(429).header("retry-after", wait), b""),
        Some(Wrong::RedirectTo(other)) => {
            let location = format!("http://{other}{target}");
            full(answer(307).header("location", location), b"")
        }
        Some(Wrong::SessionAt(other)) => {
            let location = format!("http://{other}/v2/a/blobs/uploads/77?state=x");
            session(77);
            full(answer(202).header("location", location), b"")
        }
        Some(Wrong::CutAfter(_) | Wrong::LostAnswer) => {
            act();
            return Err(closed());
        }
        Some(Wrong::DoneBut(status)) => {
            act();
            full(answer(status), b"")
        }
        Some(Wrong::ShortBody(bytes)) => short(act(), bytes).await?,
        Some(Wrong::ChangedBody) => changed(act()).await?,
        Some(Wrong::OtherDigest) => {
            let mut done = act();
            let digest = Digest::of(b"another").to_string();
            let digest = digest.parse().expect("a header value");
            done.headers_mut().insert("docker-content-digest", digest);
            done
        }
        Some(Wrong::TokensExpire) | None => act(),
    })
}

/// At most `limit` bytes; a client that goes away has sent what it has.
async fn take(body: &mut Incoming, limit: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < limit
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Ok(data) = frame.into_data() {
            taken.extend_from_slice(&data[..data.len().min(limit - taken.len())]);
        }
    }
    taken
}

fn closed() -> std::io::Error {
    std::io::Error::other("closed on purpose")
}

/// The same answer, its body ending early under its full length.
async fn short(answer: Answer, bytes: usize) -> Result<Answer, std::io::Error> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    let length = body.len();
    let frames = futures_util::stream::unfold(0, move |step| {
        let start = body.slice(..bytes);
        async move {
            if step == 0 {
                return Some((Ok(Frame::data(start)), 1));
            }
            // Time for what was sent to leave before the connection breaks.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            Some((Err(closed()), 2))
        }
    });
    let body = StreamBody::new(frames);
    let mut short = Response::from_parts(parts, BodyExt::boxed(body));
    let headers = short.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    Ok(short)
}

async fn changed(answer: Answer) -> Result<Answer, std::io::Error> {
    let (parts, body) = answer.into_parts();
    let mut body = body.collect().await?.to_bytes().to_vec();
    body[0] ^= 1;
    let body = Full::from(body).map_err(never).boxed();
    Ok(Response::from_parts(parts, body))
}

fn never(error: Infallible) -> std::io::Error {
    match error {}
}

fn full(builder: http::response::Builder, body: &[u8]) -> Answer {
    let body = Full::from(body.to_owned()).map_err(never).boxed();
    builder.body(body).expect("a well-formed answer")
}
