//! An upload session: started by POST, queried by GET, read from its headers.

use reqwest::{Method, Response, StatusCode, Url, header::HeaderMap};

use super::{Fault, Redirects, Remote, Scope, location};
use crate::registry::digest::Digest;

/// Where the next bytes go, and which those are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) location: Url,
    /// Bytes the registry has, as far as is known.
    pub(super) offset: u64,
    /// The registry's wish for all chunks but the last (`OCI-Chunk-Min-Length`).
    pub(super) chunk_bytes_min: u64,
}

/// How a POST was answered.
pub(super) enum Begun {
    /// The blob is there already: mounted, or known to the registry.
    Present,
    Session(Session),
}

impl Remote {
    /// Begins a session, asking for a mount first where another repository may have the blob.
    pub(super) async fn begin(&self, digest: &Digest) -> Result<Begun, Fault> {
        let uploads = self.url("blobs/uploads/");
        if let Some(from) = self.mount_source(digest).await {
            let mut url = uploads.clone();
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", &from);
            let scope = Scope::mount(self.0.reference.repository(), &from);
            // A refused mount costs nothing: the plain session below follows.
            if let Ok(response) = self.post(&scope, &url).await {
                return self.begun(&url, &response).await;
            }
        }
        let response = self.post(&self.0.scope, &uploads).await?;
        self.begun(&uploads, &response).await
    }

    async fn post(&self, scope: &Scope, url: &Url) -> Result<Response, Fault> {
        self.ask_for(scope, url, Redirects::Follow, &|url| {
            let request = self.0.connection.http().post(url);
            request.header("content-length", "0")
        })
        .await
    }

    async fn begun(&self, url: &Url, response: &Response) -> Result<Begun, Fault> {
        if response.status() == StatusCode::CREATED {
            return Ok(Begun::Present);
        }
        let location = location(response)
            .ok_or_else(|| Fault::Protocol("it began an upload without a Location".to_owned()))?;
        Ok(Begun::Session(Session {
            location: self.0.connection.hop(url, &location).await?,
            offset: 0,
            chunk_bytes_min: chunk_bytes_min(response.headers()),
        }))
    }

    /// Asks how far a session has come; `None` where the registry knows it no more.
    pub(super) async fn status(&self, session: &Session) -> Result<Option<Session>, Fault> {
        let asked = self.ask(Method::GET, &session.location, Redirects::Follow, &[]);
        let response = match asked.await {
            Ok(response) => response,
            Err(fault) if fault.status().is_some_and(is_lost) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let next = match location(&response) {
            Some(next) => self.0.connection.hop(&session.location, &next).await?,
            None => session.location.clone(),
        };
        Ok(Some(Session {
            location: next,
            offset: received(response.headers()).unwrap_or(0),
            ..session.clone()
        }))
    }

    /// The repository to mount from: with several candidates, one that has the blob.
    async fn mount_source(&self, digest: &Digest) -> Option<String> {
        let candidates = &self.0.mount_from;
        if let [only] = candidates.as_slice() {
            return Some(only.clone());
        }
        for repository in candidates {
            let path = format!("{repository}/blobs/{digest}");
            let url = self.0.connection.base().join(&path).ok()?;
            let scope = Scope::pull(repository);
            let make = |url| self.0.connection.http().head(url);
            let asked = self.ask_for(&scope, &url, Redirects::Stop, &make);
            if asked.await.is_ok() {
                return Some(repository.clone());
            }
        }
        None
    }
}

/// Answers to a question about a session that mean: begin again.
///
/// distribution 2.8 answers 400 where a killed request left more bytes than its state knows.
pub(super) fn is_lost(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 410 | 416 | 501)
}

/// `Range: 0-LAST` as a count of bytes.
///
/// distribution reports an empty session as `0-0`; one byte alone is never sent.
pub(super) fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("range")?.to_str().ok()?;
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let (first, last) = text.split_once('-')?;
    if first.trim() != "0" {
        return None;
    }
    match last.trim().parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

fn chunk_bytes_min(headers: &HeaderMap) -> u64 {
    let value = headers.get("oci-chunk-min-length");
    let value = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    value.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("range", text.parse().unwrap());
        received(&headers)
    }

    #[test]
    fn ranges_count_from_zero_and_include_the_last_byte() {
        for (text, count) in [
            ("0-1023", Some(1024)),
            ("bytes=0-1023", Some(1024)),
            ("0-0", Some(0)),
            ("1-2", None),
            ("0--1", None),
            ("0", None),
            ("0-18446744073709551615", None),
            ("", None),
        ] {
            assert_eq!(range(text), count, "{text}");
        }
        assert_eq!(received(&HeaderMap::new()), None);
    }

    #[test]
    fn a_registry_may_wish_for_larger_chunks() {
        let mut headers = HeaderMap::new();
        assert_eq!(chunk_bytes_min(&headers), 0);
        headers.insert("oci-chunk-min-length", "5242880".parse().unwrap());
        assert_eq!(chunk_bytes_min(&headers), 5_242_880);
    }

    proptest! {
        #[test]
        fn no_range_makes_the_parser_panic(text in "[ -~]{0,40}") {
            range(&text);
        }
    }
}
