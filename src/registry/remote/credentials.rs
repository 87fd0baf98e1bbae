//! The user's own logins: docker's and podman's files and their helpers.

use std::{
    env,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::registry::{error::Error, reference::DOCKER_HUB};

/// Docker's own key for Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A credential helper may open a browser or ask for a fingerprint; after this, no user is there.
const HELPER_WAIT_MAX: Duration = Duration::from_mins(1);
/// Largest file of logins that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A login; printed nowhere, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Anonymous,
    Password {
        user: String,
        password: String,
    },
    /// An `OAuth2` refresh token, as `az acr login` leaves one.
    IdentityToken(String),
}

/// Looks in `file`, else in docker's and then podman's; nothing found is anonymous.
pub(super) async fn find(registry: &str, file: Option<&Path>) -> Result<Credentials, Error> {
    let keys = keys_of(registry);
    let files = file.map_or_else(usual_files, |file| vec![file.to_owned()]);
    let looked = tokio::task::spawn_blocking(move || look(&keys, &files));
    let fail = |why: String| Error::Login {
        registry: registry.to_owned(),
        why,
    };
    match tokio::time::timeout(HELPER_WAIT_MAX, looked).await {
        Ok(Ok(found)) => found.map_err(fail),
        Ok(Err(_)) => Err(fail("the look-up of credentials panicked".to_owned())),
        Err(_) => Err(fail(format!(
            "the credential helper gave no answer in {} s",
            HELPER_WAIT_MAX.as_secs()
        ))),
    }
}

fn keys_of(registry: &str) -> Vec<String> {
    if registry == DOCKER_HUB {
        vec![DOCKER_HUB_KEY.to_owned(), DOCKER_HUB.to_owned()]
    } else {
        vec![registry.to_owned(), format!("https://{registry}")]
    }
}

/// Where docker and podman keep logins, in the order in which they are asked.
fn usual_files() -> Vec<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from);
    let below = |name: &str, file: &str| folder(name).map(|folder| folder.join(file));
    let docker =
        below("DOCKER_CONFIG", "config.json").or_else(|| below("HOME", ".docker/config.json"));
    let podman =
        folder("REGISTRY_AUTH_FILE").or_else(|| below("XDG_RUNTIME_DIR", "containers/auth.json"));
    let podman_kept = below("HOME", ".config/containers/auth.json");
    [docker, podman, podman_kept]
        .into_iter()
        .flatten()
        .collect()
}

fn look(keys: &[String], files: &[PathBuf]) -> Result<Credentials, String> {
    for path in files {
        let mut text = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        }
        for key in keys {
            match get_credential_from_reader(text.as_slice(), key) {
                Ok(DockerCredential::UsernamePassword(user, password)) => {
                    return Ok(Credentials::Password { user, password });
                }
                Ok(DockerCredential::IdentityToken(token)) => {
                    return Ok(Credentials::IdentityToken(token));
                }
                Err(error) => {
                    if let Some(why) = trouble(&error, path) {
                        return Err(why);
                    }
                }
            }
        }
    }
    Ok(Credentials::Anonymous)
}

/// Failures worth a warning; having no login is not one.
fn trouble(error: &CredentialRetrievalError, path: &Path) -> Option<String> {
    match error {
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound => None,
        CredentialRetrievalError::ConfigReadError => {
            Some(format!("{} is not understood", path.display()))
        }
        // Helpers print "credentials not found in native keychain" on stdout and fail. Their
        // output is not shown: some print secrets.
        CredentialRetrievalError::HelperFailure { stdout, .. } if stdout.contains("not found") => {
            None
        }
        CredentialRetrievalError::HelperFailure { helper, .. } => Some(format!("{helper} failed")),
        CredentialRetrievalError::HelperCommunicationError => Some(format!(
            "the credential helper named in {} does not start",
            path.display()
        )),
        CredentialRetrievalError::MalformedHelperResponse
        | CredentialRetrievalError::CredentialDecodingError
        | CredentialRetrievalError::CredentialMismatchError => {
            Some(format!("{}: {error}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(text: &str, key: &str) -> Result<Credentials, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        look(&keys_of(key), &[dir.path().join("absent"), path])
    }

    fn password(text: &str) -> Credentials {
        Credentials::Password {
            user: "infer".to_owned(),
            password: text.to_owned(),
        }
    }

    #[test]
    fn logins_are_found_under_each_registrys_key() {
        // base64 of infer:secret
        let entry = r#"{"auth":"aW5mZXI6c2VjcmV0"}"#;
        for (key, registry) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("r.example:5000", "r.example:5000"),
            ("https://r.example", "r.example"),
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
            assert!(looked(&text, registry) == Ok(password("secret")), "{key}");
            assert!(looked(&text, "other.example") == Ok(Credentials::Anonymous));
        }
        let text = r#"{"auths":{"r.example":{"identitytoken":"t"}}}"#;
        let token = Credentials::IdentityToken("t".to_owned());
        assert!(looked(text, "r.example") == Ok(token));
    }

    #[test]
    fn a_broken_file_or_helper_is_said_and_no_secret_with_it() {
        let said = |text: &str| looked(text, "r.example").err().unwrap();
        assert!(said(r#"{"auths": secret"#).contains("config.json is not understood"));
        let helper = r#"{"credHelpers":{"r.example":"infer-absent"}}"#;
        assert!(said(helper).contains("does not start"));
        let failed = |stdout: &str| CredentialRetrievalError::HelperFailure {
            helper: "docker-credential-x".to_owned(),
            stdout: stdout.to_owned(),
            stderr: "secret".to_owned(),
        };
        let path = Path::new("config.json");
        assert_eq!(
            trouble(&failed("credentials not found in native keychain"), path),
            None
        );
        assert!(!trouble(&failed("locked"), path).unwrap().contains("secret"));
    }
}
