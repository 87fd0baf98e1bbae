//! The bytes of one answer and their arrival times → the latencies that its user saw (pure).
//!
//! A *token event* has non-empty content, reasoning or tool calls. Role, usage
//! and finish chunks, `[DONE]` and comments are never timed. An event arrives
//! when the read that completes it does. [`Stream`] and [`body`] end in a
//! [`Timing`] or, by the success rule below, in a [`Failed`].
//!
//! Success: status 200, no error object, a finish reason that is not `abort` or
//! `error` or else a terminal event, at least one token, and no fewer tokens
//! than [`Expected`].

use std::time::{Duration, Instant};

use super::{
    chunk::{Chunk, Finish, Usage},
    fault::{Failed, Fault},
    sse,
};

/// Gaps kept of one stream; more tokens than any engine generates for a request.
const GAPS_MAX: usize = 1 << 20;

/// What the request asked for and the answer must hold to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Set where the engine was told to ignore its end-of-sequence token.
    pub output_tokens_min: Option<u64>,
}

/// How the bytes came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The body was whole as HTTP counts it.
    Closed,
    Broken(Failed),
}

/// What was measured of one good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// First token event; `None` where the answer was not streamed.
    pub first: Option<Instant>,
    /// First token event other than reasoning.
    pub first_output: Option<Instant>,
    /// Last token event, or the end of a body that was not streamed.
    pub last: Instant,
    /// Token events.
    pub events: u64,
    pub usage: Option<Usage>,
}

/// The latencies of DESIGN §8 for one request, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latencies {
    pub ttft_ms: Option<f64>,
    pub ttfo_ms: Option<f64>,
    pub tpot_ms: Option<f64>,
    pub e2e_ms: f64,
}

impl Timing {
    /// From the server's usage, else the number of token events.
    pub fn output_tokens(&self) -> u64 {
        self.counted().unwrap_or(self.events)
    }

    /// The server's own count; zeroes beside tokens (Ollama) are no count.
    pub fn counted(&self) -> Option<u64> {
        let counted = self.usage.map(|usage| usage.output_tokens);
        counted.filter(|tokens| *tokens > 0 || self.events == 0)
    }

    /// (last − first token event) / (n − 1); `None` below two tokens or events.
    #[expect(clippy::cast_precision_loss, reason = "token counts are small")]
    pub fn tpot_ms(&self) -> Option<f64> {
        let n = self.output_tokens();
        (n >= 2 && self.events >= 2)
            .then(|| ms(self.last - self.first.unwrap_or(self.last)) / (n - 1) as f64)
    }

    /// Measured from `start`: the time a request was meant to be sent.
    pub fn latencies(&self, start: Instant) -> Latencies {
        let since = |at: Instant| ms(at.saturating_duration_since(start));
        Latencies {
            ttft_ms: self.first.map(since),
            ttfo_ms: self.first_output.map(since),
            tpot_ms: self.tpot_ms(),
            e2e_ms: since(self.last),
        }
    }
}

/// Milliseconds, to the microsecond and below.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Times one event stream while its bytes pass.
#[derive(Debug, Default)]
pub struct Stream {
    parser: sse::Parser,
    seen: Seen,
    read_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Seen {
    first: Option<Instant>,
    first_output: Option<Instant>,
    last: Option<Instant>,
    events: u64,
    usage: Option<Usage>,
    finish: Option<Finish>,
    done: bool,
    error: Option<String>,
    malformed: Option<String>,
    keep_gaps: bool,
    gaps_us: Vec<u32>,
}

impl Stream {
    /// Also keeps the gaps between token events, in whole microseconds.
    pub fn keeping_gaps() -> Self {
        let mut stream = Self::default();
        stream.seen.keep_gaps = true;
        stream
    }

    /// Takes the bytes that arrived at `at`; answers how many token events they completed.
    pub fn read(&mut self, bytes: &[u8], at: Instant) -> u64 {
        self.read_at = Some(at);
        let before = self.seen.events;
        let seen = &mut self.seen;
        let fed = self.parser.feed(bytes, |event| seen.take(event, at));
        if let Err(error) = fed {
            self.seen.malformed.get_or_insert_with(|| error.to_string());
        }
        self.seen.events - before
    }

    /// Whether a token event has arrived.
    pub fn has_started(&self) -> bool {
        self.seen.first.is_some()
    }

    /// Whether the terminal event has arrived: nothing that follows matters.
    pub fn is_done(&self) -> bool {
        self.seen.done
    }

    /// Whether what has arrived can no longer be read as an event stream.
    pub fn is_malformed(&self) -> bool {
        self.seen.malformed.is_some()
    }

    pub fn into_gaps_us(self) -> Vec<u32> {
        self.seen.gaps_us
    }

    /// Judges the stream by the success rule.
    pub fn finish(&mut self, end: End, expected: Expected) -> Result<Timing, Failed> {
        let seen = &mut self.seen;
        let mut cut_short = false;
        // An event without its blank line: whole if it parses, else cut off.
        let left = self.parser.finish(|event| {
            if is_done(event.data) || Chunk::parse(event.data).is_ok() {
                if let Some(at) = self.read_at {
                    seen.take(event, at);
                }
            } else {
                cut_short = true;
            }
        });
        if left.is_err() {
            cut_short = true;
        }
        seen.judge(end, expected, cut_short)
    }
}

impl Seen {
    fn take(&mut self, event: sse::Event<'_>, at: Instant) {
        if is_done(event.data) {
            self.done = true;
            return;
        }
        if self.done || event.data.is_empty() {
            return;
        }
        let chunk = match Chunk::parse(event.data) {
            Ok(chunk) => chunk,
            Err(_) if event.name == b"error" => {
                let text = String::from_utf8_lossy(event.data);
                self.error
                    .get_or_insert_with(|| super::chunk::shorten(&text));
                return;
            }
            // Named events are other people's extensions.
            Err(_) if !matches!(event.name, b"" | b"message" | b"response") => return,
            Err(error) => {
                self.malformed.get_or_insert_with(|| error.to_string());
                return;
            }
        };
        if event.name == b"error" || chunk.error.is_some() {
            let text = chunk
                .error
                .unwrap_or_else(|| super::chunk::shorten(&String::from_utf8_lossy(event.data)));
            self.error.get_or_insert(text);
            return;
        }
        if chunk.is_token() {
            self.token(chunk.output, at);
        }
        self.finish = chunk.finish.or(self.finish);
        self.usage = chunk.usage.or(self.usage);
    }

    fn token(&mut self, output: bool, at: Instant) {
        if let Some(last) = self.last
            && self.keep_gaps
            && self.gaps_us.len() < GAPS_MAX
        {
            let gap = at.saturating_duration_since(last).as_micros();
            self.gaps_us.push(u32::try_from(gap).unwrap_or(u32::MAX));
        }
        self.first.get_or_insert(at);
        if output {
            self.first_output.get_or_insert(at);
        }
        self.last = Some(at);
        self.events += 1;
    }

    fn judge(&mut self, end: End, expected: Expected, cut_short: bool) -> Result<Timing, Failed> {
        let fail = |fault, detail: &str| Err(Failed::new(fault, detail));
        if let Some(error) = self.error.take() {
            return Err(Failed::new(Fault::StreamError, error));
        }
        match self.finish {
            Some(Finish::Aborted) => return fail(Fault::Aborted, "the server gave up the request"),
            Some(Finish::Failed) => return fail(Fault::Aborted, "finish_reason is error"),
            Some(Finish::Normal) | None => {}
        }
        if let Some(error) = self.malformed.take() {
            return Err(Failed::new(Fault::Malformed, error));
        }
        if !self.done {
            if let End::Broken(failed) = end {
                return Err(failed);
            }
            if cut_short {
                return fail(Fault::Truncated, "the stream ended inside an event");
            }
        }
        let ended = self.done || self.finish.is_some();
        let Some(last) = self.last else {
            return fail(Fault::Empty, "the stream held no token");
        };
        if !ended {
            return fail(
                Fault::Truncated,
                "the stream ended without a finish reason or [DONE]",
            );
        }
        let timing = Timing {
            first: self.first,
            first_output: self.first_output,
            last,
            events: self.events,
            usage: self.usage,
        };
        long_enough(timing, expected)
    }
}

/// Judges an answer that was not streamed; `at` is when its end arrived.
pub fn body(bytes: &[u8], at: Instant, expected: Expected) -> Result<Timing, Failed> {
    let chunk =
        Chunk::parse(bytes).map_err(|error| Failed::new(Fault::Malformed, error.to_string()))?;
    if let Some(error) = chunk.error {
        return Err(Failed::new(Fault::StreamError, error));
    }
    match chunk.finish {
        Some(Finish::Aborted | Finish::Failed) => {
            return Err(Failed::new(
                Fault::Aborted,
                "the server gave up the request",
            ));
        }
        Some(Finish::Normal) | None => {}
    }
    if !chunk.is_token() && chunk.embeddings == 0 {
        return Err(Failed::new(Fault::Empty, "the answer held no token"));
    }
    if chunk.is_token() && chunk.finish.is_none() {
        return Err(Failed::new(
            Fault::Truncated,
            "the answer has no finish reason",
        ));
    }
    let timing = Timing {
        first: None,
        first_output: None,
        last: at,
        events: 0,
        usage: chunk.usage,
    };
    long_enough(timing, expected)
}

/// Only the server's own count can prove an answer short: a chunk may hold many tokens.
fn long_enough(timing: Timing, expected: Expected) -> Result<Timing, Failed> {
    match (timing.counted(), expected.output_tokens_min) {
        (Some(tokens), Some(least)) if tokens < least => Err(Failed::new(
            Fault::ShortOutput,
            format!("{tokens} output tokens of {least}"),
        )),
        _ => Ok(timing),
    }
}

fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

#[cfg(test)]
#[path = "timing_tests.rs"]
mod conformance;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_was_not_streamed_is_timed_at_its_end() {
        let at = Instant::now();
        let json = br#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":2,"completion_tokens":5}}"#;
        let timing = body(json, at + Duration::from_millis(40), Expected::default()).unwrap();
        let found = timing.latencies(at);
        assert_eq!((found.ttft_ms, found.tpot_ms), (None, None));
        assert!((found.e2e_ms - 40.0).abs() < 1e-6);
        assert_eq!(timing.output_tokens(), 5);
    }

    #[test]
    fn bodies_fail_by_the_same_names() {
        let fault = |json: &[u8]| {
            body(json, Instant::now(), Expected::default())
                .unwrap_err()
                .fault
        };
        assert_eq!(fault(b"<html>"), Fault::Malformed);
        assert_eq!(fault(b"{\"error\":\"x\"}"), Fault::StreamError);
        assert_eq!(fault(b"{\"choices\":[]}"), Fault::Empty);
        assert_eq!(fault(br#"{"choices":[{"text":"a"}]}"#), Fault::Truncated);
        assert_eq!(
            fault(br#"{"choices":[{"text":"a","finish_reason":"abort"}]}"#),
            Fault::Aborted
        );
        assert!(
            body(
                b"{\"data\":[{\"embedding\":[1]}]}",
                Instant::now(),
                Expected::default()
            )
            .is_ok()
        );
    }
}
