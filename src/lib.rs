//! `infer` takes model weights to production traffic.
//!
//! # The map
//!
//! ```text
//! argv ───────► commands/<verb> ─► plan (pure) ─► act (async) ─► outcome ─► stdout
//! infer.yaml ─► spec ──┘                            │   │                └► exit code
//!                                                   │   └─ Event ─► ui ─► stderr or NDJSON
//!                           registry · cluster or this machine · HTTP server
//! ```
//!
//! A verb is one file in [`commands`]: its arguments and its `run`. A job is one
//! folder: a pure plan, then the act. Domains report events and never print;
//! [`ui`] is the only code that prints or asks. `tests/cli/layers.rs` holds who
//! may import whom.

pub mod canary;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod error;
pub mod file;
pub mod home;
pub mod interrupt;
pub mod load;
pub mod local;
pub mod model;
pub mod name;
pub mod pack;
pub mod registry;
pub mod release;
pub mod render;
pub mod sim;
pub mod slo;
pub mod spec;
pub mod traffic;
pub mod ui;
pub mod weight;
pub mod yaml;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use crate::{
    commands::Session,
    error::{Failure, Outcome},
    interrupt::Interrupt,
    ui::Ui,
};

/// Runs one command line to its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let app = match cli::App::try_parse_from(args) {
        Ok(app) => app,
        Err(error) => return usage(&error),
    };
    let globals = app.globals;
    let verb = app.command.verb();
    let ui = Ui::new(globals.output, globals.quiet, globals.color);
    ui.start(verb);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return end(&ui, Err(Failure::failed(&error))),
    };
    let (ui, result) = runtime.block_on(async {
        match Interrupt::listen() {
            Ok(interrupt) => {
                let session = Session { ui, interrupt };
                let result = cli::run(app.command, &session).await;
                (session.ui, result)
            }
            Err(error) => (ui, Err(Failure::failed(&error))),
        }
    });
    // A blocking read that nobody waits for any more must not keep the process alive.
    runtime.shutdown_background();
    end(&ui, result)
}

fn end(ui: &Ui, result: Result<Outcome, Failure>) -> ExitCode {
    let code = match result {
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            ui.failure(&failure);
            failure.kind.exit_code()
        }
    };
    ExitCode::from(code)
}

/// clap's own text: help on stdout, a usage error on stderr with exit code 2.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the stream is gone.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
