//! Manifests in and out: bounded, typed and checked.

use bytes::Bytes;
use reqwest::{Method, Response, header};
use serde::Deserialize;

use super::{
    Redirects, Remote,
    connection::read_up_to,
    profile::{LAYERS_MAX, MANIFEST_BYTES_MAX},
};
use crate::registry::{digest::Digest, error::Error, manifest::Descriptor, media_type};

/// Registries send this beside a manifest.
const DIGEST_HEADER: &str = "docker-content-digest";
/// Tags listed in an error about a missing tag.
const TAGS_ASKED: usize = 8;
const TAGS_BYTES_MAX: usize = 64 * 1024;

impl Remote {
    /// The manifest of a tag or digest, checked against what the registry promised.
    pub(in crate::registry) async fn get_manifest(
        &self,
        what: Option<&str>,
    ) -> Result<(Descriptor, Bytes), Error> {
        let Some(what) = what else {
            return Err(Error::NoTag {
                image: self.0.reference.to_string(),
                tags: self.tags().await.unwrap_or_default(),
            });
        };
        let act = format!("read the manifest of {what}");
        let url = self.url(&format!("manifests/{what}"));
        let accept = [(header::ACCEPT, media_type::MANIFESTS.join(", "))];
        let asked = self
            .ask(Method::GET, &url, Redirects::Follow, &accept)
            .await;
        let response = asked.map_err(|fault| self.error(fault, &act))?;
        let promised = promised_digest(&response);
        let content_type = content_type(&response);
        let body = read_up_to(response, MANIFEST_BYTES_MAX).await;
        let (bytes, whole) = body.map_err(|fault| self.error(fault, &act))?;
        if !whole {
            return Err(Error::TooLong {
                what: format!("the manifest of {what}"),
                limit: MANIFEST_BYTES_MAX as u64,
            });
        }
        let found = Digest::of(&bytes);
        for expected in [what.parse().ok(), promised].into_iter().flatten() {
            if expected != found {
                return Err(Error::WrongDigest {
                    what: format!("the manifest of {what} in {}", self.0.reference),
                    expected,
                    found,
                });
            }
        }
        let media_type = self.media_type(&bytes, content_type)?;
        let descriptor = Descriptor::new(&media_type, found, bytes.len() as u64);
        Ok((descriptor, bytes.into()))
    }

    /// Puts a manifest under a tag, or under its digest alone.
    pub(in crate::registry) async fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, Error> {
        let descriptor = Descriptor::of(media_type, bytes);
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(self.limit(
                &format!("its manifest has {} bytes, 4 MiB is the most", bytes.len()),
                "pack fewer, larger layers",
            ));
        }
        let name = tag.map_or_else(|| descriptor.digest.to_string(), str::to_owned);
        let act = format!("store the manifest as {name}");
        let url = self.url(&format!("manifests/{name}"));
        let body = Bytes::copy_from_slice(bytes);
        let make = |url| {
            let request = self.0.connection.http().put(url);
            request
                .header(header::CONTENT_TYPE, media_type)
                .body(body.clone())
        };
        let asked = self.ask_for(&self.0.scope, &url, Redirects::Follow, &make);
        let response = asked.await.map_err(|fault| self.error(fault, &act))?;
        match promised_digest(&response) {
            Some(found) if found != descriptor.digest => Err(Error::WrongDigest {
                what: format!("the manifest that {} stored", self.0.reference),
                expected: descriptor.digest,
                found,
            }),
            _ => Ok(descriptor),
        }
    }

    /// Refuses what this registry or the usual runtimes would refuse after hours of upload.
    pub(in crate::registry) fn preflight(&self, layers: &[Descriptor]) -> Result<(), Error> {
        if layers.len() > LAYERS_MAX {
            let why = format!(
                "it has {} layers, runtimes mount {LAYERS_MAX}",
                layers.len()
            );
            return Err(self.limit(&why, "pack fewer, larger layers"));
        }
        for layer in layers {
            if let Some(limit) = self.0.profile.layer_bytes_max
                && layer.size > limit
            {
                let why = format!(
                    "layer {} has {} bytes, {limit} is the most",
                    layer.digest.short(),
                    layer.size
                );
                let way_out = "split the weights into smaller files, or use another registry";
                return Err(self.limit(&why, way_out));
            }
        }
        Ok(())
    }

    fn limit(&self, why: &str, way_out: &str) -> Error {
        Error::Limit {
            registry: self.0.connection.registry().to_owned(),
            why: why.to_owned(),
            way_out: way_out.to_owned(),
        }
    }

    /// Some tags of the repository, for a message; none where they cannot be had.
    async fn tags(&self) -> Option<Vec<String>> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list");
        url.query_pairs_mut()
            .append_pair("n", &TAGS_ASKED.to_string());
        let asked = self.ask(Method::GET, &url, Redirects::Follow, &[]).await;
        let (body, _) = read_up_to(asked.ok()?, TAGS_BYTES_MAX).await.ok()?;
        serde_json::from_slice::<Tags>(&body).ok()?.tags
    }

    /// What the bytes are. Where header and content differ, two readers of the same
    /// digest could see two things (CVE-2021-41190): refused.
    fn media_type(&self, bytes: &[u8], header: Option<String>) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
        }
        let typed: Typed = serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
            what: format!("a manifest of {}", self.0.reference),
            source,
        })?;
        let odd = |why: &str| Error::Protocol {
            registry: self.0.connection.registry().to_owned(),
            why: why.to_owned(),
        };
        if typed.manifests.is_some() && typed.layers.is_some() {
            return Err(odd("a manifest is index and image at once"));
        }
        match (typed.media_type, header) {
            (Some(inside), Some(outside)) if inside != outside => Err(odd(&format!(
                "it calls a manifest {outside} that calls itself {inside}"
            ))),
            (Some(inside), _) => Ok(inside),
            (None, Some(outside)) => Ok(outside),
            (None, None) if typed.manifests.is_some() => Ok(media_type::IMAGE_INDEX.to_owned()),
            (None, None) => Ok(media_type::IMAGE_MANIFEST.to_owned()),
        }
    }
}

fn promised_digest(response: &Response) -> Option<Digest> {
    let value = response.headers().get(DIGEST_HEADER)?;
    value.to_str().ok()?.parse().ok()
}

/// Without parameters; generic types do not identify a manifest.
fn content_type(response: &Response) -> Option<String> {
    let value = response
        .headers()
        .get(header::CONTENT_TYPE)?
        .to_str()
        .ok()?;
    let bare = value.split(';').next().unwrap_or_default().trim();
    let generic = [
        "",
        "application/json",
        "text/plain",
        "application/octet-stream",
    ];
    (!generic.contains(&bare)).then(|| bare.to_owned())
}
