//! Paired probes: the same prompt to both versions at the same time, pinned through the
//! gateway. They judge where users send too little, and cancel what prompts differ in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    pair::{Arm, Pair},
    probe_transport::{ProbeAnswer, ProbeTransport},
    reading::Reading,
    sample::ProbePair,
};
use crate::load::{Api, Body, Prompts, Shape};

/// Longest answer of a probe: enough for a time per token, little beside users' answers.
pub const OUTPUT_TOKENS: u32 = 32;

/// Words of a built-in prompt; about a chat message.
const PROMPT_WORDS: u32 = 64;

/// Pairs in flight at once. A server that is slower than that gets no more of them: probes
/// must not become its load.
const PAIRS_MAX: usize = 8;

/// Pairs refused in a row by live, after which probes end.
const REFUSED_MAX: u32 = 5;

/// What came of one pair of probes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Probed {
    Pair(ProbePair),
    /// Live refuses such requests, so probing has ended.
    Refused {
        status: u16,
    },
    /// Another version answered than the one a probe named.
    Misrouted,
}

/// Misrouted pairs in a row after which it is reported: a gateway takes a write over in less.
const MISROUTED_MAX: u32 = 10;

/// Built-in prompts: no two alike, so that no prefix cache helps either version.
pub fn built_in(seed: u64) -> Prompts {
    Prompts::Generated {
        words: PROMPT_WORDS,
        seed,
    }
}

/// Probes that go on until this is dropped.
#[derive(Debug)]
pub struct Probes {
    results: mpsc::Receiver<Probed>,
    /// Misrouted ones in a row.
    misrouted: u32,
    _task: JoinSet<()>,
}

impl Probes {
    /// Hands over what has come since the last time.
    pub fn take(&mut self, reading: &mut Reading) {
        while let Ok(probed) = self.results.try_recv() {
            match probed {
                Probed::Pair(pair) => {
                    self.misrouted = 0;
                    reading.pairs.push(pair);
                }
                Probed::Refused { status } => reading.notes.push(format!(
                    "probes are off: live answers them with {status}; only users' requests are compared"
                )),
                Probed::Misrouted => {
                    self.misrouted += 1;
                    if self.misrouted == MISROUTED_MAX {
                        reading.notes.push(format!(
                            "{MISROUTED_MAX} probes in a row reached another version than the one they named: \
                             the gateway has not taken the write over; they are not judged"
                        ));
                    }
                }
            }
        }
    }
}

/// The request of a probe to one version.
fn shape(model: &str) -> Shape {
    Shape {
        api: Api::Chat,
        model: model.to_owned(),
        stream: true,
        output_tokens: Some(OUTPUT_TOKENS),
        ignore_eos: false,
    }
}

/// Sends `per_s` pairs a second; `models` are the names the versions serve theirs by.
pub fn start(
    transport: ProbeTransport,
    models: Pair<&str>,
    prompts: Prompts,
    per_s: f64,
) -> Probes {
    let transport = Arc::new(transport);
    let shapes = Arc::new(models.map(shape));
    let (sender, results) = mpsc::channel(1024);
    let mut task = JoinSet::new();
    let interval = Duration::from_secs_f64(1.0 / per_s);
    task.spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let room = Arc::new(Semaphore::new(PAIRS_MAX));
        // Dropped with this task, so no probe outlives the run.
        let mut under_way = JoinSet::new();
        let (mut index, mut refused) = (0u64, 0);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Some(done) = under_way.join_next() => {
                    match done {
                        Ok(Probed::Refused { status }) => {
                            refused += 1;
                            if refused >= REFUSED_MAX {
                                // The measure may be gone already.
                                let _ = sender.send(Probed::Refused { status }).await;
                                return;
                            }
                        }
                        Ok(probed) => {
                            refused = 0;
                            if sender.send(probed).await.is_err() {
                                return;
                            }
                        }
                        Err(_) => {}
                    }
                    continue;
                }
            }
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let (transport, shapes) = (Arc::clone(&transport), Arc::clone(&shapes));
            let entry = prompts.get(index);
            let live_first = index.is_multiple_of(2);
            index += 1;
            under_way.spawn(async move {
                let bodies = shapes.as_ref().as_ref().map(|shape| shape.body(&entry));
                let probed = pair(&transport, &bodies, live_first).await;
                drop(place);
                probed
            });
        }
    });
    Probes {
        results,
        misrouted: 0,
        _task: task,
    }
}

/// Both at once, so that both meet the same load; which is sent first alternates.
async fn pair(transport: &ProbeTransport, bodies: &Pair<Body>, live_first: bool) -> Probed {
    let send = |arm: Arm| transport.send(arm, &bodies[arm]);
    let (live, candidate): (ProbeAnswer, ProbeAnswer) = if live_first {
        tokio::join!(send(Arm::Live), send(Arm::Candidate))
    } else {
        let (candidate, live) = tokio::join!(send(Arm::Candidate), send(Arm::Live));
        (live, candidate)
    };
    if live.misrouted || candidate.misrouted {
        return Probed::Misrouted;
    }
    match live.status {
        // The server does not accept such requests at all, which tells nothing about versions.
        Some(status @ (400 | 401 | 403 | 404 | 405 | 422)) => Probed::Refused { status },
        _ => Probed::Pair(ProbePair {
            ended_ms: now_ms(),
            server_errors: Pair::new(live.is_server_error(), candidate.is_server_error()),
            outcomes: Pair::new(live.outcome, candidate.outcome),
        }),
    }
}

/// Unix time.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
