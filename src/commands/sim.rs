//! `infer sim`: a simulated GPU server with a known latency law.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use super::Session;
use crate::{
    error::{Failure, Outcome},
    interrupt::{EndedBy, Interrupt, Signals},
    sim::{self, Ended, Event, Faults, Law, Server, Simulation, Summary},
};

/// Simulate a GPU server: OpenAI API and vLLM metrics, a stated latency law, no model
#[derive(Debug, clap::Args)]
#[command(after_help = LAW)]
pub struct SimArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Folder or file of weights that must exist; it is not read
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Name in /v1/models
    #[arg(long, value_name = "NAME", default_value = sim::OWNER)]
    served_model_name: String,
    /// Leading chat tokens that come as reasoning
    #[arg(long, value_name = "N", default_value_t = 0)]
    reasoning_tokens: u32,
    /// End every stream with a usage chunk, asked for or not
    #[arg(long)]
    usage_always: bool,
    /// How long answers may go on after SIGTERM or Ctrl-C; a second signal cuts them
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    drain: Duration,
    #[command(flatten)]
    law: LawArgs,
    #[command(flatten)]
    faults: FaultArgs,
}

const LAW: &str = "\
Example:
  infer sim --port 8000 --base 120ms --per-token 12ms --slots 8
  curl -N localhost:8000/v1/completions -d '{\"prompt\": \"hello\", \"stream\": true}'

The law:
  first token   start + (base + prefill × prompt tokens) × load × drift × noise
  token k       token k-1 + per-token × load × drift × noise
  start         arrival, or when a slot and KV blocks came free, in order of arrival
  load          1 + slowdown × (running - 1) / (slots - 1), running counted at start
  noise         exp(sigma × z), z standard normal, anew for each token, from the seed
  drift         exp(sigma' × x) for all alike, x between standard normals 15 s apart
  KV blocks     ceil((prompt + output) / 16), held from start to the last token
A token is a word between blanks. Answers are max_tokens long, else --output-tokens.
Every response carries x-infer-simulated: true.";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The latency law")]
struct LawArgs {
    /// Time to the first token before prompt tokens are counted
    #[arg(long, value_name = "TIME", default_value = "40ms", value_parser = time)]
    base: Duration,
    /// Added to the first token for each prompt token
    #[arg(long, value_name = "TIME", default_value = "100us", value_parser = time)]
    prefill: Duration,
    /// Between two output tokens
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = time)]
    per_token: Duration,
    /// Sigma of the log-normal noise; 0 is none
    #[arg(long, value_name = "SIGMA", default_value_t = 0.05)]
    noise: f64,
    /// Sigma of the slow drift that all requests share; 0 is none
    #[arg(long, value_name = "SIGMA", default_value_t = 0.0)]
    drift: f64,
    /// Requests answered at once; more of them queue
    #[arg(
        long,
        visible_alias = "max-num-seqs",
        value_name = "N",
        default_value_t = 64
    )]
    slots: u32,
    /// How much slower everything is with all slots taken: 1 is twice the time
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    slowdown: f64,
    /// KV-cache blocks of 16 tokens
    #[arg(long, value_name = "N", default_value_t = 8192)]
    kv_blocks: u32,
    /// Longest prompt and output together
    #[arg(
        long,
        visible_alias = "max-model-len",
        value_name = "N",
        default_value_t = 8192
    )]
    context_tokens: u32,
    /// Answer length where a request names none
    #[arg(long, value_name = "N", default_value_t = 64)]
    output_tokens: u32,
    /// Seed of all noise and faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Faults, rates as shares from 0 to 1")]
struct FaultArgs {
    /// Requests answered with --error-status
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    error_rate: f64,
    /// Status of these
    #[arg(long, value_name = "STATUS", default_value_t = 500)]
    error_status: u16,
    /// Streams that end halfway without a finish reason
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    truncate_rate: f64,
    /// Connections cut halfway through the answer
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    reset_rate: f64,
    /// Streams that carry an error object halfway
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    stream_error_rate: f64,
    /// Requests never answered; each keeps its slot until the client leaves
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    hang_rate: f64,
    /// Answer 503 on /health for this long after the start
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    startup: Duration,
    /// End with exit code 1 after --startup instead of getting ready
    #[arg(long)]
    fail_start: bool,
    /// End with exit code 1 when request N+1 arrives
    #[arg(long, value_name = "N")]
    crash_after: Option<u64>,
}

impl SimArgs {
    fn simulation(self) -> Simulation {
        Simulation {
            law: Law {
                base: self.law.base,
                prefill_per_token: self.law.prefill,
                per_token: self.law.per_token,
                noise: self.law.noise,
                drift: self.law.drift,
                slots: self.law.slots,
                slowdown: self.law.slowdown,
                kv_blocks: self.law.kv_blocks,
                context_tokens: self.law.context_tokens,
                output_tokens: self.law.output_tokens,
                seed: self.law.seed,
            },
            faults: Faults {
                errors: self.faults.error_rate,
                error_status: Some(self.faults.error_status),
                truncated: self.faults.truncate_rate,
                reset: self.faults.reset_rate,
                stream_errors: self.faults.stream_error_rate,
                hangs: self.faults.hang_rate,
                startup: self.faults.startup,
                fails_to_start: self.faults.fail_start,
                crash_after: self.faults.crash_after,
            },
            model: self.served_model_name,
            reasoning_tokens: self.reasoning_tokens,
            usage_always: self.usage_always,
            drain: self.drain,
        }
    }
}

pub async fn run(args: SimArgs, session: &Session) -> Result<Outcome, Failure> {
    if let Some(path) = args.model.as_ref().filter(|path| !path.exists()) {
        return Err(
            Failure::usage(format!("there are no weights at {}", path.display()))
                .hint("leave --model out: no model is run"),
        );
    }
    let addr = SocketAddr::new(args.host, args.port);
    let simulation = args.simulation();
    let (model, law, drain) = (
        simulation.model.clone(),
        simulation.law.clone(),
        simulation.drain,
    );
    let started = Instant::now();
    let mut server = Server::start(simulation, addr).await?;
    let addr = server.addr;
    session.ui.show(&Event::Listening {
        url: format!("http://{addr}"),
        model,
        simulated: true,
        law,
    });
    let ended = tokio::select! {
        ended = server.ended() => ended,
        seen = asked_to_end(&session.interrupt, Signals::default()) => {
            session.ui.show(&Event::Draining { limit: drain });
            server.drain();
            tokio::select! {
                ended = server.ended() => ended,
                _ = asked_to_end(&session.interrupt, seen) => {
                    server.cut();
                    server.ended().await
                }
            }
        }
    };
    let connections_cut = match ended {
        Ended::Stopped { cut } => cut,
        Ended::Crashed => return Err(sim::Error::Crashed.into()),
        Ended::FailedToStart => return Err(sim::Error::FailedToStart.into()),
    };
    session.ui.answer(&Summary {
        simulated: true,
        totals: server.totals(),
        connections_cut,
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(Outcome::Done)
}

/// Waits for a signal beyond `seen`. A server serves on when nobody reads its
/// output any more, as one does that was started by something since gone.
async fn asked_to_end(interrupt: &Interrupt, mut seen: Signals) -> Signals {
    loop {
        let now = interrupt.beyond(seen).await;
        let closed = now.ended_by == Some(EndedBy::OutputClosed);
        if !closed || now.interrupts > seen.interrupts {
            return now;
        }
        seen = now;
    }
}

/// `250ms`, `1.5s`, `100us`, `2m`
fn time(text: &str) -> Result<Duration, String> {
    let wrong = |_| format!("{text} is not a time; write 250ms, 1.5s, 100us or 2m");
    let parsed: jiff::SignedDuration = text.parse().map_err(wrong)?;
    Duration::try_from(parsed).map_err(|_| format!("{text} is before now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("100us"), Ok(Duration::from_micros(100)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "5", "five", "-1s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_closed_output_does_not_end_a_server_and_a_signal_does() {
        let (trigger, interrupt) = Interrupt::pair();
        trigger.end(EndedBy::OutputClosed);
        let wait = asked_to_end(&interrupt, Signals::default());
        let mut wait = std::pin::pin!(wait);
        let limit = Duration::from_millis(20);
        assert!(tokio::time::timeout(limit, &mut wait).await.is_err());
        trigger.interrupt();
        assert_eq!(wait.await.interrupts, 1);
    }
}
