//! `infer` as a user runs it: own folder, own HOME, a cleared environment, fixed width.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A folder to work in and the environment `infer` runs with.
pub struct Workplace {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Workplace {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
            environment: Vec::new(),
        }
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file below the folder, making its parents.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("parents");
        std::fs::write(&path, content).expect("a written file");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.join(name)).expect("a readable file")
    }

    /// The command, to be changed before it is run.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_infer"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("INFER_HOME", self.join(".infer"))
            .env("COLUMNS", "100");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.ran(self.command(args).output().expect("infer starts"))
    }

    /// What a command that ran in this folder left.
    pub fn ran(&self, output: Output) -> Ran {
        Ran {
            output,
            root: self.path().display().to_string(),
        }
    }
}

/// One finished run.
pub struct Ran {
    pub output: Output,
    root: String,
}

impl Ran {
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The JSON objects on stdout, one a line.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let stdout = self.stdout();
        stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }

    /// The last event: the result or the error.
    pub fn result(&self) -> serde_json::Value {
        self.events()
            .pop()
            .unwrap_or_else(|| panic!("no result: {}", self.stderr()))
    }

    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        self.expect_one_of(&[code])
    }

    /// For an end that a busy machine decides.
    #[track_caller]
    pub fn expect_one_of(self, codes: &[i32]) -> Self {
        assert!(
            codes.contains(&self.code()),
            "exit code {}, expected {codes:?}\nstdout: {}\nstderr: {}",
            self.code(),
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Exit code, stdout and stderr as one text for a snapshot; the folder becomes `[DIR]`.
    pub fn snapshot(&self) -> String {
        let mut text = format!("exit {}\n", self.code());
        for (name, stream) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            if !stream.is_empty() {
                let stream = stream.replace(&self.root, "[DIR]");
                write!(text, "--- {name}\n{stream}").expect("a string grows");
            }
        }
        text
    }
}

/// What differs from run to run, and what stands for it in a snapshot.
pub const FILTERS: [(&str, &str); 11] = [
    (r"(?m)^\d\d:\d\d:\d\d ", "[TIME] "),
    (r" \d\d:\d\d:\d\d ", " [TIME] "),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z| UTC)", "[DATE]"),
    (r"\d{8}T\d{6}Z-\d+|[0-9a-f]+-[0-9a-f]+-\d+", "[RUN]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"port \d+", "port [PORT]"),
    (r"process \d+", "process [PID]"),
    (r" +\d+\.\d s", " [SECONDS]"),
    (r"\d+(\.\d+)? [MGT]?B free", "[BYTES] free"),
    (r"python3 \(process \d+\)", "python3 (process [PID])"),
    (r"infer 0\.1\.0", "infer [VERSION]"),
];

/// Holds a run against an inline snapshot.
#[macro_export]
macro_rules! assert_ran {
    ($ran:expr, @$expected:literal) => {
        insta::with_settings!({
            filters => $crate::support::infer::FILTERS.to_vec(),
            omit_expression => true,
        }, {
            insta::assert_snapshot!($ran.snapshot(), @$expected)
        })
    };
}
