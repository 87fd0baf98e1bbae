//! What a packed model holds, as a table; what verifying and unpacking answer.

use serde::Serialize;

use super::{Answer, Paint, bytes, count, pack::parameters, seconds};
use crate::pack::{Inspected, InspectedLayer, PackedFacts, Unpacked, Verified};

/// Digits of a digest in a table: enough to find it.
const DIGEST_CHARS: usize = "sha256:".len() + 12;

/// An image, with or without its files.
#[derive(Serialize)]
#[serde(transparent)]
pub struct InspectView<'a> {
    pub found: &'a Inspected,
    #[serde(skip)]
    pub files: bool,
}

impl Answer for InspectView<'_> {
    fn human(&self, paint: &Paint) -> String {
        let found = self.found;
        let mut lines = vec![paint.bold(&found.image)];
        if let Some(model) = &found.model {
            lines.push(row("model", &model_text(model)));
        }
        if let Some(source) = &found.source {
            let revision = found.revision.as_deref().unwrap_or("unknown revision");
            lines.push(row("source", &format!("{source} at {revision}")));
        }
        lines.push(row("platforms", &found.platforms.join(", ")));
        let layers = count(found.layers.len() as u64, "layer");
        lines.push(row("size", &format!("{} in {layers}", bytes(found.bytes))));
        for layer in &found.layers {
            lines.push(layer_text(layer, *paint));
            if self.files {
                let files = layer.files.iter().flatten();
                lines.extend(files.map(|file| {
                    format!(
                        "  {:>9}  {}  {}",
                        bytes(file.bytes),
                        &file.sha256[..12],
                        file.path
                    )
                }));
            }
        }
        lines.join("\n")
    }
}

fn model_text(model: &PackedFacts) -> String {
    let parts = [
        model.parameters.map(parameters),
        model.quantization.clone(),
        Some(model.precisions.join(", ")).filter(|text| !text.is_empty()),
        model.architecture.clone(),
        Some(model.format.clone()),
        model
            .context_length
            .map(|length| format!("context {length}")),
        model
            .weight_bytes
            .map(|count| format!("needs {} for weights", bytes(count))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn layer_text(layer: &InspectedLayer, paint: Paint) -> String {
    let what = match layer.files.as_deref() {
        None => layer.media_type.clone(),
        Some([only]) => only.path.clone(),
        Some(files) => format!("{} files", files.len()),
    };
    let digest = layer.digest.get(..DIGEST_CHARS).unwrap_or(&layer.digest);
    format!("{}  {:>9}  {what}", paint.dim(digest), bytes(layer.bytes))
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<10} {text}")
}

impl Answer for Verified {
    fn human(&self, paint: &Paint) -> String {
        format!(
            "{} {} is whole: {} and {}, {} · {}",
            paint.green("✓"),
            self.image,
            count(self.layers, "layer"),
            count(self.documents, "document"),
            bytes(self.bytes),
            seconds(std::time::Duration::from_secs_f64(self.seconds)),
        )
    }
}

impl Answer for Unpacked {
    /// The folder alone, for scripts.
    fn human(&self, _paint: &Paint) -> String {
        self.path.display().to_string()
    }
}
