//! A canary on a cluster: it measures by the pods' own counters, paired probes and split
//! probes, and writes under the lease.
//!
//! [`counters`] is pure; `scrape` and `split_probes` read, `measure` puts together what they read,
//! `locked` writes the split.

pub mod counters;
mod locked;
mod measure;
pub mod outage;
mod scrape;
mod split_probes;

pub use self::locked::Locked;
use self::measure::ClusterMeasure;
use super::{
    CanaryRun, Error, Event, RunEnd, fleet::SiteFleet, journal::Journal, pair::Pair, probe,
    probe_transport::ProbeTransport, run::AGAIN,
};
use crate::{
    cluster::{Cluster, lease::Lock},
    interrupt::Interrupt,
    load::Prompts,
    name::ReleaseName,
    release::{
        self,
        kubernetes::{ClusterSite, Served},
        lifecycle::Run,
    },
    traffic::{Router, Split},
};

/// Where and for whom a canary is driven on a cluster.
pub struct Setting<'a> {
    pub cluster: &'a Cluster,
    pub lock: &'a Lock,
    pub release: &'a ReleaseName,
    pub router: &'a Router,
    /// `traffic.endpoint`, in place of the Gateway's own address.
    pub endpoint: Option<&'a str>,
    /// The run over the release's site.
    pub run: &'a Run<'a>,
    pub site: &'a ClusterSite<'a>,
    pub interrupt: &'a Interrupt,
    pub on_terminal: bool,
    /// Whether this run started the candidate.
    pub brought_up: bool,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

/// Drives `journal`'s plan until it ends or the lock is lost.
pub async fn drive(
    setting: &Setting<'_>,
    journal: &Journal,
    split: Split,
    prompts: Prompts,
) -> Result<(RunEnd, super::RunState), Error> {
    let versions = Pair::new(&journal.live, &journal.candidate);
    let read = |version| Served::read(setting.site, version);
    let served = Pair::new(read(versions.live).await?, read(versions.candidate).await?);
    let gateway = setting.router.gateway(setting.endpoint);
    let transport = match &gateway {
        Some(gateway) => ProbeTransport::through(gateway, versions.map(ToString::to_string))?,
        None => ProbeTransport::to_pods(setting.cluster, setting.release, versions),
    };
    if gateway.is_none() {
        let text = "no gateway address is known: probes go to the pods through the API server, \
                    and the split cannot be proven";
        (setting.on_event)(Event::Warning {
            text: text.to_owned(),
        });
    }
    let rate = journal.plan.probe_rate;
    let probes = (rate > 0.0).then(|| {
        let models = served.as_ref().map(|served| served.model.as_str());
        probe::start(transport, models, prompts, rate)
    });
    let split_probes = match &gateway {
        Some(gateway) => Some(split_probes::start(
            gateway,
            versions,
            journal.plan.matches.clone(),
        )?),
        None => None,
    };
    let mut measure = ClusterMeasure::new(
        setting.cluster,
        setting.release,
        versions,
        probes,
        split_probes,
    );
    let fleet = SiteFleet {
        run: setting.run,
        live: &journal.live,
        on_event: setting.on_event,
    };
    let traffic = Locked {
        interrupt: setting.interrupt,
        router: setting.router,
        lock: setting.lock,
        on_event: setting.on_event,
    };
    let drive = CanaryRun {
        traffic: &traffic,
        measure: &mut measure,
        fleet: &fleet,
        interrupt: setting.interrupt,
        on_terminal: setting.on_terminal,
        again: AGAIN,
        brought_up: setting.brought_up,
        simulated: served.live.simulated || served.candidate.simulated,
        on_event: &|event| (setting.on_event)(event),
    };
    tokio::select! {
        ended = drive.run(journal, split) => ended,
        lost = setting.lock.lost() => Err(release::Error::from(lost).into()),
    }
}
