//! One answer as it is written: each event at its instant, then the end or the fault.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    answer::{DONE, Writer, error},
    faults::Fault,
    law::{Law, Tokens},
    metrics::{End, Finished},
    openai::Request,
    server::Engine,
    slots::Seat,
};
use crate::timer::Timer;

/// A request under way; dropping it early counts as aborted by the client.
pub(super) struct Answer {
    engine: Arc<Engine>,
    pub(super) request: Request,
    pub(super) writer: Writer,
    number: u64,
    fault: Option<Fault>,
    arrived: Instant,
    seated: Option<Seated>,
    sent: u32,
    ended: bool,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    /// Events differ only in their word, and there are few words.
    events: Vec<Option<Bytes>>,
}

struct Seated {
    at: Instant,
    tokens: Tokens,
    /// `None` where the process has no file descriptor left for one.
    timer: Option<Timer>,
    _seat: Seat,
}

impl Seated {
    /// Waits for the next token of the law.
    async fn next_token(&mut self) {
        let due = self.at + self.tokens.next().unwrap_or_default();
        if let Some(timer) = &self.timer
            && timer.until(due).await.is_ok()
        {
            return;
        }
        // Up to a millisecond late.
        tokio::time::sleep_until(due.into()).await;
    }
}

impl Answer {
    pub(super) fn new(
        engine: Arc<Engine>,
        request: Request,
        writer: Writer,
        number: u64,
        fault: Option<Fault>,
        arrived: Instant,
    ) -> Self {
        Self {
            engine,
            request,
            writer,
            number,
            fault,
            arrived,
            seated: None,
            sent: 0,
            ended: false,
            first_at: None,
            last_at: None,
            events: vec![None; super::answer::WORDS],
        }
    }

    /// Waits for a slot and starts the clock of the law.
    async fn sit(&mut self) {
        let blocks = Law::blocks(self.request.prompt_tokens, self.request.output_tokens);
        let seat = self.engine.slots.seat(blocks).await;
        // A request that did not have to queue starts at its arrival, so that no scheduling delay adds up.
        let at = if seat.waited {
            Instant::now()
        } else {
            self.arrived
        };
        let law = &self.engine.simulation.law;
        let factor = law.load(seat.running) * law.drift(at.duration_since(self.engine.started));
        let tokens = law.tokens(self.number, self.request.prompt_tokens, factor);
        self.seated = Some(Seated {
            at,
            tokens,
            timer: Timer::new().ok(),
            _seat: seat,
        });
    }

    /// Waits for the next token of the law.
    async fn wait_for_token(&mut self) {
        let Some(seated) = &mut self.seated else {
            return;
        };
        seated.next_token().await;
        let now = Instant::now();
        match self.last_at.replace(now) {
            None => {
                self.first_at = Some(now);
                let since = now.duration_since(self.arrived);
                let metrics = &self.engine.metrics;
                metrics.first_token(since, self.request.prompt_tokens);
            }
            Some(last) => self.engine.metrics.next_token(now.duration_since(last)),
        }
        self.sent += 1;
    }

    /// All tokens, for an answer in one piece.
    pub(super) async fn wait_for_all(&mut self) -> End {
        self.sit().await;
        while self.sent < self.request.output_tokens {
            self.wait_for_token().await;
        }
        let end = self.natural_end();
        self.finish(end);
        end
    }

    /// Takes a slot and never answers; ends with the client.
    pub(super) async fn hang(&mut self) {
        self.sit().await;
        std::future::pending::<()>().await;
    }

    /// The work of an embeddings request: a prefill without output.
    pub(super) async fn wait_for_embeddings(&mut self) {
        self.sit().await;
        if let Some(seated) = &mut self.seated {
            seated.next_token().await;
        }
        self.engine.metrics.embedded(self.request.prompt_tokens);
        self.finish(End::Stop);
    }

    /// The next piece of the stream; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        if self.seated.is_none() {
            self.sit().await;
            if let Some(role) = self.writer.role() {
                return Some(Ok(role.into()));
            }
        }
        if self.fault.is_some() && self.sent >= self.halfway() {
            return self.break_off().await;
        }
        self.wait_for_token().await;
        let event = self.event(self.sent - 1);
        if self.sent < self.request.output_tokens {
            return Some(Ok(event));
        }
        let end = self.natural_end();
        let mut last = String::from_utf8_lossy(&event).into_owned();
        last.push_str(&self.writer.finish(end.name()));
        if self.request.include_usage || self.engine.simulation.usage_always {
            last.push_str(&self.writer.usage_event(self.sent));
        }
        last.push_str(DONE);
        self.finish(end);
        Some(Ok(last.into()))
    }

    async fn break_off(&mut self) -> Option<io::Result<Bytes>> {
        match self.fault {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Reset) => {
                self.finish(End::Error);
                Some(Err(io::Error::other("reset, as asked for")))
            }
            Some(Fault::StreamError) => {
                self.finish(End::Error);
                let error = error(500, "simulated failure in the middle of the stream");
                Some(Ok(format!("data: {error}\n\n{DONE}").into()))
            }
            Some(Fault::Truncated | Fault::Error(_)) | None => {
                self.finish(End::Error);
                None
            }
        }
    }

    /// Tokens before a fault in the stream; a hang comes before the first.
    fn halfway(&self) -> u32 {
        match self.fault {
            Some(Fault::Hang) => 0,
            _ => self.request.output_tokens.div_ceil(2),
        }
    }

    fn natural_end(&self) -> End {
        if self.request.limited {
            End::Length
        } else {
            End::Stop
        }
    }

    fn event(&mut self, index: u32) -> Bytes {
        if index < self.writer.reasoning_tokens {
            return self.writer.token(index).into();
        }
        let word = index as usize % self.events.len();
        let event = self.events[word].get_or_insert_with(|| self.writer.token(index).into());
        event.clone()
    }

    fn finish(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = Instant::now();
        let seated = self.seated.as_ref().map_or(now, |seated| seated.at);
        let first = self.first_at.unwrap_or(now);
        self.engine.metrics.finished(&Finished {
            end,
            prompt_tokens: self.request.prompt_tokens,
            output_tokens: self.sent,
            queue: seated.duration_since(self.arrived),
            prefill: first.duration_since(seated),
            decode: self
                .last_at
                .map_or(Duration::ZERO, |last| last.duration_since(first)),
        });
        self.seated = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.finish(End::Abort);
    }
}
