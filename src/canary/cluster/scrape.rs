//! Reads the engines' own counters each second, through the API server: no gateway and no
//! metrics store is asked.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::counters::{Change, Counters};
use crate::{
    canary::pair::{Arm, Pair},
    cluster::{
        Cluster,
        inventory::of_version,
        pods::{self, PodView},
    },
    load::ServerFigures,
    name::{ReleaseName, VersionId},
};

const EVERY: Duration = Duration::from_secs(1);

/// Longest wait for one pod's page.
const PAGE_TIME_MAX: Duration = Duration::from_secs(2);

/// Pods asked at once: the API server has others to serve.
const PODS_AT_ONCE: usize = 16;

/// Readings between two lists of the pods.
const PODS_EVERY: u32 = 5;

/// What all pods of one version did between two readings.
#[derive(Debug, Clone)]
pub(super) struct Scraped {
    pub(super) arm: Arm,
    pub(super) change: Change,
    pub(super) figures: ServerFigures,
    /// Ready pods that answered, of those there are.
    pub(super) answered: usize,
    /// Whether any pod exports latencies.
    pub(super) says_latencies: bool,
}

/// Scrapes both versions for as long as it is kept.
pub(super) struct Scrapes {
    pub(super) results: mpsc::Receiver<Scraped>,
    _tasks: JoinSet<()>,
}

pub(super) fn start(
    cluster: &Cluster,
    release: &ReleaseName,
    versions: Pair<&VersionId>,
) -> Scrapes {
    let (sender, results) = mpsc::channel(256);
    let mut tasks = JoinSet::new();
    for (version, arm) in versions.zip(Arm::BOTH).into_array() {
        let mut pool = Pool {
            cluster: cluster.clone(),
            selector: of_version(release, version),
            pods: Vec::new(),
            before: HashMap::new(),
        };
        let sender = sender.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            for reading in 0u32.. {
                ticks.tick().await;
                if reading % PODS_EVERY == 0 {
                    pool.look_for_pods().await;
                }
                if sender.send(pool.read(arm).await).await.is_err() {
                    return;
                }
            }
        });
    }
    Scrapes {
        results,
        _tasks: tasks,
    }
}

/// The pods of one version and what each counted last.
struct Pool {
    cluster: Cluster,
    selector: String,
    pods: Vec<PodView>,
    before: HashMap<String, Counters>,
}

impl Pool {
    /// Which pods are Ready; while the API server does not say, those of before.
    async fn look_for_pods(&mut self) {
        if let Ok(found) = pods::find(&self.cluster, &self.selector).await {
            self.pods = found.into_iter().filter(|pod| pod.ready).collect();
            let pods = &self.pods;
            self.before
                .retain(|name, _| pods.iter().any(|pod| pod.pod == *name));
        }
    }

    async fn read(&mut self, arm: Arm) -> Scraped {
        let asked: Vec<_> = self
            .pods
            .iter()
            .map(|pod| page(self.cluster.clone(), pod.clone()))
            .collect();
        let pages: Vec<_> = stream::iter(asked)
            .buffer_unordered(PODS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let mut scraped = Scraped {
            arm,
            change: Change::default(),
            figures: ServerFigures::default(),
            answered: pages.len(),
            says_latencies: false,
        };
        for (pod, page) in pages {
            scraped.figures = scraped.figures.and(ServerFigures::parse(&page));
            let now = Counters::parse(&page);
            scraped.says_latencies |= now.says_latencies();
            let change = self.before.get(&pod).and_then(|before| now.since(before));
            if let Some(change) = change {
                scraped.change.ttft_ms.extend(change.ttft_ms);
                scraped.change.tpot_ms.extend(change.tpot_ms);
                scraped.change.output_tokens += change.output_tokens;
                scraped.change.failed += change.failed;
            }
            self.before.insert(pod, now);
        }
        scraped
    }
}

/// One pod's metrics; `None` where it does not answer in time.
async fn page(cluster: Cluster, pod: PodView) -> Option<(String, String)> {
    let page = pods::get(&cluster, &pod.pod, pod.port?, "/metrics");
    let page = timeout(PAGE_TIME_MAX, page).await.ok()?.ok()?;
    Some((pod.pod, page))
}
