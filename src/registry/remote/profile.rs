//! What is known of public registries: how they like uploads and what they refuse.
//!
//! Sources: each registry's documentation and what other clients ran into; see
//! `anchors/pack.md` §5 of the design.

/// How the bytes of a large blob are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One PUT of everything; what is lost on the way is sent again.
    Whole,
    /// PATCH requests of at most so many bytes; an upload can go on where it stopped.
    Chunks(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) mode: Mode,
    /// Largest layer in bytes; `None` where no limit is published.
    pub(super) layer_bytes_max: Option<u64>,
}

const MIB: u64 = 1024 * 1024;
const GB: u64 = 1_000_000_000;

/// Proxies in front of registries cut bodies at 100 MB (Cloudflare); this is well below.
const CHUNK_BYTES: u64 = 64 * MIB;

/// Most layers of an image: Docker's overlay driver stops at 127, and CRI-O at 128.
pub(super) const LAYERS_MAX: usize = 127;

/// Largest manifest that every registry takes (Azure's and distribution's limit).
pub(super) const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Profile {
    /// The profile of a registry by its host name, without port.
    pub(super) fn of(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let below = |suffix: &str| {
            host.strip_suffix(suffix)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let (mode, layer_bytes_max) = if below("ghcr.io") {
            // PATCH over 4 MiB is answered 416, and several of them lose bytes; 10 GB a
            // layer and 10 minutes an upload are documented.
            (Mode::Whole, Some(10 * GB))
        } else if below("pkg.dev") || below("gcr.io") {
            // Google takes no PATCH.
            (Mode::Whole, None)
        } else if below("public.ecr.aws") {
            (Mode::Whole, Some(10_000 * MIB))
        } else if host.contains(".dkr.ecr.") || host.contains(".dkr-ecr.") {
            // The first PATCH is answered 201, and `Range` is stale.
            (Mode::Whole, Some(52_000 * MIB))
        } else if below("azurecr.io") || below("azurecr.cn") || below("azurecr.us") {
            (Mode::Chunks(CHUNK_BYTES), Some(200 * 1024 * MIB))
        } else {
            // Docker Hub, Harbor, distribution, zot, GitLab, Quay, …
            (Mode::Chunks(CHUNK_BYTES), None)
        };
        Self {
            mode,
            layer_bytes_max,
        }
    }

    /// Other chunks where there are any, as the user wishes.
    pub(super) fn with_chunks_of(self, bytes: Option<u64>) -> Self {
        let mode = match (self.mode, bytes) {
            (Mode::Chunks(_), Some(bytes)) => Mode::Chunks(bytes.max(1)),
            (mode, _) => mode,
        };
        Self { mode, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_known_by_their_host() {
        for (host, chunks, limit) in [
            ("ghcr.io", false, Some(10 * GB)),
            ("europe-docker.pkg.dev", false, None),
            ("eu.gcr.io", false, None),
            ("public.ecr.aws", false, Some(10_000 * MIB)),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                false,
                Some(52_000 * MIB),
            ),
            ("acme.azurecr.io", true, Some(200 * 1024 * MIB)),
            ("registry-1.docker.io", true, None),
            ("harbor.acme.example", true, None),
            ("notghcr.io", true, None),
            ("localhost", true, None),
        ] {
            let profile = Profile::of(host);
            assert_eq!(matches!(profile.mode, Mode::Chunks(_)), chunks, "{host}");
            assert_eq!(profile.layer_bytes_max, limit, "{host}");
        }
    }
}
