//! What can be done about a canary that is open: `status`, `resume`, `promote`, `abort`.

use std::path::PathBuf;

use super::{
    Session,
    canary::{Ground, history, outcome},
    canary_values as values,
    release_args::{self, ReleaseArgs},
};
use crate::{
    canary::{
        self, Ending, Event, Fleet, SplitResult, Verdict, VersionResult, Versions,
        journal::Journal,
        local::LocalFleet,
        open::{OpenCanary, Whereabouts},
        probe::now_ms,
        share::Share,
        tally::Side,
    },
    error::{Failure, Outcome},
    home::Home,
    local::{self, Client, Holder, Launch},
    spec::Target,
    traffic::{Local, Router, Split},
    weight::Weight,
};

#[derive(Debug, clap::Subcommand)]
pub enum Open {
    /// Show the open canary; exit code 4 where nobody is at it any more
    Status(OpenArgs),
    /// Take an open canary over where it stopped
    Resume(ResumeArgs),
    /// Give the candidate everything, without a judgement
    Promote(OpenArgs),
    /// End the canary: the candidate gets nothing any more
    Abort(OpenArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer canary status chat")]
pub struct OpenArgs {
    #[command(flatten)]
    release: ReleaseArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer canary resume chat")]
pub struct ResumeArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Prompts for the probes, as JSON lines; built-in ones if left out
    #[arg(long, value_name = "FILE.jsonl")]
    prompts: Option<PathBuf>,
    /// Also write the comparison as one HTML file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub async fn run(open: Open, session: &Session) -> Result<Outcome, Failure> {
    match open {
        Open::Status(args) => status(&args.release, session).await,
        Open::Resume(args) => resume(&args, session).await,
        Open::Promote(args) => end(&args.release, session, Verdict::Promoted).await,
        Open::Abort(args) => end(&args.release, session, Verdict::Aborted).await,
    }
}

/// An open canary and all it takes to act on it.
struct Place {
    home: Home,
    client: Client,
    router: Router,
    split: Split,
    journal: Journal,
    history: usize,
}

async fn place(release: &ReleaseArgs) -> Result<Place, Failure> {
    let home = release_args::home()?;
    let found = release.find(&home)?;
    if let Target::Kubernetes(_) = found.target {
        return Err(values::on_kubernetes());
    }
    let client = Client::ensure_running(&home, &found.name, &Launch::default()).await?;
    let router = Router::Local(Local::new(client.clone()).await?);
    let split = router.read().await?;
    let journal = journal(&split, &client)?;
    Ok(Place {
        home,
        client,
        router,
        split,
        journal,
        history: history(found.spec.as_ref()),
    })
}

fn journal(split: &Split, client: &Client) -> Result<Journal, canary::Error> {
    match &split.journal {
        Some(value) => Ok(Journal::read(value)?),
        None => Err(canary::Error::NoneOpen {
            release: client.release().to_string(),
        }),
    }
}

async fn status(release: &ReleaseArgs, session: &Session) -> Result<Outcome, Failure> {
    let place = place(release).await?;
    let holder = local::holder(&place.home, place.client.release())?;
    let holder = holder.map(|holder| format!("{} (process {})", holder.who, holder.pid));
    let open = OpenCanary::new(
        place.client.release().as_str(),
        &place.journal,
        place.split.weight,
        holder,
    );
    let abandoned = matches!(open.whereabouts, Whereabouts::Abandoned);
    session.ui.answer(&open);
    Ok(if abandoned {
        Outcome::Undecided
    } else {
        Outcome::Done
    })
}

async fn resume(args: &ResumeArgs, session: &Session) -> Result<Outcome, Failure> {
    let prompts = values::prompts(args.prompts.as_deref())?;
    let place = place(&args.release).await?;
    let holder = Holder::here("canary", &place.journal.run_id);
    let lock = local::lock(&place.home, place.client.release(), &holder)?;
    // What was read before the lock was ours may be old.
    let split = place.router.read().await?;
    let journal = journal(&split, &place.client)?;
    let ground = Ground {
        home: &place.home,
        client: &place.client,
        router: &place.router,
        history: place.history,
        session,
    };
    let ended = ground
        .drive(&journal, split, prompts, args.report.as_deref())
        .await;
    drop(lock);
    ended
}

/// `promote` and `abort`: one write, then the loser is drained.
async fn end(
    release: &ReleaseArgs,
    session: &Session,
    verdict: Verdict,
) -> Result<Outcome, Failure> {
    let started_ms = now_ms();
    let place = place(release).await?;
    let holder = Holder::here("canary", &place.journal.run_id);
    let lock = local::lock(&place.home, place.client.release(), &holder)?;
    let split = place.router.read().await?;
    let journal = journal(&split, &place.client)?;
    let simulated = place.client.state().await?.simulated;
    let fleet = LocalFleet {
        home: &place.home,
        client: &place.client,
        history: place.history,
        on_event: &|event| session.ui.show(&event),
    };
    let (weight, reason, ended) = if verdict == Verdict::Promoted {
        let text = "promoted by its operator, without a judgement".to_owned();
        session.ui.show(&Event::Note { text: text.clone() });
        canary::promote(&place.router, &split, &journal).await?;
        (Weight::ALL, text, fleet.promoted(&journal.candidate).await)
    } else {
        canary::roll_back(&place.router, &split, &journal).await?;
        let reason = "aborted by its operator".to_owned();
        (
            Weight::ZERO,
            reason,
            fleet.refused(&journal.candidate).await,
        )
    };
    drop(lock);
    if let Err(error) = ended {
        let text = format!("the traffic has moved, but the loser could not be ended: {error}");
        session.ui.show(&Event::Warning { text });
    }
    let nothing = Side::default();
    session.ui.answer(&Ending {
        verdict,
        release: place.client.release().to_string(),
        weight: weight.percent(),
        split: SplitResult::new(split.weight, &Share::default()),
        reason,
        simulated,
        versions: Versions {
            live: VersionResult::new(&journal.live, &nothing),
            candidate: VersionResult::new(&journal.candidate, &nothing),
        },
        seconds: canary::tally::seconds(now_ms().saturating_sub(started_ms)),
        interrupted: false,
    });
    Ok(outcome(verdict, false))
}
