//! The lock of a release on a cluster: a Lease that says who and since when.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use crate::name::ReleaseName;

use super::{
    Cluster, Error,
    apply::{create, replace},
    inventory::{MANAGED_BY, MANAGER, RELEASE},
    kind::LEASE,
};

/// How long a lock outlives its holder's last sign of life.
pub const DURATION: Duration = Duration::from_secs(30);

/// How often the holder gives one: two may be lost before the lock is.
pub const RENEWAL: Duration = Duration::from_secs(10);

/// An expired lock is watched this long before it is taken, so that a holder
/// whose clock is behind ours is not robbed: it renews within [`RENEWAL`].
const LAST_CHANCE: Duration = Duration::from_secs(12);

/// What a lock found means for who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody holds it.
    Free,
    /// Its holder gave no sign of life for longer than it promised.
    Expired {
        holder: String,
    },
    Held {
        holder: String,
        since: String,
    },
}

/// Reads a Lease at `now`.
pub fn standing(lease: &Value, now: Timestamp) -> Standing {
    let text = |field: &str| {
        let value = lease.get("spec").and_then(|spec| spec.get(field));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let holder = text("holderIdentity");
    if holder.is_empty() {
        return Standing::Free;
    }
    let seconds = lease
        .pointer("/spec/leaseDurationSeconds")
        .and_then(Value::as_i64);
    let seconds = seconds.unwrap_or(30).clamp(1, 3600);
    let renewed: Option<Timestamp> = text("renewTime").parse().ok();
    let alive = renewed
        .and_then(|renewed| renewed.checked_add(seconds.seconds()).ok())
        .is_some_and(|end| end > now);
    if alive {
        Standing::Held {
            holder,
            since: text("acquireTime"),
        }
    } else {
        Standing::Expired { holder }
    }
}

/// The Lease as its new holder writes it; `found` is the one that was read.
pub fn taken(
    name: &str,
    release: &ReleaseName,
    holder: &str,
    found: Option<&Value>,
    now: Timestamp,
) -> Value {
    let transitions = found
        .and_then(|lease| lease.pointer("/spec/leaseTransitions"))
        .and_then(Value::as_i64)
        .map_or(0, |before| before + 1);
    let mut metadata = json!({
        "name": name,
        "labels": {MANAGED_BY: MANAGER, RELEASE: release},
    });
    if let Some(revision) = found.and_then(|lease| lease.pointer("/metadata/resourceVersion")) {
        metadata["resourceVersion"] = revision.clone();
    }
    let now = micro_time(now);
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": now, "renewTime": now, "leaseTransitions": transitions,
        },
    })
}

/// `MicroTime`: the server refuses fewer than six digits.
fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A held lock; it is renewed in the background until released.
#[derive(Debug)]
pub struct Lock {
    release: ReleaseName,
    name: String,
    holder: String,
    lost: watch::Receiver<Option<String>>,
    renewal: JoinHandle<()>,
}

pub fn lease_name(release: &ReleaseName) -> String {
    format!("infer-{release}")
}

/// Takes the release's lock, or says who holds it.
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
    let wanted = taken(&name, release, holder, found.as_ref(), Timestamp::now());
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
        lease,
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
        let (tell, lost) = watch::channel(None);
        let (own, shown) = (holder.clone(), name.clone());
        let renewal = tokio::spawn(async move {
            let reason = renew(&cluster, &shown, &own, lease).await;
            tell.send_replace(Some(reason));
        });
        Self {
            release,
            name,
            holder,
            lost,
            renewal,
        }
    }

    /// Fails once the lock is no longer ours; checked before every write.
    pub fn check(&self) -> Result<(), Error> {
        match self.lost.borrow().as_ref() {
            None => Ok(()),
            Some(reason) => Err(Error::LockLost {
                lease: self.name.clone(),
                reason: reason.clone(),
            }),
        }
    }

    /// Waits until the lock is lost; never ends while it is ours.
    pub async fn lost(&self) -> Error {
        let mut lost = self.lost.clone();
        let reason = match lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "its renewal ended".to_owned(),
        };
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
async fn renew(cluster: &Cluster, name: &str, holder: &str, mut lease: Value) -> String {
    let mut last = tokio::time::Instant::now();
    loop {
        sleep(RENEWAL).await;
        lease["spec"]["renewTime"] = json!(micro_time(Timestamp::now()));
        match replace(cluster, &LEASE, name, &lease).await {
            Ok(renewed) => {
                lease = renewed;
                last = tokio::time::Instant::now();
            }
            Err(error) if error.is_transient() => {
                if last.elapsed() >= DURATION {
                    return format!("not renewed for {} s: {error}", DURATION.as_secs());
                }
            }
            Err(Error::Changed { .. }) => match cluster.get(&LEASE, name).await {
                Ok(Some(now))
                    if now.pointer("/spec/holderIdentity").and_then(Value::as_str)
                        == Some(holder) =>
                {
                    // Our own write whose answer was lost, or somebody's label.
                    lease = now;
                }
                Ok(now) => {
                    let taker = now
                        .as_ref()
                        .and_then(|lease| lease.pointer("/spec/holderIdentity"));
                    let taker = taker.and_then(Value::as_str).unwrap_or("nobody");
                    return format!("{taker} took it over");
                }
                Err(_) if last.elapsed() < DURATION => {}
                Err(error) => return error.to_string(),
            },
            Err(error) => return error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: &str) -> Value {
        json!({"metadata": {"resourceVersion": "7"}, "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 30, "leaseTransitions": 2,
            "acquireTime": "2026-11-24T03:00:00.000000Z", "renewTime": renewed,
        }})
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_lease_is_held_until_thirty_seconds_after_its_renewal() {
        let held = lease("ann@build/r-1", "2026-11-24T03:10:00.000000Z");
        assert_eq!(
            standing(&held, at("2026-11-24T03:10:29Z")),
            Standing::Held {
                holder: "ann@build/r-1".to_owned(),
                since: "2026-11-24T03:00:00.000000Z".to_owned()
            }
        );
        assert_eq!(
            standing(&held, at("2026-11-24T03:10:31Z")),
            Standing::Expired {
                holder: "ann@build/r-1".to_owned()
            }
        );
        assert_eq!(
            standing(&lease("", "x"), at("2026-11-24T03:10:00Z")),
            Standing::Free
        );
    }

    #[test]
    fn taking_a_lease_keeps_its_revision_and_counts_the_change() {
        let chat = "chat".parse().unwrap();
        let found = lease("ann@build/r-1", "2026-11-24T03:10:00.000000Z");
        let now = at("2026-11-24T04:00:00.5Z");
        let written = taken("infer-chat", &chat, "bob@laptop/r-2", Some(&found), now);
        assert_eq!(written["metadata"]["resourceVersion"], "7");
        assert_eq!(written["spec"]["leaseTransitions"], 3);
        assert_eq!(written["spec"]["renewTime"], "2026-11-24T04:00:00.500000Z");
        let first = taken("infer-chat", &chat, "bob@laptop/r-2", None, now);
        assert_eq!(first["metadata"].get("resourceVersion"), None);
        assert_eq!(first["spec"]["leaseTransitions"], 0);
    }

    #[test]
    fn a_lease_with_an_unreadable_time_has_expired() {
        let broken = lease("ann@build/r-1", "yesterday");
        assert!(matches!(
            standing(&broken, at("2026-11-24T03:10:00Z")),
            Standing::Expired { .. }
        ));
    }
}
