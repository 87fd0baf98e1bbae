//! What tests share: running `infer` as a user does, and the servers it talks to.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]
#![allow(
    clippy::print_stderr,
    reason = "what a test that fails has seen is shown with it"
)]

pub mod bed;
pub mod canned;
pub mod fake_apiserver;
pub mod fake_canary;
pub mod fake_nodes;
pub mod fake_pods;
pub mod fake_release;
pub mod faulty_registry;
pub mod gguf;
pub mod infer;
pub mod llama;
pub mod process;
pub mod registry;
pub mod serve;
pub mod setup;
pub mod small_disk;
pub mod turns;
pub mod weights;
