//! The control socket's server: see the table in `control`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
};

use super::{
    Event,
    adopt::Wanted,
    control::{Engine, Refusal, SessionKey, SplitChange},
    lifecycle::Transition,
    record::VersionRecord,
    recover,
    ring::Ring,
    split::SplitError,
    store::StateStore,
    supervisor::{Command, set_wanted},
};
use crate::name::VersionId;

/// Largest request: a canary's journal with room to spare.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// A client that sends nothing for this long is disconnected.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Clients at once; there are a few verbs at most.
const CLIENTS_MAX: usize = 32;

/// What the control socket acts on.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) store: Arc<StateStore>,
    pub(super) ring: Arc<Ring>,
    /// Told to end, with the time that requests in flight have.
    pub(super) shutdown: mpsc::Sender<Duration>,
}

type Answer = Response<Full<Bytes>>;

/// A refusal on its way out.
struct Refused(StatusCode, Refusal);

impl Refused {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(status, Refusal { message, run: None })
    }

    fn wrong(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn failed(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        if let Some(source) = error.source() {
            message = format!("{message}: {source}");
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: UnixListener, api: Arc<Api>) {
    let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let room = Arc::clone(&clients).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) if is_same_user(&stream) => {
                let api = Arc::clone(&api);
                tokio::spawn(async move {
                    let _room = room;
                    serve_client(stream, api).await;
                });
            }
            // Another user of this machine is disconnected without an answer.
            Ok(_) => {}
            Err(error) => {
                api.store
                    .tell(Event::Trouble(format!("control socket: {error}")));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_same_user(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}

async fn serve_client(stream: UnixStream, api: Arc<Api>) {
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A client that disconnects early is not an error.
    drop(served);
}

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.act(request)
            .await
            .unwrap_or_else(|Refused(status, refusal)| json(status, &refusal))
    }

    async fn act(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/v1/state") => Ok(ok(&self.store.state())),
            (Method::GET, "/v1/observations") => {
                let after = number(&query, "after")?.unwrap_or(0);
                Ok(ok(&self.ring.page(after)))
            }
            (Method::POST, "/v1/versions") => self.start(&body(request).await?).await,
            (Method::POST, "/v1/split") => self.split(body(request).await?).await,
            (Method::POST, "/v1/session") => self.session(body(request).await?).await,
            (Method::POST, "/v1/shutdown") => self.shut_down(&query).await,
            (Method::DELETE, path) if path.starts_with("/v1/versions/") => {
                let name = path.trim_start_matches("/v1/versions/");
                let version = name
                    .parse()
                    .map_err(|_| Refused::wrong(format!("{name:?} is not a valid version id")))?;
                self.stop(&version, &query).await
            }
            (method, path) => Err(Refused::new(
                StatusCode::NOT_FOUND,
                format!(
                    "this infer serve knows no {method} {path}: it may be another version of infer"
                ),
            )),
        }
    }

    async fn start(&self, engine: &Engine) -> Result<Answer, Refused> {
        check(engine)?;
        if !self.store.want(engine) {
            recover::fresh(&self.store, VersionRecord::new(engine, Wanted::Up));
            self.store.want(engine);
        }
        self.store
            .save()
            .await
            .map_err(|error| Refused::failed(&error))?;
        self.store
            .transition(&engine.version, Transition::StartAsked);
        self.store.command(&engine.version, Command::Start);
        self.version(&engine.version)
    }

    async fn stop(&self, version: &VersionId, query: &str) -> Result<Answer, Refused> {
        let split = self.store.split();
        if split.live.as_ref() == Some(version) || split.candidate.as_ref() == Some(version) {
            let message = format!("{version} is part of the split: move its traffic first");
            let run = split.run().map(str::to_owned);
            return Err(Refused(StatusCode::CONFLICT, Refusal { message, run }));
        }
        let own = self
            .store
            .with(version, |entry| entry.record.engine.drain_s)
            .ok_or_else(|| {
                Refused::new(
                    StatusCode::NOT_FOUND,
                    format!("{version} is not known here"),
                )
            })?;
        let drain = Duration::from_secs(number(query, "drain_s")?.unwrap_or(own));
        set_wanted(&self.store, version, Wanted::Down);
        self.store
            .save()
            .await
            .map_err(|error| Refused::failed(&error))?;
        self.store.with(version, |entry| entry.upstream.close());
        self.store.transition(version, Transition::StopAsked);
        self.store.command(version, Command::Stop { drain });
        self.version(version)
    }

    async fn split(&self, change: SplitChange) -> Result<Answer, Refused> {
        match self.store.change_split(change).await {
            Ok(split) => Ok(ok(&split)),
            Err(SplitError::Conflict { message, run }) => {
                Err(Refused(StatusCode::CONFLICT, Refusal { message, run }))
            }
            Err(SplitError::Wrong(message)) => Err(Refused::wrong(message)),
            Err(SplitError::NotSaved(error)) => Err(Refused::failed(&error)),
        }
    }

    async fn session(&self, key: SessionKey) -> Result<Answer, Refused> {
        let (SessionKey::Header(name) | SessionKey::Cookie(name)) = &key;
        if name.parse::<header::HeaderName>().is_err() {
            return Err(Refused::wrong(format!(
                "{name:?} is not a valid header or cookie name"
            )));
        }
        let saved = self.store.set_session(&key).await;
        saved.map_err(|error| Refused::failed(&error))?;
        Ok(ok(&key))
    }

    async fn shut_down(&self, query: &str) -> Result<Answer, Refused> {
        let drain = Duration::from_secs(number(query, "drain_s")?.unwrap_or(0));
        for version in self.store.versions() {
            set_wanted(&self.store, &version, Wanted::Down);
        }
        self.store
            .save()
            .await
            .map_err(|error| Refused::failed(&error))?;
        // Full or closed: it is ending already.
        let _ = self.shutdown.try_send(drain);
        Ok(ok(&self.store.state()))
    }

    fn version(&self, version: &VersionId) -> Result<Answer, Refused> {
        let state = self.store.version_state(version);
        state.map(|state| ok(&state)).ok_or_else(|| {
            Refused::new(
                StatusCode::NOT_FOUND,
                format!("{version} is not known here"),
            )
        })
    }
}

fn check(engine: &Engine) -> Result<(), Refused> {
    if engine.argv.first().is_none_or(String::is_empty) {
        return Err(Refused::wrong("the engine's command is empty"));
    }
    if !engine.health_path.starts_with('/') {
        return Err(Refused::wrong(
            "the engine's health path does not start with /",
        ));
    }
    let words = || engine.argv.iter().chain(engine.env.values());
    if words().any(|word| word.contains('\0')) {
        return Err(Refused::wrong("the engine's command holds a NUL byte"));
    }
    Ok(())
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refused> {
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect();
    let body = tokio::time::timeout(REQUEST_LIMIT, body)
        .await
        .map_err(|_| Refused::wrong("the request did not end in time"))?
        .map_err(|error| Refused::wrong(error.to_string()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| Refused::wrong(error.to_string()))
}

/// The number that a query gives for `name`.
fn number(query: &str, name: &str) -> Result<Option<u64>, Refused> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name);
    value
        .map(|(_, value)| {
            value
                .parse()
                .map_err(|_| Refused::wrong(format!("{name} is a number, not {value:?}")))
        })
        .transpose()
}

fn ok(answer: &impl Serialize) -> Answer {
    json(StatusCode::OK, answer)
}

fn json(status: StatusCode, answer: &impl Serialize) -> Answer {
    let (status, text) = match serde_json::to_vec(answer) {
        Ok(text) => (status, text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string().into_bytes(),
        ),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
