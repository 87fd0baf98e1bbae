//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod inspect;
mod layers;
mod pack;
mod registry;
mod render;
mod sim;
mod start;
mod unpack;
mod verify;
