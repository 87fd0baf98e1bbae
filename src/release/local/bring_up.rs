//! Bringing a version up on this machine: started, loaded, Ready.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    interrupt::Interrupt,
    local::{Client, Engine, Phase as EnginePhase, VersionState},
    name::VersionId,
    release::{
        error::{Error, NotReady},
        event::{Event, Phase, PhaseSeconds},
    },
};

/// How often the supervisor is asked; its own probes are no finer.
const POLL: Duration = Duration::from_millis(50);

/// A first start that ended this often will not succeed by itself: the cause is in its log.
const RESTARTS_MAX: u32 = 2;

/// Lines of the engine's log that an error quotes.
const LOG_TAIL_LINES: usize = 5;

/// Bytes at the end of a log that are looked at for those lines.
const LOG_TAIL_BYTES: u64 = 8192;

/// Starts `engine` beside what runs and follows it until it is Ready.
///
/// Leaves a version that did not make it for the caller to withdraw.
pub(super) async fn bring_up(
    client: &Client,
    engine: &Engine,
    live: Option<&VersionId>,
    on_event: &(dyn Fn(Event) + Send + Sync),
    interrupt: &Interrupt,
) -> Result<PhaseSeconds, Error> {
    let started = Instant::now();
    let mut seconds = PhaseSeconds::default();
    on_event(Event::PhaseStarted {
        phase: Phase::Load,
        detail: String::new(),
    });
    let mut state = client.start(engine).await?;
    // The supervisor has its own deadline; this one only ends a supervisor that hangs.
    let limit = Duration::from_secs(engine.startup_s) + Duration::from_mins(1);
    loop {
        match &state.phase {
            EnginePhase::Ready => break,
            EnginePhase::Failed { reason } => return Err(not_ready(client, &state, reason, live)),
            EnginePhase::BackOff { reason, .. } if state.restarts >= RESTARTS_MAX => {
                return Err(not_ready(client, &state, reason, live));
            }
            EnginePhase::Stopped | EnginePhase::Draining => {
                return Err(not_ready(
                    client,
                    &state,
                    "another command stopped it",
                    live,
                ));
            }
            EnginePhase::Starting | EnginePhase::Unready | EnginePhase::BackOff { .. } => {}
        }
        if started.elapsed() > limit {
            return Err(not_ready(client, &state, "it is not Ready in time", live));
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = interrupt.any() => return Err(Error::Interrupted),
        }
        state = find(client, &engine.version).await?.unwrap_or(state);
    }
    let took = started.elapsed();
    seconds.set(Phase::Load, took);
    let detail = state
        .port
        .map_or_else(String::new, |port| format!("port {port}"));
    on_event(Event::PhaseDone {
        phase: Phase::Load,
        took,
        detail,
    });
    Ok(seconds)
}

async fn find(client: &Client, version: &VersionId) -> Result<Option<VersionState>, Error> {
    Ok(client.state().await?.version(version).cloned())
}

fn not_ready(
    client: &Client,
    state: &VersionState,
    reason: &str,
    live: Option<&VersionId>,
) -> Error {
    Error::NotReady(Box::new(NotReady {
        release: client.release().clone(),
        version: state.version.clone(),
        phase: Phase::Load,
        reason: state.last_exit.clone().unwrap_or_else(|| reason.to_owned()),
        log_tail: log_tail(&state.log).unwrap_or_default(),
        log: state.log.clone(),
        live: live.cloned(),
    }))
}

/// The last lines of a log, oldest first.
pub(super) fn log_tail(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(LOG_TAIL_LINES);
    Ok(lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines_that_say_something() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<_> = (0..2000).map(|n| format!("line {n}\n")).collect();
        let text = lines.join("\n");
        std::fs::write(file.path(), text).unwrap();
        let tail = log_tail(file.path()).unwrap();
        assert_eq!(tail.len(), LOG_TAIL_LINES);
        assert_eq!(tail.last().unwrap(), "line 1999");
    }
}
