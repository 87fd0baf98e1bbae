//! The flags that say how registries are spoken to, shared by every verb that does.

use std::path::PathBuf;

use crate::{home::Home, registry::Options};

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Registry options")]
pub struct RegistryArgs {
    /// Use HTTP without TLS; not needed for a loopback address
    #[arg(long)]
    plain_http: bool,
    /// Trust the certificates (PEM) of this file, too
    #[arg(long, value_name = "FILE", env = "INFER_CA", hide_env = true)]
    ca: Option<PathBuf>,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
}

impl RegistryArgs {
    pub fn options(&self, home: &Home) -> Options {
        Options {
            plain_http: self.plain_http,
            insecure: self.insecure,
            ca_file: self.ca.clone(),
            journal: Some(home.cache.join("uploads")),
            ..Options::default()
        }
    }
}
