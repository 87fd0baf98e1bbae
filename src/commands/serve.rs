//! `infer serve`: every version of a release behind one weighted gateway on this machine.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Session, release_file::ReleaseFile};
use crate::{
    error::{Failure, Outcome},
    home::Home,
    local::{self, Ended, Event, Mode, Options},
    name::ReleaseName,
    ui::Served,
};

/// Serve a release on this machine: its engines, and one weighted gateway in front
///
/// Other verbs start it where they need it, detached. By hand it runs in the foreground: it
/// takes over the engines of an earlier one, prints its endpoint and one line for each change,
/// and ends its engines on Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  infer serve chat\n\nThe gateway listens on 127.0.0.1 only, on port 8080 or the next free one up to 8099, and keeps\nits port for good. A request may pin a version with the header x-infer-version; each response\nnames the one that answered. Requests with the same x-session-id go to the same version."
)]
pub struct ServeArgs {
    /// Release to serve; without it, the one of infer.yaml
    name: Option<ReleaseName>,
    /// Port of the gateway, from now on
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Leave the engines running on Ctrl-C, for the next infer serve to take over
    #[arg(long)]
    keep: bool,
    /// Started by another verb: no terminal, a session of its own
    #[arg(long, hide = true)]
    detached: bool,
    #[command(flatten)]
    file: ReleaseFile,
}

impl ServeArgs {
    fn mode(&self) -> Mode {
        match (self.detached, self.keep) {
            (true, _) => Mode::Detached,
            (false, true) => Mode::Keep,
            (false, false) => Mode::Foreground,
        }
    }
}

pub async fn run(args: ServeArgs, session: &Session) -> Result<Outcome, Failure> {
    let mode = args.mode();
    if mode == Mode::Detached {
        // The terminal of the verb that started it may close; refused only where it is alone already.
        let _ = rustix::process::setsid();
    }
    let options = Options {
        port: args.port,
        mode,
    };
    let release = match args.name {
        Some(name) => name,
        None => args.file.load()?.name,
    };
    let home = Home::find().map_err(|error| Failure::failed(&error))?;
    let (sender, mut events) = mpsc::unbounded_channel();
    // Nobody listens any more only when this function has returned.
    let on_event = Arc::new(move |event: Event| drop(sender.send(event)));
    let serving = local::serve(&home, &release, options, &session.interrupt, on_event);
    let mut serving = std::pin::pin!(serving);
    let ended = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => session.ui.show(&event),
            ended = &mut serving => break ended?,
        }
    };
    while let Ok(event) = events.try_recv() {
        session.ui.show(&event);
    }
    session.ui.answer(&Served {
        release: release.as_str(),
        interrupted: ended == Ended::Interrupted,
    });
    Ok(match ended {
        Ended::ShutDown => Outcome::Done,
        Ended::Interrupted => Outcome::Interrupted,
    })
}
