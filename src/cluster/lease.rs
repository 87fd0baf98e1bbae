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

use crate::{name::ReleaseName, object::kind::LEASE};

use self::standing::micro_time;
pub use self::standing::{Standing, standing, taken};
use super::{
    Cluster, Error,
    apply::{create, replace},
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
}

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
    let wanted = taken(&name, release, holder, found.as_deref(), Timestamp::now());
    let written = match &found {
        None => create(cluster, &LEASE, &name, &wanted).await,
        Some(_) => replace(cluster, &LEASE, &name, &wanted).await,
    };
    let lease = match written {
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
        holder.to_owned(),
        lease.into_value(),
    ))
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
        holder: String,
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

    /// Gives the lock back, so that the next one need not wait for it to expire.
    pub async fn release(self, cluster: &Cluster) -> Result<(), Error> {
        self.renewal.abort();
        let Some(mut lease) = cluster.get(&LEASE, &self.name).await? else {
            return Ok(());
        };
        if lease
            .pointer("/spec/holderIdentity")
            .and_then(Value::as_str)
            != Some(&self.holder)
        {
            return Ok(());
        }
        lease["spec"]["holderIdentity"] = json!("");
        match replace(cluster, &LEASE, &self.name, &lease).await {
            // Taken over meanwhile: no longer ours to give.
            Err(Error::Changed { .. }) => Ok(()),
            released => released.map(drop),
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
                Ok(Some(now))
                    if now.pointer("/spec/holderIdentity").and_then(Value::as_str)
                        == Some(holder) =>
                {
                    // Our own write whose answer was lost, or another client's label.
                    lease = now.into_value();
                }
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
