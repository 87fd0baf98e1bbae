//! Probes an engine's health path, as a kubelet would.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::health::{LIVENESS, Probe, READINESS, Rule, STARTUP};

/// One probe's answer.
pub(super) type Answer = (Probe, bool);

/// Where to ask.
#[derive(Debug, Clone)]
pub(super) struct Prober {
    pub(super) port: u16,
    pub(super) path: String,
}

/// Between two probes that a suspicious request asks for.
const SUSPICION_PERIOD: Duration = Duration::from_millis(200);

impl Prober {
    /// Probes until the receiver is dropped: startup until the first good one, then
    /// readiness and liveness side by side. `suspected` asks for readiness at once.
    pub(super) async fn run(
        self,
        has_started: bool,
        suspected: &Notify,
        answers: &mpsc::Sender<Answer>,
    ) {
        if !has_started {
            loop {
                let ok = self.ask(STARTUP).await;
                if answers.send((Probe::Startup, ok)).await.is_err() {
                    return;
                }
                if ok {
                    break;
                }
                sleep(STARTUP.period).await;
            }
        }
        tokio::select! {
            () = self.readiness(suspected, answers) => {}
            () = self.repeat(Probe::Liveness, LIVENESS, answers) => {}
        }
    }

    async fn readiness(&self, suspected: &Notify, answers: &mpsc::Sender<Answer>) {
        loop {
            let asked = Instant::now();
            tokio::select! {
                () = sleep(READINESS.period) => {}
                () = suspected.notified() => sleep_until(asked + SUSPICION_PERIOD).await,
            }
            let ok = self.ask(READINESS).await;
            if answers.send((Probe::Readiness, ok)).await.is_err() {
                return;
            }
        }
    }

    async fn repeat(&self, probe: Probe, rule: Rule, answers: &mpsc::Sender<Answer>) {
        loop {
            sleep(rule.period).await;
            let ok = self.ask(rule).await;
            if answers.send((probe, ok)).await.is_err() {
                return;
            }
        }
    }

    async fn ask(&self, rule: Rule) -> bool {
        timeout(rule.timeout, self.get()).await.unwrap_or(false)
    }

    /// A kubelet takes every status from 200 to 399 for a success.
    async fn get(&self) -> bool {
        let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await else {
            return false;
        };
        let io = TokioIo::new(stream);
        let Ok((mut sender, connection)) =
            hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(io).await
        else {
            return false;
        };
        let request = Request::get(&self.path)
            .header(header::HOST, format!("127.0.0.1:{}", self.port))
            .header(header::USER_AGENT, "infer-probe")
            .header(header::CONNECTION, "close")
            .body(Empty::new());
        let Ok(request) = request else { return false };
        let mut driver = JoinSet::new();
        driver.spawn(async { drop(connection.await) });
        let answer = sender.send_request(request).await;
        answer.is_ok_and(|answer| (200..400).contains(&answer.status().as_u16()))
    }
}
