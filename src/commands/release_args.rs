//! How a verb finds its release: by name, else by the `infer.yaml` of this folder.

use super::release_file::ReleaseFile;
use crate::{
    cluster::{self, Cluster},
    error::Failure,
    home::Home,
    local,
    name::ReleaseName,
    release,
    spec::{Kubernetes, Spec, Target},
};

/// A release by name, or the one of `infer.yaml`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReleaseArgs {
    /// Release; the one of infer.yaml if left out
    #[arg(value_name = "NAME")]
    pub name: Option<ReleaseName>,
    #[command(flatten)]
    pub file: ReleaseFile,
    /// Namespace of the cluster; that of infer.yaml, else the kubeconfig's, if left out
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig; that of infer.yaml, else the current one, if left out
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
}

/// A release and where it lives.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: ReleaseName,
    pub target: Target,
    /// The file, where it is this release's.
    pub spec: Option<Spec>,
}

impl ReleaseArgs {
    /// The release that is meant; a name that is known on this machine needs no file. One
    /// that is to be on this machine is there.
    pub fn find(&self, home: &Home) -> Result<Found, Failure> {
        let written = if self.file.file.exists() {
            Some(self.file.load()?)
        } else {
            None
        };
        let here = local::releases(home).map_err(|error| Failure::failed(&error))?;
        match (&self.name, written) {
            (None, Some(spec)) => self.found(spec, &here),
            (Some(name), Some(spec)) if spec.name == *name => self.found(spec, &here),
            (Some(name), _) => self.elsewhere(name, &here),
            (None, None) => Err(Failure::usage(format!(
                "no release is named, and there is no {}",
                self.file.file.display()
            ))
            .hint("name one: `infer status` lists them")
            .hint("or make a file: `infer init`")),
        }
    }

    /// The cluster and namespace that the flags name.
    pub fn place(&self) -> Kubernetes {
        Kubernetes {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            ..Kubernetes::default()
        }
    }

    fn names_cluster(&self) -> bool {
        self.namespace.is_some() || self.context.is_some()
    }

    /// The release of the file.
    fn found(&self, mut spec: Spec, here: &[ReleaseName]) -> Result<Found, Failure> {
        if let Target::Kubernetes(place) = &mut spec.target {
            let flags = self.place();
            place.context = flags.context.or(place.context.take());
            place.namespace = flags.namespace.or(place.namespace.take());
        }
        if spec.target == Target::Local && !here.contains(&spec.name) {
            return Err(release::Error::NoRelease { release: spec.name }.into());
        }
        Ok(Found {
            name: spec.name.clone(),
            target: spec.target.clone(),
            spec: Some(spec),
        })
    }

    /// A release without its file: on this machine, or in the cluster there is.
    fn elsewhere(&self, name: &ReleaseName, here: &[ReleaseName]) -> Result<Found, Failure> {
        let target = if here.contains(name) && !self.names_cluster() {
            Target::Local
        } else if cluster::is_configured() {
            Target::Kubernetes(self.place())
        } else {
            let known: Vec<_> = here.iter().map(ToString::to_string).collect();
            let failure = Failure::failed(&release::Error::NoRelease {
                release: name.clone(),
            });
            return Err(failure
                .hint(match known.as_slice() {
                    [] => "there is none; bring one up with `infer deploy`".to_owned(),
                    known => format!("there is {}", known.join(", ")),
                })
                .hint("no cluster is configured to look in: set KUBECONFIG"));
        };
        Ok(Found {
            name: name.clone(),
            target,
            spec: None,
        })
    }

    /// Whether nothing says which release is meant.
    pub fn says_nothing(&self) -> bool {
        self.name.is_none() && !self.file.file.exists()
    }
}

/// The folders of this user.
pub fn home() -> Result<Home, Failure> {
    Home::find().map_err(|error| {
        Failure::failed(&error).hint("set HOME, or INFER_HOME to the folder infer may use")
    })
}

/// A name for one run of a verb: unique on this machine, and sortable by its start.
pub fn run_id() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("{now}-{}", std::process::id())
}

/// Reaches the cluster that `infer.yaml` or the flags name.
pub async fn cluster(place: &Kubernetes) -> Result<Cluster, Failure> {
    let target = cluster::Target {
        context: place.context.clone(),
        namespace: place.namespace.clone(),
    };
    Ok(Cluster::connect(&target).await?)
}
