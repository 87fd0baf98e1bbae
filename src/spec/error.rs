//! What can be wrong with `infer.yaml`.

use std::{io, path::PathBuf};

use crate::{
    explain::{Explain, Kind},
    yaml,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is over {limit_bytes} bytes, so it is not an infer.yaml", path.display())]
    TooLarge { path: PathBuf, limit_bytes: u64 },
    /// Wrong YAML, a wrong type or an unknown key; the message has line and snippet.
    #[error("{place}")]
    Written {
        place: yaml::Error,
        hint: Option<String>,
    },
    /// A key of the design that this version does not act on.
    #[error("`{what}` is not supported yet")]
    Unsupported {
        what: String,
        #[source]
        place: Option<yaml::Error>,
    },
    #[error("`--set {set}` cannot be used: {reason}")]
    Set {
        set: String,
        reason: String,
        hint: Option<String>,
    },
    #[error("{} has no environment {name:?}", path.display())]
    NoEnvironment {
        path: PathBuf,
        name: String,
        known: Vec<String>,
    },
    /// Well written, but not possible.
    #[error("{}: {reason}", path.display())]
    Refused {
        path: PathBuf,
        reason: String,
        hint: Option<String>,
    },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            // The path names no text: nothing is there, or a folder, or other bytes.
            Self::Read { source, .. }
                if !matches!(
                    source.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::IsADirectory
                        | io::ErrorKind::InvalidData
                ) =>
            {
                Kind::Failed
            }
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                vec!["write one with `infer init`, or name it with --file".to_owned()]
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                vec!["save it as UTF-8 text, or write one anew with `infer init`".to_owned()]
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                vec!["name the file in it, such as --file DIR/infer.yaml".to_owned()]
            }
            Self::Read { .. } | Self::TooLarge { .. } => Vec::new(),
            Self::Written { hint, .. } | Self::Set { hint, .. } | Self::Refused { hint, .. } => {
                hint.iter().cloned().collect()
            }
            Self::Unsupported { .. } => {
                vec!["take it out; `infer schema` lists every key that works".to_owned()]
            }
            Self::NoEnvironment { known, .. } if known.is_empty() => {
                vec!["the file has no `environments`".to_owned()]
            }
            Self::NoEnvironment { known, .. } => vec![format!("it has {}", known.join(", "))],
        }
    }
}
