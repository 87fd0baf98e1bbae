//! A real distribution registry on a free port, in its own folder; killed on drop.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    process::{Process, Reads, wait_until},
    setup,
};

/// Who may use a guarded registry.
pub const USER: &str = "tester";
pub const PASSWORD: &str = "secret";
/// `USER:PASSWORD` for an `auth` entry of a docker configuration.
pub const AUTH_BASE64: &str = "dGVzdGVyOnNlY3JldA==";
/// The same as a line of htpasswd, in bcrypt, the only form the registry reads.
const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry.
pub struct Registry {
    pub process: Process,
    /// `127.0.0.1:PORT`
    pub host: String,
    folder: TempDir,
    guarded: bool,
}

impl Registry {
    /// Plain HTTP, open to everybody.
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), "")
    }

    /// HTTPS with a certificate of its own authority ([`Self::ca_file`]), and basic auth.
    pub fn start_guarded() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        make_certificates(folder.path());
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a written file");
        let at = folder.path().display();
        let guard = format!(
            "  tls:\n    certificate: {at}/server.crt\n    key: {at}/server.key\n\
             auth:\n  htpasswd:\n    realm: tests\n    path: {at}/htpasswd\n"
        );
        Self {
            guarded: true,
            ..Self::start_in(folder, &guard)
        }
    }

    fn start_in(folder: TempDir, more_of_http: &str) -> Self {
        let config = folder.path().join("config.yml");
        let storage = folder.path().join("storage");
        let text = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:0\n  secret: tests\n{more_of_http}",
            storage.display()
        );
        fs::write(&config, text).expect("a written file");
        let mut command = Command::new(setup::registry());
        command.arg("serve").arg(&config);
        let mut process = Process::start_reading(&mut command, Reads::Stderr);
        let host = wait_until("the registry listens", || {
            let line = process.line();
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
            Some(rest[..end.unwrap_or(rest.len())].to_owned())
        });
        Self {
            process,
            host,
            folder,
            guarded: false,
        }
    }

    /// `127.0.0.1:PORT/REPOSITORY`
    pub fn reference(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host)
    }

    pub fn url(&self) -> String {
        let scheme = if self.guarded { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// Where it keeps what was pushed; empty before the first push.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    /// The authority that signed a guarded registry's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Writes a docker configuration that logs in here, and returns its folder
    /// (for `DOCKER_CONFIG`).
    pub fn docker_config(&self) -> PathBuf {
        let folder = self.folder.path().join("docker");
        fs::create_dir_all(&folder).expect("a folder");
        let config = serde_json::json!({"auths": {&self.host: {"auth": AUTH_BASE64}}});
        fs::write(folder.join("config.json"), config.to_string()).expect("a written file");
        folder
    }
}

/// An authority and a certificate for 127.0.0.1 and localhost, as `ca.crt`, `server.crt`
/// and `server.key`; valid for two days.
fn make_certificates(folder: &Path) {
    fs::write(
        folder.join("server.ext"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n\
         extendedKeyUsage=serverAuth\n",
    )
    .expect("a written file");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for arguments in [
        format!("req -x509 {key} -days 2 -subj /CN=tests-ca -keyout ca.key -out ca.crt"),
        format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"),
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
         -extfile server.ext -out server.crt"
            .to_owned(),
    ] {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .output()
            .unwrap_or_else(|error| {
                panic!("openssl makes the certificate: {error}; apt install openssl")
            });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments}: {stderr}");
    }
}
