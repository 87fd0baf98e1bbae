//! Drives one load test from warm-up to its measurements.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use super::{
    Event,
    client::{Client, Connection},
    error::Error,
    fault::Failed,
    live::{Live, Now},
    plan::{Pace, Plan},
    scrape::{self, Reading, ServerFigures},
    summary::{Good, Measured, Offered, Record},
    target::Target,
    worker::{self, Finished, Phase, Shared},
};
use crate::interrupt::Interrupt;

/// Between two looks at what has finished, and two redraws.
const TICK: Duration = Duration::from_millis(200);

/// Time for every thread to be waiting when the first request is due.
const START_AFTER: Duration = Duration::from_millis(20);

/// What a run measured, and whether it was ended early.
#[derive(Debug)]
pub struct Finish {
    pub measured: Measured,
    pub interrupted: bool,
    /// The server's own figures over time: seconds from the start, figures.
    pub server: Vec<(f64, ServerFigures)>,
}

/// Runs `plan` against `target`. A first signal ends it with what was measured so far.
pub async fn run(
    plan: Plan,
    target: &Target,
    mut connection: Connection,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Finish, Error> {
    raise_open_files();
    connection.afresh |= target.hangs_up;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = plan.threads(u32::try_from(cores).unwrap_or(u32::MAX));
    let url = target
        .base
        .join(plan.shape.api.path())
        .map_err(|error| Error::Url {
            url: target.base.to_string(),
            reason: error.to_string(),
        })?;
    let scraper = Client::new(&connection)?;
    let (phase, receiver) = watch::channel(Phase::WarmUp);
    let shared = Arc::new(Shared::new(plan, url, connection, threads, receiver));
    let mut workers = JoinSet::new();
    for index in 0..threads {
        let shared = Arc::clone(&shared);
        workers.spawn_blocking(move || worker::run(&shared, index));
    }
    let driven = drive(
        &shared,
        &phase,
        &mut workers,
        target,
        &scraper,
        interrupt,
        on_event,
    )
    .await;
    // Whatever happened, no thread outlives the run.
    phase.send_replace(Phase::Stop);
    while workers.join_next().await.is_some() {}
    driven
}

async fn drive(
    shared: &Arc<Shared>,
    phase: &watch::Sender<Phase>,
    workers: &mut JoinSet<Result<(), Error>>,
    target: &Target,
    scraper: &Client,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Finish, Error> {
    let mut interrupted = warm_up(shared, workers, interrupt).await?;
    let warmed = shared.warmed.load(Ordering::Relaxed);
    if shared.plan.warm_up > 0 && !interrupted {
        let failed = shared
            .warm_up_failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (0, Some(source)) = (warmed, failed) {
            return Err(Error::WarmUp {
                url: shared.url.to_string(),
                count: shared.plan.warm_up,
                source,
            });
        }
        on_event(Event::WarmedUp { requests: warmed });
    }
    let start = Instant::now() + START_AFTER;
    let mut collected = Collected::new(start);
    if !interrupted {
        phase.send_replace(Phase::Measure { start });
        let server = Mutex::new(Vec::new());
        let metrics = target.base.join("metrics");
        let watching = async {
            let Ok(url) = metrics else { return };
            scrape::watch(scraper.http(), &url, |reading| match reading {
                Reading::Figures(figures) => {
                    let at = start.elapsed().as_secs_f64();
                    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                    server.push((at, figures));
                    ControlFlow::Continue(())
                }
                Reading::Late => ControlFlow::Continue(()),
                Reading::Absent => ControlFlow::Break(()),
            })
            .await;
        };
        let measuring = measure(
            shared,
            workers,
            &mut collected,
            &server,
            interrupt,
            on_event,
        );
        let watching = async {
            watching.await;
            std::future::pending().await
        };
        interrupted = tokio::select! {
            ended = measuring => ended?,
            never = watching => never,
        };
        collected.server = server.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
    phase.send_replace(Phase::Stop);
    while let Some(ended) = workers.join_next().await {
        joined(ended)?;
    }
    let ended = Instant::now();
    collected.take(shared, on_event);
    Ok(collected.finish(shared, target.simulated, interrupted, ended))
}

/// Waits until warm; true where a signal came first.
async fn warm_up(
    shared: &Shared,
    workers: &mut JoinSet<Result<(), Error>>,
    interrupt: &Interrupt,
) -> Result<bool, Error> {
    let mut waiting = shared.warm.subscribe();
    tokio::select! {
        _ = waiting.wait_for(|warm| *warm >= shared.threads) => Ok(false),
        _ = interrupt.any() => Ok(true),
        // No thread ends before the measuring starts, except by an error.
        Some(ended) = workers.join_next() => joined(ended).map(|()| false),
    }
}

/// Watches the run; true where a signal ended it.
async fn measure(
    shared: &Shared,
    workers: &mut JoinSet<Result<(), Error>>,
    collected: &mut Collected,
    server: &Mutex<Vec<(f64, ServerFigures)>>,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<bool, Error> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(ended) => joined(ended)?,
                None => return Ok(false),
            },
            _ = tick.tick() => {
                collected.take(shared, on_event);
                let server = server.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
                let now = Now {
                    elapsed_s: collected.start.elapsed().as_secs_f64(),
                    sent: shared.sent.load(Ordering::Relaxed),
                    tokens: shared.tokens.load(Ordering::Relaxed),
                    server: server.map(|(_, figures)| figures),
                };
                on_event(Event::Progress(Box::new(collected.live.view(&shared.plan, now))));
            }
            _ = interrupt.any() => return Ok(true),
        }
    }
}

fn joined(ended: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    ended.unwrap_or_else(|error| Err(Error::Machine(std::io::Error::other(error))))
}

struct Collected {
    start: Instant,
    live: Live,
    records: Vec<Record>,
    server: Vec<(f64, ServerFigures)>,
}

impl Collected {
    fn new(start: Instant) -> Self {
        Self {
            start,
            live: Live::new(),
            records: Vec::new(),
            server: Vec::new(),
        }
    }

    /// Takes over what the threads have finished.
    fn take(&mut self, shared: &Shared, on_event: &(dyn Fn(Event) + Sync)) {
        let inbox = shared.empty_inbox();
        for lag in inbox.lag_us {
            self.live.add_lag(lag);
        }
        let from = self.records.len();
        for mut finished in inbox.finished {
            let gaps_us = std::mem::take(&mut finished.answer.gaps_us);
            let record = record(self.start, finished);
            // The gaps of a failed request are no measurement either.
            self.live.add(&record, &gaps_us);
            self.records.push(record);
        }
        if from < self.records.len() {
            on_event(Event::Requests(&self.records[from..]));
        }
    }

    fn finish(
        mut self,
        shared: &Shared,
        simulated: Option<bool>,
        interrupted: bool,
        ended: Instant,
    ) -> Finish {
        self.records.sort_unstable_by_key(|record| record.index);
        let (chunk_gaps, client_added) = self.live.into_counted();
        let until = interrupted.then(|| ended.saturating_duration_since(self.start));
        let sent = shared.sent.load(Ordering::Relaxed);
        Finish {
            measured: Measured {
                cancelled: sent.saturating_sub(self.records.len() as u64),
                offered: offered(&shared.plan, &self.records, sent, until),
                records: self.records,
                chunk_gaps,
                client_added,
                simulated,
            },
            interrupted,
            server: self.server,
        }
    }
}

fn record(start: Instant, finished: Finished) -> Record {
    let since = |at: Instant| at.saturating_duration_since(start).as_secs_f64();
    let Finished {
        index,
        intended,
        ended,
        answer,
    } = finished;
    let good = |timing: super::timing::Timing| Good {
        latencies: timing.latencies(intended),
        output_tokens: timing.output_tokens(),
        counted: timing.counted().is_some(),
        prompt_tokens: timing.usage.map(|usage| usage.prompt_tokens),
    };
    let result: Result<Good, Failed> = answer.result.map(good);
    Record {
        index,
        intended_s: since(intended),
        sent_s: since(answer.sent),
        ended_s: since(ended),
        result,
    }
}

/// What was due, until `until` where the run was cut short, and what of it was sent in time.
fn offered(plan: &Plan, records: &[Record], sent: u64, until: Option<Duration>) -> Option<Offered> {
    let Pace::Open { rate, .. } = plan.pace else {
        return None;
    };
    let (mut due, mut last) = (0, Duration::ZERO);
    for (_, at) in plan
        .due()?
        .take_while(|(_, at)| until.is_none_or(|until| *at < until))
    {
        due += 1;
        last = at;
    }
    let rps = rate.per_second();
    let in_time = (last + Offered::grace(rps)).as_secs_f64();
    let late = records
        .iter()
        .filter(|record| record.sent_s > in_time)
        .count() as u64;
    Some(Offered {
        rps,
        due,
        sent_in_time: sent.saturating_sub(late).min(due),
    })
}

/// Every request in flight is an open file; the usual soft limit is 1024.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Not allowed: then too many connections fail as `connect`, with the cause.
    setrlimit(Resource::Nofile, raised).unwrap_or(());
}
