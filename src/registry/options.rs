//! How a registry may be spoken to.

use std::path::PathBuf;

use super::reference::Reference;

/// The user's wishes; the default is what is safe.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Speak HTTP without TLS. A loopback address needs no such leave.
    pub plain_http: bool,
    /// Do not check the registry's certificate.
    pub insecure: bool,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Docker's `config.json` to take logins from, instead of the user's own files.
    pub logins: Option<PathBuf>,
    /// Most bytes of one request, for proxies that take less than usual.
    pub chunk_bytes: Option<u64>,
    /// Repositories that may already hold the blobs, as the base of a fine-tune; only
    /// those of the same registry are tried.
    pub mount_from: Vec<Reference>,
    /// Where unfinished uploads are remembered; `None` is below the user's cache folder.
    pub journal: Option<PathBuf>,
}
