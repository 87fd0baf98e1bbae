//! The split, written only while the lease is held, and again while the API server is away:
//! a rollback must not be lost because its one write met a restart.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    canary::{Event, Traffic},
    cluster::{self, lease::Lock},
    traffic::{Change, Error, Router, Split},
};

/// How long a write is tried for: an API server that restarts is back in less.
const WRITE_TIME_MAX: Duration = Duration::from_mins(3);

const AGAIN: Duration = Duration::from_secs(2);

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
        let deadline = Instant::now() + WRITE_TIME_MAX;
        let mut told = false;
        loop {
            let error = match self.attempt(read, change, told).await {
                Err(error) if is_transient(&error) && Instant::now() < deadline => error,
                ended => return ended,
            };
            if !told {
                told = true;
                let text = format!(
                    "{error}; the weight stays until it is, trying for {} s",
                    WRITE_TIME_MAX.as_secs()
                );
                (self.on_event)(Event::Warning { text });
            }
            sleep(AGAIN).await;
        }
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

fn is_transient(error: &Error) -> bool {
    let Error::Transport { source, .. } = error else {
        return false;
    };
    let cluster = source.downcast_ref::<cluster::Error>();
    cluster.is_some_and(cluster::Error::is_transient)
}
