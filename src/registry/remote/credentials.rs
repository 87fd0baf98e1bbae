//! The user's own logins: docker's and podman's files and their helpers.

use std::{env, path::PathBuf, time::Duration};

use docker_credential::{CredentialRetrievalError, DockerCredential};

use crate::registry::{error::Error, reference::DOCKER_HUB};

/// Docker's own key for Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A helper may open a browser or ask for a fingerprint; longer, and nobody is there.
const HELPER_WAIT_MAX: Duration = Duration::from_mins(1);

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

/// Looks in docker's file, then in podman's; nothing found is anonymous.
pub(super) async fn find(registry: &str) -> Result<Credentials, Error> {
    let keys = keys_of(registry);
    let looked = tokio::task::spawn_blocking(move || look(&keys));
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

fn look(keys: &[String]) -> Result<Credentials, String> {
    for key in keys {
        for get in [
            docker_credential::get_credential,
            docker_credential::get_podman_credential,
        ] {
            match get(key) {
                Ok(DockerCredential::UsernamePassword(user, password)) => {
                    return Ok(Credentials::Password { user, password });
                }
                Ok(DockerCredential::IdentityToken(token)) => {
                    return Ok(Credentials::IdentityToken(token));
                }
                Err(error) => {
                    if let Some(why) = trouble(&error) {
                        return Err(why);
                    }
                }
            }
        }
    }
    Ok(Credentials::Anonymous)
}

/// What the user should hear of; having no login is no trouble.
fn trouble(error: &CredentialRetrievalError) -> Option<String> {
    match error {
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound => None,
        // The crate says the same of a missing file and of an unreadable one.
        CredentialRetrievalError::ConfigReadError => {
            let path = docker_config().filter(|path| path.is_file())?;
            let readable = std::fs::read(&path)
                .map(|text| serde_json::from_slice::<serde_json::Value>(&text).is_ok());
            match readable {
                Ok(true) => None,
                Ok(false) => Some(format!("{} is no JSON", path.display())),
                Err(error) => Some(format!("cannot read {}: {error}", path.display())),
            }
        }
        // Helpers say "credentials not found in native keychain" on stdout and fail. Their
        // output is not shown: some print secrets.
        CredentialRetrievalError::HelperFailure { stdout, .. } if stdout.contains("not found") => {
            None
        }
        CredentialRetrievalError::HelperFailure { helper, .. } => Some(format!("{helper} failed")),
        CredentialRetrievalError::HelperCommunicationError => {
            Some("the credential helper named in docker's config.json does not start".to_owned())
        }
        CredentialRetrievalError::MalformedHelperResponse
        | CredentialRetrievalError::CredentialDecodingError
        | CredentialRetrievalError::CredentialMismatchError => Some(error.to_string()),
    }
}

fn docker_config() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    let folder = env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(home);
    Some(folder?.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_has_a_key_of_its_own() {
        assert_eq!(keys_of("docker.io")[0], "https://index.docker.io/v1/");
        assert_eq!(keys_of("r.example:5000")[0], "r.example:5000");
    }

    #[test]
    fn having_no_login_is_anonymous_and_a_broken_helper_is_not() {
        use CredentialRetrievalError as E;
        let failure = |stdout: &str| E::HelperFailure {
            helper: "docker-credential-x".to_owned(),
            stdout: stdout.to_owned(),
            stderr: "secret".to_owned(),
        };
        assert_eq!(trouble(&E::NoCredentialConfigured), None);
        assert_eq!(
            trouble(&failure("credentials not found in native keychain")),
            None
        );
        let said = trouble(&failure("locked")).unwrap();
        assert!(!said.contains("secret"), "{said}");
        assert!(trouble(&E::HelperCommunicationError).is_some());
    }
}
