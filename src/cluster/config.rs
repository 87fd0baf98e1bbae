//! Which cluster and as whom: kubeconfig, or the account of the pod we run in.

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::Error;

/// Which cluster, as whom and where in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// A context of the kubeconfig; the current one, or the pod's own account, without.
    pub context: Option<String>,
    /// The context's own namespace without.
    pub namespace: Option<String>,
}

/// The connection's settings and the context's name.
pub(super) async fn configure(target: &Target) -> Result<(Config, String), Error> {
    let options = KubeConfigOptions {
        context: target.context.clone(),
        ..KubeConfigOptions::default()
    };
    let kubeconfig = match Kubeconfig::read() {
        Ok(kubeconfig) => kubeconfig,
        Err(missing) if target.context.is_none() && is_absent(&missing) => {
            let config = Config::incluster().map_err(|_| Error::NotConfigured {
                source: Box::new(missing),
            })?;
            return Ok((config, "in-cluster".to_owned()));
        }
        Err(error) => {
            return Err(Error::NotConfigured {
                source: Box::new(error),
            });
        }
    };
    let known: Vec<_> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let name = target
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let loaded = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = loaded.map_err(|source| Error::Context {
        name: name.clone(),
        known,
        source: Box::new(source),
    })?;
    Ok((config, name.unwrap_or_default()))
}

/// Whether there is anything to find a cluster by.
pub fn is_configured() -> bool {
    !Kubeconfig::read().is_err_and(|missing| is_absent(&missing)) || Config::incluster().is_ok()
}

fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(source, _) => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Refuses settings that would send a token to an unknown server.
pub(super) fn secure(config: &Config) -> Result<(), Error> {
    let refuse = |reason: &str| {
        Err(Error::Insecure {
            server: config.cluster_url.to_string(),
            reason: reason.to_owned(),
        })
    };
    if config.accept_invalid_certs {
        return refuse("the kubeconfig has `insecure-skip-tls-verify`");
    }
    let host = config.cluster_url.host().unwrap_or_default();
    let loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if config.cluster_url.scheme_str() != Some("https") && !loopback {
        return refuse("its address is not https");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_are_secure() {
        let config = |url: &str| Config::new(url.parse().unwrap());
        assert!(secure(&config("https://10.0.0.1:6443")).is_ok());
        assert!(secure(&config("http://127.0.0.1:8001")).is_ok());
        assert!(secure(&config("http://[::1]:8001")).is_ok());
        assert!(secure(&config("http://10.0.0.1:8080")).is_err());
        let mut skipping = config("https://10.0.0.1:6443");
        skipping.accept_invalid_certs = true;
        let error = secure(&skipping).unwrap_err();
        assert!(
            error.to_string().contains("insecure-skip-tls-verify"),
            "{error}"
        );
    }
}
