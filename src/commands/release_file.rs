//! The flags that say which `infer.yaml`, shared by every verb that reads one.

use std::path::PathBuf;

use crate::{
    error::Failure,
    spec::{self, Spec},
};

/// Which `infer.yaml`, and what to change in it.
#[derive(Debug, Clone, clap::Args)]
pub struct ReleaseFile {
    /// The infer.yaml to read
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = spec::FILE_NAME,
        env = "INFER_FILE",
        hide_env = true
    )]
    pub file: PathBuf,
    /// Environment of infer.yaml to apply: a key under `environments`
    #[arg(long, value_name = "NAME", env = "INFER_ENV", hide_env = true)]
    pub env: Option<String>,
    /// Change one key, as in `--set scale.replicas=2`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ReleaseFile {
    pub fn load(&self) -> Result<Spec, Failure> {
        Ok(spec::load(&self.file, self.env.as_deref(), &self.set)?)
    }
}
