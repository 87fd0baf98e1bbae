//! Keeps one version's engine as it is wanted: starts it, watches it, ends it.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Event,
    adopt::Wanted,
    backoff::BackOff,
    book::Book,
    clock,
    control::Engine,
    health::{Change, Health, LIVENESS},
    life::Happened,
    process::{Berth, Process, TERMINATE_GRACE, free_port},
    record::Run,
    running::Running,
    slot::Slot,
};
use crate::name::VersionId;

/// What a keeper is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Start,
    Stop { drain: Duration },
}

/// What a keeper does next.
#[derive(Debug)]
pub(super) enum Step {
    Start,
    Watch(Box<Running>),
    Drain(Box<Running>, Duration),
    End(Box<Running>),
    Wait(Instant),
    Park,
    Leave,
}

pub(super) struct Keeper {
    pub(super) book: Arc<Book>,
    pub(super) version: VersionId,
    pub(super) slot: Arc<Slot>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) backoff: BackOff,
}

impl Keeper {
    pub(super) async fn keep(mut self, first: Step) {
        let mut step = first;
        loop {
            step = match step {
                Step::Start => self.start().await,
                Step::Watch(running) => self.watch(running).await,
                Step::Drain(running, drain) => self.drain(running, drain).await,
                Step::End(running) => self.end(running).await,
                Step::Wait(until) => self.wait(until).await,
                Step::Park => self.park().await,
                Step::Leave => return,
            };
        }
    }

    async fn start(&mut self) -> Step {
        let engine = match self.book.engine(&self.version) {
            None => return Step::Leave,
            Some(Err(missing)) => return self.cannot_run(secrets_gone(&missing)).await,
            Some(Ok(engine)) => engine,
        };
        match self.launch(&engine).await {
            Ok(process) => {
                let pid = process.identity().pid;
                let port = self.port();
                self.book.tell(Event::Started {
                    version: self.version.clone(),
                    pid,
                    port,
                });
                self.happened(Happened::Spawned);
                Step::Watch(Box::new(Running::new(
                    process,
                    &engine,
                    Health::default(),
                    &self.slot,
                    port,
                )))
            }
            Err(error) if is_for_good(&error) => {
                self.cannot_run(format!("{}: {error}", program(&engine)))
                    .await
            }
            Err(error) => {
                self.ended(None, format!("could not be started: {error}"))
                    .await
            }
        }
    }

    /// The mark is on disk before the process exists, so that no process is ever lost.
    async fn launch(&self, engine: &Engine) -> io::Result<Process> {
        let port = free_port()?;
        let mark = format!("{}/{:016x}", self.version, rand::random::<u64>());
        self.set_run(Run {
            mark: Some(mark.clone()),
            port: Some(port),
            ..Run::default()
        });
        self.book.save().await.map_err(io::Error::other)?;
        let place = self.book.place();
        let log = place.engine_log(&self.version);
        let process = Process::start(
            engine,
            Berth {
                port,
                mark: &mark,
                log: &log,
                folder: place.folder(),
            },
        )?;
        let identity = process.identity().clone();
        self.book.with(&self.version, |entry| {
            entry.kept.run.identity = Some(identity);
            entry.kept.run.started_ms = Some(clock::now_ms());
        });
        self.save().await;
        Ok(process)
    }

    async fn watch(&mut self, mut running: Box<Running>) -> Step {
        loop {
            tokio::select! {
                how = running.process.ended() => {
                    let ready_for = running.ready_for();
                    return self.ended(ready_for, text(how)).await;
                }
                Some((probe, ok)) = running.answers.recv() => {
                    match running.health.take(probe, ok) {
                        Change::Nothing => {}
                        Change::Ready => self.ready(&mut running).await,
                        Change::Unready => {
                            self.slot.close();
                            running.ready_since = None;
                            self.happened(Happened::Silent);
                        }
                        Change::Restart => {
                            let reason = format!(
                                "{} gave no answer {} times in a row",
                                running.health_path, LIVENESS.failures_max
                            );
                            return self.give_up(running, reason).await;
                        }
                    }
                }
                () = sleep_until(running.startup_ends), if !running.health.has_started() => {
                    let reason = format!(
                        "{} did not answer 200 within {} s",
                        running.health_path, running.startup_s
                    );
                    return self.give_up(running, reason).await;
                }
                order = self.orders.recv() => match order {
                    Some(Order::Start) => {}
                    Some(Order::Stop { drain }) => return Step::Drain(running, drain),
                    None => return Step::Leave,
                }
            }
        }
    }

    async fn ready(&self, running: &mut Running) {
        running.ready_since = Some(Instant::now());
        self.slot.open(self.port());
        self.happened(Happened::Answers);
        self.save().await;
    }

    /// Ends an engine that hangs; it is started again.
    async fn give_up(&mut self, mut running: Box<Running>, reason: String) -> Step {
        self.slot.close();
        self.trouble(running.process.kill());
        let how = running.process.ended().await;
        let ready_for = running.ready_for();
        self.ended(ready_for, format!("{reason}; {}", text(how)))
            .await
    }

    /// Its process is gone and nobody asked for that.
    async fn ended(&mut self, ready_for: Option<Duration>, reason: String) -> Step {
        self.slot.close();
        let pause = self.backoff.next(ready_for);
        self.forget_run(Some(&reason));
        self.happened(Happened::EndedAlone {
            until_ms: clock::now_ms() + clock::milliseconds(pause),
            reason,
        });
        self.save().await;
        Step::Wait(Instant::now() + pause)
    }

    async fn cannot_run(&mut self, reason: String) -> Step {
        self.slot.close();
        self.forget_run(None);
        self.happened(Happened::CannotRun { reason });
        self.save().await;
        Step::Park
    }

    async fn wait(&mut self, until: Instant) -> Step {
        tokio::select! {
            () = sleep_until(until) => {}
            order = self.orders.recv() => match order {
                Some(Order::Start) => self.backoff = BackOff::default(),
                Some(Order::Stop { .. }) => {
                    self.happened(Happened::StopAsked);
                    return Step::Park;
                }
                None => return Step::Leave,
            }
        }
        self.book.with(&self.version, |entry| {
            entry.kept.restarts = entry.kept.restarts.saturating_add(1);
        });
        Step::Start
    }

    /// Lets requests in flight end, but no longer than `drain`.
    async fn drain(&mut self, mut running: Box<Running>, drain: Duration) -> Step {
        let was_ready = running.health.is_ready();
        self.slot.close();
        self.happened(Happened::StopAsked);
        self.book.tell(Event::Draining {
            version: self.version.clone(),
            in_flight: self.slot.in_flight(),
        });
        let slot = Arc::clone(&self.slot);
        let mut until = Instant::now() + drain;
        loop {
            tokio::select! {
                how = running.process.ended() => return self.gone(&text(how)).await,
                () = slot.emptied() => return Step::End(running),
                () = sleep_until(until) => return Step::End(running),
                order = self.orders.recv() => match order {
                    Some(Order::Start) => {
                        if was_ready {
                            self.slot.open(self.port());
                        }
                        self.happened(Happened::StopCalledOff { was_ready });
                        return Step::Watch(running);
                    }
                    Some(Order::Stop { drain }) => until = until.min(Instant::now() + drain),
                    None => return Step::Leave,
                }
            }
        }
    }

    /// SIGTERM, and SIGKILL for one that does not go.
    async fn end(&mut self, mut running: Box<Running>) -> Step {
        self.trouble(running.process.terminate());
        let mut again = false;
        let mut until = Instant::now() + TERMINATE_GRACE;
        let how = loop {
            tokio::select! {
                how = running.process.ended() => break how,
                () = sleep_until(until) => {
                    self.trouble(running.process.kill());
                    until += TERMINATE_GRACE;
                }
                order = self.orders.recv() => match order {
                    Some(Order::Start) => again = true,
                    // Nobody wants to wait for it any more.
                    Some(Order::Stop { drain }) => {
                        again = false;
                        until = until.min(Instant::now() + drain);
                    }
                    None => return Step::Leave,
                }
            }
        };
        let parked = self.gone(&text(how)).await;
        if again { Step::Start } else { parked }
    }

    async fn gone(&mut self, how: &str) -> Step {
        self.forget_run(Some(how));
        self.happened(Happened::Gone);
        self.save().await;
        Step::Park
    }

    async fn park(&mut self) -> Step {
        loop {
            match self.orders.recv().await {
                Some(Order::Start) => {
                    self.backoff = BackOff::default();
                    return Step::Start;
                }
                Some(Order::Stop { .. }) => self.happened(Happened::StopAsked),
                None => return Step::Leave,
            }
        }
    }

    fn port(&self) -> u16 {
        let port = self.book.with(&self.version, |entry| entry.kept.run.port);
        port.flatten().unwrap_or_default()
    }

    fn set_run(&self, run: Run) {
        self.book.with(&self.version, |entry| entry.kept.run = run);
    }

    /// No process any more; the time of its last start is kept, to know old from new.
    fn forget_run(&self, how: Option<&str>) {
        self.book.with(&self.version, |entry| {
            entry.kept.run.mark = None;
            entry.kept.run.identity = None;
            entry.kept.run.port = None;
            if let Some(how) = how {
                entry.kept.last_exit = Some(how.to_owned());
            }
        });
    }

    fn happened(&self, happened: Happened) {
        self.book.happened(&self.version, happened);
    }

    /// A full disk must not end an engine; the next change tries again.
    async fn save(&self) {
        if let Err(error) = self.book.save().await {
            self.book.tell(Event::Trouble(error.to_string()));
        }
    }

    fn trouble(&self, result: io::Result<()>) {
        if let Err(error) = result {
            let text = format!("{} could not be signalled: {error}", self.version);
            self.book.tell(Event::Trouble(text));
        }
    }
}

/// Whether a version is meant to run.
pub(super) fn set_wanted(book: &Book, version: &VersionId, wanted: Wanted) {
    book.with(version, |entry| entry.kept.wanted = wanted);
}

/// What to say of an engine whose secrets went with the process that had them.
pub(super) fn secrets_gone(missing: &[String]) -> String {
    format!(
        "it needs {}, kept in memory only and gone with the infer serve that had it: set it and run infer deploy again",
        missing.join(", ")
    )
}

/// Trying again cannot help where there is no such program.
fn is_for_good(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
    )
}

fn program(engine: &Engine) -> String {
    engine.argv.first().cloned().unwrap_or_default()
}

fn text(how: io::Result<String>) -> String {
    how.unwrap_or_else(|error| format!("it could not be watched: {error}"))
}
