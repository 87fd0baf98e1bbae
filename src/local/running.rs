//! An engine that runs, and who asks after its health.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{
    control::Engine,
    health::Health,
    prober::{Answer, Prober},
    process::Process,
    slot::Slot,
    task::Task,
};

/// One run of an engine while it lasts.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) health: Health,
    pub(super) answers: mpsc::Receiver<Answer>,
    _prober: Task,
    pub(super) startup_ends: Instant,
    pub(super) startup_s: u64,
    pub(super) health_path: String,
    pub(super) ready_since: Option<Instant>,
}

/// Probe answers that may wait to be looked at; there is at most one a second.
const ANSWERS_WAITING_MAX: usize = 8;

impl Running {
    /// Starts asking; `health` is what is known of it already.
    pub(super) fn new(
        process: Process,
        engine: &Engine,
        health: Health,
        slot: &Arc<Slot>,
        port: u16,
    ) -> Self {
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING_MAX);
        let prober = Prober {
            port,
            path: engine.health_path.clone(),
        };
        let slot = Arc::clone(slot);
        Self {
            process,
            health,
            answers,
            _prober: Task::spawn(async move {
                prober
                    .run(health.has_started(), &slot.suspected, &sender)
                    .await;
            }),
            startup_ends: Instant::now() + Duration::from_secs(engine.startup_s),
            startup_s: engine.startup_s,
            health_path: engine.health_path.clone(),
            ready_since: health.is_ready().then(Instant::now),
        }
    }

    /// How long it has been ready without a break.
    pub(super) fn ready_for(&self) -> Option<Duration> {
        self.ready_since.map(|since| since.elapsed())
    }
}
