//! Measuring and ending versions on the local target.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    error::Error,
    event::Event,
    fleet::SiteFleet,
    journal::Journal,
    pair::{Arm, Pair},
    ports::Measure,
    probe::{self, Probes, now_ms},
    probe_transport::ProbeTransport,
    reading::{Chosen, Observed, Reading},
    run::{AGAIN, CanaryRun, RunEnd},
    sample::Outcome,
};
use crate::{
    interrupt::Interrupt,
    load::{Prompts, ServerFigures, scrape},
    local::{Client, Observation, State},
    name::VersionId,
    release::lifecycle::Run,
    traffic::{Endpoint, Router, Split},
};

/// How often the gateway is asked for what has ended: as often as the view is redrawn.
const READ_EVERY: Duration = Duration::from_millis(200);

/// How long the gateway may be out of sight: `infer serve` restarts faster.
const BLIND_MAX: Duration = Duration::from_secs(30);

/// Pages of history: the ring holds seven.
const PAGES_MAX: usize = 8;

/// The last part of the paths that are inference; others have no latency to judge.
const INFERENCE: [&str; 4] = ["completions", "embeddings", "responses", "messages"];

/// A sender that went away before the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The local gateway's own timing, paired probes and the engines' metrics.
pub struct LocalMeasure {
    client: Client,
    versions: Pair<VersionId>,
    after: u64,
    probes: Option<Probes>,
    figures: Arc<Mutex<Pair<ServerFigures>>>,
    blind_since: Option<std::time::Instant>,
    _scrape: JoinSet<()>,
}

impl LocalMeasure {
    pub fn new(
        client: &Client,
        state: &State,
        versions: Pair<VersionId>,
        probes: Option<Probes>,
    ) -> Self {
        let figures = Arc::new(Mutex::new(Pair::<ServerFigures>::default()));
        let mut scrape = JoinSet::new();
        for (arm, version) in Arm::BOTH.zip(versions.as_ref()).into_array() {
            let port = state.version(version).and_then(|known| known.port);
            if let Some(port) = port {
                let figures = Arc::clone(&figures);
                scrape.spawn(watch(port, move |read| {
                    figures.lock().unwrap_or_else(PoisonError::into_inner)[arm] = read;
                }));
            }
        }
        Self {
            client: client.clone(),
            versions,
            after: 0,
            probes,
            figures,
            blind_since: None,
            _scrape: scrape,
        }
    }

    fn observed(&self, seen: &Observation) -> Option<Observed> {
        let arm = self.versions.arm_of(&seen.version)?;
        let last = seen.path.rsplit('/').next().unwrap_or_default();
        if !INFERENCE.contains(&last) {
            return None;
        }
        // A user who left after the first token was served; one who left before gave up.
        let left = seen.status == CLIENT_CLOSED_REQUEST && seen.ttft_ms.is_some();
        let failed = seen.failed.is_some() && !left;
        Some(Observed {
            started_ms: seen.at_ms,
            ended_ms: seen.at_ms + whole(seen.e2e_ms),
            arm,
            outcome: Outcome {
                failed,
                ttft_ms: seen.ttft_ms.filter(|_| !failed),
                tpot_ms: seen.tpot_ms.filter(|_| !failed),
            },
            output_tokens: seen.output_tokens.unwrap_or(0),
            chosen: match (seen.pinned, seen.diverted) {
                (true, _) => Chosen::Pinned,
                (false, true) => Chosen::Diverted,
                (false, false) => Chosen::BySplit,
            },
        })
    }

    /// All observations there are beyond the last one read.
    async fn read(&mut self, reading: &mut Reading) -> Result<(), Error> {
        for _ in 0..PAGES_MAX {
            let page = match self.client.observations(self.after).await {
                Ok(page) => page,
                Err(error) => return self.blind(error),
            };
            self.blind_since = None;
            // The first page of all says nothing about what this run has missed.
            if self.after > 0 {
                reading.lost += page.lost;
            }
            let seen = page.observations.iter();
            reading
                .requests
                .extend(seen.filter_map(|seen| self.observed(seen)));
            let more = !page.observations.is_empty() && page.next != self.after;
            self.after = page.next;
            if !more || page.observations.len() < 1_000 {
                break;
            }
        }
        Ok(())
    }

    /// The gateway may be restarting; for long it may not.
    fn blind(&mut self, error: crate::local::Error) -> Result<(), Error> {
        let since = *self.blind_since.get_or_insert_with(std::time::Instant::now);
        if since.elapsed() < BLIND_MAX {
            return Ok(());
        }
        Err(Error::Blind {
            release: self.client.release().to_string(),
            waited_s: BLIND_MAX.as_secs(),
            source: error,
        })
    }

    fn take_probes(&mut self, reading: &mut Reading) {
        let Some(probes) = &mut self.probes else {
            return;
        };
        probes.take(reading);
    }
}

impl Measure for LocalMeasure {
    async fn history(&mut self) -> Result<Reading, Error> {
        let mut reading = Reading::default();
        self.read(&mut reading).await?;
        reading.now_ms = now_ms();
        Ok(reading)
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    async fn next(&mut self) -> Result<Reading, Error> {
        tokio::time::sleep(READ_EVERY).await;
        let mut reading = Reading::default();
        self.read(&mut reading).await?;
        self.take_probes(&mut reading);
        reading.figures = *self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        reading.now_ms = now_ms();
        Ok(reading)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a latency in milliseconds"
)]
fn whole(ms: f64) -> u64 {
    ms.max(0.0) as u64
}

/// Reads the metrics of one engine for as long as it is polled.
async fn watch(port: u16, on_figures: impl Fn(ServerFigures)) {
    let url = format!("http://127.0.0.1:{port}/metrics").parse();
    let (Ok(url), Ok(client)) = (url, reqwest::Client::builder().no_proxy().build()) else {
        return;
    };
    scrape::watch(&client, &url, |reading| {
        if let scrape::Reading::Figures(read) = reading {
            on_figures(read);
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// Where and for whom a canary is driven on this machine.
pub struct Setting<'a> {
    pub client: &'a Client,
    pub router: &'a Router,
    /// The run over the release's site.
    pub run: &'a Run<'a>,
    pub interrupt: &'a Interrupt,
    pub on_terminal: bool,
    /// Whether this run started the candidate.
    pub brought_up: bool,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

/// Drives `journal`'s plan with what this machine has to see by.
pub async fn drive(
    setting: &Setting<'_>,
    journal: &Journal,
    split: Split,
    prompts: Prompts,
) -> Result<(RunEnd, super::RunState), Error> {
    let state = setting.client.state().await?;
    let versions = Pair::new(&journal.live, &journal.candidate);
    for version in versions.into_array() {
        if state.version(version).is_none() {
            return Err(Error::NotUp {
                release: setting.client.release().to_string(),
                version: version.clone(),
            });
        }
    }
    let models = versions.map(|version| {
        let known = state.version(version);
        known.map_or("", |known| known.engine.served_model.as_str())
    });
    let rate = journal.plan.probe_rate;
    let probes = if rate > 0.0 {
        let gateway = Endpoint {
            url: setting.router.endpoint().to_owned(),
            host: None,
        };
        let transport = ProbeTransport::through(&gateway, versions.map(ToString::to_string))?;
        Some(probe::start(transport, models, prompts, rate))
    } else {
        None
    };
    let mut measure = LocalMeasure::new(setting.client, &state, versions.map(Clone::clone), probes);
    let fleet = SiteFleet {
        run: setting.run,
        live: &journal.live,
        on_event: setting.on_event,
    };
    let drive = CanaryRun {
        traffic: setting.router,
        measure: &mut measure,
        fleet: &fleet,
        interrupt: setting.interrupt,
        on_terminal: setting.on_terminal,
        again: AGAIN,
        brought_up: setting.brought_up,
        simulated: state.simulated,
        on_event: &|event| (setting.on_event)(event),
    };
    drive.run(journal, split).await
}
