//! What packing, verifying and unpacking report while they work.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    duration::as_seconds,
    model::{self, Facts},
    registry::Digest,
};

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The headers were read.
    #[serde(rename = "model")]
    Examined {
        #[serde(rename = "model")]
        facts: Box<Facts>,
        bytes: u64,
    },
    /// Nothing is missing, cut short or contradictory.
    Checked {
        /// Files whose headers were read.
        tensor_files: u64,
        files: u64,
        left_out: Vec<String>,
    },
    /// Files that run code when they are loaded.
    #[serde(rename = "warning")]
    RunsCode { message: String },
    /// Several times a second; for eyes only.
    #[serde(skip)]
    Progress(Progress),
    /// A layer has come to rest.
    Layer {
        label: String,
        #[schemars(with = "String")]
        digest: Digest,
        bytes: u64,
        #[schemars(with = "String")]
        outcome: LayerOutcome,
    },
    /// An upload that an earlier run began goes on.
    Resumed { label: String, offset: u64 },
    /// An attempt failed and is made again.
    Retrying {
        label: String,
        reason: String,
        wait_ms: u64,
    },
    /// All layers are there, and the documents that name them.
    Stored {
        place: String,
        tag: String,
        /// Nothing was sent: this is what would be.
        dry_run: bool,
        modelpack: bool,
        reused: Count,
        sent: Count,
        #[serde(rename = "seconds", serialize_with = "as_seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
}

impl Event {
    pub fn runs_code(paths: &[String]) -> Self {
        let paths = model::first_names(paths);
        Self::RunsCode {
            message: format!("{paths} can run code when loaded; safetensors cannot"),
        }
    }
}

/// How many layers, and how long they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    pub layers: u64,
    pub bytes: u64,
}

impl Count {
    pub fn add(&mut self, bytes: u64) {
        self.layers += 1;
        self.bytes += bytes;
    }
}

/// How a layer came to be where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOutcome {
    /// Written to a layout.
    Written,
    /// Sent to a registry; `bytes` is less than the layer where an upload went on.
    Uploaded { bytes: u64 },
    /// Taken from another repository of the registry.
    Mounted,
    /// Was there already.
    Skipped,
    /// A dry run: it is not there, and would be sent.
    WouldSend,
}

impl LayerOutcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Uploaded { .. } => "uploaded",
            Self::Mounted => "mounted",
            Self::Skipped => "already there",
            Self::WouldSend => "would be sent",
        }
    }
}

impl Serialize for LayerOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What is being done with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Hash,
    Write,
    Upload,
    Verify,
    Unpack,
}

impl Act {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Write => "write",
            Self::Upload => "upload",
            Self::Verify => "verify",
            Self::Unpack => "unpack",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub act: Act,
    pub done_bytes: u64,
    pub total_bytes: u64,
    pub elapsed: Duration,
    /// The layer nearest its end: its label, bytes done, bytes in all.
    pub current: Option<(String, u64, u64)>,
}
