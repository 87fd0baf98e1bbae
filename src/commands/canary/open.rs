//! What can be done about a canary that is open: `status`, `resume`, `promote`, `abort`.

use std::path::PathBuf;

use super::{answer, outcome, session::CanarySession, values};
use crate::{
    canary::{
        self, CanaryResult, Event, SplitResult, Verdict, VersionResult, Versions, journal::Journal,
        open::OpenCanary, probe::now_ms, proof::Share, tally::VersionTally,
    },
    commands::{
        Session,
        release_args::{self, ReleaseArgs},
    },
    error::{Failure, Outcome},
    name::{ReleaseName, VersionId},
    release::status::CanaryState,
    traffic::Split,
    weight::Weight,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Open {
    /// Show the open canary; exit code 4 if its process is gone
    #[command(after_help = "Example:\n  infer canary status chat")]
    Status(OpenArgs),
    /// Continue an open canary at the step where it stopped
    Resume(ResumeArgs),
    /// Give the candidate all requests, without a comparison
    #[command(after_help = "Example:\n  infer canary promote chat")]
    Promote(OpenArgs),
    /// End the canary: the live version gets all requests again
    #[command(after_help = "Example:\n  infer canary abort chat")]
    Abort(OpenArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct OpenArgs {
    #[command(flatten)]
    release: ReleaseArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer canary resume chat")]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Prompts for the probes, as JSON lines [default: built-in prompts]
    #[arg(long, value_name = "FILE.jsonl")]
    prompts: Option<PathBuf>,
    /// Also write the comparison as one HTML file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(super) async fn run(open: Open, session: &Session) -> Result<Outcome, Failure> {
    match open {
        Open::Status(args) => status(&args.release, session).await,
        Open::Resume(args) => resume(&args, session).await,
        Open::Promote(args) => end(&args.release, session, Verdict::Promoted).await,
        Open::Abort(args) => end(&args.release, session, Verdict::Aborted).await,
    }
}

async fn place(release: &ReleaseArgs) -> Result<CanarySession, Failure> {
    let home = release_args::home()?;
    CanarySession::find(release.find(&home)?).await
}

/// The split as it is now, and the story of the run that owns it.
async fn open(ground: &CanarySession) -> Result<(Split, Journal), Failure> {
    let split = ground.router.read().await?;
    let Some(value) = &split.journal else {
        let release = ground.release.to_string();
        return Err(canary::Error::NoneOpen { release }.into());
    };
    let journal = Journal::read(value).map_err(canary::Error::from)?;
    Ok((split, journal))
}

async fn status(release: &ReleaseArgs, session: &Session) -> Result<Outcome, Failure> {
    let ground = place(release).await?;
    let (split, journal) = open(&ground).await?;
    let holder = ground.holder().await?;
    let open = OpenCanary::new(ground.release.as_str(), &journal, &split, holder);
    let abandoned = matches!(open.state, CanaryState::Abandoned);
    session.ui.answer(&open);
    Ok(if abandoned {
        Outcome::Undecided
    } else {
        Outcome::Done
    })
}

async fn resume(args: &ResumeArgs, session: &Session) -> Result<Outcome, Failure> {
    let prompts = values::prompts(args.prompts.as_deref())?;
    values::writable(args.report.as_deref())?;
    let ground = place(&args.release).await?;
    let (_, journal) = open(&ground).await?;
    let held = ground.hold(journal.run_id.clone()).await?;
    // What was read before the lock was ours may be old.
    let ended = match open(&ground).await {
        Ok((split, journal)) => {
            ground
                .drive(&held, (&journal, split), false, prompts, session)
                .await
        }
        Err(failure) => Err(failure),
    };
    held.release(ended.is_ok(), session).await;
    answer(&ground, ended?, args.report.as_deref(), session)
}

/// `promote` and `abort`: one write, then the loser is drained.
async fn end(
    release: &ReleaseArgs,
    session: &Session,
    verdict: Verdict,
) -> Result<Outcome, Failure> {
    let started_ms = now_ms();
    let ground = place(release).await?;
    let (_, journal) = open(&ground).await?;
    let held = ground.hold(journal.run_id.clone()).await?;
    let promote = verdict == Verdict::Promoted;
    let reason = if promote {
        "promoted by its operator, without a comparison"
    } else {
        "aborted by its operator"
    };
    if promote {
        let text = reason.to_owned();
        session.ui.show(&Event::Note { text });
    }
    let ended = match open(&ground).await {
        Ok((split, journal)) => {
            let ended = ground
                .end(&held, (&split, &journal), promote, session)
                .await;
            ended.map(|ended| (split, journal, ended))
        }
        Err(failure) => Err(failure),
    };
    held.release(ended.is_ok(), session).await;
    let (split, journal, ended) = ended?;
    let interrupted = session.interrupt.signals().any() && ended.loser.is_err();
    if let Err(error) = ended.loser {
        let text = format!("the traffic has moved, but the loser could not be ended: {error}");
        session.ui.show(&Event::Warning { text });
    }
    session.ui.answer(&uncompared(&Uncompared {
        verdict,
        release: &ground.release,
        split: &split,
        live: &journal.live,
        candidate: &journal.candidate,
        reason,
        simulated: ended.simulated,
        started_ms,
        interrupted,
    }));
    Ok(outcome(verdict, interrupted))
}

/// The end of a canary that no comparison has decided.
pub(super) struct Uncompared<'a> {
    pub(super) verdict: Verdict,
    pub(super) release: &'a ReleaseName,
    /// As it was before the end.
    pub(super) split: &'a Split,
    pub(super) live: &'a VersionId,
    pub(super) candidate: &'a VersionId,
    pub(super) reason: &'a str,
    pub(super) simulated: bool,
    pub(super) started_ms: u64,
    pub(super) interrupted: bool,
}

pub(super) fn uncompared(end: &Uncompared<'_>) -> CanaryResult {
    let nothing = VersionTally::default();
    let weight = if end.verdict == Verdict::Promoted {
        Weight::ALL
    } else {
        Weight::ZERO
    };
    CanaryResult {
        verdict: end.verdict,
        release: end.release.to_string(),
        weight: weight.percent(),
        split: SplitResult::new(
            end.split.weight,
            end.split.matches.as_ref(),
            &Share::default(),
        ),
        reason: end.reason.to_owned(),
        simulated: end.simulated,
        versions: Versions {
            live: VersionResult::new(end.live, &nothing),
            candidate: VersionResult::new(end.candidate, &nothing),
        },
        seconds: canary::tally::seconds(now_ms().saturating_sub(end.started_ms)),
        interrupted: end.interrupted,
    }
}
