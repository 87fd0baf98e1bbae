//! A release on this machine: engines under `infer serve`, its gateway, its history.

pub mod delete;
pub mod engine;
pub mod logs;
pub mod moves;
pub mod record;
pub mod status;
pub mod up;
