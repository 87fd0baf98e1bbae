//! The lock of a release on a cluster: a Lease with its holder and the time it was taken.

mod standing;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    name::ReleaseName,
    object::{Object, kind::LEASE},
};

use self::standing::micro_time;
pub use self::standing::{Standing, standing, taken};
use super::{
    Cluster, Error,
    apply::{create, json_patch, replace},
    inventory::delete,
};

/// How long a lock outlives its holder's last renewal.
pub const DURATION: Duration = Duration::from_secs(30);

/// How often the holder renews it: two renewals may fail before the lock is lost.
pub const RENEWAL: Duration = Duration::from_secs(10);

/// How soon a renewal that failed is tried again.
const RENEWAL_AGAIN: Duration = Duration::from_secs(2);

/// An expired lock is watched this long before it is taken, so that a holder
/// whose clock is behind ours is not robbed: it renews within [`RENEWAL`].
const LAST_CHANCE: Duration = Duration::from_secs(12);

/// How often, and how far apart, the end of a lock is tried.
const ENDS_MAX: u32 = 4;
const END_AGAIN: Duration = Duration::from_millis(250);

/// What the renewal last knew.
#[derive(Debug, Clone)]
enum LockState {
    /// Ours, and renewed then. While the server is away no other client can take it, so an
    /// old renewal is no loss yet; but nothing is written under it either.
    Renewed(Instant),
    Lost(String),
}

/// A held lock; it is renewed in the background until released.
#[derive(Debug)]
pub struct Lock {
    release: ReleaseName,
    name: String,
    holder: String,
    state: watch::Receiver<LockState>,
    renewal: JoinHandle<()>,
    /// Whether the Lease was there before.
    was_there: bool,
    /// What an earlier holder meant to do and did not say that it has done.
    unfinished: Option<String>,
}

/// What the holder means to do: kept until a run ends well, so that the run after one that
/// was cut off can do the same.
const INTENT: &str = "infer.dev/intent";

pub fn lease_name(release: &ReleaseName) -> String {
    format!("infer-{release}")
}

/// Takes the release's lock; [`Error::Held`] names the holder where it is taken.
pub async fn lock(cluster: &Cluster, release: &ReleaseName, holder: &str) -> Result<Lock, Error> {
    let name = lease_name(release);
    let mut found = cluster.get(&LEASE, &name).await?;
    if let Some(lease) = &found {
        match standing(lease, Timestamp::now()) {
            Standing::Free => {}
            Standing::Held { holder, since } => return Err(held(cluster, &name, holder, since)),
            Standing::Expired { .. } => {
                sleep(LAST_CHANCE).await;
                let again = cluster.get(&LEASE, &name).await?;
                let renewed = again
                    .as_ref()
                    .is_some_and(|again| revision(again) != revision(lease));
                if let (true, Some(again)) = (renewed, &again) {
                    refuse_held(cluster, &name, again)?;
                }
                found = again;
            }
        }
    }
    let unfinished = found.as_ref().and_then(|found| found.annotation(INTENT));
    let unfinished = unfinished.map(ToOwned::to_owned);
    let mut wanted = taken(&name, release, holder, found.as_deref(), Timestamp::now());
    if let Some(intent) = &unfinished {
        wanted["metadata"]["annotations"] = json!({INTENT: intent});
    }
    let written = match &found {
        None => create(cluster, &LEASE, &name, &wanted).await,
        Some(_) => replace(cluster, &LEASE, &name, &wanted).await,
    };
    let lease = match written {
        // The answer may have been lost on its way.
        Err(error) if error.is_transient() => match cluster.get(&LEASE, &name).await {
            Ok(Some(now)) if is_holder(&now, holder) => now,
            _ => return Err(error),
        },
        Err(Error::Changed { object }) => {
            // Somebody was faster between our read and our write.
            if let Some(lease) = cluster.get(&LEASE, &name).await? {
                refuse_held(cluster, &name, &lease)?;
            }
            return Err(Error::Changed { object });
        }
        written => written?,
    };
    Ok(Lock::start(
        cluster.clone(),
        release.clone(),
        name,
        (holder.to_owned(), found.is_some(), unfinished),
        lease.into_value(),
    ))
}

fn is_holder(lease: &Value, holder: &str) -> bool {
    lease
        .pointer("/spec/holderIdentity")
        .and_then(Value::as_str)
        == Some(holder)
}

/// An error where the lease has a holder, however long ago it was renewed by its own clock.
fn refuse_held(cluster: &Cluster, name: &str, lease: &Value) -> Result<(), Error> {
    match standing(lease, Timestamp::MIN) {
        Standing::Held { holder, since } => Err(held(cluster, name, holder, since)),
        Standing::Free | Standing::Expired { .. } => Ok(()),
    }
}

fn held(cluster: &Cluster, name: &str, holder: String, since: String) -> Error {
    Error::Held {
        lease: LEASE.name(&cluster.namespace, name),
        holder,
        since,
    }
}

fn revision(lease: &Value) -> Option<&str> {
    lease.pointer("/metadata/resourceVersion")?.as_str()
}

/// Who holds the release's lock now, and since when.
pub async fn holder(
    cluster: &Cluster,
    release: &ReleaseName,
) -> Result<Option<(String, String)>, Error> {
    let lease = cluster.get(&LEASE, &lease_name(release)).await?;
    Ok(
        lease.and_then(|lease| match standing(&lease, Timestamp::now()) {
            Standing::Held { holder, since } => Some((holder, since)),
            Standing::Free | Standing::Expired { .. } => None,
        }),
    )
}

impl Lock {
    fn start(
        cluster: Cluster,
        release: ReleaseName,
        name: String,
        (holder, was_there, unfinished): (String, bool, Option<String>),
        lease: Value,
    ) -> Self {
        let (tell, state) = watch::channel(LockState::Renewed(Instant::now()));
        let (own, shown) = (holder.clone(), name.clone());
        let renewal = tokio::spawn(async move {
            let reason = renew(&cluster, &shown, &own, lease, &tell).await;
            tell.send_replace(LockState::Lost(reason));
        });
        Self {
            release,
            name,
            holder,
            state,
            renewal,
            was_there,
            unfinished,
        }
    }

    /// Whether the release had a lock before this run took it.
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// What an earlier run meant to do and was cut off in.
    pub fn unfinished(&self) -> Option<&str> {
        self.unfinished.as_deref()
    }

    /// Writes down what this run means to do, before it does anything of it.
    pub async fn intend(&self, cluster: &Cluster, intent: &str) -> Result<(), Error> {
        if self.unfinished() == Some(intent) {
            return Ok(());
        }
        let patch = json!([
            {"op": "test", "path": "/spec/holderIdentity", "value": self.holder},
            {"op": "add", "path": "/metadata/annotations", "value": {INTENT: intent}},
        ]);
        match json_patch(cluster, &LEASE, &self.name, &patch).await {
            // The answer may have been lost on its way.
            Err(error) if error.is_transient() => {
                let now = cluster.get(&LEASE, &self.name).await?;
                match now {
                    Some(now) if now.annotation(INTENT) == Some(intent) => Ok(()),
                    _ => Err(error),
                }
            }
            written => written.map(drop),
        }
    }

    /// Fails once the lock is no longer ours, or was renewed too long ago to be sure;
    /// checked before every write.
    pub fn check(&self) -> Result<(), Error> {
        match &*self.state.borrow() {
            LockState::Renewed(at) if at.elapsed() < DURATION => Ok(()),
            LockState::Renewed(at) => Err(Error::LockStale {
                lease: self.name.clone(),
                seconds: at.elapsed().as_secs(),
            }),
            LockState::Lost(reason) => Err(self.lost_by(reason.clone())),
        }
    }

    /// Waits until the lock is lost; never ends while it is ours.
    pub async fn lost(&self) -> Error {
        let mut state = self.state.clone();
        let lost = state
            .wait_for(|state| matches!(state, LockState::Lost(_)))
            .await;
        match lost.as_deref() {
            Ok(LockState::Lost(reason)) => self.lost_by(reason.clone()),
            Ok(LockState::Renewed(_)) | Err(_) => self.lost_by("its renewal ended".to_owned()),
        }
    }

    fn lost_by(&self, reason: String) -> Error {
        Error::LockLost {
            lease: self.name.clone(),
            reason,
        }
    }

    /// Gives the lock back, so that the next run need not wait for it to expire. What the run
    /// meant to do is forgotten where it is `done`.
    pub async fn release(self, cluster: &Cluster, done: bool) -> Result<(), Error> {
        let name = self.name.as_str();
        self.end(cluster, async |mut lease: Object| {
            lease["spec"]["holderIdentity"] = json!("");
            let annotations = lease.pointer_mut("/metadata/annotations");
            if let (Some(annotations), true) = (annotations.and_then(Value::as_object_mut), done) {
                annotations.remove(INTENT);
            }
            replace(cluster, &LEASE, name, &lease).await.map(drop)
        })
        .await
    }

    /// Deletes the lock with the release that it was for.
    pub async fn remove(self, cluster: &Cluster) -> Result<(), Error> {
        self.end(cluster, async |lease: Object| delete(cluster, &lease).await)
            .await
    }

    /// Makes the last write of the lock while it is ours, again where the server was away or
    /// another client changed the Lease.
    async fn end(
        &self,
        cluster: &Cluster,
        write: impl AsyncFn(Object) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.renewal.abort();
        let mut tries = 0;
        loop {
            tries += 1;
            let written = match cluster.get(&LEASE, &self.name).await {
                // Taken over, or gone: no longer ours to give.
                Ok(lease) => match lease.filter(|lease| is_holder(lease, &self.holder)) {
                    Some(lease) => write(lease).await,
                    None => return Ok(()),
                },
                Err(error) => Err(error),
            };
            match written {
                Err(error)
                    if tries < ENDS_MAX
                        && (error.is_transient() || matches!(error, Error::Changed { .. })) =>
                {
                    sleep(END_AGAIN).await;
                }
                Err(Error::Changed { .. }) => return Ok(()),
                ended => return ended,
            }
        }
    }

    pub fn release_name(&self) -> &ReleaseName {
        &self.release
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Renews until the lock is lost; returns why.
async fn renew(
    cluster: &Cluster,
    name: &str,
    holder: &str,
    mut lease: Value,
    tell: &watch::Sender<LockState>,
) -> String {
    let mut pause = RENEWAL;
    loop {
        sleep(pause).await;
        lease["spec"]["renewTime"] = json!(micro_time(Timestamp::now()));
        let began = Instant::now();
        pause = RENEWAL_AGAIN;
        match replace(cluster, &LEASE, name, &lease).await {
            Ok(renewed) => {
                lease = renewed.into_value();
                tell.send_replace(LockState::Renewed(began));
                pause = RENEWAL;
            }
            Err(error) if error.is_transient() => {}
            Err(Error::Changed { .. }) => match cluster.get(&LEASE, name).await {
                // Our own write whose answer was lost, our intent, or a label of another tool.
                Ok(Some(now)) if is_holder(&now, holder) => lease = now.into_value(),
                Ok(now) => {
                    let taker = now
                        .as_ref()
                        .and_then(|lease| lease.pointer("/spec/holderIdentity"));
                    let taker = taker.and_then(Value::as_str).unwrap_or("no other client");
                    return format!("{taker} took it over");
                }
                Err(error) if error.is_transient() => {}
                Err(error) => return error.to_string(),
            },
            Err(error) => return error.to_string(),
        }
    }
}
