//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod layers;
mod render;
mod registry;
mod sim;
mod start;
