//! The split, written only while the lease is held.

use super::outage::outlast;
use crate::{
    canary::{self, Event, Traffic},
    cluster::{self, lease::Lock},
    traffic::{Change, Error, Router, Split},
};

pub struct Locked<'a> {
    pub router: &'a Router,
    pub lock: &'a Lock,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

impl Traffic for Locked<'_> {
    async fn read(&self) -> Result<Split, Error> {
        self.router.read().await
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        let written = outlast(self.on_event, |again| async move {
            Ok(self.attempt(read, change, again).await?)
        });
        written.await.map_err(|error| match error {
            canary::Error::Traffic(error) => error,
            other => Error::Transport {
                act: "write",
                object: self.router.name(),
                source: Box::new(other),
            },
        })
    }

    fn name(&self) -> String {
        self.lock.release_name().to_string()
    }
}

impl Locked<'_> {
    async fn attempt(&self, read: &Split, change: &Change, again: bool) -> Result<Split, Error> {
        self.lock.check().map_err(|error| self.lost(error))?;
        if again {
            // The answer to an earlier write may have been lost on its way.
            let now = self.router.read().await?;
            if now.is_made_by(change) {
                return Ok(now);
            }
        }
        self.router.write(read, change).await
    }

    fn lost(&self, error: cluster::Error) -> Error {
        Error::Transport {
            act: "write",
            object: self.router.name(),
            source: Box::new(error),
        }
    }
}
