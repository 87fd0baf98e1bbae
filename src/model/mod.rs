//! What the weights say about themselves: files, tensors, architecture, memory need.
//!
//! Only headers are read, a few kilobytes of each file, with every length checked
//! against the file before anything is allocated.

mod config;
mod error;
mod facts;
mod gguf;
mod safetensors;
mod shards;
mod source;
mod tensor;
mod tree;

pub use self::{
    config::Config,
    error::{Error, Fault, first_names},
    facts::{Facts, Format},
    source::{Kind, Source},
    tensor::{Tensor, TensorFile},
    tree::{File, Identity},
};

use std::{fs, io::BufReader};

/// A model as found: its files, and what they say.
#[derive(Debug, Clone)]
pub struct Model {
    pub source: Source,
    pub facts: Facts,
    /// One entry for each file that holds tensors.
    pub tensor_files: Vec<TensorFile>,
}

/// Reads the headers of `source` and refuses what cannot be a whole model.
///
/// # Errors
/// A truncated or contradictory file, a missing shard, an unreadable config.
pub fn examine(source: Source) -> Result<Model, Error> {
    shards::check_names(&source.files)?;
    let mut tensor_files = Vec::new();
    let mut header = gguf::Header::default();
    for file in &source.files {
        if let Some(kind) = tensor::Kind::of(&file.path) {
            let (tensors, found) = read_tensors(kind, file)?;
            tensor_files.push(TensorFile {
                path: file.path.clone(),
                tensors,
            });
            header.absorb(found.unwrap_or_default());
        }
    }
    for file in shards::index_files(&source.files) {
        let index = shards::Index::parse(&file.read_text(shards::INDEX_BYTES_MAX)?)
            .map_err(|fault| Error::weights(&file.path, fault))?;
        index
            .check(&file.path, &tensor_files)
            .map_err(|fault| Error::weights(&file.path, fault))?;
    }
    let config = match source.file("config.json") {
        Some(file) => Config::parse(&file.read_text(config::CONFIG_BYTES_MAX)?)
            .map_err(|fault| Error::weights(&file.path, fault))?,
        None => Config::default(),
    };
    let facts = Facts::gather(&source, &config, &header, &tensor_files);
    Ok(Model {
        source,
        facts,
        tensor_files,
    })
}

fn read_tensors(
    kind: tensor::Kind,
    file: &File,
) -> Result<(Vec<Tensor>, Option<gguf::Header>), Error> {
    let opened = fs::File::open(&file.real).map_err(|source| Error::read(&file.path, source))?;
    let mut reader = BufReader::new(opened);
    let read = match kind {
        tensor::Kind::Safetensors => {
            safetensors::read(&mut reader, file.identity.bytes).map(|header| (header.tensors, None))
        }
        tensor::Kind::Gguf => gguf::read(&mut reader, file.identity.bytes)
            .map(|mut header| (std::mem::take(&mut header.tensors), Some(header))),
    };
    read.map_err(|fault| Error::weights(&file.path, fault))
}

/// Reads the tensors of one file's first bytes, wherever they come from.
///
/// For images whose files are not on this disk: `reader` gives the file from its
/// start, `bytes` is its whole length.
pub fn tensors_of(
    path: &str,
    reader: &mut dyn std::io::Read,
    bytes: u64,
) -> Result<Option<Vec<Tensor>>, Error> {
    let read = match tensor::Kind::of(path) {
        None => return Ok(None),
        Some(tensor::Kind::Safetensors) => {
            safetensors::read(reader, bytes).map(|header| header.tensors)
        }
        Some(tensor::Kind::Gguf) => gguf::read(reader, bytes).map(|header| header.tensors),
    };
    read.map(Some).map_err(|fault| Error::weights(path, fault))
}
