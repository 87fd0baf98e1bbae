//! The split of a release on a cluster: the only loop that reads, tests, writes and waits for
//! acceptance, whatever kind of object holds the split.

use std::{fmt, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    Acceptance, Capabilities, Change, Endpoint, Error, Left, Route, RouteProbe, Split,
    VersionHeader,
    route::{Refused, SERVICE, SplitError},
};
use crate::{
    cluster::{self, Cluster, apply::json_patch, request::Request},
    header_match::HeaderMatch,
    interrupt::{Interrupt, Signals},
    name::{ReleaseName, VersionId},
    object::{Kind, Object, kind::version_path},
};

/// Times a write is tried again where others changed what it does not touch, or where its answer
/// was lost.
const ATTEMPTS: u32 = 5;

/// Pause before a write whose answer was lost is looked at again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// How long a gateway's controller may take to accept or reject a write. Silence is not an error:
/// whether users meet the split is measured.
const ACCEPTANCE_TIME_MAX: Duration = Duration::from_secs(10);

const ACCEPTANCE_POLL: Duration = Duration::from_millis(250);

/// What is left of [`ACCEPTANCE_TIME_MAX`] once a signal has arrived.
const ACCEPTANCE_TIME_INTERRUPTED: Duration = Duration::from_secs(2);

/// How long proxies get to follow one write of a transition; tests have none that would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Before the next write, which is then made all the same.
    pub follow: Duration,
    /// After one proxy was seen to follow: others follow it too.
    pub settle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            follow: Duration::from_secs(3),
            settle: Duration::from_millis(500),
        }
    }
}

/// The object that holds one release's split.
#[derive(Clone)]
pub struct ClusterRouter {
    cluster: Cluster,
    release: ReleaseName,
    route: &'static dyn Route,
    header: VersionHeader,
    /// The gateway's own address; `None` while it has none.
    endpoint: Option<Endpoint>,
    /// The `Host` that the route asks for.
    host: Option<String>,
    /// Whether the route leads to objects that tell the gateway's address.
    tells_address: bool,
    /// `--endpoint` or `traffic.endpoint`, in place of the gateway's own address.
    endpoint_override: Option<String>,
    pace: Pace,
}

impl ClusterRouter {
    /// The release's object of this kind; `None` where there is none, or where the cluster does
    /// not serve the kind. Without the right to read it that is an error.
    pub async fn new(
        cluster: Cluster,
        release: ReleaseName,
        route: &'static dyn Route,
        header: VersionHeader,
        endpoint_override: Option<String>,
    ) -> Result<Option<Self>, Error> {
        let mut router = Self {
            cluster,
            release,
            route,
            header,
            endpoint: None,
            host: None,
            tells_address: false,
            endpoint_override,
            pace: Pace::default(),
        };
        let found = router.cluster.get(route.kind(), router.release.as_str());
        let object = match found.await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(None),
            // Rights are checked before the server looks whether it knows the kind.
            Err(error) if error.is_forbidden() && !router.is_served(route.kind()).await? => {
                return Ok(None);
            }
            Err(error) => return Err(router.failed("read", error)),
        };
        let gateways = router.gateways(&object).await?;
        router.endpoint = route.endpoint(&object, &gateways, &router.cluster.namespace);
        router.host = route.host(&object, &gateways);
        router.tells_address = !gateways.is_empty();
        Ok(Some(router))
    }

    /// The same router, whose writes follow each other at `pace`.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Whether the cluster serves the API that a kind belongs to; discovery needs no rights.
    async fn is_served(&self, kind: &Kind) -> Result<bool, Error> {
        let api_version = kind.api_version();
        let request = Request::get(
            format!("discover {api_version}"),
            version_path(&api_version),
        );
        match self.cluster.call(&request).await {
            Ok(list) => Ok(Kind::from_resource_list(&api_version, &kind.kind, &list).is_some()),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    async fn gateways(&self, object: &Object) -> Result<Vec<Object>, Error> {
        let mut gateways = Vec::new();
        for parent in self.route.parents(object) {
            let namespace = parent.namespace.as_deref();
            let there = namespace.map(|namespace| self.cluster.in_namespace(namespace));
            let there = there.as_ref().unwrap_or(&self.cluster);
            match there.get(parent.kind, &parent.name).await {
                Ok(found) => gateways.push(found.unwrap_or_default()),
                // With an address given by hand nothing of the gateway is needed.
                Err(error) if error.is_forbidden() && self.endpoint_override.is_some() => {
                    gateways.push(Object::default());
                }
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        Ok(gateways)
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its row of [`super::ROUTES`].
    pub fn route(&self) -> &'static dyn Route {
        self.route
    }

    pub fn version_header(&self) -> VersionHeader {
        self.header
    }

    pub fn capabilities(&self) -> Capabilities {
        let can = self.route.can();
        Capabilities {
            names_version: can.names_version && self.header == VersionHeader::Set,
            ..can
        }
    }

    /// Where users send requests; empty where the gateway has no address yet.
    pub fn endpoint(&self) -> &str {
        let own = self.endpoint.as_ref().map(|endpoint| endpoint.url.as_str());
        self.endpoint_override.as_deref().or(own).unwrap_or("")
    }

    /// The `Host` that a request needs to meet the route.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Where a gateway leads to the release: at `endpoint_override`, else at the override that
    /// the router was made with, else at the gateway's own address.
    pub fn gateway(&self, endpoint_override: Option<&str>) -> Option<Endpoint> {
        if !self.route.can().gateway {
            return None;
        }
        let url = endpoint_override.unwrap_or(self.endpoint());
        (!url.is_empty()).then(|| Endpoint {
            url: url.to_owned(),
            host: self.host.clone(),
        })
    }

    pub fn name(&self) -> String {
        let kind = self.route.kind();
        kind.name(&self.cluster.namespace, self.release.as_str())
    }

    pub async fn read(&self) -> Result<Split, Error> {
        self.split(&self.object().await?)
    }

    /// Whether requests can be split, by `matches` where that is given.
    pub async fn splits(&self, matches: Option<&HeaderMatch>) -> Result<(), Error> {
        if !self.route.can().weights {
            return Err(self.refused(&Refused::NoWeights));
        }
        let Some(matches) = matches else {
            return Ok(());
        };
        let object = self.object().await?;
        let admitted = self.route.admits(&object, &self.release, matches);
        admitted.map_err(|reason| self.refused(&reason))
    }

    /// What the gateways' controllers say of the route as it stands. No dry run tells, so this is
    /// what `doctor` reads too.
    pub async fn acceptance(&self) -> Result<Acceptance, Error> {
        Ok(self.route.acceptance(&self.object().await?))
    }

    /// Waits for the gateways' controllers to accept the route as it stands; silence is not an
    /// error.
    pub async fn wait_accepted(&self, interrupt: &Interrupt) -> Result<(), Error> {
        let wait = Wait::from_any(interrupt);
        let object = self.object().await?;
        match self.verdict(object, None, &wait).await? {
            Verdict::Stands(_) if wait.is_interrupted() => Err(self.interrupted()),
            Verdict::Stands(_) => Ok(()),
            Verdict::Rejected {
                gateway, reason, ..
            } => Err(Error::Rejected {
                object: self.name(),
                gateway,
                reason,
                left: Left::Untouched,
            }),
        }
    }

    /// Writes the route's split as it stands, with or without the header that names the version,
    /// and waits for the controllers. [`Acceptance::Rejected`]: it was taken back, and later
    /// writes are made as before. Otherwise later writes are made with `header`.
    ///
    /// Whether a controller knows headers for each backend cannot be asked (no conformance feature
    /// says so) nor dry-run (admission does not know it), so it is tried: a first deploy whose
    /// route is rejected with the header tries it without, and writes what was accepted into the
    /// release's record. `doctor` reads [`Self::acceptance`] of the routes that are there.
    pub async fn try_version_header(
        &mut self,
        header: VersionHeader,
        interrupt: &Interrupt,
    ) -> Result<Acceptance, Error> {
        let before = std::mem::replace(&mut self.header, header);
        let tried = self.rewrite(interrupt).await;
        if !matches!(&tried, Ok(acceptance) if !matches!(acceptance, Acceptance::Rejected { .. })) {
            self.header = before;
        }
        tried
    }

    async fn rewrite(&self, interrupt: &Interrupt) -> Result<Acceptance, Error> {
        let wait = Wait::from_now(interrupt);
        let mut failed = None;
        for attempt in 0..ATTEMPTS {
            wait.pause(attempt).await;
            let before = self.object().await?;
            self.refuse_managed(&before)?;
            let split = self.split(&before)?;
            // To write it once more where an answer was lost changes nothing.
            let object = match self.send(&before, &Change::standing(&split)).await? {
                Ok(written) => written,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            return match self.verdict(object, Some(&split), &wait).await? {
                Verdict::Stands(object) => Ok(self.route.acceptance(&object)),
                Verdict::Rejected {
                    gateway,
                    reason,
                    object,
                } => match self.take_back(Some(&before), &split, object).await {
                    Ok(()) => Ok(Acceptance::Rejected {
                        parent: gateway,
                        reason,
                    }),
                    Err(error) => Err(self.rejected(gateway, reason, Err(error))),
                },
            };
        }
        Err(failed.unwrap_or_else(|| self.conflict("another client")))
    }

    /// Makes `change` of `read`, write by write, so that backends come and go without traffic.
    ///
    /// Signals from before the call are not looked at: a rollback after a SIGTERM is such a call.
    /// One that arrives while nothing is written ends it; after the first write the transition is
    /// finished without its waits, so that it never stops halfway.
    pub async fn write(
        &self,
        read: &Split,
        change: &Change,
        interrupt: &Interrupt,
    ) -> Result<Split, Error> {
        let wait = Wait::from_now(interrupt);
        let mut left = self.route.transition(read, change);
        let mut standing = read.clone();
        let mut origin = None;
        let mut is_first = true;
        loop {
            let made = self.advance(&standing, &mut left, is_first, &wait).await?;
            if is_first {
                if made.before.is_none() && left.is_empty() && made.split.says_the_same(read) {
                    return Ok(made.split);
                }
                origin.clone_from(&made.before);
                is_first = false;
            }
            let verdict = self.verdict(made.object, Some(&made.split), &wait).await?;
            if let Verdict::Rejected {
                gateway,
                reason,
                object,
            } = verdict
            {
                // Backends that became known for this change alone go with it.
                let only_known = standing.live == read.live
                    && standing.weight == read.weight
                    && standing.matches == read.matches;
                let (before, split) = if only_known {
                    (origin.as_ref(), read)
                } else {
                    (made.before.as_ref(), &standing)
                };
                let taken_back = self.take_back(before, split, object).await;
                return Err(self.rejected(gateway, reason, taken_back));
            }
            if left.is_empty() {
                return Ok(made.split);
            }
            self.wait_for_proxies(&made.split, &standing, &wait).await;
            standing = made.split;
        }
    }

    /// Makes the first of `left` on top of `standing`, and takes out of `left` what is made.
    ///
    /// This is the one place that asks whether a write was made already: by a call that was cut
    /// off, or by a request whose answer was lost.
    async fn advance(
        &self,
        standing: &Split,
        left: &mut Vec<Change>,
        is_first: bool,
        wait: &Wait<'_>,
    ) -> Result<Made, Error> {
        let (mut sent, mut failed) = (None, None);
        for attempt in 0..ATTEMPTS {
            wait.pause(attempt).await;
            let may_stop = is_first && sent.is_none();
            let found = tokio::select! {
                found = self.object() => found,
                () = wait.signal(), if may_stop => return Err(self.interrupted()),
            };
            let object = match found {
                Ok(object) => object,
                Err(error) if error.is_transient() && sent.is_some() => {
                    failed.get_or_insert(error);
                    if wait.is_interrupted() {
                        break;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let split = self.split(&object)?;
            if let Some(last) = left.iter().rposition(|write| split.is_made_by(write)) {
                left.drain(..=last);
                return Ok(Made {
                    before: sent,
                    object,
                    split,
                });
            }
            if !split.says_the_same(standing) {
                return Err(self.conflict(&self.route.last_writer(&object)));
            }
            self.refuse_managed(&object)?;
            let Some(change) = left.first() else {
                return Err(self.conflict(&self.route.last_writer(&object)));
            };
            if let Some(run) = split.run().filter(|run| *run != change.run) {
                return Err(self.conflict(&format!("canary run {run}")));
            }
            if may_stop && wait.is_interrupted() {
                return Err(self.interrupted());
            }
            match self.send(&object, change).await? {
                Ok(written) => {
                    left.remove(0);
                    return Ok(Made {
                        before: Some(object),
                        split: self.split(&written)?,
                        object: written,
                    });
                }
                Err(error) => failed = Some(error),
            }
            sent = Some(object);
        }
        Err(failed.unwrap_or_else(|| self.conflict("another client")))
    }

    /// Sends the patch that makes `change` of `object`. The inner error: it was not made on top of
    /// `object`, or its answer was lost; read again.
    async fn send(&self, object: &Object, change: &Change) -> Result<Result<Object, Error>, Error> {
        let patch = self.route.patch(object, &self.release, change, self.header);
        let patch = patch.map_err(|reason| self.refused(&reason))?;
        self.send_patch(object, &patch).await
    }

    async fn send_patch(
        &self,
        object: &Object,
        patch: &Value,
    ) -> Result<Result<Object, Error>, Error> {
        let kind = self.route.kind();
        match json_patch(&self.cluster, kind, self.release.as_str(), patch).await {
            Ok(written) => Ok(Ok(written)),
            Err(cluster::Error::Changed { .. }) => {
                Ok(Err(self.conflict(&self.route.last_writer(object))))
            }
            Err(error @ cluster::Error::Malformed { .. }) => Ok(Err(self.failed("write", error))),
            Err(error) if error.is_transient() => Ok(Err(self.failed("write", error))),
            Err(error) => Err(self.failed("write", error)),
        }
    }

    /// Waits for the gateways' controllers to accept `object`. That they cannot be asked is not
    /// the write's failure: it stands, and only its confirmation is late. With `written`, another
    /// client's write in between is a conflict.
    async fn verdict(
        &self,
        mut object: Object,
        written: Option<&Split>,
        wait: &Wait<'_>,
    ) -> Result<Verdict, Error> {
        let mut deadline = Instant::now() + ACCEPTANCE_TIME_MAX;
        let mut is_interrupted = false;
        loop {
            match self.route.acceptance(&object) {
                Acceptance::Accepted | Acceptance::Unknown => return Ok(Verdict::Stands(object)),
                Acceptance::Rejected { parent, reason } => {
                    return Ok(Verdict::Rejected {
                        gateway: parent,
                        reason,
                        object,
                    });
                }
                Acceptance::Pending { .. } => {}
            }
            if wait.is_interrupted() && !is_interrupted {
                is_interrupted = true;
                deadline = deadline.min(Instant::now() + wait.after_signal);
            }
            if Instant::now() >= deadline {
                return Ok(Verdict::Stands(object));
            }
            let look = async {
                sleep(ACCEPTANCE_POLL).await;
                timeout_at(deadline, self.object()).await
            };
            let looked = tokio::select! {
                looked = look => looked,
                () = wait.signal(), if !is_interrupted => continue,
            };
            match looked {
                Ok(Ok(now)) => {
                    let split = self.split(&now)?;
                    if written.is_some_and(|written| !split.says_the_same(written)) {
                        return Err(self.conflict(&self.route.last_writer(&now)));
                    }
                    object = now;
                }
                Err(_) | Ok(Err(Error::Transport { .. })) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    /// Puts back what stood before a write that was rejected: the object as it was read, or at
    /// least its split where an earlier call made the write.
    async fn take_back(
        &self,
        before: Option<&Object>,
        split: &Split,
        written: Object,
    ) -> Result<(), Error> {
        let fields = format!("/{}", self.route.split_fields().join("/"));
        let is_back = |now: &Object, now_split: &Split| match before {
            Some(before) => now.pointer(&fields) == before.pointer(&fields),
            None => now_split.says_the_same(split),
        };
        let wrote = self.split(&written)?;
        let mut object = written;
        let mut failed = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(pause(attempt)).await;
                object = match self.object().await {
                    Ok(object) => object,
                    Err(error) if error.is_transient() => {
                        failed = Some(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let now = self.split(&object)?;
                if is_back(&object, &now) {
                    return Ok(());
                }
                if !now.says_the_same(&wrote) {
                    return Err(self.conflict(&self.route.last_writer(&object)));
                }
            }
            let patch = if let Some(before) = before {
                self.route.restore(&object, before)
            } else {
                let (release, change) = (&self.release, Change::standing(split));
                self.route.patch(&object, release, &change, self.header)
            };
            let patch = patch.map_err(|reason| self.refused(&reason))?;
            match self.send_patch(&object, &patch).await? {
                Ok(_) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| self.conflict("another client")))
    }

    /// Waits until proxies follow `made`, for a while: the next write takes out what they may
    /// still send to.
    async fn wait_for_proxies(&self, made: &Split, before: &Split, wait: &Wait<'_>) {
        let gateway = self.gateway(None);
        let probe = gateway.and_then(|gateway| RouteProbe::new(&gateway).ok());
        let names_weight = self.capabilities().names_version;
        let follow = async {
            match probe {
                Some(probe) if names_weight => {
                    // Requests with the header of a match that ends reach its version last.
                    let seen = probe.wait_for_weight(made.weight, before.matches.as_ref());
                    drop(timeout(self.pace.follow, seen).await);
                }
                // A Gateway without an address sends nothing.
                None if self.tells_address => {}
                _ => sleep(self.pace.follow).await,
            }
            sleep(self.pace.settle).await;
        };
        tokio::select! {
            () = follow => {}
            () = wait.signal() => {}
        }
    }

    async fn object(&self) -> Result<Object, Error> {
        let found = self.cluster.get(self.route.kind(), self.release.as_str());
        let found = found.await.map_err(|error| self.failed("read", error))?;
        found.ok_or_else(|| self.nothing_live())
    }

    fn split(&self, object: &Object) -> Result<Split, Error> {
        let split = self.route.split(object, &self.release);
        split.map_err(|error| match error {
            SplitError::NothingLive => self.nothing_live(),
            SplitError::Unrecorded { backends } => Error::Unsupported {
                object: self.name(),
                reason: format!("it has {backends} backends and no record of which is live"),
            },
            SplitError::Stranger { version, writer } => {
                self.conflict(&format!("{writer} (it sends traffic to {version})"))
            }
        })
    }

    fn refuse_managed(&self, object: &Object) -> Result<(), Error> {
        match self.route.managed_by(object) {
            None => Ok(()),
            Some(manager) => Err(Error::Managed {
                object: self.name(),
                manager,
            }),
        }
    }

    fn nothing_live(&self) -> Error {
        Error::NothingLive {
            object: self.name(),
        }
    }

    fn conflict(&self, who: &str) -> Error {
        Error::Conflict {
            object: self.name(),
            who: who.to_owned(),
        }
    }

    fn refused(&self, reason: &Refused) -> Error {
        Error::Unsupported {
            object: self.name(),
            reason: reason.to_string(),
        }
    }

    fn rejected(&self, gateway: String, reason: String, taken_back: Result<(), Error>) -> Error {
        Error::Rejected {
            object: self.name(),
            gateway,
            reason,
            left: match taken_back {
                Ok(()) => Left::TakenBack,
                Err(error) => Left::Standing(Box::new(error)),
            },
        }
    }

    fn interrupted(&self) -> Error {
        Error::Interrupted {
            object: self.name(),
        }
    }

    fn failed(&self, act: &'static str, error: cluster::Error) -> Error {
        failed(self.name(), act, error)
    }
}

impl fmt::Debug for ClusterRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterRouter")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A write that stands.
struct Made {
    /// The object it was made on; `None` where an earlier call made it.
    before: Option<Object>,
    object: Object,
    split: Split,
}

enum Verdict {
    /// Accepted, or not rejected within the time.
    Stands(Object),
    Rejected {
        gateway: String,
        reason: String,
        object: Object,
    },
}

/// How a call looks at signals.
struct Wait<'a> {
    interrupt: &'a Interrupt,
    /// The signals that the call does not look at.
    seen: Signals,
    /// How long acceptance is waited for after a signal.
    after_signal: Duration,
}

impl<'a> Wait<'a> {
    /// Signals of before are what the call was made for.
    fn from_now(interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt,
            seen: interrupt.signals(),
            after_signal: ACCEPTANCE_TIME_INTERRUPTED,
        }
    }

    /// Any signal ends the wait.
    fn from_any(interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt,
            seen: Signals::default(),
            after_signal: Duration::ZERO,
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.signals() != self.seen
    }

    async fn signal(&self) {
        self.interrupt.beyond(self.seen).await;
    }

    /// Before an attempt that follows a failed one.
    async fn pause(&self, attempt: u32) {
        if attempt > 0 {
            tokio::select! {
                () = sleep(pause(attempt)) => {}
                () = self.signal() => {}
            }
        }
    }
}

fn pause(attempt: u32) -> Duration {
    PAUSE_FIRST * 2_u32.pow(attempt.saturating_sub(1))
}

fn failed(object: String, act: &'static str, error: cluster::Error) -> Error {
    Error::Transport {
        act,
        object,
        source: Box::new(error),
    }
}

/// The version that the release's stable Service sends to; `None` where there is no such Service,
/// or none is chosen. Behind a gateway the Service follows the route, for clients inside the
/// cluster.
pub async fn service_target(
    cluster: &Cluster,
    release: &ReleaseName,
) -> Result<Option<VersionId>, Error> {
    let service = stable_service(cluster, release).await?;
    let split = service.and_then(|service| SERVICE.split(&service, release).ok());
    Ok(split.map(|split| split.live))
}

/// Points the release's stable Service to `version`; does nothing where it points there already.
pub async fn point_service(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    run: &str,
) -> Result<(), Error> {
    let kind = SERVICE.kind();
    let name = kind.name(&cluster.namespace, release.as_str());
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(pause(attempt)).await;
        }
        let Some(service) = stable_service(cluster, release).await? else {
            return Err(Error::NothingLive { object: name });
        };
        let target = SERVICE.split(&service, release).map(|split| split.live);
        if target.as_ref() == Ok(version) {
            return Ok(());
        }
        let change = Change::all_to(version, run);
        let patch = SERVICE.patch(&service, release, &change, VersionHeader::Omit);
        let patch = patch.map_err(|reason| Error::Unsupported {
            object: name.clone(),
            reason: reason.to_string(),
        })?;
        match json_patch(cluster, kind, release.as_str(), &patch).await {
            Ok(_) => return Ok(()),
            Err(error @ cluster::Error::Changed { .. }) => last = Some(error),
            Err(error) if error.is_transient() => last = Some(error),
            Err(error) => return Err(failed(name, "write", error)),
        }
    }
    Err(match last {
        Some(error) if error.is_transient() => failed(name, "write", error),
        _ => Error::Conflict {
            object: name,
            who: "another client".to_owned(),
        },
    })
}

async fn stable_service(cluster: &Cluster, release: &ReleaseName) -> Result<Option<Object>, Error> {
    let kind = SERVICE.kind();
    let found = cluster.get(kind, release.as_str()).await;
    found.map_err(|error| {
        failed(
            kind.name(&cluster.namespace, release.as_str()),
            "read",
            error,
        )
    })
}
