//! The split, written only while the lease is held.

use std::time::Duration;

use tokio::time::timeout;

use super::outage::outlast;
use crate::{
    canary::{Error, Event, Traffic},
    cluster::lease::Lock,
    interrupt::Interrupt,
    release,
    traffic::{self, Change, Router, Split},
};

/// Longest wait for a read of the split.
const READ_TIME_MAX: Duration = Duration::from_secs(3);

pub struct Locked<'a> {
    pub interrupt: &'a Interrupt,
    pub router: &'a Router,
    pub lock: &'a Lock,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

impl Traffic for Locked<'_> {
    async fn read(&self) -> Result<Split, Error> {
        // Only looked at between two judgements: an API server that is away must not hold them up.
        match timeout(READ_TIME_MAX, self.router.read()).await {
            Ok(split) => Ok(split?),
            Err(late) => Err(Error::Traffic(traffic::Error::Transport {
                act: "read",
                object: self.router.name(),
                source: Box::new(late),
            })),
        }
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        outlast(self.on_event, |again| self.attempt(read, change, again)).await
    }

    fn name(&self) -> String {
        self.lock.release_name().to_string()
    }
}

impl Locked<'_> {
    async fn attempt(&self, read: &Split, change: &Change, again: bool) -> Result<Split, Error> {
        self.lock.check().map_err(release::Error::from)?;
        if again {
            // The answer to an earlier write may have been lost on its way.
            let now = self.router.read().await?;
            if now.is_made_by(change) {
                return Ok(now);
            }
        }
        Ok(self.router.write(read, change, self.interrupt).await?)
    }
}
