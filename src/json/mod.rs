//! Types from JSON values, with the path of what is wrong and of what no type reads.
//! Kubernetes' types are read by this and nothing else: their code is large, and would be
//! there once for each kind of reader.

mod reader;
mod variant;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::reader::{Notes, Reader, Refusal};

/// What could not be read, and where.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// `spec.ports[0].port`; empty for the value as a whole. Of a key that is not known: its
    /// holder's.
    pub path: String,
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

/// A `T` of a value.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    read_noting(value).map(|(read, _)| read)
}

/// A `T` of a value, and the paths of what `T` has no place for.
pub fn read_noting<T: DeserializeOwned>(value: &Value) -> Result<(T, Vec<String>), Error> {
    let mut notes = Notes::default();
    let read = T::deserialize(Reader {
        value,
        notes: &mut notes,
    });
    match read {
        Ok(read) => Ok((read, notes.unread)),
        Err(Refusal(reason)) => Err(Error {
            path: notes.path(),
            reason: reason.into(),
        }),
    }
}

#[cfg(test)]
mod tests;
