//! The logs of all engines of a release, line by line, while they come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http_body_util::BodyExt as _;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    interrupt::Interrupt,
    object::{kind::POD, path::query},
};

use super::{
    Cluster, Error,
    pods::{PodView, find},
    request::Request,
};

/// Which lines of which logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Go on until interrupted, new pods included.
    pub follow: bool,
    /// Last lines of each; all without.
    pub tail: Option<u64>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// The run before the present one.
    pub previous: bool,
}

/// One line of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub pod: String,
    pub version: Option<String>,
    pub text: String,
}

/// Pods whose logs are read at once: more is unreadable, and each holds a connection.
const PODS_MAX: usize = 32;

/// How often new pods are looked for while following.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// Writes the logs of every engine of a selector, line by line as they come.
pub async fn logs(
    cluster: &Cluster,
    selector: &str,
    options: &LogOptions,
    interrupt: &Interrupt,
    on_line: &(dyn Fn(LogLine) + Sync),
) -> Result<(), Error> {
    let mut open = BTreeSet::new();
    // Where each log was left, so that a broken connection repeats no line.
    let mut left_at: BTreeMap<String, String> = BTreeMap::new();
    let mut reading = FuturesUnordered::new();
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick(), if options.follow || left_at.is_empty() && reading.is_empty() => {
                let pods = find(cluster, selector).await?;
                for pod in pods.into_iter().take(PODS_MAX) {
                    if open.insert(pod.pod.clone()) {
                        let from = left_at.get(&pod.pod).cloned();
                        reading.push(read(cluster, pod, options, from, on_line));
                    }
                }
                if reading.is_empty() && !options.follow {
                    return Ok(());
                }
            }
            Some((pod, last, result)) = reading.next(), if !reading.is_empty() => {
                open.remove(&pod);
                left_at.insert(pod, last.unwrap_or_default());
                match result {
                    // Not started yet, gone since, or a broken connection: the next look decides.
                    Err(error) if options.follow && !error.is_forbidden() => {}
                    result => result?,
                }
                if reading.is_empty() && !options.follow {
                    return Ok(());
                }
            }
            _ = interrupt.any() => return Ok(()),
        }
    }
}

/// Reads one log to its end; returns the time of the last line.
async fn read(
    cluster: &Cluster,
    pod: PodView,
    options: &LogOptions,
    from: Option<String>,
    on_line: &(dyn Fn(LogLine) + Sync),
) -> (String, Option<String>, Result<(), Error>) {
    let mut last = from.clone().filter(|time| !time.is_empty());
    let uri = format!(
        "{}/log{}",
        POD.object(&cluster.namespace, &pod.pod),
        log_query(&pod.container, options, last.as_deref())
    );
    let request = Request::get(format!("read the log of pod {}", pod.pod), uri);
    let body = match cluster.stream(&request).await {
        Ok(body) => body,
        Err(error) => return (pod.pod, last, Err(error)),
    };
    let mut pieces = body.into_data_stream();
    let mut lines = Lines::default();
    let mut result = Ok(());
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => lines.push(&piece),
            Err(source) => {
                result = Err(Error::Unreachable {
                    act: request.act.clone(),
                    server: cluster.server.clone(),
                    source: Box::new(source),
                });
                break;
            }
        }
        while let Some(line) = lines.next() {
            tell(&line, &pod, &mut last, on_line);
        }
    }
    if let Some(line) = lines.rest() {
        tell(&line, &pod, &mut last, on_line);
    }
    (pod.pod, last, result)
}

fn tell(line: &str, pod: &PodView, last: &mut Option<String>, on_line: &(dyn Fn(LogLine) + Sync)) {
    // Asked for with `timestamps`, so that reading can go on where it stopped.
    let (time, text) = line.split_once(' ').unwrap_or(("", line));
    // `sinceTime` has whole seconds: skip what was told already.
    if last.as_deref().is_some_and(|last| time <= last) {
        return;
    }
    if !time.is_empty() {
        *last = Some(time.to_owned());
    }
    on_line(LogLine {
        pod: pod.pod.clone(),
        version: pod.version.clone(),
        text: text.to_owned(),
    });
}

fn log_query(container: &str, options: &LogOptions, from: Option<&str>) -> String {
    let mut pairs = vec![
        ("container".to_owned(), container.to_owned()),
        ("timestamps".to_owned(), "true".to_owned()),
    ];
    let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
    if options.follow {
        add("follow", "true".to_owned());
    }
    if options.previous {
        add("previous", "true".to_owned());
    }
    if let Some(from) = from {
        add("sinceTime", from.to_owned());
    } else {
        if let Some(lines) = options.tail {
            add("tailLines", lines.to_string());
        }
        if let Some(since) = options.since {
            add("sinceSeconds", since.as_secs().max(1).to_string());
        }
    }
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    query(&pairs)
}

/// Bytes into lines; a line longer than the limit is cut into pieces of it.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
}

/// Longest line kept in memory.
const LINE_BYTES_MAX: usize = 256 << 10;

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        let (taken, skipped) = match end {
            Some(end) if end <= LINE_BYTES_MAX => (end, end + 1),
            _ if self.buffer.len() > LINE_BYTES_MAX => (LINE_BYTES_MAX, LINE_BYTES_MAX),
            _ => return None,
        };
        let line = String::from_utf8_lossy(&self.buffer[..taken])
            .trim_end_matches('\r')
            .to_owned();
        self.buffer.drain(..skipped);
        Some(line)
    }

    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use k8s_openapi::api::core::v1::Pod;

    use super::*;
    use crate::cluster::pods::view;

    #[test]
    fn lines_come_out_whole_however_the_bytes_came_in() {
        let mut lines = Lines::default();
        lines.push(b"one\ntw");
        assert_eq!(lines.next().as_deref(), Some("one"));
        assert_eq!(lines.next(), None);
        lines.push(b"o\r\nthree");
        assert_eq!(lines.next().as_deref(), Some("two"));
        assert_eq!(lines.rest().as_deref(), Some("three"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LINE_BYTES_MAX + 10]);
        assert_eq!(lines.next().map(|line| line.len()), Some(LINE_BYTES_MAX));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn reading_goes_on_where_it_stopped_and_repeats_nothing() {
        let options = LogOptions {
            follow: true,
            tail: Some(10),
            ..LogOptions::default()
        };
        assert_eq!(
            log_query("vllm", &options, None),
            "?container=vllm&timestamps=true&follow=true&tailLines=10"
        );
        let again = log_query("vllm", &options, Some("2026-11-24T03:00:00.5Z"));
        assert!(
            again.ends_with("&sinceTime=2026-11-24T03%3A00%3A00.5Z"),
            "{again}"
        );
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
        let told = std::sync::Mutex::new(Vec::new());
        let mut last = Some("2026-11-24T03:00:00.5Z".to_owned());
        for line in [
            "2026-11-24T03:00:00.5Z old",
            "2026-11-24T03:00:00.6Z new line",
        ] {
            tell(line, &view(&pod), &mut last, &|line| {
                told.lock().unwrap().push(line.text);
            });
        }
        assert_eq!(*told.lock().unwrap(), ["new line"]);
    }
}
