//! `infer load`: a load test with a live readout, a report and SLO gates.

mod arguments;
mod compare;
mod release;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HOST},
};

use self::{
    arguments::{duration, header, timeouts},
    compare::CompareArgs,
    release::Endpoint,
};
use super::{Session, release_file::ReleaseFile};
use crate::{
    error::{Failure, Outcome},
    file,
    load::{
        self, Amount, Api, Arrival, Client, Connection, Error, Event, Pace, Plan, Prompts, Rate,
        Shape, Summary, Target, Timeouts, Verdict, report,
    },
    slo::Gate,
    ui::load::{Readout, RequestLine, TargetLine},
};

/// Users of a closed loop where nothing says how many: few enough for any server.
const CONCURRENCY_DEFAULT: u32 = 8;

/// Requests an open loop keeps in flight at most; beyond it they wait, and count as late.
const IN_FLIGHT_DEFAULT: u32 = 4096;

/// How long a run is where nothing says so.
const DURATION_DEFAULT: Duration = Duration::from_secs(30);

/// Answer length where nothing says so and prompts are made up.
const OUTPUT_TOKENS_DEFAULT: u32 = 128;

/// Load-test a server, with a live readout, a report and SLO gates
///
/// Sends requests for a number of users (closed loop) or on a schedule (open loop), and measures
/// TTFT, time per output token and end-to-end latency. Latencies count from when a request
/// was due, so a stalled server cannot hide its delay. Proxies are not used.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  infer load --rate 20              the release of infer.yaml, by its gates.slo\n  \
                  infer load http://127.0.0.1:8000 --rate 20 --duration 2m --slo 'ttft.p95<500ms'\n\n\
                  Exit codes: 0 done · 1 failed · 2 usage · 3 an SLO is missed · 4 undecided: too few\n\
                  samples, the client was too slow, or the load was not delivered · 130 interrupted"
)]
pub struct LoadArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Server to test, as http://HOST:PORT; the release of infer.yaml if left out
    url: Option<String>,
    /// URL of the release of infer.yaml; its gateway's address by default
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    endpoint: Option<String>,
    #[command(flatten)]
    file: ReleaseFile,
    /// Model to ask for; the only one of the server by default
    #[arg(long)]
    model: Option<String>,

    /// Users at once (closed loop), or with --rate the most requests in flight
    #[arg(long, short, value_name = "C", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    concurrency: Option<u32>,
    /// Requests per second, sent on schedule whatever the server does (open loop)
    #[arg(long, short, value_name = "R", help_heading = "Load")]
    rate: Option<Rate>,
    /// How gaps vary: poisson, constant, or gamma:S (S below 1 is burstier)
    #[arg(long, default_value_t = Arrival::Poisson, help_heading = "Load")]
    arrival: Arrival,
    /// Requests to send
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Load")]
    requests: Option<u64>,
    /// How long to send, such as 90s or 2m [default: 30s, unless --requests is given]
    #[arg(long, short, value_name = "T", value_parser = duration, help_heading = "Load")]
    duration: Option<Duration>,
    /// Requests sent first and not measured
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    warmup: u64,
    /// Repeats a run: same prompts, same schedule [default: drawn anew, and shown]
    #[arg(long, value_name = "S", help_heading = "Load")]
    seed: Option<u64>,

    /// Words in each made-up prompt, about as many tokens
    #[arg(long, value_name = "I", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Requests")]
    input_tokens: u32,
    /// Longest answer, and exactly that long where the engine can be told to go on
    #[arg(long, value_name = "O", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Requests")]
    output_tokens: Option<u32>,
    /// Your own prompts, one {"prompt": …} or {"messages": […]} a line
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Requests")]
    prompts: Option<PathBuf>,
    /// chat, completions or embeddings
    #[arg(long, default_value_t, help_heading = "Requests")]
    api: Api,
    /// Ask for whole answers; TTFT and TPOT cannot be measured then
    #[arg(long, help_heading = "Requests")]
    no_stream: bool,

    /// An SLO to check, such as 'ttft.p99<500ms'; repeatable; the release's `gates.slo`
    /// if neither this nor a URL is given
    #[arg(long, value_name = "GATE", help_heading = "Answer")]
    slo: Vec<Gate>,
    /// Write a report that one can open in a browser
    #[arg(long, value_name = "FILE.html", help_heading = "Answer")]
    report: Option<PathBuf>,
    /// Write the gates as test cases for a CI system (`JUnit`)
    #[arg(long, value_name = "FILE.xml", help_heading = "Answer")]
    junit: Option<PathBuf>,

    /// Header to send, as NAME:VALUE; repeatable
    #[arg(long, value_name = "K:V", value_parser = header, help_heading = "Connection")]
    header: Vec<(http::HeaderName, HeaderValue)>,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "VAR", help_heading = "Connection")]
    api_key_env: Option<String>,
    /// Longest waits, as first=2m,idle=1m,total=10m
    #[arg(long, value_parser = timeouts, help_heading = "Connection")]
    timeout: Option<Timeouts>,
    /// Certificates to trust as well
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    ca: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, help_heading = "Connection")]
    insecure: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Compare(CompareArgs),
}

pub async fn run(args: LoadArgs, session: &Session) -> Result<Outcome, Failure> {
    if let Some(Action::Compare(args)) = args.action {
        return compare::run(args, session).await;
    }
    let (endpoint, promised) = match &args.url {
        Some(url) => (Endpoint::at(url.clone()), Vec::new()),
        None => release::endpoint(&args.file, args.endpoint.as_deref()).await?,
    };
    let base = load::base(&endpoint.url)?;
    let connection = args.connection(&endpoint)?;
    let prompts = args.prompts()?;
    writable(&[&args.report, &args.junit])?;
    let client = Client::new(&connection)?;
    let found = Target::discover(&client, base, args.model.as_deref());
    let target = tokio::select! {
        target = found => target?,
        _ = session.interrupt.any() => return Ok(Outcome::Interrupted),
    };
    let target = Target {
        via: endpoint.via.clone(),
        ..target
    };
    let plan = args.plan(&target, prompts, promised);
    let ui = &session.ui;
    ui.show(&TargetLine::new(&target, &plan));
    let readout = Readout::default();
    let finish = load::run(
        plan.clone(),
        &target,
        connection,
        &session.interrupt,
        &|event| {
            if let Event::Requests(records) = event {
                for record in records {
                    ui.show(&RequestLine::from(record));
                }
            }
            readout.show(ui, &event);
        },
    )
    .await?;
    let summary = finish.measured.summarize(&plan.gates);
    let run = report::Run {
        target: &target,
        plan: &plan,
        finish: &finish,
        summary: &summary,
    };
    let written = args.write_files(&run);
    if let (Some(error), false) = (
        finish.measured.nothing_succeeded(&summary),
        finish.interrupted,
    ) {
        written?;
        return Err(error.into());
    }
    for reason in summary.undecided() {
        ui.warn(&reason);
    }
    // What was measured is worth more than the file it did not fit into.
    ui.answer(&summary);
    written?;
    Ok(outcome(&summary, finish.interrupted))
}

fn outcome(summary: &Summary, interrupted: bool) -> Outcome {
    if interrupted {
        return Outcome::Interrupted;
    }
    match summary.verdict() {
        Verdict::Passed => Outcome::Done,
        Verdict::Missed => Outcome::AnswerIsNo,
        Verdict::Undecided => Outcome::Undecided,
    }
}

impl LoadArgs {
    fn connection(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let mut headers: HeaderMap = self.header.iter().cloned().collect();
        if let Some(name) = &self.api_key_env {
            headers.insert(AUTHORIZATION, api_key(name)?);
        }
        if endpoint.is_around_the_gateway() && headers.contains_key(AUTHORIZATION) {
            return Err(Failure::usage(
                "a key cannot be sent to pods through the API server, which takes it for its own",
            )
            .hint(
                "open another way, such as `kubectl port-forward`, and name it: --endpoint URL",
            ));
        }
        if let Some(host) = &endpoint.host {
            headers.entry(HOST).or_insert_with(|| host.clone());
        }
        Ok(Connection {
            headers,
            ca: self.ca.clone(),
            insecure: self.insecure,
            afresh: false,
            timeouts: self.timeout.unwrap_or_default(),
        })
    }

    fn prompts(&self) -> Result<Option<Prompts>, Failure> {
        let Some(path) = &self.prompts else {
            return Ok(None);
        };
        let text = fs::read_to_string(path).map_err(|source| Error::PromptsUnread {
            path: path.clone(),
            source,
        })?;
        let prompts = Prompts::parse(&text).map_err(|source| Error::Prompts {
            path: path.clone(),
            source,
        })?;
        Ok(Some(prompts))
    }

    fn plan(&self, target: &Target, prompts: Option<Prompts>, promised: Vec<Gate>) -> Plan {
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let default_output = prompts.is_none().then_some(OUTPUT_TOKENS_DEFAULT);
        let pace = match self.rate {
            Some(rate) => Pace::Open {
                rate,
                arrival: self.arrival,
                in_flight_max: self.concurrency.unwrap_or(IN_FLIGHT_DEFAULT),
            },
            None => Pace::Closed {
                concurrency: self.concurrency.unwrap_or(CONCURRENCY_DEFAULT),
            },
        };
        let default_duration = self.requests.is_none().then_some(DURATION_DEFAULT);
        Plan {
            pace,
            amount: Amount {
                requests: self.requests,
                duration: self.duration.or(default_duration),
            },
            warm_up: self.warmup,
            seed,
            shape: Shape {
                api: self.api,
                model: target.model.clone(),
                stream: !self.no_stream && self.api != Api::Embeddings,
                output_tokens: self.output_tokens.or(default_output),
                ignore_eos: target.engine.is_some_and(load::Engine::knows_ignore_eos),
            },
            prompts: prompts.unwrap_or(Prompts::Generated {
                words: self.input_tokens,
                seed,
            }),
            gates: if self.slo.is_empty() {
                promised
            } else {
                self.slo.clone()
            },
        }
    }

    fn write_files(&self, run: &report::Run<'_>) -> Result<(), Failure> {
        let write = |path: &Path, content: String| {
            let unwritten = |source| Error::Unwritten {
                path: path.to_owned(),
                source,
            };
            file::write_atomically(path, content.as_bytes()).map_err(unwritten)
        };
        if let Some(path) = &self.report {
            write(path, report::html(run))?;
        }
        if let Some(path) = &self.junit {
            write(path, report::junit(run))?;
        }
        Ok(())
    }
}

/// Refuses a file that cannot be written before minutes are spent on filling it.
fn writable(paths: &[&Option<PathBuf>]) -> Result<(), Error> {
    for path in paths.iter().filter_map(|path| path.as_ref()) {
        file::writable(path).map_err(|source| Error::Unwritten {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The key as a bearer token that no output shows.
fn api_key(name: &str) -> Result<HeaderValue, Failure> {
    let key = std::env::var(name)
        .map_err(|_| Failure::usage(format!("the environment variable {name} is not set")))?;
    let wrong = || Failure::usage(format!("{name} holds what no HTTP header can carry"));
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}
