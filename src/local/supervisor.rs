//! Supervises one version's engine: starts it, watches it, restarts it, ends it.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Event,
    adopt::Wanted,
    backoff::BackOff,
    control::Engine,
    health::{Change, Health, LIVENESS},
    lifecycle::Transition,
    prober::{Answer, Prober},
    process::{Process, SpawnOptions, TERMINATE_GRACE, free_port},
    record::Run,
    store::StateStore,
    upstream::Upstream,
};
use crate::{clock, name::VersionId};

/// What a verb asks a supervisor to do.
#[derive(Debug)]
pub(super) enum Command {
    Start,
    Stop { drain: Duration },
}

/// What a supervisor does next.
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

pub(super) struct Supervisor {
    pub(super) store: Arc<StateStore>,
    pub(super) version: VersionId,
    pub(super) upstream: Arc<Upstream>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) backoff: BackOff,
}

impl Supervisor {
    pub(super) async fn run(mut self, first: Step) {
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
        let engine = match self.store.engine(&self.version) {
            None => return Step::Leave,
            Some(Err(missing)) => return self.cannot_run(secrets_gone(&missing)).await,
            Some(Ok(engine)) => engine,
        };
        match self.launch(&engine).await {
            Ok(process) => {
                let pid = process.identity().pid;
                let port = self.port();
                self.store.tell(Event::Started {
                    version: self.version.clone(),
                    pid,
                    port,
                });
                self.transition(Transition::Spawned);
                Step::Watch(Box::new(Running::new(
                    process,
                    &engine,
                    Health::default(),
                    &self.upstream,
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
        self.store.save().await.map_err(io::Error::other)?;
        let paths = self.store.paths();
        let log = paths.engine_log(&self.version);
        let process = Process::start(
            engine,
            SpawnOptions {
                port,
                mark: &mark,
                log: &log,
                folder: paths.folder(),
            },
        )?;
        let identity = process.identity().clone();
        self.store.with(&self.version, |entry| {
            entry.record.run.identity = Some(identity);
            entry.record.run.started_ms = Some(clock::now_ms());
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
                            self.upstream.close();
                            running.ready_since = None;
                            self.transition(Transition::Silent);
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
                command = self.commands.recv() => match command {
                    Some(Command::Start) => {}
                    Some(Command::Stop { drain }) => return Step::Drain(running, drain),
                    None => return Step::Leave,
                }
            }
        }
    }

    async fn ready(&self, running: &mut Running) {
        running.ready_since = Some(Instant::now());
        self.upstream.open(self.port());
        self.transition(Transition::Answers);
        self.save().await;
    }

    /// Ends an engine that hangs; it is started again.
    async fn give_up(&mut self, mut running: Box<Running>, reason: String) -> Step {
        self.upstream.close();
        self.trouble(running.process.kill());
        let how = running.process.ended().await;
        let ready_for = running.ready_for();
        self.ended(ready_for, format!("{reason}; {}", text(how)))
            .await
    }

    /// Its process ended by itself.
    async fn ended(&mut self, ready_for: Option<Duration>, reason: String) -> Step {
        self.upstream.close();
        let pause = self.backoff.next(ready_for);
        self.forget_run(Some(&reason));
        self.transition(Transition::EndedAlone {
            until_ms: clock::now_ms() + clock::milliseconds(pause),
            reason,
        });
        self.save().await;
        Step::Wait(Instant::now() + pause)
    }

    async fn cannot_run(&mut self, reason: String) -> Step {
        self.upstream.close();
        self.forget_run(None);
        self.transition(Transition::CannotRun { reason });
        self.save().await;
        Step::Park
    }

    async fn wait(&mut self, until: Instant) -> Step {
        tokio::select! {
            () = sleep_until(until) => {}
            command = self.commands.recv() => match command {
                Some(Command::Start) => self.backoff = BackOff::default(),
                Some(Command::Stop { .. }) => {
                    self.transition(Transition::StopAsked);
                    return Step::Park;
                }
                None => return Step::Leave,
            }
        }
        self.store.with(&self.version, |entry| {
            entry.record.restarts = entry.record.restarts.saturating_add(1);
        });
        Step::Start
    }

    /// Lets requests in flight end, but no longer than `drain`.
    async fn drain(&mut self, mut running: Box<Running>, drain: Duration) -> Step {
        let was_ready = running.health.is_ready();
        self.upstream.close();
        self.transition(Transition::StopAsked);
        self.store.tell(Event::Draining {
            version: self.version.clone(),
            in_flight: self.upstream.in_flight(),
        });
        let upstream = Arc::clone(&self.upstream);
        let mut until = Instant::now() + drain;
        loop {
            tokio::select! {
                how = running.process.ended() => return self.gone(&text(how)).await,
                () = upstream.emptied() => return Step::End(running),
                () = sleep_until(until) => return Step::End(running),
                command = self.commands.recv() => match command {
                    Some(Command::Start) => {
                        if was_ready {
                            self.upstream.open(self.port());
                        }
                        self.transition(Transition::StopCalledOff { was_ready });
                        return Step::Watch(running);
                    }
                    Some(Command::Stop { drain }) => until = until.min(Instant::now() + drain),
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
                command = self.commands.recv() => match command {
                    Some(Command::Start) => again = true,
                    // A second stop shortens the wait.
                    Some(Command::Stop { drain }) => {
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
        self.transition(Transition::Gone);
        self.save().await;
        Step::Park
    }

    async fn park(&mut self) -> Step {
        loop {
            match self.commands.recv().await {
                Some(Command::Start) => {
                    self.backoff = BackOff::default();
                    return Step::Start;
                }
                Some(Command::Stop { .. }) => self.transition(Transition::StopAsked),
                None => return Step::Leave,
            }
        }
    }

    fn port(&self) -> u16 {
        let port = self
            .store
            .with(&self.version, |entry| entry.record.run.port);
        port.flatten().unwrap_or_default()
    }

    fn set_run(&self, run: Run) {
        self.store
            .with(&self.version, |entry| entry.record.run = run);
    }

    /// No process any more; the time of its last start is kept, to know old from new.
    fn forget_run(&self, how: Option<&str>) {
        self.store.with(&self.version, |entry| {
            entry.record.run.mark = None;
            entry.record.run.identity = None;
            entry.record.run.port = None;
            if let Some(how) = how {
                entry.record.last_exit = Some(how.to_owned());
            }
        });
    }

    fn transition(&self, transition: Transition) {
        self.store.transition(&self.version, transition);
    }

    /// A full disk must not end an engine; the next change tries again.
    async fn save(&self) {
        if let Err(error) = self.store.save().await {
            self.store.tell(Event::Trouble(error.to_string()));
        }
    }

    fn trouble(&self, result: io::Result<()>) {
        if let Err(error) = result {
            let text = format!("{} could not be signalled: {error}", self.version);
            self.store.tell(Event::Trouble(text));
        }
    }
}

/// One run of an engine while it lasts.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) health: Health,
    pub(super) answers: mpsc::Receiver<Answer>,
    /// Dropped, the probes end.
    _probing: JoinSet<()>,
    pub(super) startup_ends: Instant,
    pub(super) startup_s: u64,
    pub(super) health_path: String,
    pub(super) ready_since: Option<Instant>,
}

/// Probe answers that may wait to be looked at; there is at most one a second.
const ANSWERS_WAITING_MAX: usize = 8;

impl Running {
    /// Starts the health probes; `health` is what is known of the process already.
    pub(super) fn new(
        process: Process,
        engine: &Engine,
        health: Health,
        upstream: &Arc<Upstream>,
        port: u16,
    ) -> Self {
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING_MAX);
        let prober = Prober {
            port,
            path: engine.health_path.clone(),
        };
        let upstream = Arc::clone(upstream);
        let mut probing = JoinSet::new();
        probing.spawn(async move {
            let suspected = &upstream.suspected;
            prober.run(health.has_started(), suspected, &sender).await;
        });
        Self {
            process,
            health,
            answers,
            _probing: probing,
            startup_ends: Instant::now() + Duration::from_secs(engine.startup_s),
            startup_s: engine.startup_s,
            health_path: engine.health_path.clone(),
            ready_since: health.is_ready().then(Instant::now),
        }
    }

    /// How long it has been ready without a break.
    pub(super) fn ready_for(&self) -> Option<Duration> {
        self.ready_since.map(|since| since.elapsed())
    }
}

/// Whether a version is meant to run.
pub(super) fn set_wanted(store: &StateStore, version: &VersionId, wanted: Wanted) {
    store.with(version, |entry| entry.record.wanted = wanted);
}

/// The reason shown for an engine whose secrets were in the memory of an earlier process.
pub(super) fn secrets_gone(missing: &[String]) -> String {
    format!(
        "it needs {}, which was only in the memory of the infer serve that has ended: set it and run infer deploy again",
        missing.join(", ")
    )
}

/// A program that does not exist will not exist at the next try.
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
