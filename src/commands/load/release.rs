//! A load test of the release that `infer.yaml` names: its endpoint, its gates.

use http::HeaderValue;
use reqwest::Url;

use crate::{
    cluster::{Cluster, inventory::of_version, pod_proxy::PodProxy, pods},
    commands::{
        release_args::{cluster, home},
        release_file::ReleaseFile,
    },
    error::Failure,
    name::ReleaseName,
    release,
    slo::Gate,
    spec::Target,
};

/// How a release is reached.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) url: String,
    /// The `Host` its route asks for.
    pub(super) host: Option<HeaderValue>,
    /// For people, where the address alone does not say it.
    pub(super) via: Option<String>,
    /// The way to its pods where no gateway leads to them; open for as long as this lives.
    pods: Option<PodProxy>,
}

impl Endpoint {
    pub(super) fn at(url: String) -> Self {
        Self {
            url,
            host: None,
            via: None,
            pods: None,
        }
    }

    pub(super) fn is_around_the_gateway(&self) -> bool {
        self.pods.is_some()
    }
}

/// Where the release answers, and what it promises (`gates.slo`).
pub(super) async fn endpoint(
    file: &ReleaseFile,
    said: Option<&str>,
) -> Result<(Endpoint, Vec<Gate>), Failure> {
    if !file.file.exists() {
        return Err(Failure::usage(format!(
            "load needs the address of a server, or the {} of a release",
            file.file.display()
        ))
        .hint("infer load http://HOST:PORT; try it on `infer sim`"));
    }
    let spec = file.load()?;
    let said = said.map(str::to_owned).or(spec.traffic.endpoint);
    let found = match (said, &spec.target) {
        (Some(url), _) => Endpoint::at(url),
        (None, Target::Local) => {
            let status = release::local::status::status(&home()?, &spec.name).await?;
            let url = status.endpoint.ok_or_else(|| nowhere(&spec.name))?;
            Endpoint::at(url)
        }
        (None, Target::Kubernetes(place)) => on_cluster(&cluster(place).await?, &spec.name).await?,
    };
    Ok((found, spec.gates.slo))
}

/// Through the gateway, else the Service's name where it resolves (inside the cluster),
/// else to its pods through the API server.
async fn on_cluster(cluster: &Cluster, name: &ReleaseName) -> Result<Endpoint, Failure> {
    let router = release::kubernetes::router(cluster, name, None).await?;
    let router = router.ok_or_else(|| nowhere(name))?;
    let url = router.endpoint().to_owned();
    let missing = if url.is_empty() {
        "its gateway has no address"
    } else if !router.capabilities().weights && !resolves(&url).await {
        "a Service is reached in its cluster only"
    } else {
        return through_gateway(url, router.host());
    };
    let live = router.read().await?.live;
    let found = pods::find(cluster, &of_version(name, &live)).await?;
    let ready: Vec<_> = found
        .into_iter()
        .filter(|pod| pod.ready && pod.port.is_some())
        .collect();
    let Some((pod, port)) = ready.first().and_then(|pod| Some((&pod.pod, pod.port?))) else {
        return Err(say_where(Failure::usage(format!(
            "{name} cannot be reached from here: {missing}, and no pod of {live} is Ready"
        ))));
    };
    // A way that is shut is said once and not by every request.
    pods::get(cluster, pod, port, "/v1/models")
        .await
        .map_err(|error| {
            let mut failure = Failure::from(error);
            failure.causes.insert(0, missing.to_owned());
            say_where(failure)
        })?;
    let proxy = PodProxy::open(cluster, &ready).await?;
    Ok(Endpoint {
        url: proxy.url().to_owned(),
        host: None,
        via: Some(format!(
            "not through the gateway ({missing}): to {} of {live} through the API server, \
             whose time is in every figure",
            match ready.len() {
                1 => "the one pod".to_owned(),
                many => format!("{many} pods"),
            }
        )),
        pods: Some(proxy),
    })
}

fn through_gateway(url: String, host: Option<&str>) -> Result<Endpoint, Failure> {
    let host = host
        .map(|host| {
            let value = HeaderValue::from_str(host);
            value.map_err(|error| Failure::failed(&error))
        })
        .transpose()?;
    // With TLS the address is the name already.
    let host = host.filter(|_| !url.starts_with("https://"));
    let via = host.as_ref().and_then(|host| host.to_str().ok());
    Ok(Endpoint {
        via: via.map(|host| format!("through the gateway, as {host}")),
        host,
        ..Endpoint::at(url)
    })
}

async fn resolves(url: &str) -> bool {
    let Some((host, port)) = Url::parse(url)
        .ok()
        .and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)))
    else {
        return false;
    };
    tokio::net::lookup_host((host, port)).await.is_ok()
}

fn nowhere(name: &ReleaseName) -> Failure {
    let failure = Failure::usage(format!("{name} does not answer anywhere"));
    say_where(failure.hint("bring it up with `infer deploy`"))
}

fn say_where(failure: Failure) -> Failure {
    failure.hint("or say where: infer load --endpoint URL, or `traffic.endpoint` in infer.yaml")
}
