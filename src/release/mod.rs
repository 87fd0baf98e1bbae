//! The life of a release: wanted version, bring-up, first token, move, drain, history.
//!
//! Pure: [`plan`] decides, [`history`] remembers. [`local`] acts on this machine,
//! [`kubernetes`] on a cluster.

mod error;
pub mod event;
pub mod history;
pub mod history_rows;
pub mod kubernetes;
pub mod local;
pub mod logs;
mod one_word;
pub mod plan;
pub mod status;
pub mod wanted;

pub use self::error::Error;
