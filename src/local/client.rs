//! What other verbs ask of `infer serve`, over its control socket.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::{
    Engine, Error, Launch, Observations, Refusal, ReleasePaths, SessionKey, Split, SplitChange,
    State, VersionState, control::Phase, launch,
};
use crate::{
    home::Home,
    name::{ReleaseName, VersionId},
};

/// One answer takes at most this long: the slowest waits for one write to disk.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Largest answer that is read: a full page of observations with room to spare.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How often a version is looked at until it has stopped.
const STOP_POLL: Duration = Duration::from_millis(50);

/// A way to one running `infer serve`; each request is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    home: Home,
    release: ReleaseName,
    paths: ReleasePaths,
}

impl Client {
    /// Reaches the `infer serve` that runs; [`Error::NotRunning`] where none does.
    pub async fn connect(home: &Home, release: &ReleaseName) -> Result<Self, Error> {
        let client = Self::at(home, release);
        client.state().await?;
        Ok(client)
    }

    /// Reaches the `infer serve` that runs, or starts one that outlives this process.
    ///
    /// Engines of an earlier one that are still running are taken over, not restarted.
    pub async fn ensure_running(
        home: &Home,
        release: &ReleaseName,
        launch: &Launch,
    ) -> Result<Self, Error> {
        let client = Self::at(home, release);
        match client.state().await {
            Ok(_) => {}
            Err(Error::NotRunning { .. }) => launch::detached(&client, launch).await?,
            Err(error) => return Err(error),
        }
        if let Some(key) = &launch.session {
            client.set_session(key).await?;
        }
        Ok(client)
    }

    pub(super) fn at(home: &Home, release: &ReleaseName) -> Self {
        Self {
            home: home.clone(),
            release: release.clone(),
            paths: ReleasePaths::new(home, release),
        }
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub fn release(&self) -> &ReleaseName {
        &self.release
    }

    pub fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    pub async fn state(&self) -> Result<State, Error> {
        self.ask(Method::GET, "/v1/state", &()).await
    }

    /// Starts a version; for one that runs already nothing changes.
    pub async fn start(&self, engine: &Engine) -> Result<VersionState, Error> {
        self.ask(Method::POST, "/v1/versions", engine).await
    }

    /// Stops a version after at most `drain`; answers at once, see [`Self::stopped`].
    pub async fn stop(&self, version: &VersionId, drain: Duration) -> Result<VersionState, Error> {
        let path = format!("/v1/versions/{version}?drain_s={}", drain.as_secs());
        self.ask(Method::DELETE, &path, &()).await
    }

    /// Waits until a version has no process any more.
    pub async fn stopped(&self, version: &VersionId, limit: Duration) -> Result<(), Error> {
        let wait = async {
            loop {
                let state = self.state().await?;
                let phase = state.version(version).map(|known| &known.phase);
                if matches!(phase, None | Some(Phase::Stopped | Phase::Failed { .. })) {
                    return Ok(());
                }
                tokio::time::sleep(STOP_POLL).await;
            }
        };
        let waited = tokio::time::timeout(limit, wait).await;
        waited.unwrap_or_else(|_| {
            Err(Error::NotStopped {
                release: self.release.clone(),
                version: version.to_string(),
                waited_s: limit.as_secs(),
            })
        })
    }

    /// Changes the split; [`Error::Conflict`] where it is no longer what was expected.
    pub async fn set_split(&self, change: &SplitChange) -> Result<Split, Error> {
        self.ask(Method::POST, "/v1/split", change).await
    }

    pub async fn set_session(&self, key: &SessionKey) -> Result<SessionKey, Error> {
        self.ask(Method::POST, "/v1/session", key).await
    }

    /// The requests that ended after the one numbered `after`; 0 asks for all there are.
    pub async fn observations(&self, after: u64) -> Result<Observations, Error> {
        let path = format!("/v1/observations?after={after}");
        self.ask(Method::GET, &path, &()).await
    }

    /// Ends every engine after at most `drain`, then `infer serve` itself, and waits for that.
    pub async fn shutdown(&self, drain: Duration) -> Result<(), Error> {
        let path = format!("/v1/shutdown?drain_s={}", drain.as_secs());
        self.ask::<_, State>(Method::POST, &path, &()).await?;
        launch::ended(self, drain).await
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        question: &Q,
    ) -> Result<A, Error> {
        let body = serde_json::to_vec(question).map_err(|error| self.no_answer(error.into()))?;
        let exchange = tokio::time::timeout(ANSWER_LIMIT, self.exchange(method, path, body));
        let (status, body) = exchange
            .await
            .unwrap_or_else(|_| Err(self.no_answer(io::ErrorKind::TimedOut.into())))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.no_answer(error.into()));
        }
        let refusal = serde_json::from_slice(&body).unwrap_or_else(|_| Refusal {
            message: format!("status {status}"),
            run: None,
        });
        Err(match status {
            StatusCode::CONFLICT => Error::Conflict {
                release: self.release.clone(),
                message: refusal.message,
                run: refusal.run,
            },
            _ => Error::Refused {
                release: self.release.clone(),
                message: refusal.message,
            },
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let failed = |error| self.no_answer(io::Error::other(error));
        let stream = self.dial().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(failed)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "infer")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.no_answer(io::Error::other(error)))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| self.no_answer(io::Error::other(error)))?;
            Ok((head.status, body.to_bytes()))
        }
        .await;
        driver.abort();
        answer
    }

    /// A refused connection and a missing socket both mean [`Error::NotRunning`].
    async fn dial(&self) -> Result<UnixStream, Error> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let not_running = || Error::NotRunning {
            release: self.release.clone(),
        };
        let name = match self.paths.socket_name() {
            Ok(name) => name,
            Err(error) if error.kind() == NotFound => return Err(not_running()),
            Err(error) => return Err(self.no_answer(error)),
        };
        match UnixStream::connect(&name.path).await {
            Ok(stream) => Ok(stream),
            Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => {
                Err(not_running())
            }
            Err(error) => Err(self.no_answer(error)),
        }
    }

    fn no_answer(&self, source: io::Error) -> Error {
        Error::NoAnswer {
            release: self.release.clone(),
            source,
        }
    }
}
