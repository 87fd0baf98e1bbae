//! `infer serve` as a supervisor: what crashes, what is killed, and who finds it again.

use std::{fs, process::Command, time::Duration};

use infer::for_tests::local::{Client, Error, Launch, Phase, SplitChange};
use serde_json::{Value, json};

use crate::support::{
    infer::Workplace,
    process::{Process, wait_until},
    serve::{A, B, Served, end_engines, home, is_alive, kill, release, serve, sim, version},
};

#[tokio::test]
async fn killed_with_9_it_leaves_its_engines_and_the_next_one_takes_them_over() {
    let mut served = Served::start().await;
    let before = [served.up(A, &[]).await, served.up(B, &[]).await];
    let change = SplitChange {
        expect_generation: 0,
        expect_run: None,
        live: Some(version(A)),
        candidate: Some(version(B)),
        weight: 30.try_into().unwrap(),
        matches: None,
        journal: Some(json!({"run_id": "r1", "step": 2})),
    };
    let split = served.client.set_split(&change).await.unwrap();

    // Two seconds of answer, asked of the engine itself so that only its own death can cut it.
    let engine = format!("http://127.0.0.1:{}", before[0].port.unwrap());
    let stream = tokio::spawn(async move {
        let body = json!({"prompt": "hello", "stream": true, "max_tokens": 400});
        let url = format!("{engine}/v1/completions");
        let answer = reqwest::Client::new().post(url).json(&body).send().await;
        answer.unwrap().text().await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    served.kill_and_serve_again();

    let state = served.client.state().await.unwrap();
    assert_eq!(state.split, split);
    for old in before {
        let now = state.version(&old.version).unwrap();
        assert_eq!((now.pid, now.port, now.restarts), (old.pid, old.port, 0));
        assert_eq!(now.phase, Phase::Ready);
        assert_eq!(
            (now.started_ms, now.ready_ms),
            (old.started_ms, old.ready_ms)
        );
    }
    assert!(stream.await.unwrap().ends_with("[DONE]\n\n"));
    let answer = reqwest::get(served.url("/v1/models")).await.unwrap();
    assert!(answer.headers().contains_key("x-infer-version"));

    // What it has taken over it can also end.
    let pid = state.version(&version(B)).unwrap().pid.unwrap();
    served.split(Some(A), None, 0).await;
    served
        .client
        .stop(&version(B), Duration::ZERO)
        .await
        .unwrap();
    served.phase(B, |phase| *phase == Phase::Stopped).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_crashed_engine_waits_and_is_started_again() {
    let served = Served::start().await;
    let first = served.up(A, &[]).await;
    kill("KILL", first.pid.unwrap());
    let down = served.phase(A, |phase| *phase != Phase::Ready).await;
    let Phase::BackOff { until_ms, reason } = down.phase else {
        panic!("{:?}", down.phase);
    };
    assert!(reason.starts_with("signal: 9"), "{reason}");
    assert!(until_ms > first.ready_ms.unwrap());
    let again = served.phase(A, |phase| *phase == Phase::Ready).await;
    assert_eq!(again.restarts, 1);
    assert_ne!(again.pid, first.pid);
    assert_eq!(again.last_exit, Some(reason));
}

#[tokio::test]
async fn an_engine_that_never_gets_ready_is_ended_and_says_what_it_said() {
    let served = Served::start().await;
    let slow = infer::for_tests::local::Engine {
        startup_s: 1,
        ..sim(A, &["--startup", "60s"])
    };
    let started = served.client.start(&slow).await.unwrap();
    assert_eq!(started.phase, Phase::Starting);
    let down = served
        .phase(A, |phase| matches!(phase, Phase::BackOff { .. }))
        .await;
    let text = down.last_exit.unwrap();
    assert!(
        text.contains("/health did not answer 200 within 1 s"),
        "{text}"
    );

    served
        .client
        .start(&sim(B, &["--fail-start"]))
        .await
        .unwrap();
    let second = served
        .phase(B, |phase| matches!(phase, Phase::BackOff { .. }))
        .await;
    let text = second.last_exit.unwrap();
    assert!(text.starts_with("exit status: 1"), "{text}");
}

#[tokio::test]
async fn a_program_that_is_not_there_fails_for_good() {
    let served = Served::start().await;
    let missing = infer::for_tests::local::Engine {
        argv: vec!["no-such-engine".to_owned()],
        ..sim(A, &[])
    };
    served.client.start(&missing).await.unwrap();
    let failed = served
        .phase(A, |phase| matches!(phase, Phase::Failed { .. }))
        .await;
    let Phase::Failed { reason } = failed.phase else {
        unreachable!()
    };
    assert!(reason.contains("no-such-engine"), "{reason}");
    // A better engine of the same version starts at once.
    served.up(A, &[]).await;
}

#[tokio::test]
async fn a_secret_is_never_on_disk_and_asked_for_when_it_is_gone() {
    let mut served = Served::start().await;
    let mut engine = sim(A, &[]);
    engine
        .secret_env
        .insert("HF_TOKEN".to_owned(), "hunter2-secret".to_owned());
    served.client.start(&engine).await.unwrap();
    let first = served.phase(A, |phase| *phase == Phase::Ready).await;
    assert_eq!(first.secret_names, ["HF_TOKEN"]);
    let environment = fs::read(format!("/proc/{}/environ", first.pid.unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains("HF_TOKEN=hunter2-secret"));

    served.kill_and_serve_again();
    let adopted = served.version(A).await;
    assert_eq!((adopted.phase, adopted.pid), (Phase::Ready, first.pid));
    kill("KILL", first.pid.unwrap());
    // The first restart finds no secret any more.
    let failed = served
        .phase(A, |phase| matches!(phase, Phase::Failed { .. }))
        .await;
    let Phase::Failed { reason } = failed.phase else {
        unreachable!()
    };
    assert!(
        reason.contains("HF_TOKEN") && reason.contains("infer deploy"),
        "{reason}"
    );
    let folder = served.client.paths().folder();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
    }
    served.client.start(&engine).await.unwrap();
    served.phase(A, |phase| *phase == Phase::Ready).await;
}

#[tokio::test]
async fn a_process_that_only_has_the_pid_is_left_alone() {
    let mut served = Served::start().await;
    served.up(A, &[]).await;
    served.process.kill();
    end_engines(&served.place);
    // The pid of the engine now belongs to somebody else.
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let mut record = served.record();
    record["versions"][0]["run"]["identity"]["pid"] = json!(stranger.id());
    fs::write(served.client.paths().record(), record.to_string()).unwrap();

    served.process = serve(&served.place, &[]);
    served.process.event("serving");
    let again = served.phase(A, |phase| *phase == Phase::Ready).await;
    assert_ne!(again.pid, Some(stranger.id()));
    served.client.shutdown(Duration::ZERO).await.unwrap();
    assert!(is_alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn an_engine_whose_start_was_half_written_down_is_found_by_its_mark() {
    let mut served = Served::start().await;
    let first = served.up(A, &[]).await;
    served.process.kill();
    // As if it had been killed between starting the process and writing down which.
    let mut record = served.record();
    record["versions"][0]["run"]["identity"] = Value::Null;
    record["versions"][0]["run"]["ready_ms"] = Value::Null;
    fs::write(served.client.paths().record(), record.to_string()).unwrap();
    served.process = serve(&served.place, &[]);
    served.process.event("serving");
    let found = served.phase(A, |phase| *phase == Phase::Ready).await;
    assert_eq!((found.pid, found.restarts), (first.pid, 0));
}

#[tokio::test]
async fn what_was_being_stopped_when_it_was_killed_is_stopped_by_the_next_one() {
    let mut served = Served::start().await;
    let first = served.up(A, &[]).await;
    served.process.kill();
    let mut record = served.record();
    record["versions"][0]["wanted"] = json!("down");
    fs::write(served.client.paths().record(), record.to_string()).unwrap();
    served.process = serve(&served.place, &[]);
    served.process.event("serving");
    served.phase(A, |phase| *phase == Phase::Stopped).await;
    assert!(!is_alive(first.pid.unwrap()));
}

#[tokio::test]
async fn ctrl_c_ends_the_engines_and_keep_leaves_them() {
    let mut served = Served::start().await;
    let first = served.up(A, &[]).await.pid.unwrap();
    served.process.interrupt();
    assert_eq!(served.process.exit_code(), Some(130));
    assert!(!is_alive(first));

    // It was not told to stop for good, so it is started again.
    served.process = serve(&served.place, &["--keep"]);
    served.process.event("serving");
    let second = served.phase(A, |phase| *phase == Phase::Ready).await;
    served.process.interrupt();
    assert_eq!(served.process.exit_code(), Some(130));
    assert!(is_alive(second.pid.unwrap()));
}

#[tokio::test]
async fn a_detached_one_outlives_who_started_it_and_ends_with_everything() {
    let place = Detached(Workplace::new());
    let launch = Launch {
        port: Some(crate::support::serve::free_port()),
        session: None,
        executable: Some(env!("CARGO_BIN_EXE_infer").into()),
    };
    let home = home(&place.0);
    // Two verbs at once: one of them starts it, both reach it.
    let chat = release();
    let (one, two) = tokio::join!(
        Client::ensure_running(&home, &chat, &launch),
        Client::ensure_running(&home, &chat, &launch),
    );
    let (client, other) = (one.unwrap(), two.unwrap());
    let state = client.state().await.unwrap();
    assert_eq!(other.state().await.unwrap().pid, state.pid);
    assert!(state.detached);
    client.start(&sim(A, &[])).await.unwrap();
    let ready = wait_ready(&client).await;

    // A session of its own: no terminal's hang-up reaches it.
    let stat = fs::read_to_string(format!("/proc/{}/stat", state.pid)).unwrap();
    let session = stat
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(3)
        .unwrap()
        .to_owned();
    assert_eq!(session, state.pid.to_string());

    // SIGTERM ends the gateway only.
    kill("TERM", state.pid);
    wait_until("the gateway is gone", || {
        (!is_alive(state.pid)).then_some(())
    });
    assert!(is_alive(ready));
    let again = Client::ensure_running(&home, &chat, &launch).await.unwrap();
    assert_eq!(again.state().await.unwrap().versions[0].pid, Some(ready));

    again.shutdown(Duration::ZERO).await.unwrap();
    assert!(!is_alive(ready));
    assert!(matches!(
        Client::connect(&home, &chat).await,
        Err(Error::NotRunning { .. })
    ));
}

#[tokio::test]
async fn a_detached_one_that_cannot_start_says_why() {
    let place = Workplace::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let launch = Launch {
        port: Some(taken.local_addr().unwrap().port()),
        session: None,
        executable: Some(env!("CARGO_BIN_EXE_infer").into()),
    };
    let refused = Client::ensure_running(&home(&place), &release(), &launch).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("in use"), "{text}");
}

#[tokio::test]
async fn workers_of_an_engine_go_with_it() {
    let served = Served::start().await;
    // A worker in a session of its own: no group signal reaches it.
    let script = "setsid sleep 600 & exec \"$0\" \"$@\"";
    let mut engine = sim(A, &[]);
    let mut argv = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    argv.append(&mut engine.argv);
    engine.argv = argv;
    served.client.start(&engine).await.unwrap();
    let ready = served.phase(A, |phase| *phase == Phase::Ready).await;
    let mark = served.record()["versions"][0]["run"]["mark"]
        .as_str()
        .unwrap()
        .to_owned();
    let marked = || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let carries = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        };
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(carries)
            .count()
    };
    assert_eq!(marked(), 2);
    served
        .client
        .stop(&ready.version, Duration::ZERO)
        .await
        .unwrap();
    served.phase(A, |phase| *phase == Phase::Stopped).await;
    assert_eq!(marked(), 0);
}

#[tokio::test]
async fn a_second_one_is_refused() {
    let served = Served::start().await;
    let mut second: Process = serve(&served.place, &[]);
    assert_eq!(second.exit_code(), Some(5));
    // The first one is none the worse for it.
    served.client.state().await.unwrap();
}

async fn wait_ready(client: &Client) -> u32 {
    loop {
        let state = client.state().await.unwrap();
        let known = &state.versions[0];
        if known.phase == Phase::Ready {
            return known.pid.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A folder in which something may serve that no test is the parent of.
struct Detached(Workplace);

impl Drop for Detached {
    fn drop(&mut self) {
        let lock = home(&self.0).state.join("chat/serve.lock");
        let holder: Value = fs::read(lock)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let pid = holder["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        if let Some(pid) = pid.filter(|pid| is_alive(*pid)) {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains("--detached") {
                kill("KILL", pid);
            }
        }
        end_engines(&self.0);
    }
}
