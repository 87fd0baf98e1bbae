//! Finding again what an earlier `infer serve` has left running.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    Event,
    adopt::{Decision, Found, Identity, Left, Wanted, decide},
    backoff::BackOff,
    book::Book,
    control::Phase,
    health::Health,
    keeper::{Keeper, Step, secrets_gone},
    life::Happened,
    proc,
    process::Process,
    record::Kept,
    running::Running,
};

/// Takes each version of the record into the book and sets a keeper over it.
pub(super) async fn versions(book: &Arc<Book>, left: Vec<Kept>) -> io::Result<()> {
    let boot_id = proc::boot_id()?;
    let mut keepers = Vec::new();
    for kept in left {
        let (keeper, kept) = keeper(book, kept, Phase::Stopped);
        let step = first_step(&keeper, &kept, &boot_id).await;
        keepers.push((keeper, step));
    }
    // What is found running takes requests before anything is started beside it.
    for (keeper, step) in keepers {
        tokio::spawn(keeper.keep(step));
    }
    Ok(())
}

/// A version that is new here; its keeper waits for its first order.
pub(super) fn fresh(book: &Arc<Book>, kept: Kept) {
    let (keeper, _) = keeper(book, kept, Phase::Stopped);
    tokio::spawn(keeper.keep(Step::Park));
}

fn keeper(book: &Arc<Book>, kept: Kept, phase: Phase) -> (Keeper, Kept) {
    let (sender, orders) = mpsc::unbounded_channel();
    let slot = book.insert(kept.clone(), phase, sender);
    let keeper = Keeper {
        book: Arc::clone(book),
        version: kept.version().clone(),
        slot,
        orders,
        backoff: BackOff::default(),
    };
    (keeper, kept)
}

async fn first_step(keeper: &Keeper, kept: &Kept, boot_id: &str) -> Step {
    let recorded = kept.run.identity.as_ref();
    let decision = decide(
        Left {
            wanted: kept.wanted,
            identity: recorded,
            was_being_started: kept.run.mark.is_some(),
            needs_secrets: !kept.secret_names.is_empty(),
        },
        Found {
            boot_id,
            start_ticks: recorded.and_then(|identity| proc::start_ticks(identity.pid)),
        },
    );
    match (decision, recorded) {
        (Decision::Adopt | Decision::Finish, Some(identity)) => {
            take_over(keeper, kept, identity).await
        }
        (Decision::Search, _) => search(keeper, kept).await,
        (Decision::AskForSecrets, _) => {
            sweep(keeper, kept).await;
            ask_for_secrets(keeper, kept)
        }
        (Decision::Start, _) => {
            sweep(keeper, kept).await;
            start_again(keeper, kept)
        }
        (Decision::Leave, _) => {
            sweep(keeper, kept).await;
            Step::Park
        }
        (Decision::Adopt | Decision::Finish, None) => Step::Park,
    }
}

async fn take_over(keeper: &Keeper, kept: &Kept, identity: &Identity) -> Step {
    let log = keeper.book.place().engine_log(&keeper.version);
    let mark = kept.run.mark.as_deref().unwrap_or_default();
    let process = match Process::adopt(identity, mark, &log) {
        Ok(Some(process)) => process,
        Ok(None) => {
            sweep(keeper, kept).await;
            return start_again(keeper, kept);
        }
        Err(error) => {
            let reason = format!("process {} cannot be watched: {error}", identity.pid);
            keeper
                .book
                .happened(&keeper.version, Happened::CannotRun { reason });
            return Step::Park;
        }
    };
    keeper.book.tell(Event::Adopted {
        version: keeper.version.clone(),
        pid: identity.pid,
    });
    let was_ready = kept.run.ready_ms.is_some();
    let health = if was_ready {
        Health::of_ready()
    } else {
        Health::default()
    };
    keeper
        .book
        .happened(&keeper.version, Happened::Adopted { was_ready });
    let port = kept.run.port.unwrap_or_default();
    let running = Running::new(process, &kept.engine, health, &keeper.slot, port);
    let running = Box::new(running);
    match kept.wanted {
        Wanted::Up => {
            if was_ready {
                keeper.slot.open(port);
            }
            Step::Watch(running)
        }
        Wanted::Down => Step::Drain(running, Duration::ZERO),
    }
}

/// The earlier one died between the start of a process and writing down which.
async fn search(keeper: &Keeper, kept: &Kept) -> Step {
    let mark = kept.run.mark.clone().unwrap_or_default();
    let found = tokio::task::spawn_blocking(move || proc::find_marked(&mark)).await;
    match found {
        Ok(Ok(Some(identity))) => {
            let known = identity.clone();
            keeper.book.with(&keeper.version, |entry| {
                entry.kept.run.identity = Some(known);
            });
            take_over_found(keeper, kept, &identity).await
        }
        Ok(Ok(None) | Err(_)) | Err(_) if kept.wanted == Wanted::Down => Step::Park,
        Ok(Ok(None) | Err(_)) | Err(_) if !kept.secret_names.is_empty() => {
            ask_for_secrets(keeper, kept)
        }
        Ok(Ok(None) | Err(_)) | Err(_) => start_again(keeper, kept),
    }
}

async fn take_over_found(keeper: &Keeper, kept: &Kept, identity: &Identity) -> Step {
    let mut kept = kept.clone();
    kept.run.identity = Some(identity.clone());
    Box::pin(take_over(keeper, &kept, identity)).await
}

fn start_again(keeper: &Keeper, kept: &Kept) -> Step {
    if kept.run.identity.is_some() {
        keeper.book.with(&keeper.version, |entry| {
            entry.kept.last_exit = Some("ended while nobody watched it".to_owned());
            entry.kept.restarts = entry.kept.restarts.saturating_add(1);
        });
    }
    Step::Start
}

fn ask_for_secrets(keeper: &Keeper, kept: &Kept) -> Step {
    let missing: Vec<String> = kept.secret_names.iter().cloned().collect();
    let reason = secrets_gone(&missing);
    keeper
        .book
        .happened(&keeper.version, Happened::CannotRun { reason });
    Step::Park
}

/// Ends workers that have outlived their engine.
async fn sweep(keeper: &Keeper, kept: &Kept) {
    let Some(mark) = kept.run.mark.clone() else {
        return;
    };
    let swept = tokio::task::spawn_blocking(move || proc::kill_marked(&mark)).await;
    if let Ok(Err(error)) = swept {
        let text = format!("workers of {} could not be ended: {error}", keeper.version);
        keeper.book.tell(Event::Trouble(text));
    }
}
