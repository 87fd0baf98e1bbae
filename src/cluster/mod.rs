//! A Kubernetes cluster: reach it, apply, compare, follow, explain, lock.
//!
//! Pure files decide (`request`, `conflict`, `diff`, `gpus`, `pod_needs`, `rollout`,
//! `diagnosis`, and the rows of the two seams `workload` and `scale`); `client` sends, and
//! every request has a limit.

pub mod access;
pub mod apply;
pub mod checks;
pub mod client;
mod config;
pub mod conflict;
pub mod diagnosis;
pub mod diff;
mod discovery;
mod error;
pub mod explain;
mod facts;
pub mod follow;
pub mod gpus;
pub mod inventory;
pub mod lease;
pub mod logs;
mod observed;
pub mod pod_needs;
pub mod pod_proxy;
pub mod pods;
pub mod request;
pub mod rollout;
pub mod scale;
pub mod typed;
pub mod workload;

pub use self::{
    client::Cluster,
    config::{Target, is_configured},
    error::Error,
};
