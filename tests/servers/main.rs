//! Tests against real components; a missing one fails with how to get it.

#[path = "../support/mod.rs"]
mod support;

mod canary;
mod gateway;
mod llama;
mod pack;
mod readme;
mod registry;
mod serve;
