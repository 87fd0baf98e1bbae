//! How a verb finds its release: by name, else by the `infer.yaml` of this folder.

use std::path::PathBuf;

use crate::{
    error::Failure,
    home::Home,
    local,
    name::ReleaseName,
    spec::{self, Kubernetes, Spec, Target},
};

/// The flags that say which `infer.yaml` counts and what it says.
#[derive(Debug, Clone, clap::Args)]
pub struct SpecArgs {
    /// The release's file
    #[arg(long, short, value_name = "FILE", default_value = "infer.yaml", env = "INFER_FILE", hide_env = true)]
    pub file: PathBuf,
    /// Environment of the file to use
    #[arg(long, value_name = "NAME", env = "INFER_ENV", hide_env = true)]
    pub env: Option<String>,
    /// Set a key of the file, such as scale.replicas=2
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl SpecArgs {
    /// Reads and checks the file; a missing one is a usage error that says how to get one.
    pub fn load(&self) -> Result<Spec, Failure> {
        Ok(spec::load(&self.file, self.env.as_deref(), &self.sets)?)
    }
}

/// A release by name, or the one of `infer.yaml`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReleaseArgs {
    /// Release; the one of infer.yaml if left out
    #[arg(value_name = "NAME")]
    pub name: Option<ReleaseName>,
    #[command(flatten)]
    pub spec: SpecArgs,
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
    /// The release that is meant; a name that is known on this machine needs no file.
    pub fn find(&self, home: &Home) -> Result<Found, Failure> {
        let written = if self.spec.file.exists() { Some(self.spec.load()?) } else { None };
        match (&self.name, written) {
            (None, Some(spec)) => Ok(found(spec)),
            (Some(name), Some(spec)) if spec.name == *name => Ok(found(spec)),
            (Some(name), _) => {
                let here = local::releases(home).map_err(|error| Failure::failed(&error))?;
                let target = if here.contains(name) {
                    Target::Local
                } else {
                    Target::Kubernetes(Kubernetes::default())
                };
                Ok(Found { name: name.clone(), target, spec: None })
            }
            (None, None) => Err(Failure::usage(format!(
                "no release is named, and there is no {}",
                self.spec.file.display()
            ))
            .hint("name one: `infer status` lists them")
            .hint("or make a file: `infer init`")),
        }
    }

    /// Whether nothing says which release is meant.
    pub fn says_nothing(&self) -> bool {
        self.name.is_none() && !self.spec.file.exists()
    }
}

fn found(spec: Spec) -> Found {
    Found { name: spec.name.clone(), target: spec.target.clone(), spec: Some(spec) }
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
