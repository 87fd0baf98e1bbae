//! A release on this machine: engines under `infer serve`, its gateway, its history.

pub mod delete;
pub mod deploy;
pub mod engine;
pub mod first_token;
mod in_place;
pub mod logs;
pub mod models;
pub mod moves;
pub mod record;
pub mod rollback;
pub mod status;
pub mod up;
pub mod verdict;
