//! A sending thread: its share of the users or of the schedule, on an event loop of its own.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::HeaderMap;
use reqwest::Url;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    client::{Answer, Client, Connection},
    error::Error,
    fault::Failed,
    plan::{Pace, Plan, share},
};
use crate::timer::Timer;

/// How often the event loop's own lateness is measured.
const LAG_INTERVAL: Duration = Duration::from_millis(5);

/// Users that warm up an open loop at once.
const WARM_UP_USERS: u32 = 4;

/// Polls of tasks between two looks at sockets and timers; tokio's default of 61 lets a
/// busy loop reach them a third of a millisecond late.
const EVENT_INTERVAL: u32 = 13;

/// What all threads of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) url: Url,
    pub(super) connection: Connection,
    pub(super) threads: u32,
    pub(super) phase: watch::Receiver<Phase>,
    /// Next request of a closed loop.
    next: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) tokens: AtomicU64,
    /// Threads that have warmed up.
    pub(super) warm: watch::Sender<u32>,
    pub(super) warmed: AtomicU64,
    pub(super) warm_up_failed: Mutex<Option<Failed>>,
    inbox: Mutex<Inbox>,
}

/// What the whole run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    WarmUp,
    Measure { start: Instant },
    Stop,
}

/// What has happened since it was last emptied.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) finished: Vec<Finished>,
    pub(super) lag_us: Vec<u64>,
}

pub(super) struct Finished {
    pub(super) index: u64,
    pub(super) intended: Instant,
    pub(super) ended: Instant,
    pub(super) answer: Answer,
}

impl Shared {
    pub(super) fn new(
        plan: Plan,
        url: Url,
        connection: Connection,
        threads: u32,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            plan,
            url,
            connection,
            threads,
            phase,
            next: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            warm: watch::Sender::new(0),
            warmed: AtomicU64::new(0),
            warm_up_failed: Mutex::new(None),
            inbox: Mutex::new(Inbox::default()),
        }
    }

    pub(super) fn empty_inbox(&self) -> Inbox {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn finish(&self, finished: Finished, lag: Option<Duration>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.finished.push(finished);
        inbox.lag_us.extend(lag.map(whole_us));
    }

    fn add_lag(&self, lag: Duration) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.lag_us.push(whole_us(lag));
    }
}

fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Runs thread `index` to its end; returns when its share is done or the run is stopped.
pub(super) fn run(shared: &Arc<Shared>, index: u32) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(Error::Machine)?;
    runtime.block_on(work(shared, index))
}

async fn work(shared: &Arc<Shared>, index: u32) -> Result<(), Error> {
    let worker = Worker {
        shared: Arc::clone(shared),
        client: Client::new(&shared.connection)?,
        index,
    };
    let mut phase = shared.phase.clone();
    tokio::select! {
        () = worker.warm_up() => {}
        _ = phase.wait_for(|phase| *phase == Phase::Stop) => return Ok(()),
    }
    shared.warm.send_modify(|warm| *warm += 1);
    let started = phase.wait_for(|phase| *phase != Phase::WarmUp).await;
    let Ok(Phase::Measure { start }) = started.map(|phase| *phase) else {
        return Ok(());
    };
    let lag = Timer::new().map_err(Error::Machine)?;
    // Every select drops what it does not take: a stop cancels all requests in flight.
    tokio::select! {
        done = worker.measure(start) => done.map_err(Error::Machine),
        failed = watch_lag(shared, &lag, start) => Err(Error::Machine(failed)),
        _ = phase.wait_for(|phase| *phase == Phase::Stop) => Ok(()),
    }
}

struct Worker {
    shared: Arc<Shared>,
    client: Client,
    index: u32,
}

impl Worker {
    async fn warm_up(&self) {
        let (index, threads) = (self.index, self.shared.threads);
        let requests = share(self.shared.plan.warm_up, index, threads);
        let users = match self.shared.plan.pace {
            Pace::Closed { concurrency } => share(u64::from(concurrency), index, threads),
            Pace::Open { .. } => u64::from(WARM_UP_USERS),
        };
        let mut tasks = JoinSet::new();
        for user in 0..users.min(requests) {
            let (shared, client) = (Arc::clone(&self.shared), self.client.clone());
            tasks.spawn(async move {
                // Their prompts come from the far end, so that none is sent again measured.
                for n in (user..requests).step_by(usize::try_from(users).unwrap_or(usize::MAX)) {
                    let at = u64::MAX - (n * u64::from(threads) + u64::from(index));
                    let body = shared.plan.shape.body(&shared.plan.prompts.get(at));
                    let answer = client
                        .send(&shared.url, &HeaderMap::new(), &body, |_| {})
                        .await;
                    if let Err(failed) = answer.result {
                        let mut slot = shared
                            .warm_up_failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner);
                        slot.get_or_insert(failed);
                    } else {
                        shared.warmed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn measure(&self, start: Instant) -> io::Result<()> {
        match self.shared.plan.pace {
            Pace::Closed { concurrency } => {
                let users = share(u64::from(concurrency), self.index, self.shared.threads);
                self.closed_loop(users, start).await
            }
            Pace::Open { in_flight_max, .. } => {
                let in_flight = share(u64::from(in_flight_max), self.index, self.shared.threads);
                self.open_loop(in_flight.max(1), start).await
            }
        }
    }

    async fn closed_loop(&self, users: u64, start: Instant) -> io::Result<()> {
        Timer::new()?.until(start).await?;
        let mut tasks = JoinSet::new();
        for _ in 0..users {
            let (shared, client) = (Arc::clone(&self.shared), self.client.clone());
            tasks.spawn(async move {
                let amount = shared.plan.amount;
                let end = amount.duration.map(|duration| start + duration);
                while end.is_none_or(|end| Instant::now() < end) {
                    let index = shared.next.fetch_add(1, Ordering::Relaxed);
                    if amount.requests.is_some_and(|requests| index >= requests) {
                        break;
                    }
                    send(&shared, &client, index, None).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn open_loop(&self, in_flight_max: u64, start: Instant) -> io::Result<()> {
        let plan = &self.shared.plan;
        let end = plan.amount.duration.map(|duration| start + duration);
        let permits = usize::try_from(in_flight_max).unwrap_or(usize::MAX);
        let in_flight = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let timer = Timer::new()?;
        let mut tasks = JoinSet::new();
        let mut unblocked = start;
        let (index, threads) = (u64::from(self.index), u64::from(self.shared.threads));
        let due = plan.due().into_iter().flatten();
        for (number, due) in due.filter(|(number, _)| number % threads == index) {
            let due = start + due;
            timer.until(due).await?;
            while tasks.try_join_next().is_some() {}
            let permit = if let Ok(permit) = Arc::clone(&in_flight).try_acquire_owned() {
                permit
            } else {
                let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else {
                    break;
                };
                unblocked = Instant::now();
                permit
            };
            // What a full house kept back until the end was not delivered.
            if end.is_some_and(|end| Instant::now() > end) {
                break;
            }
            let (shared, client) = (Arc::clone(&self.shared), self.client.clone());
            let intended = Intended {
                due,
                by_schedule: due >= unblocked,
            };
            tasks.spawn(async move {
                send(&shared, &client, number, Some(intended)).await;
                drop(permit);
            });
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// When a request of an open loop was to be sent.
#[derive(Clone, Copy)]
struct Intended {
    due: Instant,
    /// False where it waited for others to end: that is not the client's fault.
    by_schedule: bool,
}

async fn send(shared: &Shared, client: &Client, index: u64, intended: Option<Intended>) {
    let plan = &shared.plan;
    let body = plan.shape.body(&plan.prompts.get(index));
    shared.sent.fetch_add(1, Ordering::Relaxed);
    let on_tokens = |tokens| {
        shared.tokens.fetch_add(tokens, Ordering::Relaxed);
    };
    let answer = client
        .send(&shared.url, &HeaderMap::new(), &body, on_tokens)
        .await;
    let lag = intended
        .filter(|intended| intended.by_schedule)
        .map(|intended| answer.sent.saturating_duration_since(intended.due));
    let finished = Finished {
        index,
        intended: intended.map_or(answer.sent, |intended| intended.due),
        ended: Instant::now(),
        answer,
    };
    shared.finish(finished, lag);
}

/// Measures how late this thread's event loop gets to a timer: as late as to a token.
async fn watch_lag(shared: &Shared, timer: &Timer, start: Instant) -> io::Error {
    let mut due = start;
    loop {
        due += LAG_INTERVAL;
        if let Err(error) = timer.until(due).await {
            return error;
        }
        let now = Instant::now();
        shared.add_lag(now.saturating_duration_since(due));
        // After a long stall, what was missed is one delay and not many.
        if now.saturating_duration_since(due) > LAG_INTERVAL {
            due = now;
        }
    }
}
