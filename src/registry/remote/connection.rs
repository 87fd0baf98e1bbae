//! The HTTP client of one registry: TLS, proxies, and single exchanges.

use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reqwest::{Certificate, Client, RequestBuilder, Response, Url, header, redirect};
use tokio::sync::OnceCell;

use super::{challenge::Challenge, fault::Fault, hop, retry};
use crate::registry::{error::Error, options::Options, reference::Reference, refusal::Refusal};

const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a registry may think about a request without a body.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_mins(1);
/// The same for the first request of all: an address that never answers is not a registry.
const FIRST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// Keeps NAT tables from forgetting us while a registry copies a blob into place.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// The most of an error's body that is read (crane's bound): enough for any message.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest file of trusted certificates: the whole of Mozilla's list is 220 KiB.
const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) struct Connection {
    http: Client,
    /// `https://HOST[:PORT]/v2/`
    base: Url,
    /// As the user writes it.
    registry: String,
    private: OnceCell<bool>,
    /// It has answered once, so a refused connection is a restart and not a typing error.
    reached: AtomicBool,
}

impl Connection {
    pub(super) fn new(reference: &Reference, options: &Options) -> Result<Self, Error> {
        let registry = reference.registry().to_owned();
        let base = base_url(reference, options)?;
        let mut client = Client::builder()
            // One stream of uploads over one connection would share one flow-control window.
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_WAIT_MAX)
            .tcp_keepalive(KEEPALIVE_INTERVAL)
            .user_agent(concat!("infer/", env!("CARGO_PKG_VERSION")));
        if hop::is_loopback(&base) {
            client = client.no_proxy();
        }
        if options.insecure {
            client = client.tls_danger_accept_invalid_certs(true);
        }
        if let Some(path) = &options.ca_file {
            client = client.tls_certs_merge(certificates(path)?);
        }
        let http = client.build().map_err(|source| Error::Unreachable {
            registry: registry.clone(),
            act: "set up TLS".to_owned(),
            source,
        })?;
        Ok(Self {
            http,
            base,
            registry,
            private: OnceCell::new(),
            reached: AtomicBool::new(false),
        })
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    /// The registry's own: credentials go nowhere else.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        hop::same_origin(url, &self.base)
    }

    /// Where a `Location` leads, if it may be followed.
    pub(super) async fn hop(&self, from: &Url, location: &str) -> Result<Url, Fault> {
        let to = hop::resolve(from, location).map_err(Fault::Protocol)?;
        self.guard(&to).await?;
        Ok(to)
    }

    /// Refuses a private address that a public registry names.
    pub(super) async fn guard(&self, to: &Url) -> Result<(), Fault> {
        if self.is_home(to) || to.host_str() == self.base.host_str() {
            return Ok(());
        }
        let private = self
            .private
            .get_or_init(|| hop::leads_to_private(&self.base));
        if *private.await || !hop::leads_to_private(to).await {
            return Ok(());
        }
        let host = to.host_str().unwrap_or_default();
        Err(Fault::Protocol(format!(
            "it sent us to the private address {host}"
        )))
    }

    /// Sends a request without a body of note and waits for the answer's head.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let heard = self.reached.load(Ordering::Relaxed);
        let limit = if heard {
            ANSWER_WAIT_MAX
        } else {
            FIRST_ANSWER_WAIT_MAX
        };
        match tokio::time::timeout(limit, request.send()).await {
            Ok(answer) => self.judge(answer).await,
            Err(_) if heard => Err(Fault::Silent(limit)),
            Err(_) => Err(Fault::Mute(limit)),
        }
    }

    /// Tells good answers (2xx, 3xx) from refusals.
    pub(super) async fn judge(
        &self,
        answer: Result<Response, reqwest::Error>,
    ) -> Result<Response, Fault> {
        let response = answer.map_err(|error| {
            let error = error.without_url();
            if error.is_connect() && !self.reached.load(Ordering::Relaxed) {
                Fault::Unreached(error)
            } else {
                Fault::Connection(error)
            }
        })?;
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        let headers = response.headers();
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> = challenges.filter_map(|value| value.to_str().ok()).collect();
        let challenge = Challenge::parse(&challenges.join(", "));
        let retry_after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry::retry_after(value, jiff::Timestamp::now()));
        let (body, _) = read_up_to(response, ERROR_BODY_BYTES_MAX)
            .await
            .unwrap_or_default();
        Err(Fault::Status {
            refusal: Refusal::new(status.as_u16(), &body),
            retry_after,
            challenge,
        })
    }
}

/// Reads a body of at most `limit` bytes; returns whether that was all of it.
pub(super) async fn read_up_to(
    mut response: Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), Fault> {
    let mut body = Vec::new();
    loop {
        let chunk = tokio::time::timeout(ANSWER_WAIT_MAX, response.chunk()).await;
        let chunk = chunk.map_err(|_| Fault::Silent(ANSWER_WAIT_MAX))?;
        let chunk = chunk.map_err(|error| Fault::Connection(error.without_url()))?;
        let Some(chunk) = chunk else {
            return Ok((body, true));
        };
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
}

/// Plain HTTP is for this machine, or where the user asks for it; a CA or `--insecure`
/// means that TLS is expected even here.
fn base_url(reference: &Reference, options: &Options) -> Result<Url, Error> {
    let parse = |scheme: &str| {
        let text = format!("{scheme}://{}/v2/", reference.api_host());
        text.parse().map_err(|error| Error::Protocol {
            registry: reference.registry().to_owned(),
            why: format!("its name makes no URL ({error})"),
        })
    };
    let secure = parse("https")?;
    let tls_expected = options.ca_file.is_some() || options.insecure;
    if options.plain_http || (hop::is_loopback(&secure) && !tls_expected) {
        return parse("http");
    }
    Ok(secure)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let fail = |why: String| Error::Option {
        option: "--ca",
        why: format!("{}: {why}", path.display()),
    };
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CA_FILE_BYTES_MAX).read_to_end(&mut pem))
        .map_err(|error| fail(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| fail(error.to_string()))?;
    if found.is_empty() {
        return Err(fail("it holds no certificate in PEM form".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str, options: &Options) -> String {
        base_url(&text.parse().unwrap(), options)
            .unwrap()
            .to_string()
    }

    #[test]
    fn plain_http_is_only_for_this_machine_or_on_demand() {
        let usual = Options::default();
        assert_eq!(
            base("localhost:5000/a", &usual),
            "http://localhost:5000/v2/"
        );
        assert_eq!(base("[::1]:5000/a", &usual), "http://[::1]:5000/v2/");
        assert_eq!(base("r.example/a", &usual), "https://r.example/v2/");
        assert_eq!(base("10.0.0.7:5000/a", &usual), "https://10.0.0.7:5000/v2/");
        assert_eq!(base("acme/a", &usual), "https://registry-1.docker.io/v2/");
        let plain = Options {
            plain_http: true,
            ..Options::default()
        };
        assert_eq!(base("r.example/a", &plain), "http://r.example/v2/");
        let insecure = Options {
            insecure: true,
            ..Options::default()
        };
        assert_eq!(
            base("localhost:5000/a", &insecure),
            "https://localhost:5000/v2/"
        );
    }

    #[test]
    fn a_ca_file_without_certificates_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = certificates(&path).unwrap_err().to_string();
        assert!(error.contains("ca.pem"), "{error}");
        std::fs::write(&path, "no PEM").unwrap();
        assert!(certificates(&path).is_err());
    }
}
