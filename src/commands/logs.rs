//! `infer logs`: what the engines of a release write.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Session,
    release_args::{ReleaseArgs, cluster, home},
};
use crate::{
    error::{Failure, Outcome},
    name::VersionId,
    release::{self, logs::Wanted},
    spec::Target,
    ui::{LogLine, Logged},
};

/// Print the logs of a release's engines
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer logs chat --tail 20\n  infer logs chat --follow --version v3c1f2a90b"
)]
pub struct LogsArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Version to print; live and candidate if left out
    #[arg(long, value_name = "VERSION")]
    version: Option<VersionId>,
    /// Print new lines as they are written
    #[arg(long)]
    follow: bool,
    /// Lines to start with
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    tail: usize,
}

pub async fn run(args: LogsArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    let found = args.release.find(&home)?;
    let wanted = Wanted {
        version: args.version,
        follow: args.follow,
        tail: args.tail,
    };
    let several = wanted.version.is_none();
    let lines = AtomicU64::new(0);
    let on_line = |version: &str, line: &str| {
        lines.fetch_add(1, Ordering::Relaxed);
        session.ui.show(&LogLine { version, line });
        if !session.ui.is_json() {
            session.ui.raw(&if several {
                format!("{version} {line}")
            } else {
                line.to_owned()
            });
        }
    };
    match &found.target {
        Target::Local => {
            release::local::logs::logs(&home, &found.name, &wanted, &on_line, &session.interrupt)
                .await?;
        }
        Target::Kubernetes(place) => {
            let cluster = cluster(place).await?;
            release::kubernetes::logs(&cluster, &found.name, &wanted, &on_line, &session.interrupt)
                .await?;
        }
    }
    session.ui.answer(&Logged {
        release: found.name.as_str(),
        lines: lines.into_inner(),
    });
    Ok(if session.interrupt.signals().any() {
        Outcome::Interrupted
    } else {
        Outcome::Done
    })
}
