//! `infer doctor`: what is missing, before it is missed.

mod machine;

use super::Session;
use crate::{
    cluster::{
        Cluster, Error, Target as Place,
        checks::{Check, Needs, State, facts, judge},
    },
    commands::release_file::ReleaseFile,
    error::{Failure, Outcome},
    explain::Explain,
    spec::{Spec, Target},
    ui::doctor::Examination,
};

/// Check this machine and the cluster for what a release needs
///
/// Looks at what infer.yaml asks for: its engine and a free port for the local target; versions,
/// gateway, GPUs and rights for a cluster. Without an infer.yaml, at everything there is. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer doctor                      what ./infer.yaml needs\n  infer doctor --context prod-eu    a cluster, before there is an infer.yaml\n\nExit code 3: something needed is missing; each line has its fix."
)]
pub struct DoctorArgs {
    #[command(flatten)]
    file: ReleaseFile,
    /// Context of the kubeconfig; looks at its cluster whatever the target
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace to look at rights in
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

pub async fn run(args: DoctorArgs, session: &Session) -> Result<Outcome, Failure> {
    let spec = if args.file.file.exists() {
        Some(args.file.load()?)
    } else {
        None
    };
    let machine = machine::checks(spec.as_ref()).await;
    let cluster = match place(&args, spec.as_ref()) {
        None => None,
        Some(place) => Some(look(&place, &args, spec.as_ref()).await?),
    };
    let examination = Examination::new(
        spec.as_ref().map(|spec| spec.target.name()),
        machine,
        cluster.unwrap_or_default(),
    );
    session.ui.answer(&examination);
    Ok(if examination.in_the_way() > 0 {
        Outcome::AnswerIsNo
    } else {
        Outcome::Done
    })
}

/// The cluster to look at: the one that is named, else the target's. Target local
/// needs none, so none is asked.
fn place(args: &DoctorArgs, spec: Option<&Spec>) -> Option<Place> {
    let written = match spec.map(|spec| &spec.target) {
        Some(Target::Kubernetes(kubernetes)) => Some(kubernetes.clone()),
        Some(Target::Local) if args.context.is_none() => return None,
        Some(Target::Local) | None => None,
    };
    let written = written.unwrap_or_default();
    Some(Place {
        context: args.context.clone().or(written.context),
        namespace: args.namespace.clone().or(written.namespace),
    })
}

async fn look(
    place: &Place,
    args: &DoctorArgs,
    spec: Option<&Spec>,
) -> Result<Vec<Check>, Failure> {
    // A cluster is needed only where a file or a context asks for one.
    let needed = args.context.is_some() || spec.is_some();
    let unreachable = |error: &Error| {
        let mut found = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            found = format!("{found}: {cause}");
        }
        let mut check = Check::new("API server", State::Missing, found).needed(needed);
        check.fix = error.hints().into_iter().next();
        vec![check]
    };
    let cluster = match Cluster::connect(place).await {
        Err(Error::NotConfigured { .. }) if !needed => {
            return Ok(vec![Check::new(
                "API server",
                State::Ok,
                "no cluster is configured, and none is needed",
            )]);
        }
        Err(error) => return Ok(unreachable(&error)),
        Ok(cluster) => cluster,
    };
    let needs = spec
        .filter(|spec| spec.target != Target::Local)
        .map(needs)
        .unwrap_or_default();
    match facts(&cluster, &needs).await {
        Err(error) => Ok(unreachable(&error)),
        Ok(facts) => {
            let found = format!(
                "{} (context {}, namespace {})",
                cluster.server, cluster.context, cluster.namespace
            );
            let mut checks = vec![Check::new("API server", State::Ok, found).needed(needed)];
            checks.extend(judge(&facts, &needs));
            Ok(checks)
        }
    }
}

/// What the file asks of a cluster.
fn needs(spec: &Spec) -> Needs {
    let gateway = spec.traffic.gateway.as_ref();
    Needs {
        image_volume: !spec.engine.kind.is_simulated() || spec.model.image.is_some(),
        gateway: gateway.map(|gateway| (gateway.name.clone(), gateway.namespace.clone())),
        gpu_resource: spec.hardware.resource.clone(),
        gpus: u64::from(spec.hardware.gpus),
        replicas: u64::from(spec.scale.replicas),
        products: spec.hardware.products.clone(),
    }
}
