//! Logging in: which header a request gets, and what a 401 changes.

use std::{collections::HashMap, path::PathBuf, time::Instant};

use reqwest::{RequestBuilder, StatusCode, Url};
use tokio::sync::{Mutex, OnceCell};

use super::{
    challenge::Challenge,
    connection::{Connection, read_up_to},
    credentials::{self, Credentials},
    fault::Fault,
    retry::Retry,
    token::Token,
};
use crate::registry::error::Error;

/// Largest answer of a token server that is read.
const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a token must allow, in the token server's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope(Vec<String>);

impl Scope {
    pub(super) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    pub(super) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// Pushing here while reading there: what a mount needs.
    pub(super) fn mount(repository: &str, from: &str) -> Self {
        let Self(mut scopes) = Self::push(repository);
        scopes.push(format!("repository:{from}:pull"));
        Self(scopes)
    }
}

/// What a request carried; no `Debug`, it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    None,
    Basic { user: String, password: String },
    Bearer(String),
}

impl Authorization {
    pub(super) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
}

#[derive(Default)]
struct State {
    /// What the registry asked for; nothing before its first 401.
    challenge: Option<Challenge>,
    tokens: HashMap<Scope, Token>,
}

#[derive(Default)]
pub(super) struct Auth {
    /// Held while a token is fetched, so that many uploads fetch one token.
    state: Mutex<State>,
    credentials: OnceCell<Credentials>,
    /// Where to look for logins instead of the usual files.
    logins: Option<PathBuf>,
}

impl Auth {
    pub(super) fn new(logins: Option<PathBuf>) -> Self {
        Self {
            logins,
            ..Self::default()
        }
    }

    /// The header for a request made now; fetches or renews a token where needed.
    pub(super) async fn authorization(
        &self,
        connection: &Connection,
        scope: &Scope,
    ) -> Result<Authorization, Error> {
        let mut state = self.state.lock().await;
        let (realm, service) = match &state.challenge {
            None => return Ok(Authorization::None),
            Some(Challenge::Basic) => return self.basic(connection.registry()).await,
            Some(Challenge::Bearer { realm, service }) => (realm.clone(), service.clone()),
        };
        if let Some(token) = state.tokens.get(scope)
            && token.is_fresh(Instant::now())
        {
            return Ok(Authorization::Bearer(token.value.clone()));
        }
        let credentials = self.credentials(connection.registry()).await?;
        let asker = Asker {
            connection,
            realm: &realm,
            service: service.as_deref(),
            scope,
            credentials,
        };
        let token = asker.token().await?;
        let value = token.value.clone();
        state.tokens.insert(scope.clone(), token);
        Ok(Authorization::Bearer(value))
    }

    /// Learns from a 401; returns whether the same request may work now.
    pub(super) async fn refused(
        &self,
        registry: &str,
        challenge: Option<&Challenge>,
        used: &Authorization,
        scope: &Scope,
    ) -> Result<bool, Error> {
        let Some(challenge) = challenge else {
            return Ok(false);
        };
        let mut state = self.state.lock().await;
        state.challenge = Some(challenge.clone());
        Ok(match (challenge, used) {
            (Challenge::Basic, Authorization::Basic { .. }) => false,
            (Challenge::Basic, _) => *self.credentials(registry).await? != Credentials::Anonymous,
            (Challenge::Bearer { .. }, Authorization::Bearer(value)) => {
                // Another request may have fetched a new one meanwhile: keep that.
                if state
                    .tokens
                    .get(scope)
                    .is_some_and(|token| token.value == *value)
                {
                    state.tokens.remove(scope);
                }
                true
            }
            (Challenge::Bearer { .. }, _) => true,
        })
    }

    async fn basic(&self, registry: &str) -> Result<Authorization, Error> {
        match self.credentials(registry).await? {
            Credentials::Anonymous => Ok(Authorization::None),
            Credentials::Password { user, password } => Ok(Authorization::Basic {
                user: user.clone(),
                password: password.clone(),
            }),
            Credentials::IdentityToken(_) => Err(Error::Login {
                registry: registry.to_owned(),
                why: "it wants a password, and docker's login is an identity token".to_owned(),
            }),
        }
    }

    async fn credentials(&self, registry: &str) -> Result<&Credentials, Error> {
        self.credentials
            .get_or_try_init(|| credentials::find(registry, self.logins.as_deref()))
            .await
    }
}

/// One request for a token.
struct Asker<'a> {
    connection: &'a Connection,
    realm: &'a str,
    service: Option<&'a str>,
    scope: &'a Scope,
    credentials: &'a Credentials,
}

impl Asker<'_> {
    async fn token(&self) -> Result<Token, Error> {
        let realm = self.realm_url().await?;
        let mut retry = Retry::default();
        loop {
            let fault = match self.ask(&realm).await {
                Ok(token) => return Ok(token),
                Err(fault) => fault,
            };
            let wait = retry.next(fault.retry_after(), rand::random());
            match wait.filter(|_| fault.is_passing()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(self.failed(fault)),
            }
        }
    }

    async fn ask(&self, realm: &Url) -> Result<Token, Fault> {
        let asked_at = Instant::now();
        let response = self.connection.exchange(self.request(realm)).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            return Err(Fault::Protocol(format!(
                "its token server answered {status}"
            )));
        }
        let (body, _) = read_up_to(response, TOKEN_ANSWER_BYTES_MAX).await?;
        Token::parse(&body, asked_at).map_err(Fault::Protocol)
    }

    /// A refresh token is exchanged by POST (`OAuth2`), anything else asks by GET.
    fn request(&self, realm: &Url) -> RequestBuilder {
        let http = self.connection.http();
        let mut url = realm.clone();
        let Credentials::IdentityToken(refresh_token) = self.credentials else {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in &self.scope.0 {
                query.append_pair("scope", scope);
            }
            drop(query);
            let request = http.get(url);
            return match self.credentials {
                Credentials::Password { user, password } => {
                    request.basic_auth(user, Some(password))
                }
                Credentials::Anonymous | Credentials::IdentityToken(_) => request,
            };
        };
        // The query of a scratch URL is exactly the encoding of a form.
        let mut form = realm.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.unwrap_or_default())
            .append_pair("client_id", "infer")
            .append_pair("scope", &self.scope.0.join(" "))
            .append_pair("refresh_token", refresh_token);
        http.post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned())
    }

    /// The token server's URL, if our password may go there.
    async fn realm_url(&self) -> Result<Url, Error> {
        let url: Url = self
            .realm
            .parse()
            .map_err(|_| self.login_error("the token server it names is not a URL"))?;
        let secure = url.scheme() == "https"
            || (url.scheme() == "http" && self.connection.base().scheme() == "http");
        if !secure || url.host_str().is_none() {
            return Err(self.login_error("the token server it names is not behind HTTPS"));
        }
        let guarded = self.connection.guard(&url).await;
        guarded.map_err(|fault| self.failed(fault))?;
        Ok(url)
    }

    fn failed(&self, fault: Fault) -> Error {
        match fault.status() {
            Some(401 | 403) if *self.credentials != Credentials::Anonymous => {
                self.login_error("it does not accept the stored login")
            }
            _ => fault.into_error(self.connection.registry(), "log in"),
        }
    }

    fn login_error(&self, why: &str) -> Error {
        Error::Login {
            registry: self.connection.registry().to_owned(),
            why: why.to_owned(),
        }
    }
}
