//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod inspect;
mod completions;
mod examples;
mod generated;
mod init;
mod layers;
mod pack;
mod registry;
mod man;
mod registry;
mod render;
mod schema;
mod sim;
mod start;
mod unpack;
mod verify;
mod template;
