//! A registry that does wrong on demand, for what the real one will not do when asked.
//!
//! It keeps what it is sent and notes every request, so a test can say afterwards what
//! the client did.

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
use infer::registry::Digest;
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

impl State {
    /// The plan that this request meets, if any.
    fn planned(&mut self, method: &Method, target: &str) -> Option<Wrong> {
        let fits = |plan: &Planned| plan.method == *method && target.contains(plan.part);
        let at = self.wrongs.iter().position(fits)?;
        if self.wrongs[at].skip > 0 {
            self.wrongs[at].skip -= 1;
            return None;
        }
        Some(self.wrongs.remove(at).wrong)
    }

    /// What a registry does.
    fn act(&mut self, method: &Method, seen: &Seen, body: &[u8], address: SocketAddr) -> Answer {
        let answer = |status: u16| Response::builder().status(status);
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        if path == "/token" {
            self.token += 1;
            let token = format!(r#"{{"token":"t{}","expires_in":300}}"#, self.token);
            return full(answer(200), token.as_bytes());
        }
        if !self.lets_in(seen) {
            let challenge = match self.wants_basic {
                Some(_) => "Basic realm=\"faulty\"".to_owned(),
                None => format!("Bearer realm=\"http://{address}/token\",service=\"faulty\""),
            };
            let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#;
            return full(answer(401).header("www-authenticate", challenge), body);
        }
        let (_, rest) = path.split_once("/v2/a/").unwrap_or_default();
        if let Some(id) = rest.strip_prefix("blobs/uploads/") {
            return self.upload(method, id, query, seen, body);
        }
        if let Some(digest) = rest.strip_prefix("blobs/") {
            return match self.blobs.get(digest) {
                Some(bytes) => self.blob_answer(bytes, seen),
                None => full(answer(404), br#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#),
            };
        }
        let name = rest.strip_prefix("manifests/").unwrap_or_default();
        if method == Method::PUT {
            let entry = ("application/json".to_owned(), body.to_owned());
            self.manifests.insert(name.to_owned(), entry);
            return full(answer(201), b"");
        }
        match self.manifests.get(name) {
            Some((media_type, bytes)) => {
                full(answer(200).header("content-type", media_type), bytes)
            }
            None => full(answer(404), br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        }
    }

    fn lets_in(&self, seen: &Seen) -> bool {
        let given = seen.authorization.as_deref();
        match self.wants_basic {
            Some(basic) => given == Some(basic),
            None => !self.wants_token || given == Some(&format!("Bearer t{}", self.token)),
        }
    }

    fn blob_answer(&self, bytes: &[u8], seen: &Seen) -> Answer {
        let range = seen.range.as_deref().filter(|_| !self.ignores_range);
        let from = range.and_then(|range| {
            let from = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            from.parse::<usize>().ok()
        });
        let length = bytes.len();
        if seen.method == "HEAD" {
            let head = Response::builder().header(header::CONTENT_LENGTH, length);
            return full(head, b"");
        }
        match from {
            None => full(Response::builder(), bytes),
            Some(from) => {
                let range = format!("bytes {from}-{}/{length}", length - 1);
                let head = Response::builder().status(206);
                full(head.header("content-range", range), &bytes[from..])
            }
        }
    }

    fn upload(
        &mut self,
        method: &Method,
        id: &str,
        query: &str,
        seen: &Seen,
        body: &[u8],
    ) -> Answer {
        let answer = |status: u16| Response::builder().status(status);
        let wrong = |status, code: &str| {
            full(
                answer(status),
                format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#).as_bytes(),
            )
        };
        if method == Method::POST {
            self.next_id += 1;
            self.sessions.insert(self.next_id, Vec::new());
            let location = format!("/v2/a/blobs/uploads/{}?state=x", self.next_id);
            return full(answer(202).header("location", location), b"");
        }
        let Some((id, session)) = id
            .parse::<u64>()
            .ok()
            .and_then(|id| Some((id, self.sessions.get_mut(&id)?)))
        else {
            return wrong(404, "BLOB_UPLOAD_UNKNOWN");
        };
        assert!(query.contains("state=x"), "the session's own query is kept");
        let start = seen
            .content_range
            .as_deref()
            .and_then(|range| range.split('-').next());
        let start = start.and_then(|start| start.parse::<usize>().ok());
        if start.is_some_and(|start| start != session.len()) && !self.appends {
            return wrong(416, "RANGE_INVALID");
        }
        session.extend_from_slice(body);
        if method != Method::PUT {
            let last = session.len().saturating_sub(1);
            let location = format!("/v2/a/blobs/uploads/{id}?state=x");
            let status = if method == Method::PATCH { 202 } else { 204 };
            let head = answer(status).header("range", format!("0-{last}"));
            return full(head.header("location", location), b"");
        }
        let bytes = self.sessions.remove(&id).expect("just found");
        let digest = Digest::of(&bytes).to_string();
        if !query.contains(&digest.replace(':', "%3A")) {
            return wrong(400, "DIGEST_INVALID");
        }
        self.blobs.insert(digest, bytes);
        full(answer(201), b"")
    }
}
