//! The life of a release: wanted version, bring-up, first token, move, drain, history.
//!
//! Pure: [`lifecycle::plan()`] decides, [`record`] remembers. [`lifecycle`] acts over the port
//! [`lifecycle::Site`]; [`local`] is this machine, [`kubernetes`] a cluster.

mod error;
pub mod event;
pub mod history_rows;
pub mod kubernetes;
pub mod lifecycle;
pub mod local;
pub mod logs;
mod one_word;
pub mod record;
pub mod status;
pub mod wanted;

pub use self::error::{Error, Failed};
