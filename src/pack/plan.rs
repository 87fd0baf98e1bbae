//! Which file goes into which layer; pure.

use super::{
    Error,
    framing::{Framed, Framing},
    rules,
};
use crate::model::File;

/// From here on a file is worth a layer of its own: it is uploaded, found again and
/// unpacked by itself. Below, a request a file costs more than it saves.
const OWN_LAYER_BYTES_MIN: u64 = 64 << 20;

/// Docker allows 127, CRI-O fails at 128; some are left for what is built on top.
const LAYERS_MAX: usize = 100;

/// The layers of an image, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub layers: Vec<Layer>,
}

/// One layer: its files and its exact length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub files: Vec<File>,
    pub framing: Framing,
}

impl Layer {
    fn new(files: Vec<File>) -> Self {
        let framed: Vec<_> = files
            .iter()
            .map(|file| Framed {
                path: &file.path,
                bytes: file.bytes(),
            })
            .collect();
        let framing = Framing::new(&framed);
        Self { files, framing }
    }

    pub fn bytes(&self) -> u64 {
        self.framing.bytes
    }

    /// A word for progress: the file's name, or how many there are.
    pub fn label(&self) -> String {
        match self.files.as_slice() {
            [only] => only.path.clone(),
            many => format!("{} files", many.len()),
        }
    }

    /// Whether weights are in it, and not only settings.
    pub fn has_weights(&self) -> bool {
        self.files.iter().any(|file| rules::is_weights(&file.path))
    }
}

impl Plan {
    /// Large files one layer each, the small ones together in the last.
    ///
    /// The small ones come last because runtimes key an unpacked layer by all layers
    /// below it: an edited config then costs one small layer, not the weights.
    ///
    /// # Errors
    /// A file that looks like a secret.
    pub fn new(files: Vec<File>) -> Result<Self, Error> {
        let secrets: Vec<_> = files
            .iter()
            .filter(|file| rules::is_secret(&file.path))
            .map(|file| file.path.clone())
            .collect();
        if !secrets.is_empty() {
            return Err(Error::Secrets { paths: secrets });
        }
        let (large, small): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| file.bytes() >= OWN_LAYER_BYTES_MIN);
        let room = LAYERS_MAX - usize::from(!small.is_empty());
        let mut layers: Vec<_> = grouped(large, room).into_iter().map(Layer::new).collect();
        if !small.is_empty() {
            layers.push(Layer::new(small));
        }
        Ok(Self { layers })
    }
}

/// Neighbours together, in at most `groups_max` groups of nearly equal count.
fn grouped(files: Vec<File>, groups_max: usize) -> Vec<Vec<File>> {
    let (count, groups) = (files.len(), files.len().min(groups_max));
    let mut files = files.into_iter();
    (0..groups)
        .map(|group| {
            let size = (group + 1) * count / groups - group * count / groups;
            files.by_ref().take(size).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = OWN_LAYER_BYTES_MIN;

    fn names(plan: &Plan) -> Vec<Vec<&str>> {
        plan.layers
            .iter()
            .map(|layer| layer.files.iter().map(|file| file.path.as_str()).collect())
            .collect()
    }

    #[test]
    fn large_files_stand_alone_and_small_ones_together_at_the_end() {
        let plan = Plan::new(vec![
            File::named("a.json", 10),
            File::named("b.safetensors", LARGE),
            File::named("c.json", LARGE - 1),
            File::named("d.safetensors", LARGE + 1),
        ])
        .unwrap();
        assert_eq!(
            names(&plan),
            [
                vec!["b.safetensors"],
                vec!["d.safetensors"],
                vec!["a.json", "c.json"]
            ]
        );
        assert!(plan.layers[0].has_weights());
        assert!(!plan.layers[2].has_weights());
    }

    #[test]
    fn more_than_a_hundred_layers_are_grouped_with_their_neighbours() {
        let mut files: Vec<_> = (0..191)
            .map(|n| File::named(&format!("model-{n:05}.safetensors"), LARGE))
            .collect();
        files.push(File::named("tokenizer.json", 5));
        let plan = Plan::new(files).unwrap();
        assert_eq!(plan.layers.len(), 100);
        let large: Vec<_> = plan.layers[..99]
            .iter()
            .map(|layer| layer.files.len())
            .collect();
        assert_eq!(large.iter().sum::<usize>(), 191);
        assert!(large.iter().all(|count| [1, 2].contains(count)));
        let order: Vec<_> = names(&plan).concat();
        assert!(order[..191].is_sorted());
    }

    #[test]
    fn a_secret_is_refused_by_name() {
        let files = vec![File::named("model.gguf", 1), File::named("sub/.env", 1)];
        assert!(matches!(Plan::new(files), Err(Error::Secrets { paths }) if paths == ["sub/.env"]));
    }
}
