//! The command line: global flags, the verbs, and one exhaustive match.

use clap::{CommandFactory, Parser};

use crate::{
    commands::{self, Session},
    error::{Failure, Outcome},
    ui::{Color, Output},
};

/// Model weights to production traffic
///
/// Packs model weights into OCI images, deploys them, load-tests the GPU server
/// and shifts canary traffic while showing, live, what users feel.
#[derive(Debug, Parser)]
#[command(
    name = "infer",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(
    after_help = "Example:\n  infer pack ./my-model --to oci:./image\n\nMore: infer <COMMAND> --help"
)]
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
    Pack(Box<commands::pack::PackArgs>),
    Inspect(commands::inspect::InspectArgs),
    Verify(commands::verify::VerifyArgs),
    Unpack(commands::unpack::UnpackArgs),
    Deploy(commands::deploy::DeployArgs),
    Canary(Box<commands::canary::CanaryArgs>),
    Rollback(commands::rollback::RollbackArgs),
    Init(Box<commands::init::InitArgs>),
    Render(Box<commands::render::RenderArgs>),
    Template(commands::template::TemplateArgs),
    Schema(commands::schema::SchemaArgs),
    Man(commands::man::ManArgs),
    Status(commands::status::StatusArgs),
    Logs(commands::logs::LogsArgs),
    History(commands::history::HistoryArgs),
    Delete(commands::delete::DeleteArgs),
    Doctor(commands::doctor::DoctorArgs),
    Serve(commands::serve::ServeArgs),
    Load(Box<commands::load::LoadArgs>),
    Completions(commands::completions::CompletionsArgs),
    Sim(Box<commands::sim::SimArgs>),
}

impl Command {
    /// The verb as it is typed.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Pack(_) => "pack",
            Self::Init(_) => "init",
            Self::Render(_) => "render",
            Self::Inspect(_) => "inspect",
            Self::Verify(_) => "verify",
            Self::Unpack(_) => "unpack",
            Self::Deploy(_) => "deploy",
            Self::Canary(_) => "canary",
            Self::Rollback(_) => "rollback",
            Self::Template(_) => "template",
            Self::Schema(_) => "schema",
            Self::Man(_) => "man",
            Self::Status(_) => "status",
            Self::Logs(_) => "logs",
            Self::History(_) => "history",
            Self::Delete(_) => "delete",
            Self::Doctor(_) => "doctor",
            Self::Serve(_) => "serve",
            Self::Load(_) => "load",
            Self::Completions(_) => "completions",
            Self::Sim(_) => "sim",
        }
    }
}

/// The whole command line, for completions and man pages.
pub fn command() -> clap::Command {
    App::command()
}

pub async fn run(command: Command, session: &Session) -> Result<Outcome, Failure> {
    match command {
        Command::Pack(args) => commands::pack::run(*args, session).await,
        Command::Inspect(args) => commands::inspect::run(args, session).await,
        Command::Verify(args) => commands::verify::run(args, session).await,
        Command::Unpack(args) => commands::unpack::run(args, session).await,
        Command::Deploy(args) => commands::deploy::run(args, session).await,
        Command::Canary(args) => commands::canary::run(*args, session).await,
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
