//! One repository of a registry, spoken to over HTTP (the OCI distribution spec).

mod auth;
mod body;
mod challenge;
mod connection;
mod credentials;
mod fault;
mod hop;
mod journal;
mod manifests;
mod profile;
mod pull;
mod recovery;
mod retry;
mod session;
mod token;
mod upload;

use std::{path::PathBuf, sync::Arc};

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};

use self::{
    auth::{Auth, Authorization, Scope},
    connection::Connection,
    fault::Fault,
    profile::Profile,
    retry::Retry,
};
use super::{digest::Digest, error::Error, options::Options, reference::Reference};
use crate::home::Home;

/// What the caller is going to do; it decides what a token must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A repository; cheap to clone.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    connection: Connection,
    auth: Auth,
    reference: Reference,
    scope: Scope,
    profile: Profile,
    mount_from: Vec<String>,
    journal: Option<PathBuf>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.0.reference)
    }
}

impl Remote {
    pub(super) fn new(
        reference: &Reference,
        options: &Options,
        access: Access,
    ) -> Result<Self, Error> {
        let connection = Connection::new(reference, options)?;
        let host = connection.base().host_str().unwrap_or_default();
        let profile = Profile::of(host).with_chunks_of(options.chunk_bytes);
        let scope = match access {
            Access::Read => Scope::pull(reference.repository()),
            Access::Write => Scope::push(reference.repository()),
        };
        let near = options.mount_from.iter().filter(|from| {
            from.registry() == reference.registry() && from.repository() != reference.repository()
        });
        let journal = journal_folder(options).filter(|_| access == Access::Write);
        if let Some(folder) = &journal {
            journal::Entry::sweep(folder);
        }
        Ok(Self(Arc::new(Inner {
            connection,
            auth: Auth::new(options.logins.clone()),
            reference: reference.clone().without_tag(),
            scope,
            profile,
            mount_from: near.map(|from| from.repository().to_owned()).collect(),
            journal,
        })))
    }

    pub fn reference(&self) -> &Reference {
        &self.0.reference
    }

    /// Whether the repository holds the blob.
    pub(super) async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        let url = self.url(&format!("blobs/{digest}"));
        let act = format!("look for {}", digest.short());
        // A redirect leads to the blob itself, so it is there.
        let asked = self.ask(Method::HEAD, &url, Redirects::Stop, &[]).await;
        let response = match asked {
            Ok(response) => response,
            Err(fault) if fault.status() == Some(404) => return Ok(false),
            Err(fault) => return Err(self.error(fault, &act)),
        };
        match content_length(&response).filter(|_| response.status() == StatusCode::OK) {
            // Some proxies answer every HEAD with length 0.
            Some(found) if found != size && found != 0 => Err(Error::WrongSize {
                what: format!("{digest} in {}", self.0.reference),
                expected: size,
                found,
            }),
            _ => Ok(true),
        }
    }

    /// A URL below this repository.
    fn url(&self, path: &str) -> Url {
        let repository = self.0.reference.repository();
        let joined = self
            .0
            .connection
            .base()
            .join(&format!("{repository}/{path}"));
        joined.expect("repositories, tags and digests are URL path characters")
    }

    fn error(&self, fault: Fault, act: &str) -> Error {
        fault.into_error(self.0.connection.registry(), act)
    }

    /// Makes a request without a body, again where that can help, and follows redirects.
    async fn ask(
        &self,
        method: Method,
        url: &Url,
        redirects: Redirects,
        headers: &[(header::HeaderName, String)],
    ) -> Result<Response, Fault> {
        self.ask_for(&self.0.scope, url, redirects, &|url| {
            let request = self.0.connection.http().request(method.clone(), url);
            headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value)
            })
        })
        .await
    }

    async fn ask_for(
        &self,
        scope: &Scope,
        url: &Url,
        redirects: Redirects,
        make: &(dyn Fn(Url) -> RequestBuilder + Send + Sync),
    ) -> Result<Response, Fault> {
        let mut retry = Retry::default();
        let mut logged_in_again = false;
        loop {
            let fault = match self.follow(scope, url, redirects, make).await {
                Ok(response) => return Ok(response),
                Err((fault, true)) if !logged_in_again => {
                    logged_in_again = true;
                    drop(fault);
                    continue;
                }
                Err((fault, _)) => fault,
            };
            if !fault.is_passing() {
                return Err(fault);
            }
            match retry.next(fault.retry_after(), rand::random()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(fault),
            }
        }
    }

    /// One request and the redirects it meets. The flag beside a fault says that a new
    /// login was made out of it.
    async fn follow(
        &self,
        scope: &Scope,
        url: &Url,
        redirects: Redirects,
        make: &(dyn Fn(Url) -> RequestBuilder + Send + Sync),
    ) -> Result<Response, (Fault, bool)> {
        let connection = &self.0.connection;
        let mut url = url.clone();
        for _ in 0..=hop::HOPS_MAX {
            let used = self.authorization(scope, &url).await?;
            let request = used.apply(make(url.clone()));
            let response = match connection.exchange(request).await {
                Ok(response) => response,
                Err(fault) => return Err(self.learn(fault, scope, &url, &used).await),
            };
            if !response.status().is_redirection() || redirects == Redirects::Stop {
                return Ok(response);
            }
            let location = location(&response).ok_or_else(no_location);
            let location = location.map_err(|fault| (fault, false))?;
            let next = connection.hop(&url, &location).await;
            url = next.map_err(|fault| (fault, false))?;
        }
        let endless = Fault::Protocol(format!("it redirects over {} times", hop::HOPS_MAX));
        Err((endless, false))
    }

    /// The header for `url`: none away from the registry itself.
    async fn authorization(
        &self,
        scope: &Scope,
        url: &Url,
    ) -> Result<Authorization, (Fault, bool)> {
        if !self.0.connection.is_home(url) {
            return Ok(Authorization::None);
        }
        let found = self.0.auth.authorization(&self.0.connection, scope).await;
        found.map_err(|error| (error.into(), false))
    }

    /// Takes a 401 of the registry itself as a reason to log in again.
    async fn learn(
        &self,
        fault: Fault,
        scope: &Scope,
        url: &Url,
        used: &Authorization,
    ) -> (Fault, bool) {
        let Fault::Status {
            refusal, challenge, ..
        } = &fault
        else {
            return (fault, false);
        };
        if refusal.status != 401 || !self.0.connection.is_home(url) {
            return (fault, false);
        }
        let registry = self.0.connection.registry();
        let learnt = self
            .0
            .auth
            .refused(registry, challenge.as_ref(), used, scope);
        match learnt.await {
            Ok(again) => (fault, again),
            Err(error) => (error.into(), false),
        }
    }
}

/// Without a home there is no journal, and a killed push begins its blobs again.
fn journal_folder(options: &Options) -> Option<PathBuf> {
    let usual = || Some(Home::find().ok()?.cache.join("uploads"));
    options.journal.clone().or_else(usual)
}

/// What to do with a 3xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redirects {
    Follow,
    Stop,
}

fn location(response: &Response) -> Option<String> {
    let value = response.headers().get(header::LOCATION)?;
    Some(value.to_str().ok()?.to_owned())
}

fn no_location() -> Fault {
    Fault::Protocol("it redirects without a Location".to_owned())
}

/// From the header: the body of a HEAD is always empty.
fn content_length(response: &Response) -> Option<u64> {
    let value = response.headers().get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}
