//! What can be wrong with a model on disk.

use std::{io, path::PathBuf};

use crate::explain::{Explain, Kind};

/// A folder or file that cannot be taken as a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("{} has no files to pack", path.display())]
    Empty { path: PathBuf },
    #[error("{} is neither a folder nor a .gguf file", path.display())]
    NotAModel { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot take {path}: {fault}")]
    Entry { path: String, fault: EntryFault },
    #[error("{path} is not sound")]
    Weights {
        path: String,
        #[source]
        fault: Box<Fault>,
    },
    #[error("{} of {total} shards of {name} are missing: {}", missing.len(), first_names(missing))]
    MissingShards {
        name: String,
        total: usize,
        missing: Vec<String>,
    },
    #[error("{} is a Hugging Face cache without a snapshot", path.display())]
    NoSnapshot { path: PathBuf },
}

impl Error {
    pub(super) fn weights(path: &str, fault: Fault) -> Self {
        Self::Weights {
            path: path.to_owned(),
            fault: Box::new(fault),
        }
    }

    pub(super) fn read(path: &str, source: io::Error) -> Self {
        Self::Read {
            path: PathBuf::from(path),
            source,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::NotAModel { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Missing { .. } | Self::Read { .. } => return Vec::new(),
            Self::Empty { .. } => "name the folder that holds the weights".to_owned(),
            Self::NotAModel { .. } => {
                "name a folder with safetensors files, a Hugging Face snapshot or one .gguf file"
                    .to_owned()
            }
            Self::Entry { path, fault } => match fault {
                EntryFault::Dangling { .. } | EntryFault::Outward { .. } => {
                    format!("copy the file in its place, or leave it out: --exclude '{path}'")
                }
                EntryFault::Special => format!("leave it out: --exclude '{path}'"),
                EntryFault::NotUtf8 | EntryFault::Backslash | EntryFault::Whiteout => {
                    "rename it, or leave it out with --exclude".to_owned()
                }
                EntryFault::Loop | EntryFault::TooDeep | EntryFault::TooMany => {
                    "name the folder that holds the weights themselves".to_owned()
                }
            },
            Self::Weights { fault, .. } => match **fault {
                Fault::Truncated { .. } | Fault::Trailing { .. } => {
                    "the download is incomplete or damaged: fetch this file again".to_owned()
                }
                _ => "fetch this file again, or leave it out with --exclude".to_owned(),
            },
            Self::MissingShards { .. } => "fetch the missing files into the same folder".to_owned(),
            Self::NoSnapshot { .. } => {
                "download the model again, or name snapshots/<revision>".to_owned()
            }
        };
        vec![hint]
    }
}

/// Why a folder entry cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("its link target {} does not exist", target.display())]
    Dangling { target: PathBuf },
    #[error("its link leads outside, to {}", target.display())]
    Outward { target: PathBuf },
    #[error("it is neither a file, a folder nor a link")]
    Special,
    #[error("its name is not UTF-8")]
    NotUtf8,
    #[error("its name holds a backslash or a control character")]
    Backslash,
    #[error("a name that starts with .wh. deletes other files in an image")]
    Whiteout,
    #[error("its link leads back to a folder that holds it")]
    Loop,
    #[error("folders are nested more than {} deep", super::tree::DEPTH_MAX)]
    TooDeep,
    #[error("the folder has more than {} files", super::tree::FILES_MAX)]
    TooMany,
}

/// What is wrong inside one weights file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the file is cut short: {needed_bytes} bytes are needed, {found_bytes} are there")]
    Truncated { needed_bytes: u64, found_bytes: u64 },
    #[error("{bytes} bytes follow the last tensor")]
    Trailing { bytes: u64 },
    #[error("its header claims {claimed_bytes} bytes, more than the {limit_bytes} allowed")]
    HeaderTooLarge {
        claimed_bytes: u64,
        limit_bytes: u64,
    },
    #[error("it claims {claimed} {what}, more than the file can hold")]
    TooMany { what: &'static str, claimed: u64 },
    #[error("its header is not valid")]
    Json(#[source] serde_json::Error),
    #[error("it does not start with {expected}")]
    Magic { expected: &'static str },
    #[error("GGUF version {0} is not supported; 2 and 3 are")]
    Version(u32),
    #[error("its header holds a value of unknown type {0}")]
    ValueType(u32),
    #[error("its header holds text that is not UTF-8")]
    NotUtf8,
    #[error("arrays are nested too deep in its header")]
    NestedTooDeep,
    #[error("tensor {0} is listed twice")]
    Duplicate(String),
    #[error("tensors {first} and {second} overlap")]
    Overlap { first: String, second: String },
    #[error("{bytes} bytes before tensor {tensor} belong to no tensor")]
    Gap { tensor: String, bytes: u64 },
    #[error(
        "tensor {tensor} of {dtype} {shape:?} needs {needed_bytes} bytes but has {given_bytes}"
    )]
    Size {
        tensor: String,
        dtype: String,
        shape: Vec<u64>,
        needed_bytes: u64,
        given_bytes: u64,
    },
    #[error("tensor {0} has an impossible shape or place")]
    Impossible(String),
    #[error("{file} is listed but missing")]
    ShardMissing { file: String },
    #[error("tensor {tensor} should be in {file} but is not")]
    TensorMissing { tensor: String, file: String },
    #[error("cannot read it")]
    Read(#[from] io::Error),
}

/// The first four names, and how many more there are.
pub fn first_names(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text = format!("{text} and {} more", names.len() - SHOWN);
    }
    text
}
