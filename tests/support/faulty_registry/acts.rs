//! What a registry does with a request.

use std::net::SocketAddr;

use hyper::{Method, Response, header};
use infer::for_tests::registry::Digest;

use super::{Answer, Planned, Seen, State, Wrong, full};

impl State {
    /// The plan that this request meets, if any.
    pub(super) fn planned(&mut self, method: &Method, target: &str) -> Option<Wrong> {
        let fits = |plan: &Planned| plan.method == *method && target.contains(plan.part);
        let at = self.wrongs.iter().position(fits)?;
        if self.wrongs[at].skip > 0 {
            self.wrongs[at].skip -= 1;
            return None;
        }
        Some(self.wrongs.remove(at).wrong)
    }

    /// What a registry does.
    pub(super) fn act(
        &mut self,
        method: &Method,
        seen: &Seen,
        body: &[u8],
        address: SocketAddr,
    ) -> Answer {
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

    pub(super) fn lets_in(&self, seen: &Seen) -> bool {
        let given = seen.authorization.as_deref();
        match self.wants_basic {
            Some(basic) => given == Some(basic),
            None => !self.wants_token || given == Some(&format!("Bearer t{}", self.token)),
        }
    }

    pub(super) fn blob_answer(&self, bytes: &[u8], seen: &Seen) -> Answer {
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

    pub(super) fn upload(
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
