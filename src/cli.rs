//! The command line: global flags, the verbs, and one exhaustive match.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::{
    commands::{self, Session},
    error::{Failure, Outcome},
    ui::{Color, Output},
};

/// Model weights to production traffic
///
/// Packs model weights into OCI images, deploys them to Kubernetes or this machine, load-tests
/// the server, and shifts canary traffic while showing each version's latency and errors.
#[derive(Debug, Parser)]
#[command(
    name = "infer",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "\
Example:
  infer pack ./my-model --to oci:./image

More: infer <COMMAND> --help
Each option is also an environment variable, INFER_<COMMAND>_<OPTION>, such as INFER_LOAD_RATE.")]
pub struct App {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// How to write results
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "INFER_OUTPUT",
        hide_env = true
    )]
    pub output: Output,
    /// Say only what went wrong
    #[arg(long, short, global = true, env = "INFER_QUIET", hide_env = true)]
    pub quiet: bool,
    /// When to use colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "INFER_COLOR",
        hide_env = true
    )]
    pub color: Color,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Init(Box<commands::init::InitArgs>),
    Pack(Box<commands::pack::PackArgs>),
    Inspect(commands::inspect::InspectArgs),
    Verify(commands::verify::VerifyArgs),
    Unpack(commands::unpack::UnpackArgs),
    Render(Box<commands::render::RenderArgs>),
    Deploy(commands::deploy::DeployArgs),
    Status(commands::status::StatusArgs),
    Logs(commands::logs::LogsArgs),
    Load(Box<commands::load::LoadArgs>),
    Canary(Box<commands::canary::CanaryArgs>),
    History(commands::history::HistoryArgs),
    Rollback(commands::rollback::RollbackArgs),
    Delete(commands::delete::DeleteArgs),
    Serve(commands::serve::ServeArgs),
    Sim(Box<commands::sim::SimArgs>),
    Doctor(commands::doctor::DoctorArgs),
    Template(commands::template::TemplateArgs),
    Schema(commands::schema::SchemaArgs),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
}

impl Command {
    /// The verb as it is typed.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Pack(_) => "pack",
            Self::Inspect(_) => "inspect",
            Self::Verify(_) => "verify",
            Self::Unpack(_) => "unpack",
            Self::Render(_) => "render",
            Self::Deploy(_) => "deploy",
            Self::Status(_) => "status",
            Self::Logs(_) => "logs",
            Self::Load(_) => "load",
            Self::Canary(_) => "canary",
            Self::History(_) => "history",
            Self::Rollback(_) => "rollback",
            Self::Delete(_) => "delete",
            Self::Serve(_) => "serve",
            Self::Sim(_) => "sim",
            Self::Doctor(_) => "doctor",
            Self::Template(_) => "template",
            Self::Schema(_) => "schema",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

/// What it is, how it is called and an example are the first screen; the options follow.
const HELP_TEMPLATE: &str = "\
{before-help}{about-with-newline}
{usage-heading} {usage}{after-help}

{all-args}";

/// The whole command line, for completions and man pages.
pub fn command() -> clap::Command {
    complete(App::command(), "INFER")
}

/// Reads a command line.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<App, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
    App::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Gives a command and all below it what each of them has: help with the example before the
/// options, and for each option an environment variable, `INFER_<COMMAND>_<OPTION>`.
fn complete(command: clap::Command, prefix: &str) -> clap::Command {
    let mut command = command.help_template(HELP_TEMPLATE).mut_args(|option| {
        // Options that many commands share name their own: INFER_FILE, INFER_ENV.
        match (option.get_long(), option.get_env()) {
            (Some(long), None) if !option.is_hide_set() => {
                let variable = format!("{prefix}_{}", upper(long));
                option.env(variable).hide_env(true)
            }
            _ => option,
        }
    });
    let below: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    for name in below {
        let prefix = format!("{prefix}_{}", upper(&name));
        command = command.mut_subcommand(name, |below| complete(below, &prefix));
    }
    command
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

pub async fn run(command: Command, session: &Session) -> Result<Outcome, Failure> {
    match command {
        Command::Pack(args) => commands::pack::run(*args, session).await,
        Command::Inspect(args) => commands::inspect::run(args, session).await,
        Command::Verify(args) => commands::verify::run(args, session).await,
        Command::Unpack(args) => commands::unpack::run(args, session).await,
        Command::Deploy(args) => commands::deploy::run(args, session).await,
        Command::Canary(args) => Box::pin(commands::canary::run(*args, session)).await,
        Command::Rollback(args) => commands::rollback::run(args, session).await,
        Command::Init(args) => commands::init::run(*args, session).await,
        Command::Render(args) => commands::render::run(*args, session).await,
        Command::Template(args) => commands::template::run(args, session).await,
        Command::Schema(args) => commands::schema::run(args, session).await,
        Command::Man(args) => commands::man::run(args, self::command(), session).await,
        Command::Status(args) => commands::status::run(args, session).await,
        Command::Logs(args) => commands::logs::run(args, session).await,
        Command::History(args) => commands::history::run(args, session).await,
        Command::Delete(args) => commands::delete::run(args, session).await,
        Command::Doctor(args) => commands::doctor::run(args, session).await,
        Command::Serve(args) => commands::serve::run(args, session).await,
        Command::Load(args) => commands::load::run(*args, session).await,
        Command::Completions(args) => {
            commands::completions::run(args, self::command(), session).await
        }
        Command::Sim(args) => commands::sim::run(*args, session).await,
    }
}
