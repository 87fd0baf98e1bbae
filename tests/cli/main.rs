//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod layers;
mod registry;
mod render;
mod sim;
mod start;
