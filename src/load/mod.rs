//! Load tests of OpenAI-compatible servers, and the measuring that others share.
//!
//! The pure parts are [`sse`] (bytes → events), [`timing`] (one answer's bytes and
//! arrival instants → what its user felt, or why it failed) and [`quantile`].

mod chunk;
mod fault;
pub mod quantile;
pub mod sse;
pub mod timing;

pub use self::{
    chunk::{Chunk, Finish, Usage},
    fault::{Failed, Fault},
    timing::Latencies,
};
