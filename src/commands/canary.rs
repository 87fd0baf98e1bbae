//! `infer canary`: shifts a share of the traffic to the wanted version, compares, goes on or back.

mod open;
mod session;
mod values;

use std::path::PathBuf;

use self::session::{Bring, CanarySession};
use super::{
    Session,
    held::Held,
    image::Resolved,
    registry_args::RegistryArgs,
    release_args::{self, ReleaseArgs},
};
use crate::{
    canary::{
        self, CanaryResult, RunEnd, RunState, Verdict,
        journal::{Journal, run_id},
        plan::{Asked, OnInterrupt, OnUndecided, Plan},
        probe::now_ms,
    },
    error::{Failure, Kind, Outcome},
    header_match::HeaderMatch,
    name::VersionId,
    registry::Location,
    traffic::Split,
    ui::part,
    weight::Weight,
};

/// Shift traffic to the wanted version, compare both, then hold, promote or roll back
///
/// The wanted version (the candidate) starts beside the live one and gets its share of the
/// requests. A sequential test compares both versions' time to first token, time per token and
/// errors, and may be watched without changing its result. Candidate not worse by the margin:
/// held, or promoted. Candidate worse: rolled back, exit code 3.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  infer canary --weight 10                   held at 10% if not worse
  infer canary --weight 10 --promote         goes on to 100% if not worse
  infer canary --steps 5,25,100 --for 15m    one comparison at each share
  infer canary promote                       a held canary to 100%; also: status, resume, abort
  infer canary --hold --match header:beta=1  A/B: requests with the header go to the candidate

Exit codes: 0 held, promoted or aborted; 3 rolled back; 4 undecided; 5 another operator holds the
release; 130 interrupted. Ctrl-C freezes the weight and exits; a second Ctrl-C rolls back. The same
command takes over a canary whose process was killed.")]
pub struct CanaryArgs {
    #[command(subcommand)]
    open: Option<open::Open>,
    #[command(flatten)]
    start: StartArgs,
}

#[derive(Debug, clap::Args)]
struct StartArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// The candidate's share of the requests, in percent; 0 compares by probes alone
    #[arg(long, value_name = "PERCENT", conflicts_with = "steps")]
    weight: Option<Weight>,
    /// Rising shares, each compared in turn, such as 5,25,100; a last one of 100 promotes
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',')]
    steps: Vec<Weight>,
    /// Time limit for the comparison at each share, such as 90s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = values::duration)]
    step_limit: std::time::Duration,
    /// Not worse means: shown to be slower by less than this (worse: shown to be slower at all)
    #[arg(long, value_name = "PERCENT", default_value = "20%", value_parser = values::percent)]
    margin: f64,
    /// Give the candidate all requests once it is not worse
    #[arg(long)]
    promote: bool,
    /// A/B: compare until the time limit, then keep the share whatever the result
    #[arg(long)]
    hold: bool,
    /// A/B: requests with this header go to the candidate, all others to the live version
    #[arg(long = "match", value_name = "header:NAME=VALUE", requires = "hold",
          conflicts_with_all = ["weight", "steps", "promote"])]
    matches: Option<HeaderMatch>,
    /// Paired probes a second: infer sends the same prompt to both versions; 0 turns them off
    #[arg(long, value_name = "RATE", default_value_t = 2.0)]
    probe_rate: f64,
    /// Prompts for the probes, as JSON lines [default: built-in prompts]
    #[arg(long, value_name = "FILE.jsonl")]
    prompts: Option<PathBuf>,
    /// What to do at the time limit without a decision
    #[arg(long, value_enum, default_value_t = values::Undecided::Restore)]
    on_undecided: values::Undecided,
    /// What to do on SIGTERM, on SIGHUP, or on Ctrl-C without a terminal
    #[arg(long, value_enum, default_value_t = values::Interrupted::RollBack)]
    on_interrupt: values::Interrupted,
    /// Drift of a version's latency without any change [default: learned from the live version]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    pool_noise: Option<f64>,
    /// The candidate: a version that is up already [default: the version that infer.yaml describes]
    #[arg(long, value_name = "VERSION", conflicts_with = "image")]
    version: Option<VersionId>,
    /// Image to serve instead of infer.yaml's; with a digest, infer.lock is not asked
    #[arg(long, value_name = "REF@sha256:…")]
    image: Option<Location>,
    /// The infer.lock to read; the one beside infer.yaml if left out
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Also write the comparison as one HTML file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub async fn run(args: CanaryArgs, session: &Session) -> Result<Outcome, Failure> {
    match args.open {
        Some(open) => Box::pin(open::run(open, session)).await,
        None => start(&args.start, session).await,
    }
}

async fn start(args: &StartArgs, session: &Session) -> Result<Outcome, Failure> {
    let plan = plan(args)?;
    let prompts = values::prompts(args.prompts.as_deref())?;
    values::writable(args.report.as_deref())?;
    let home = release_args::home()?;
    let canary = CanarySession::find(args.release.find(&home)?).await?;
    let run = run_id(now_ms(), std::process::id());
    let held = canary.hold(run.clone()).await?;
    let ended = match prepare(args, plan, run, &canary, &held, session).await {
        Ok(Begun::Run(ready)) => {
            let run = (&ready.journal, ready.split);
            let driven = canary.drive(&held, run, ready.brought_up, prompts, session);
            Box::pin(driven).await.map(Some)
        }
        Ok(Begun::Finished(result)) => {
            session.ui.answer(&*result);
            Ok(None)
        }
        Err(failure) => Err(failure),
    };
    held.release(ended.is_ok(), session).await;
    match ended? {
        Some(ended) => answer(&canary, ended, args.report.as_deref(), session),
        None => Ok(Outcome::Done),
    }
}

/// What a run of the command goes on from.
enum Begun {
    Run(Box<Prepared>),
    /// An earlier run moved all traffic to the candidate; what it left is finished.
    Finished(Box<CanaryResult>),
}

/// A run that can be driven.
struct Prepared {
    journal: Journal,
    split: Split,
    /// Whether the candidate was not up before.
    brought_up: bool,
}

/// The candidate up, and the journal of the run that is to come, or of the abandoned one that
/// this command began.
async fn prepare(
    args: &StartArgs,
    plan: Plan,
    run: String,
    release: &CanarySession,
    held: &Held<'_>,
    session: &Session,
) -> Result<Begun, Failure> {
    let name = release.release.as_str();
    // What an earlier run left half done would be in the way of this one.
    let started_ms = now_ms();
    let settled = release.settle(held, session).await?;
    let split = release.router.read().await?;
    let before = OpenRun::of(&split)?;
    if before.is_refused(&plan) {
        return Err(open(&split, name).into());
    }
    if plan.splits_traffic() {
        release.router.splits(plan.matches.as_ref()).await?;
    }
    let first = plan.weight(0);
    let (candidate, brought_up) = wanted(args, first, &split, release, held, session).await?;
    if candidate == split.live && settled {
        let result = finished(release, held, &split, started_ms, session).await?;
        return Ok(Begun::Finished(Box::new(result)));
    }
    if candidate == split.live {
        return Err(canary::Error::NothingToCanary { version: candidate }.into());
    }
    let run_id = match before {
        OpenRun::None => run,
        OpenRun::Frozen => return Err(open(&split, name).into()),
        OpenRun::Held(before) | OpenRun::Abandoned(before) if before.candidate != candidate => {
            return Err(open(&split, name).into());
        }
        OpenRun::Abandoned(journal) => {
            let (step, steps) = (journal.step + 1, journal.plan.steps().len());
            let text = format!(
                "run {} was abandoned at {}: it goes on at step {step} of {steps}",
                journal.run_id, split.weight
            );
            session.ui.show(&canary::Event::Note { text });
            return Ok(Begun::Run(Box::new(Prepared {
                journal,
                split,
                brought_up,
            })));
        }
        // A held run goes on under its own name: it owns the split.
        OpenRun::Held(before) => before.run_id,
    };
    let split = release.router.read().await?;
    let journal = Journal {
        run_id,
        live: split.live.clone(),
        candidate,
        step: 0,
        original_weight: split.weight,
        original_match: split.matches.clone(),
        started_ms: now_ms(),
        updated_ms: now_ms(),
        deadline_ms: 0,
        frozen: false,
        held: false,
        plan,
    };
    Ok(Begun::Run(Box::new(Prepared {
        journal,
        split,
        brought_up,
    })))
}

/// The answer where the wanted version has all traffic by a run that was cut off after that.
async fn finished(
    release: &CanarySession,
    held: &Held<'_>,
    split: &Split,
    started_ms: u64,
    session: &Session,
) -> Result<CanaryResult, Failure> {
    let candidate = &split.live;
    let before = release.served_before(held, candidate, session).await?;
    Ok(open::uncompared(&open::Uncompared {
        verdict: Verdict::Promoted,
        release: &release.release,
        split,
        live: before.as_ref().unwrap_or(candidate),
        candidate,
        reason: "an earlier run moved all traffic to it; what that run left is finished",
        simulated: false,
        started_ms,
        interrupted: false,
    }))
}

fn plan(args: &StartArgs) -> Result<Plan, Failure> {
    let ten = || Weight::try_from(10).map_err(|error| Failure::failed(&error));
    let weights = match (args.weight, args.steps.is_empty()) {
        (Some(weight), _) => vec![weight],
        (None, true) if args.matches.is_some() => vec![Weight::ZERO],
        (None, false) => args.steps.clone(),
        (None, true) => vec![ten()?],
    };
    let asked = Asked {
        weights,
        promote: args.promote,
        hold: args.hold,
        matches: args.matches.clone(),
        step_limit: args.step_limit,
        margin: args.margin,
        probe_rate: args.probe_rate,
        pool_noise: args.pool_noise,
        on_undecided: OnUndecided::from(args.on_undecided),
        on_interrupt: OnInterrupt::from(args.on_interrupt),
    };
    Ok(Plan::new(&asked).map_err(canary::Error::from)?)
}

/// The run that owns the split; no process drives it, for the lock is ours.
enum OpenRun {
    None,
    /// A new run may go on from it.
    Held(Journal),
    /// Its operator stopped it: `resume` goes on, no other run.
    Frozen,
    /// Its process is gone; the same command takes it over.
    Abandoned(Journal),
}

impl OpenRun {
    fn of(split: &Split) -> Result<Self, Failure> {
        let Some(value) = &split.journal else {
            return Ok(Self::None);
        };
        let journal = Journal::read(value).map_err(canary::Error::from)?;
        Ok(match (journal.held, journal.frozen) {
            (true, _) => Self::Held(journal),
            (_, true) => Self::Frozen,
            _ => Self::Abandoned(journal),
        })
    }

    /// Whether it stands in the way of a run by `plan`.
    fn is_refused(&self, plan: &Plan) -> bool {
        match self {
            Self::None | Self::Held(_) => false,
            Self::Frozen => true,
            Self::Abandoned(journal) => !journal.plan.is_same(plan),
        }
    }
}

fn open(split: &Split, release: &str) -> canary::Error {
    let candidate = split.candidate.as_ref();
    canary::Error::Open {
        release: release.to_owned(),
        candidate: candidate.map_or_else(|| "no version".to_owned(), ToString::to_string),
        run: split.run().unwrap_or("unknown").to_owned(),
    }
}

/// The candidate, up and after its first token, and whether this run brought it up.
async fn wanted(
    args: &StartArgs,
    weight: Weight,
    split: &Split,
    release: &CanarySession,
    held: &Held<'_>,
    session: &Session,
) -> Result<(VersionId, bool), Failure> {
    if let Some(version) = &args.version {
        return Ok((version.clone(), false));
    }
    let Some(spec) = &release.spec else {
        let waiting = split.candidate.clone().map(|waiting| (waiting, false));
        return waiting.ok_or_else(|| {
            Failure::usage("no candidate is named: there is no infer.yaml here and no --version")
                .hint("run it in the folder of infer.yaml, or name a version that is up with --version")
        });
    };
    let wanted = Resolved::new(spec, args.image.as_ref(), args.lock.as_deref())?;
    // An open split belongs to its run; and what is up and waiting is up.
    if wanted.version == split.live || split.journal.is_some() {
        return Ok((wanted.version, false));
    }
    let bring = Bring {
        wanted: &wanted,
        registry: &args.registry,
        live: &split.live,
        weight,
    };
    let brought_up = release.bring(held, &bring, session).await?;
    Ok((wanted.version, brought_up))
}

/// Says how it ended, and writes the report.
fn answer(
    release: &CanarySession,
    (stopped, state): (RunEnd, RunState),
    report: Option<&std::path::Path>,
    session: &Session,
) -> Result<Outcome, Failure> {
    match stopped {
        RunEnd::Frozen { weight, matches } => {
            let part = part(weight.percent(), matches.as_ref());
            Err(frozen(release, &part))
        }
        RunEnd::Ended(ending) => {
            let ending: &CanaryResult = &ending;
            // The verdict first: a disk that is full by now must not swallow it.
            session.ui.answer(ending);
            if let Some(path) = report {
                values::write_report(path, ending, &state)?;
                session.ui.note(&format!("report: {}", path.display()));
            }
            Ok(outcome(ending.verdict, ending.interrupted))
        }
    }
}

fn frozen(release: &CanarySession, part: &str) -> Failure {
    let name = &release.release;
    Failure::new(
        Kind::Interrupted,
        format!("the canary of {name} is frozen at {part}"),
    )
    .hints(canary::four_commands(name))
}

fn outcome(verdict: Verdict, interrupted: bool) -> Outcome {
    match verdict {
        _ if interrupted => Outcome::Interrupted,
        Verdict::Held | Verdict::Promoted | Verdict::Aborted => Outcome::Done,
        Verdict::RolledBack => Outcome::AnswerIsNo,
        Verdict::Undecided => Outcome::Undecided,
    }
}
