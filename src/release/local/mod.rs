//! A release on this machine: the [`LocalSite`] that the lifecycle acts on, and what only reads.

mod bring_up;
pub mod delete;
pub mod engine;
mod first_token;
pub mod logs;
mod models;
mod site;
pub mod status;
pub mod store;

pub use self::site::{LocalSite, WantedEngine, launch, port_kept};
