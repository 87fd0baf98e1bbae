//! Times one request through the gateway and records what its client saw.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, StatusCode, header};

use super::{control::Observation, ring::Ring, upstream::Upstream};
use crate::{
    clock,
    load::{
        Fault,
        timing::{self, End, Expected, Stream, Timing},
    },
};

/// Most of an answer that is not streamed that is kept to read its usage.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Longest path that is written down.
const PATH_CHARS_MAX: usize = 64;

/// nginx's status for a client that closed the connection before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// How the choice of the version came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) pinned: bool,
    pub(super) diverted: bool,
}

/// One request from its arrival to its end. Dropped before that, its client has disconnected.
#[derive(Debug)]
pub(super) struct Meter {
    ring: Arc<Ring>,
    arrived: Instant,
    at_ms: u64,
    upstream: Arc<Upstream>,
    routed: Routed,
    path: String,
    /// Whether an answer is to hold tokens, or an embedding.
    is_inference: bool,
    status: Option<StatusCode>,
    answer: Answer,
    written: bool,
}

#[derive(Debug)]
enum Answer {
    Streamed(Box<Stream>),
    Whole(Vec<u8>),
    /// Nothing in it is measured, or there is too much of it.
    Unread,
}

/// When a request came, and what it asked for.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) at_ms: u64,
    pub(super) path: String,
    pub(super) is_inference: bool,
}

impl Arrival {
    pub(super) fn now(method: &http::Method, path: &str) -> Self {
        const INFERENCE: [&str; 4] = ["completions", "embeddings", "responses", "messages"];
        let last = path.rsplit('/').next().unwrap_or_default();
        Self {
            at: Instant::now(),
            at_ms: clock::now_ms(),
            path: path.chars().take(PATH_CHARS_MAX).collect(),
            is_inference: method == http::Method::POST && INFERENCE.contains(&last),
        }
    }
}

impl Meter {
    pub(super) fn start(
        ring: &Arc<Ring>,
        arrival: &Arrival,
        upstream: &Arc<Upstream>,
        routed: Routed,
    ) -> Self {
        Self {
            ring: Arc::clone(ring),
            arrived: arrival.at,
            at_ms: arrival.at_ms,
            upstream: Arc::clone(upstream),
            routed,
            path: arrival.path.clone(),
            is_inference: arrival.is_inference,
            status: None,
            answer: Answer::Unread,
            written: false,
        }
    }

    /// The engine's status and headers have arrived.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        if self.is_inference && status == StatusCode::OK {
            self.answer = if is_event_stream(headers) {
                Answer::Streamed(Box::default())
            } else {
                Answer::Whole(Vec::new())
            };
        }
    }

    /// Part of the body has arrived and is about to be passed on.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        match &mut self.answer {
            Answer::Streamed(stream) => {
                stream.read(bytes, Instant::now());
            }
            Answer::Whole(kept) if kept.len() + bytes.len() <= BODY_BYTES_MAX => {
                kept.extend_from_slice(bytes);
            }
            Answer::Whole(_) => self.answer = Answer::Unread,
            Answer::Unread => {}
        }
    }

    /// The whole answer has been passed on.
    pub(super) fn finished(&mut self) {
        let result = match &mut self.answer {
            Answer::Streamed(stream) => stream.finish(End::Closed, Expected::default()).map(Some),
            Answer::Whole(body) => {
                timing::body(body, Instant::now(), Expected::default()).map(Some)
            }
            Answer::Unread => Ok(None),
        };
        match (result, self.status.map(|status| status.as_u16())) {
            (_, Some(status @ 400..)) => self.write(status, Fault::of_status(status), None),
            (Ok(timing), status) => self.write(status.unwrap_or_default(), None, timing),
            (Err(failed), status) => {
                self.write(status.unwrap_or_default(), Some(failed.fault), None);
            }
        }
    }

    /// The engine broke off in the middle of the body.
    pub(super) fn broken(&mut self) {
        let status = self.status.map_or(0, |status| status.as_u16());
        self.write(status, Some(Fault::Reset), None);
    }

    /// Nothing was sent to the version chosen; the request goes to another one.
    pub(super) fn moved(&mut self, upstream: &Arc<Upstream>) {
        self.upstream = Arc::clone(upstream);
        self.routed.diverted = true;
    }

    /// The engine did not answer at all; the gateway did, with `status`.
    pub(super) fn unanswered(&mut self, status: StatusCode, fault: Fault) {
        self.write(status.as_u16(), Some(fault), None);
    }

    fn write(&mut self, status: u16, fault: Option<Fault>, timing: Option<Timing>) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let latencies = timing.map(|timing| timing.latencies(self.arrived));
        self.ring.push(Observation {
            seq: 0,
            at_ms: self.at_ms,
            version: self.upstream.version().clone(),
            pinned: self.routed.pinned,
            diverted: self.routed.diverted,
            status,
            failed: fault.map(|fault| fault.name().to_owned()),
            ttft_ms: latencies.and_then(|found| found.ttft_ms),
            tpot_ms: latencies.and_then(|found| found.tpot_ms),
            e2e_ms: latencies
                .map_or_else(|| timing::ms(self.arrived.elapsed()), |found| found.e2e_ms),
            output_tokens: timing.and_then(|timing| u32::try_from(timing.output_tokens()).ok()),
            streamed: matches!(self.answer, Answer::Streamed(_)),
            path: std::mem::take(&mut self.path),
        });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // Many clients hang up at the terminal event, before the end of the body.
        if matches!(&self.answer, Answer::Streamed(stream) if stream.is_done()) {
            self.finished();
        }
        self.write(CLIENT_CLOSED_REQUEST, Some(Fault::Cancelled), None);
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("text/event-stream"))
}
