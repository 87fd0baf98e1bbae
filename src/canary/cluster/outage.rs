//! Outlasting an API server that is away: what a canary has decided must not be lost because
//! its one request met a restart.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

use crate::canary::{Error, Event};

/// How long a request is made again: an API server that restarts is back in less.
const OUTAGE_MAX: Duration = Duration::from_mins(3);

const AGAIN: Duration = Duration::from_secs(2);

/// Repeats `attempt` while the API server is away, and reports the first absence. `attempt` is
/// told whether it is a repetition.
pub(super) async fn outlast<T, F>(
    on_event: &(dyn Fn(Event) + Send + Sync),
    attempt: impl FnMut(bool) -> F + Send,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>> + Send,
{
    outlast_for(OUTAGE_MAX, AGAIN, on_event, attempt).await
}

async fn outlast_for<T, F>(
    limit: Duration,
    pause: Duration,
    on_event: &(dyn Fn(Event) + Send + Sync),
    mut attempt: impl FnMut(bool) -> F + Send,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>> + Send,
{
    let deadline = Instant::now() + limit;
    let mut again = false;
    loop {
        let error = match attempt(again).await {
            Err(error) if error.is_transient() && Instant::now() < deadline => error,
            ended => return ended,
        };
        if !again {
            let text = format!("{error}; trying for {} s", limit.as_secs());
            on_event(Event::Warning { text });
        }
        again = true;
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{cluster, release};

    fn away() -> Error {
        let error = cluster::Error::TimedOut {
            act: "write".to_owned(),
            server: "https://api".to_owned(),
            seconds: 15,
        };
        Error::Release(release::Error::Cluster(error))
    }

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn an_absence_is_outlasted_and_said_once() {
        let warned = AtomicU32::new(0);
        let left = AtomicU32::new(3);
        let warn = |_| {
            warned.fetch_add(1, Ordering::Relaxed);
        };
        let done = outlast_for(Duration::from_mins(1), SOON, &warn, |again| {
            let now = left.fetch_sub(1, Ordering::Relaxed);
            assert_eq!(again, now < 3);
            std::future::ready(if now == 0 { Ok("done") } else { Err(away()) })
        });
        assert_eq!(done.await.unwrap(), "done");
        assert_eq!(warned.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_absence_without_end_and_any_other_error_are_handed_on() {
        let away = |_| std::future::ready(Err::<(), _>(away()));
        let forever = outlast_for(SOON, SOON, &|_| {}, away).await;
        assert!(forever.unwrap_err().is_transient());
        let made = AtomicU32::new(0);
        let other = outlast_for(Duration::from_mins(1), SOON, &|_| {}, |_| {
            made.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>(Error::Release(release::Error::Interrupted)))
        });
        assert!(other.await.is_err());
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}
