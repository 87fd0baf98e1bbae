//! A process of a test: killed on drop, and no wait without a limit.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// How long anything in a test may take before the test fails; generous, for busy machines.
pub const LIMIT: Duration = Duration::from_mins(1);

/// Which output of a process a test reads; the other goes to the test's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    Stdout,
    Stderr,
}

/// A running process and the lines it writes.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts `command` and reads its stdout.
    pub fn start(command: &mut Command) -> Self {
        Self::start_reading(command, Reads::Stdout)
    }

    pub fn start_reading(command: &mut Command, reads: Reads) -> Self {
        command.stdin(Stdio::null());
        match reads {
            Reads::Stdout => command.stdout(Stdio::piped()),
            Reads::Stderr => command.stderr(Stdio::piped()),
        };
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => read_lines(stdout),
            (None, Some(stderr)) => read_lines(stderr),
            (None, None) => panic!("nothing of {command:?} is read"),
        };
        Self { child, lines }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it writes; fails when there is none in time.
    pub fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(LIMIT).ok();
        let line = line
            .unwrap_or_else(|| panic!("no line from process {}: {:?}", self.id(), self.exited()));
        // Shown where the test fails.
        eprintln!(
            "{}: {}",
            self.id(),
            line.chars().take(300).collect::<String>()
        );
        line
    }

    /// The next JSON event whose `"event"` is `name`; others before it are passed by.
    pub fn event(&mut self, name: &str) -> serde_json::Value {
        loop {
            let line = self.line();
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
            if event["event"] == name {
                return event;
            }
            assert_ne!(event["event"], "error", "{event}");
        }
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn interrupt(&self) {
        self.signal("INT");
    }

    pub fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for the end and returns the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        wait_until("the process ends", || self.exited()).code()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks again and again until there is an answer; fails with `what` at the limit.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own thread may sleep between two looks"
)]
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
