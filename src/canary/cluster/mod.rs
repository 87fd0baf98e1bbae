//! A canary on a cluster: the pods' own counters, paired probes and looks at the split are
//! what it sees by; the lease is what it writes under.
//!
//! [`counters`] is pure; `scrape` and `looks` read, `measure` puts together what they read,
//! `fleet` makes room and ends versions, `locked` writes the split.

pub mod counters;
mod locked;
mod looks;
mod measure;
pub mod outage;
mod scrape;

pub use self::locked::Locked;
use self::measure::ClusterMeasure;
use super::{
    Drive, Error, Event, Stopped, drive::AGAIN, fleet::SiteFleet, journal::Journal, probe, way::Way,
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
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

/// Drives `journal`'s plan until it ends or the lock is lost.
pub async fn drive(
    setting: &Setting<'_>,
    journal: &Journal,
    split: Split,
    prompts: Prompts,
) -> Result<(Stopped, super::State), Error> {
    let versions = [journal.live.clone(), journal.candidate.clone()];
    let mut served = Vec::new();
    for version in &versions {
        served.push(Served::read(setting.site, version).await?);
    }
    let gateway = setting.router.gateway(setting.endpoint);
    let way = match &gateway {
        Some(gateway) => Way::through(gateway, versions.each_ref().map(ToString::to_string))?,
        None => Way::Pods {
            cluster: setting.cluster.clone(),
            release: setting.release.clone(),
            versions: versions.clone(),
        },
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
        let models = [served[0].model.as_str(), served[1].model.as_str()];
        probe::start(way, models, prompts, rate)
    });
    let looks = match &gateway {
        Some(gateway) => Some(looks::start(
            gateway,
            &versions,
            journal.plan.matches.clone(),
        )?),
        None => None,
    };
    let mut measure =
        ClusterMeasure::new(setting.cluster, setting.release, &versions, probes, looks);
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
    let drive = Drive {
        traffic: &traffic,
        measure: &mut measure,
        fleet: &fleet,
        interrupt: setting.interrupt,
        on_terminal: setting.on_terminal,
        again: AGAIN,
        simulated: served.iter().any(|served| served.simulated),
        on_event: &|event| (setting.on_event)(event),
    };
    tokio::select! {
        ended = drive.run(journal, split) => ended,
        lost = setting.lock.lost() => Err(release::Error::from(lost).into()),
    }
}
