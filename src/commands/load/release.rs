//! A load test of the release that `infer.yaml` names: its endpoint, its gates.

use crate::{
    commands::{
        release_args::{cluster, home},
        release_file::ReleaseFile,
    },
    error::Failure,
    release,
    slo::Gate,
    spec::Target,
};

/// Where the release answers, and what it promises (`gates.slo`).
pub(super) async fn endpoint(file: &ReleaseFile) -> Result<(String, Vec<Gate>), Failure> {
    if !file.file.exists() {
        return Err(Failure::usage(format!(
            "load needs the address of a server, or the {} of a release",
            file.file.display()
        ))
        .hint("infer load http://HOST:PORT; try it on `infer sim`"));
    }
    let spec = file.load()?;
    if let Some(endpoint) = spec.traffic.endpoint {
        return Ok((endpoint, spec.gates.slo));
    }
    let status = match &spec.target {
        Target::Local => release::local::status::status(&home()?, &spec.name).await?,
        Target::Kubernetes(place) => {
            release::kubernetes::status(&cluster(place).await?, &spec.name).await?
        }
    };
    match status.endpoint {
        Some(endpoint) => Ok((endpoint, spec.gates.slo)),
        None => Err(
            Failure::usage(format!("{} does not answer anywhere", spec.name))
                .hint("bring it up with `infer deploy`")
                .hint("or say where: `traffic.endpoint` in infer.yaml, or infer load URL"),
        ),
    }
}
