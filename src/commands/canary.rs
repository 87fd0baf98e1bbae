//! `infer canary`: a share of the traffic to the wanted version, and back if users would feel it.

mod ground;
mod open;
mod values;

use std::path::PathBuf;

use self::ground::{Bring, CanarySession};
use super::{
    Session,
    held::Held,
    image::Resolved,
    registry_args::RegistryArgs,
    release_args::{self, ReleaseArgs},
};
use crate::{
    canary::{
        self, Ending, State, Stopped, Verdict,
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

/// Shift traffic to the wanted version, compare what users feel, and go on or back
///
/// The wanted version comes up beside the live one and gets its share. Both versions' time to
/// first token, time per token and errors are compared while you watch, by a test that holds at
/// every look: not worse by the margin → held (or promoted); worse → rolled back, exit code 3.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  infer canary --weight 10                   held at 10% if not worse
  infer canary --weight 10 --promote         goes on to 100%
  infer canary --steps 5,25,100 --for 15m
  infer canary promote                       after a held one; also: status, resume, abort
  infer canary --hold --match header:beta=1  A/B: who sends the header meets it

Exit codes: 0 held, promoted or aborted; 3 rolled back; 4 undecided; 5 somebody else is at it.
Ctrl-C freezes the weight and leaves; a second one rolls back.")]
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
    /// Share of the traffic for the candidate, in percent; 0 compares by probes only
    #[arg(long, value_name = "PERCENT", conflicts_with = "steps")]
    weight: Option<Weight>,
    /// Shares to pass through, such as 5,25,100; ending in 100 promotes
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',')]
    steps: Vec<Weight>,
    /// Longest time for each share, such as 90s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = values::duration)]
    step_limit: std::time::Duration,
    /// Slower by this much is worse
    #[arg(long, value_name = "PERCENT", default_value = "20%", value_parser = values::percent)]
    margin: f64,
    /// Give the candidate everything once it is not worse
    #[arg(long)]
    promote: bool,
    /// A/B: compare and report, but act on nothing until the time is over
    #[arg(long)]
    hold: bool,
    /// A/B: requests with this header go to the candidate, all others to live
    #[arg(long = "match", value_name = "header:NAME=VALUE", requires = "hold",
          conflicts_with_all = ["weight", "steps", "promote"])]
    matches: Option<HeaderMatch>,
    /// Pairs of probes a second: the same prompt to both versions; 0 turns them off
    #[arg(long, value_name = "RATE", default_value_t = 2.0)]
    probe_rate: f64,
    /// Prompts for the probes, as JSON lines; built-in ones if left out
    #[arg(long, value_name = "FILE.jsonl")]
    prompts: Option<PathBuf>,
    /// What to do when the time is over without a ruling
    #[arg(long, value_enum, default_value_t = values::Undecided::Restore)]
    on_undecided: values::Undecided,
    /// What to do on SIGTERM, SIGHUP, or Ctrl-C without a terminal
    #[arg(long, value_enum, default_value_t = values::Interrupted::RollBack)]
    on_interrupt: values::Interrupted,
    /// How much a version's latency drifts by itself; learned if left out
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    pool_noise: Option<f64>,
    /// A version that is up already, instead of the wanted one
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
        Some(open) => open::run(open, session).await,
        None => start(&args.start, session).await,
    }
}

async fn start(args: &StartArgs, session: &Session) -> Result<Outcome, Failure> {
    let plan = plan(args)?;
    let prompts = values::prompts(args.prompts.as_deref())?;
    values::writable(args.report.as_deref())?;
    let home = release_args::home()?;
    let ground = CanarySession::find(args.release.find(&home)?).await?;
    let run = run_id(now_ms(), std::process::id());
    let held = ground.hold(run.clone()).await?;
    let ended = match prepare(args, plan, run, &ground, &held, session).await {
        Ok((journal, split)) => ground.drive(&held, &journal, split, prompts, session).await,
        Err(failure) => Err(failure),
    };
    held.release(ended.is_ok(), session).await;
    answer(&ground, ended?, args.report.as_deref(), session)
}

/// The candidate up, and the journal of the run that is to come.
async fn prepare(
    args: &StartArgs,
    plan: Plan,
    run: String,
    ground: &CanarySession,
    held: &Held<'_>,
    session: &Session,
) -> Result<(Journal, Split), Failure> {
    ground.settle(held, session).await?;
    let split = ground.router.read().await?;
    let before = held_run(&split, ground.release.as_str())?;
    let first = plan.steps()[0];
    if plan.splits_traffic() {
        ground.router.splits(plan.matches.as_ref()).await?;
    }
    let candidate = wanted(args, first, &split, ground, held, session).await?;
    if candidate == split.live {
        return Err(canary::Error::NothingToCanary { version: candidate }.into());
    }
    if before
        .as_ref()
        .is_some_and(|before| before.candidate != candidate)
    {
        return Err(open(&split, ground.release.as_str()).into());
    }
    let split = ground.router.read().await?;
    let journal = Journal {
        // A held run goes on under its own name: it owns the split.
        run_id: before.map_or(run, |before| before.run_id),
        live: split.live.clone(),
        candidate,
        step: 0,
        original_weight: split.weight,
        original_match: split.matches.clone(),
        original_candidate: split.candidate.clone(),
        started_ms: now_ms(),
        updated_ms: now_ms(),
        deadline_ms: 0,
        frozen: false,
        held: false,
        plan,
    };
    Ok((journal, split))
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

/// The journal of a held run, which a new one may go on from; any other open run refuses.
fn held_run(split: &Split, release: &str) -> Result<Option<Journal>, Failure> {
    let Some(value) = &split.journal else {
        return Ok(None);
    };
    let journal = Journal::read(value).map_err(canary::Error::from)?;
    if journal.held {
        Ok(Some(journal))
    } else {
        Err(open(split, release).into())
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

/// The candidate, up and after its first token.
async fn wanted(
    args: &StartArgs,
    weight: Weight,
    split: &Split,
    ground: &CanarySession,
    held: &Held<'_>,
    session: &Session,
) -> Result<VersionId, Failure> {
    if let Some(version) = &args.version {
        return Ok(version.clone());
    }
    let Some(spec) = &ground.spec else {
        let waiting = split.candidate.clone();
        return waiting.ok_or_else(|| {
            Failure::usage("no infer.yaml says which version is wanted")
                .hint("run it beside infer.yaml, or name a version that is up with --version")
        });
    };
    let wanted = Resolved::new(spec, args.image.as_ref(), args.lock.as_deref())?;
    // An open split belongs to its run; and what is up and waiting is up.
    if wanted.version == split.live || split.journal.is_some() {
        return Ok(wanted.version);
    }
    let bring = Bring {
        wanted: &wanted,
        registry: &args.registry,
        live: &split.live,
        weight,
    };
    ground.bring(held, &bring, session).await?;
    Ok(wanted.version)
}

/// Says how it ended, and writes the report.
fn answer(
    ground: &CanarySession,
    (stopped, state): (Stopped, State),
    report: Option<&std::path::Path>,
    session: &Session,
) -> Result<Outcome, Failure> {
    match stopped {
        Stopped::Frozen { weight, matches } => {
            let part = part(weight.percent(), matches.as_ref());
            Err(frozen(ground, &part))
        }
        Stopped::Ended(ending) => {
            let ending: &Ending = &ending;
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

fn frozen(ground: &CanarySession, part: &str) -> Failure {
    let release = &ground.release;
    Failure::new(
        Kind::Interrupted,
        format!("the canary of {release} is frozen at {part}"),
    )
    .hints(canary::four_commands(release))
}

fn outcome(verdict: Verdict, interrupted: bool) -> Outcome {
    match verdict {
        _ if interrupted => Outcome::Interrupted,
        Verdict::Held | Verdict::Promoted | Verdict::Aborted => Outcome::Done,
        Verdict::RolledBack => Outcome::AnswerIsNo,
        Verdict::Undecided => Outcome::Undecided,
    }
}
