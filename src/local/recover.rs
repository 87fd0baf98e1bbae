//! Adopts the engines that an earlier `infer serve` left running.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    Event,
    adopt::{Decision, Found, Identity, Left, Wanted, decide},
    backoff::BackOff,
    control::Phase,
    health::Health,
    lifecycle::Transition,
    proc,
    process::Process,
    record::VersionRecord,
    store::StateStore,
    supervisor::{Running, Step, Supervisor, secrets_gone},
};

/// Takes each version of the record into the store and sets a supervisor over it.
pub(super) async fn versions(store: &Arc<StateStore>, left: Vec<VersionRecord>) -> io::Result<()> {
    let boot_id = proc::boot_id()?;
    let mut supervisors = Vec::new();
    for record in left {
        let (supervisor, record) = supervisor(store, record, Phase::Stopped);
        let step = first_step(&supervisor, &record, &boot_id).await;
        supervisors.push((supervisor, step));
    }
    // What is found running takes requests before anything is started beside it.
    for (supervisor, step) in supervisors {
        tokio::spawn(supervisor.run(step));
    }
    Ok(())
}

/// A version that is new here; its supervisor waits for its first command.
pub(super) fn fresh(store: &Arc<StateStore>, record: VersionRecord) {
    let (supervisor, _) = supervisor(store, record, Phase::Stopped);
    tokio::spawn(supervisor.run(Step::Park));
}

fn supervisor(
    store: &Arc<StateStore>,
    record: VersionRecord,
    phase: Phase,
) -> (Supervisor, VersionRecord) {
    let (sender, commands) = mpsc::unbounded_channel();
    let upstream = store.insert(record.clone(), phase, sender);
    let supervisor = Supervisor {
        store: Arc::clone(store),
        version: record.version().clone(),
        upstream,
        commands,
        backoff: BackOff::default(),
    };
    (supervisor, record)
}

async fn first_step(supervisor: &Supervisor, record: &VersionRecord, boot_id: &str) -> Step {
    let recorded = record.run.identity.as_ref();
    let decision = decide(
        Left {
            wanted: record.wanted,
            identity: recorded,
            was_being_started: record.run.mark.is_some(),
            needs_secrets: !record.secret_names.is_empty(),
        },
        Found {
            boot_id,
            start_ticks: recorded.and_then(|identity| proc::start_ticks(identity.pid)),
        },
    );
    match (decision, recorded) {
        (Decision::Adopt | Decision::Finish, Some(identity)) => {
            take_over(supervisor, record, identity).await
        }
        (Decision::Search, _) => search(supervisor, record).await,
        (Decision::AskForSecrets, _) => {
            sweep(supervisor, record).await;
            ask_for_secrets(supervisor, record)
        }
        (Decision::Start, _) => {
            sweep(supervisor, record).await;
            start_again(supervisor, record)
        }
        (Decision::Leave, _) => {
            sweep(supervisor, record).await;
            Step::Park
        }
        (Decision::Adopt | Decision::Finish, None) => Step::Park,
    }
}

async fn take_over(supervisor: &Supervisor, record: &VersionRecord, identity: &Identity) -> Step {
    let log = supervisor.store.paths().engine_log(&supervisor.version);
    let mark = record.run.mark.as_deref().unwrap_or_default();
    let process = match Process::adopt(identity, mark, &log) {
        Ok(Some(process)) => process,
        Ok(None) => {
            sweep(supervisor, record).await;
            return start_again(supervisor, record);
        }
        Err(error) => {
            let reason = format!("process {} cannot be watched: {error}", identity.pid);
            supervisor
                .store
                .transition(&supervisor.version, Transition::CannotRun { reason });
            return Step::Park;
        }
    };
    supervisor.store.tell(Event::Adopted {
        version: supervisor.version.clone(),
        pid: identity.pid,
    });
    let was_ready = record.run.ready_ms.is_some();
    let health = if was_ready {
        Health::of_ready()
    } else {
        Health::default()
    };
    supervisor
        .store
        .transition(&supervisor.version, Transition::Adopted { was_ready });
    let port = record.run.port.unwrap_or_default();
    let running = Running::new(process, &record.engine, health, &supervisor.upstream, port);
    let running = Box::new(running);
    match record.wanted {
        Wanted::Up => {
            if was_ready {
                supervisor.upstream.open(port);
            }
            Step::Watch(running)
        }
        Wanted::Down => Step::Drain(running, Duration::ZERO),
    }
}

/// The earlier one died between the start of a process and writing down which.
async fn search(supervisor: &Supervisor, record: &VersionRecord) -> Step {
    let mark = record.run.mark.clone().unwrap_or_default();
    let found = tokio::task::spawn_blocking(move || proc::find_marked(&mark)).await;
    match found {
        Ok(Ok(Some(identity))) => {
            let known = identity.clone();
            supervisor.store.with(&supervisor.version, |entry| {
                entry.record.run.identity = Some(known);
            });
            take_over_found(supervisor, record, &identity).await
        }
        Ok(Ok(None) | Err(_)) | Err(_) if record.wanted == Wanted::Down => Step::Park,
        Ok(Ok(None) | Err(_)) | Err(_) if !record.secret_names.is_empty() => {
            ask_for_secrets(supervisor, record)
        }
        Ok(Ok(None) | Err(_)) | Err(_) => start_again(supervisor, record),
    }
}

async fn take_over_found(
    supervisor: &Supervisor,
    record: &VersionRecord,
    identity: &Identity,
) -> Step {
    let mut record = record.clone();
    record.run.identity = Some(identity.clone());
    Box::pin(take_over(supervisor, &record, identity)).await
}

fn start_again(supervisor: &Supervisor, record: &VersionRecord) -> Step {
    if record.run.identity.is_some() {
        supervisor.store.with(&supervisor.version, |entry| {
            entry.record.last_exit = Some("ended while infer serve was not running".to_owned());
            entry.record.restarts = entry.record.restarts.saturating_add(1);
        });
    }
    Step::Start
}

fn ask_for_secrets(supervisor: &Supervisor, record: &VersionRecord) -> Step {
    let missing: Vec<String> = record.secret_names.iter().cloned().collect();
    let reason = secrets_gone(&missing);
    supervisor
        .store
        .transition(&supervisor.version, Transition::CannotRun { reason });
    Step::Park
}

/// Ends workers that have outlived their engine.
async fn sweep(supervisor: &Supervisor, record: &VersionRecord) {
    let Some(mark) = record.run.mark.clone() else {
        return;
    };
    let swept = tokio::task::spawn_blocking(move || proc::kill_marked(&mark)).await;
    if let Ok(Err(error)) = swept {
        let text = format!(
            "workers of {} could not be ended: {error}",
            supervisor.version
        );
        supervisor.store.tell(Event::Trouble(text));
    }
}
