//! Paired probes: the same prompt to both versions at the same time, pinned through the
//! gateway. They judge where users send too little, and cancel what prompts differ in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    error::Error,
    sample::{Felt, Pair},
};
use crate::load::{
    self, Answer, Api, Body, Client, Connection, Prompts, Shape, Timeouts, VERSION_HEADER,
};

/// Longest answer of a probe: enough for a time per token, little beside users' answers.
pub const OUTPUT_TOKENS: u32 = 32;

/// Words of a built-in prompt; about a chat message.
const PROMPT_WORDS: u32 = 64;

/// Pairs under way at once. A server that is slower than that gets no more of them: probes
/// must not become its load.
const PAIRS_MAX: usize = 8;

/// Pairs refused in a row by live, after which it is no use to go on.
const REFUSED_MAX: u32 = 5;

/// A probe that takes longer has failed; a person would have gone.
const TIMEOUTS: Timeouts = Timeouts {
    first: Duration::from_secs(30),
    idle: Duration::from_secs(15),
    total: Duration::from_mins(1),
};

/// One version as probes reach it.
#[derive(Debug, Clone)]
pub struct Pinned {
    pub version: String,
    pub served_model: String,
}

/// What a probe has to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Probed {
    Pair(Pair),
    /// Live refuses such requests, so probing has ended.
    Refused {
        status: u16,
    },
}

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
    pub results: mpsc::Receiver<Probed>,
    _task: JoinSet<()>,
}

/// One arm's client, headers and shape.
struct Arm {
    headers: HeaderMap,
    shape: Shape,
}

impl Arm {
    fn new(pinned: &Pinned) -> Self {
        let mut headers = HeaderMap::new();
        if let Ok(version) = HeaderValue::from_str(&pinned.version) {
            headers.insert(VERSION_HEADER, version);
        }
        Self {
            headers,
            shape: Shape {
                api: Api::Chat,
                model: pinned.served_model.clone(),
                stream: true,
                output_tokens: Some(OUTPUT_TOKENS),
                ignore_eos: false,
            },
        }
    }
}

/// Sends `per_s` pairs a second through `endpoint`.
pub fn start(
    endpoint: &str,
    arms: [&Pinned; 2],
    prompts: Prompts,
    per_s: f64,
) -> Result<Probes, Error> {
    let client = Client::new(&Connection {
        timeouts: TIMEOUTS,
        ..Connection::default()
    })
    .map_err(Error::Probes)?;
    let url = load::base(endpoint)
        .map_err(Error::Probes)?
        .join(Api::Chat.path())
        .map_err(|error| Error::Endpoint {
            endpoint: endpoint.to_owned(),
            source: Box::new(error),
        })?;
    let arms = Arc::new(arms.map(Arm::new));
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
                                // Nobody may be left to hear it.
                                let _ = sender.send(Probed::Refused { status }).await;
                                return;
                            }
                        }
                        Ok(pair @ Probed::Pair(_)) => {
                            refused = 0;
                            if sender.send(pair).await.is_err() {
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
            let (client, url, arms) = (client.clone(), url.clone(), Arc::clone(&arms));
            let entry = prompts.get(index);
            let live_first = index.is_multiple_of(2);
            index += 1;
            under_way.spawn(async move {
                let bodies = [0, 1].map(|at| arms[at].shape.body(&entry));
                let probed = pair(&client, &url, &arms, &bodies, live_first).await;
                drop(place);
                probed
            });
        }
    });
    Ok(Probes {
        results,
        _task: task,
    })
}

/// Both at once, so that both meet the same minute; who goes first alternates.
async fn pair(
    client: &Client,
    url: &reqwest::Url,
    arms: &[Arm; 2],
    bodies: &[Body; 2],
    live_first: bool,
) -> Probed {
    let send = |at: usize| client.send(url, &arms[at].headers, &bodies[at], |_| {});
    let (live, candidate) = if live_first {
        tokio::join!(send(0), send(1))
    } else {
        let (candidate, live) = tokio::join!(send(1), send(0));
        (live, candidate)
    };
    match live.status {
        // The request itself is not what this server takes; that says nothing about versions.
        Some(status @ (400 | 401 | 403 | 404 | 405 | 422)) => Probed::Refused { status },
        _ => Probed::Pair(Pair {
            ended_ms: now_ms(),
            live: felt(&live),
            candidate: felt(&candidate),
        }),
    }
}

fn felt(answer: &Answer) -> Felt {
    match &answer.result {
        Ok(timing) => {
            let latencies = timing.latencies(answer.sent);
            Felt {
                failed: false,
                ttft_ms: latencies.ttft_ms,
                tpot_ms: latencies.tpot_ms,
            }
        }
        Err(_) => Felt {
            failed: true,
            ttft_ms: None,
            tpot_ms: None,
        },
    }
}

/// Unix time.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
