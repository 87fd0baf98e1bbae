//! What an error means to the person or the pipeline that has to act on it.
//!
//! Each domain implements [`Explain`] beside its error type. An error that wraps another one
//! names it as [`Explain::inner`], and so passes on its kind, hints and evidence.

use std::{error::Error, io};

use schemars::JsonSchema;
use serde::Serialize;

/// The kinds of failure that pipelines tell apart, each with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Failed,
    /// The command line or `infer.yaml` is wrong.
    Usage,
    /// The tool worked and the answer is no.
    AnswerIsNo,
    Undecided,
    /// Another operator holds the lock, owns the field or changed the live state.
    Conflict,
    Interrupted,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::AnswerIsNo => 3,
            Self::Undecided => 4,
            Self::Conflict => 5,
            Self::Interrupted => 130,
        }
    }
}

/// Where a failure was seen, and what the cluster or the engine wrote about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Evidence {
    /// The diagnosis as one word, such as `cuda-out-of-memory`; null where there is none.
    pub code: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub node: Option<String>,
    /// Messages of events, and lines of logs.
    pub lines: Vec<String>,
}

impl Evidence {
    /// `pod chat-v…-x, container vllm, on gpu-3`, then the lines.
    pub fn texts(&self) -> Vec<String> {
        let named = |what: &str, name: &Option<String>| {
            let name = name.as_ref()?;
            Some(format!("{what} {name}"))
        };
        let place: Vec<_> = [
            named("pod", &self.pod),
            named("container", &self.container),
            named("on", &self.node),
        ]
        .into_iter()
        .flatten()
        .collect();
        let place = (!place.is_empty()).then(|| place.join(", "));
        place
            .into_iter()
            .chain(self.lines.iter().cloned())
            .collect()
    }
}

/// An error that knows what it means.
pub trait Explain: Error + 'static {
    /// The error that this one wraps; its explanation holds where this one has none of its own.
    fn inner(&self) -> Option<&dyn Explain> {
        None
    }

    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::Failed, Explain::kind)
    }

    /// The commands and edits that help.
    fn hints(&self) -> Vec<String> {
        self.inner().map_or_else(Vec::new, Explain::hints)
    }

    fn evidence(&self) -> Option<Evidence> {
        self.inner()?.evidence()
    }

    /// Clean-up that failed too, after the failure that this error is.
    fn also(&self) -> Vec<String> {
        self.inner().map_or_else(Vec::new, Explain::also)
    }
}

/// The messages of an error's sources, each once: many libraries put the message of a source
/// into their own.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.split_off(1)
}

/// What helps where a disk refuses, wherever in the sources of `error` that is.
pub fn disk_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut error = Some(error);
    while let Some(cause) = error {
        let io = cause.downcast_ref::<io::Error>();
        if let Some(hint) = io.and_then(|io| refused_by_disk(io.kind())) {
            return Some(hint.to_owned());
        }
        error = cause.source();
    }
    None
}

/// What helps where a file could not be written.
pub fn write_hint(error: &io::Error) -> Option<String> {
    let text = match error.kind() {
        // Ours, not the system's: files of others are never replaced.
        io::ErrorKind::AlreadyExists if error.raw_os_error().is_none() => {
            "move it away, or choose another place"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the place of a folder: choose another place"
        }
        io::ErrorKind::IsADirectory => "this is a folder: name a file",
        kind => refused_by_disk(kind)?,
    };
    Some(text.to_owned())
}

fn refused_by_disk(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space; no half-written file was left behind"
        }
        io::ErrorKind::ReadOnlyFilesystem => "choose a folder you may write to",
        io::ErrorKind::PermissionDenied => "choose a place that you have the rights for",
        _ => return None,
    })
}
