//! A blob on its way into a repository.
//!
//! Look first, mount if possible, then send: in one PUT or in PATCH chunks. After any
//! failure the registry is asked what it has before a byte is sent again; the digest at
//! the end decides.

use reqwest::{Method, header};

use super::{
    Authorization, Fault, Remote, Retry,
    body::Feed,
    hop,
    journal::Entry,
    location,
    profile::Mode,
    recovery::{Action, Stage, decide},
    session::{Begun, Session},
};
use crate::registry::{
    digest::Digest,
    error::Error,
    manifest::Descriptor,
    source::{BlobOutcome, BlobSource, Transfer},
};

impl Remote {
    pub(in crate::registry) async fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        on: &(dyn Fn(Transfer) + Send + Sync),
    ) -> Result<BlobOutcome, Error> {
        let (digest, size) = (descriptor.digest, descriptor.size);
        if source.size() != size {
            return Err(Error::WrongSize {
                what: format!("the source of {digest}"),
                expected: size,
                found: source.size(),
            });
        }
        self.preflight(std::slice::from_ref(descriptor))?;
        if self.has_blob(&digest, size).await? {
            return Ok(BlobOutcome::Skipped);
        }
        let mode = mode_for(self.0.profile.mode, size);
        let upload = Upload {
            remote: self,
            digest,
            size,
            source,
            on,
            mode,
            session: None,
            // One PUT cannot go on in the middle.
            journal: (mode != Mode::Whole)
                .then(|| self.journal(&digest))
                .flatten(),
            trusted: true,
        };
        let result = upload.run().await;
        result.map_err(|fault| match fault {
            Fault::Source(source) => Error::Source { digest, source },
            fault => self.error(fault, &format!("store {}", digest.short())),
        })
    }

    /// A journal that cannot be kept only costs the resume.
    fn journal(&self, digest: &Digest) -> Option<Entry> {
        let folder = self.0.journal.as_ref()?;
        Entry::open(folder, &self.0.reference, digest).ok()?
    }
}

/// What fits in one chunk needs no session of its own to be resumed.
fn mode_for(mode: Mode, size: u64) -> Mode {
    match mode {
        Mode::Chunks(chunk_bytes) if size > chunk_bytes => mode,
        Mode::Chunks(_) | Mode::Whole => Mode::Whole,
    }
}

struct Upload<'a> {
    remote: &'a Remote,
    digest: Digest,
    size: u64,
    source: &'a dyn BlobSource,
    on: &'a (dyn Fn(Transfer) + Send + Sync),
    mode: Mode,
    session: Option<Session>,
    journal: Option<Entry>,
    /// Every byte in the session was sent by this run and acknowledged in order.
    trusted: bool,
}

enum Step {
    Mounted,
    Begun,
    /// The registry has taken a chunk.
    Further,
    Done,
}

impl Upload<'_> {
    async fn run(mut self) -> Result<BlobOutcome, Fault> {
        self.resume().await;
        let start = self.session.as_ref().map_or(0, |session| session.offset);
        let mut retry = Retry::default();
        let mut logged_in_again = false;
        let mut furthest = start;
        loop {
            let stage = self.stage();
            let (fault, login_changed) = match self.step(stage).await {
                Ok(Step::Begun) => continue,
                Ok(Step::Further) => {
                    logged_in_again = false;
                    // Only new ground is progress: a registry that forgets what it
                    // acknowledged must not keep us going for ever.
                    if self.offset() > furthest {
                        furthest = self.offset();
                        retry.progress();
                    }
                    continue;
                }
                Ok(Step::Mounted) => return Ok(self.end(BlobOutcome::Mounted)),
                Ok(Step::Done) => {
                    let bytes = self.size - start;
                    return Ok(self.end(BlobOutcome::Uploaded { bytes }));
                }
                Err(failed) => failed,
            };
            if login_changed && !logged_in_again {
                logged_in_again = true;
                self.synchronise().await?;
                continue;
            }
            let action = decide(stage, &fault, self.mode, self.offset(), self.trusted);
            let Some(wait) = retry
                .next(fault.retry_after(), rand::random())
                .filter(|_| action != Action::Fail)
            else {
                return Err(fault);
            };
            (self.on)(Transfer::Retrying {
                digest: self.digest,
                attempt: retry.failures(),
                wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                reason: fault.to_string(),
            });
            tokio::time::sleep(wait).await;
            if self.recover(action, stage).await? {
                let bytes = self.size - start;
                return Ok(self.end(BlobOutcome::Uploaded { bytes }));
            }
        }
    }

    fn offset(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.offset)
    }

    fn stage(&self) -> Stage {
        match (&self.session, self.mode) {
            (None, _) => Stage::Begin,
            (Some(_), Mode::Whole) => Stage::Whole,
            (Some(session), Mode::Chunks(_)) if session.offset < self.size => Stage::Chunk,
            (Some(_), Mode::Chunks(_)) => Stage::Finish,
        }
    }

    /// Takes up a session that an earlier run left, if the registry still knows it.
    async fn resume(&mut self) {
        let now = jiff::Timestamp::now();
        let left = self.journal.as_mut().and_then(|entry| entry.left(now));
        let Some(left) = left else {
            return;
        };
        if let Ok(Some(session)) = self.remote.status(&left).await
            && session.offset > 0
            && session.offset <= self.size
        {
            self.trusted = false;
            (self.on)(Transfer::Resumed {
                digest: self.digest,
                offset: session.offset,
            });
            self.adopt(session);
        }
    }

    async fn step(&mut self, stage: Stage) -> Result<Step, (Fault, bool)> {
        match stage {
            Stage::Begin => self.begin().await.map_err(|fault| (fault, false)),
            Stage::Whole => {
                self.send(Method::PUT, 0, self.size).await?;
                Ok(Step::Done)
            }
            Stage::Chunk => {
                let offset = self.offset();
                let length = self.chunk_bytes().min(self.size - offset);
                self.send(Method::PATCH, offset, length).await?;
                Ok(Step::Further)
            }
            Stage::Finish => {
                self.send(Method::PUT, self.size, 0).await?;
                Ok(Step::Done)
            }
        }
    }

    async fn begin(&mut self) -> Result<Step, Fault> {
        match self.remote.begin(&self.digest).await? {
            Begun::Present => Ok(Step::Mounted),
            Begun::Session(session) => {
                self.trusted = true;
                self.adopt(session);
                Ok(Step::Begun)
            }
        }
    }

    fn chunk_bytes(&self) -> u64 {
        let wished = self.session.as_ref().map_or(0, |s| s.chunk_bytes_min);
        match self.mode {
            Mode::Whole => self.size,
            Mode::Chunks(chunk_bytes) => chunk_bytes.max(wished),
        }
    }

    /// Sends bytes to the session; a PUT ends it. Redirects are followed, and the flag
    /// beside a fault tells that it led to a new login.
    async fn send(
        &mut self,
        method: Method,
        offset: u64,
        length: u64,
    ) -> Result<(), (Fault, bool)> {
        let quiet = |fault| (fault, false);
        let session = self
            .session
            .clone()
            .expect("stages after Begin have a session");
        let mut url = session.location.clone();
        if method == Method::PUT {
            url = hop::with_query(&url, "digest", &self.digest.to_string());
        }
        let connection = &self.remote.0.connection;
        for _ in 0..=hop::HOPS_MAX {
            let feed = Feed::start(self.source, offset, length)
                .await
                .map_err(quiet)?;
            let scope = &self.remote.0.scope;
            let used = self.remote.authorization(scope, &url).await?;
            let mut request = used.apply(connection.http().request(method.clone(), url.clone()));
            if method == Method::PATCH {
                let range = format!("{offset}-{}", offset + length - 1);
                request = request.header(header::CONTENT_RANGE, range);
            }
            let report = |sent: u64| {
                (self.on)(Transfer::Sent {
                    digest: self.digest,
                    sent: offset + sent,
                });
            };
            let response = match feed.send(connection, request, &report).await {
                Ok(response) => response,
                Err(fault) => return Err(self.learn(fault, &url, &used).await),
            };
            let next = match location(&response) {
                Some(next) => Some(connection.hop(&url, &next).await.map_err(quiet)?),
                None => None,
            };
            if !response.status().is_redirection() {
                self.adopt(Session {
                    location: next.unwrap_or(session.location),
                    offset: offset + length,
                    ..session
                });
                return Ok(());
            }
            url = next.ok_or_else(|| quiet(super::no_location()))?;
        }
        Err(quiet(Fault::Protocol(
            "it redirects without end".to_owned(),
        )))
    }

    async fn learn(&self, fault: Fault, url: &reqwest::Url, used: &Authorization) -> (Fault, bool) {
        self.remote
            .learn(fault, &self.remote.0.scope, url, used)
            .await
    }

    /// Acts on a failure; true where the blob turns out to be there after all.
    async fn recover(&mut self, action: Action, stage: Stage) -> Result<bool, Fault> {
        if matches!(stage, Stage::Whole | Stage::Finish) {
            // The answer was lost or late: the registry may have finished all the same.
            // Where even that cannot be asked any more, the upload is over.
            if self.remote.has_blob(&self.digest, self.size).await? {
                return Ok(true);
            }
        }
        match action {
            Action::Fail => {}
            Action::Restart => self.restart(),
            Action::Synchronise => self.synchronise().await?,
            Action::RestartAs(mode) => {
                self.mode = mode;
                self.restart();
            }
            Action::SynchroniseAs(mode) => {
                self.mode = mode;
                self.synchronise().await?;
            }
        }
        Ok(false)
    }

    /// Takes the registry's word for what it has; a session it lost begins again.
    async fn synchronise(&mut self) -> Result<(), Fault> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        if self.mode == Mode::Whole {
            self.restart();
            return Ok(());
        }
        self.trusted = false;
        match self.remote.status(session).await? {
            Some(session) if session.offset <= self.size => self.adopt(session),
            _ => self.restart(),
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.session = None;
        (self.on)(Transfer::Sent {
            digest: self.digest,
            sent: 0,
        });
    }

    fn adopt(&mut self, session: Session) {
        if let Some(entry) = &mut self.journal
            && self.mode != Mode::Whole
        {
            // A journal that cannot be written only costs the resume.
            drop(entry.note(&session, jiff::Timestamp::now()));
        }
        self.session = Some(session);
    }

    fn end(self, outcome: BlobOutcome) -> BlobOutcome {
        if let Some(entry) = self.journal {
            entry.forget();
        }
        outcome
    }
}
