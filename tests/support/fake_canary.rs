//! Canaries over the fake release: the real run, split, record and replicas; only the requests
//! are drawn, on a simulated clock.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{sync::Mutex, time::Duration};

use infer::for_tests::{
    canary::{
        CanaryRun, Chosen, Error, Measure, Observed, Reading, RunEnd, Verdict,
        cluster::Locked,
        end,
        fleet::SiteFleet,
        journal::Journal,
        pair::Arm,
        plan::{Asked, OnInterrupt, OnUndecided, Plan},
        sample::Outcome,
    },
    interrupt::Interrupt,
    release::{
        event::Event,
        lifecycle::{self, Goal, Site as _},
    },
    traffic::{Router, Split},
    weight::Weight,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::fake_release::{Deploy, FakeRelease, TWO, chat, route_path, run, version};

/// Requests a second.
const RATE: u64 = 40;

/// A canary of [`TWO`].
#[derive(Debug, Clone, Copy)]
pub struct Canary {
    /// Weights in turn; a last one of 100 promotes.
    pub steps: &'static [u8],
    /// The candidate's TTFT over live's.
    pub slower: f64,
}

/// Requests drawn by the share that the route has, on its own clock.
struct Drawn<'a> {
    fake: &'a FakeRelease,
    slower: f64,
    elapsed_ms: u64,
    random: ChaCha8Rng,
}

impl Drawn<'_> {
    fn share(&self) -> f64 {
        let route = self.fake.server.object(&route_path()).unwrap_or_default();
        let rules = route["spec"]["rules"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let default = rules
            .iter()
            .find(|rule| rule["matches"][0].get("headers").is_none());
        let backends = default.and_then(|rule| rule["backendRefs"].as_array().cloned());
        let of = |backend: &Value| {
            let weight = backend.get("weight").and_then(Value::as_u64).unwrap_or(1);
            (backend["name"] == format!("chat-{TWO}"), weight)
        };
        let weights: Vec<_> = backends.unwrap_or_default().iter().map(of).collect();
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let candidate: u64 = weights
            .iter()
            .filter(|(is_two, _)| *is_two)
            .map(|(_, weight)| weight)
            .sum();
        let part = |count: u64| f64::from(u32::try_from(count).unwrap());
        if total == 0 {
            0.0
        } else {
            part(candidate) / part(total)
        }
    }

    fn requests(&mut self, share: f64, count: u64, at: impl Fn(u64) -> u64) -> Vec<Observed> {
        (0..count)
            .map(|number| {
                let candidate = self.random.random_bool(share);
                // The sum of twelve uniform numbers is close to normal.
                let normal = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
                let slower = if candidate { self.slower } else { 1.0 };
                Observed {
                    started_ms: at(number),
                    ended_ms: at(number),
                    arm: if candidate { Arm::Candidate } else { Arm::Live },
                    outcome: Outcome {
                        failed: false,
                        ttft_ms: Some(200.0 * slower * (0.1 * normal).exp()),
                        tpot_ms: Some(10.0 * (0.05 * normal).exp()),
                    },
                    output_tokens: 20,
                    chosen: Chosen::BySplit,
                }
            })
            .collect()
    }
}

impl Measure for Drawn<'_> {
    async fn history(&mut self) -> Result<Reading, Error> {
        let (now_ms, count) = (self.now_ms(), RATE * 120);
        let requests = self.requests(0.0, count, |number| {
            now_ms - 120_000 + number * 120_000 / count
        });
        Ok(Reading {
            now_ms,
            requests,
            ..Reading::default()
        })
    }

    fn now_ms(&self) -> u64 {
        1_000_000 + self.elapsed_ms
    }

    async fn next(&mut self) -> Result<Reading, Error> {
        tokio::task::yield_now().await;
        self.elapsed_ms += 200;
        let (now_ms, share) = (self.now_ms(), self.share());
        Ok(Reading {
            now_ms,
            requests: self.requests(share, RATE / 5, |_| now_ms),
            ..Reading::default()
        })
    }
}

fn plan(canary: Canary) -> Plan {
    let weights = canary
        .steps
        .iter()
        .map(|step| Weight::try_from(*step).unwrap());
    Plan::new(&Asked {
        weights: weights.collect(),
        promote: false,
        hold: false,
        matches: None,
        step_limit: Duration::from_mins(10),
        margin: 0.2,
        probe_rate: 0.0,
        pool_noise: None,
        on_undecided: OnUndecided::Restore,
        on_interrupt: OnInterrupt::RollBack,
    })
    .unwrap()
}

fn begun(split: &Split, plan: Plan) -> Journal {
    Journal {
        run_id: "r-1".to_owned(),
        live: split.live.clone(),
        candidate: version(TWO),
        step: 0,
        original_weight: split.weight,
        original_match: None,
        started_ms: 1_000_000,
        updated_ms: 1_000_000,
        deadline_ms: 0,
        frozen: false,
        held: false,
        plan,
    }
}

impl FakeRelease {
    /// As `infer canary` goes: what an earlier run left is finished, an abandoned run goes on.
    pub async fn canary(&self, canary: Canary) -> Result<Verdict, String> {
        let lock = self.lock("r-1").await.map_err(|error| error.to_string())?;
        let ended = self.compared(&lock, canary).await;
        let released = lock.release(&self.cluster, ended.is_ok()).await;
        drop(released);
        ended
    }

    /// As `infer canary abort` goes.
    pub async fn abort(&self) {
        let (release, interrupt) = (chat(), Interrupt::pair().1);
        let lock = self.lock("r-1").await.unwrap();
        let site = self.site(&release, &lock, None, &|_| ());
        let run = run(&site, &|_| (), &interrupt);
        site.observe(None).await.unwrap();
        let router = site.router().await.unwrap().unwrap();
        let split = router.read().await.unwrap();
        let journal = Journal::read(split.journal.as_ref().unwrap()).unwrap();
        let traffic = Locked {
            interrupt: &interrupt,
            router: &router,
            lock: &lock,
            on_event: &|_| (),
        };
        let fleet = SiteFleet {
            run: &run,
            live: &journal.live,
            on_event: &|_| (),
        };
        let ended = end((&traffic, &fleet), &interrupt, (&split, &journal), false).await;
        ended.unwrap().unwrap();
        lock.release(&self.cluster, true).await.unwrap();
    }

    async fn compared(
        &self,
        lock: &infer::for_tests::cluster::lease::Lock,
        canary: Canary,
    ) -> Result<Verdict, String> {
        let (release, interrupt) = (chat(), Interrupt::pair().1);
        let told = |error: &dyn std::fmt::Debug| format!("{error:?}");
        let on_event = |event: Event| self.events.lock().unwrap().push(format!("{event:?}"));
        let site = self.site(&release, lock, None, &on_event);
        let run = run(&site, &on_event, &interrupt);
        lifecycle::finish(&run, None)
            .await
            .map_err(|error| told(&error))?;
        let router = site.router().await.map_err(|error| told(&error))?;
        let router: Router = router.ok_or("no router")?;
        let mut split = router.read().await.map_err(|error| told(&error))?;
        if split.live == version(TWO) {
            return Ok(Verdict::Promoted);
        }
        let journal = if let Some(journal) = &split.journal {
            Journal::read(journal).unwrap()
        } else {
            let two = Deploy {
                goal: Goal::Wait,
                ..Deploy::of(TWO)
            };
            let deployed = self.deploy_under(lock, &two).await;
            deployed.map_err(|error| told(&error))?;
            split = router.read().await.map_err(|error| told(&error))?;
            begun(&split, plan(canary))
        };
        let journal = if journal.held {
            begun(&split, plan(canary))
        } else {
            journal
        };
        let warnings = Mutex::new(Vec::new());
        let tell = |event: infer::for_tests::canary::Event| {
            if let infer::for_tests::canary::Event::Warning { text } = event {
                warnings.lock().unwrap().push(text);
            }
        };
        let traffic = Locked {
            interrupt: &interrupt,
            router: &router,
            lock,
            on_event: &tell,
        };
        let fleet = SiteFleet {
            run: &run,
            live: &journal.live,
            on_event: &tell,
        };
        let mut measure = Drawn {
            fake: self,
            slower: canary.slower,
            elapsed_ms: 0,
            random: ChaCha8Rng::seed_from_u64(7),
        };
        let drive = CanaryRun {
            traffic: &traffic,
            measure: &mut measure,
            fleet: &fleet,
            interrupt: &interrupt,
            on_terminal: false,
            again: Duration::from_millis(20),
            brought_up: true,
            simulated: false,
            on_event: &tell,
        };
        let ended = Box::pin(drive.run(&journal, split)).await;
        let RunEnd::Ended(ending) = ended.map_err(|error| told(&error))?.0 else {
            return Err("frozen".to_owned());
        };
        // The verdict stands; what could not be ended is for the next run.
        let warnings = warnings.lock().unwrap();
        if warnings.is_empty() {
            Ok(ending.verdict)
        } else {
            Err(format!("{:?}, but {warnings:?}", ending.verdict))
        }
    }
}
