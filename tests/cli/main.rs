//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod completions;
mod examples;
mod generated;
mod init;
mod inspect;
mod cluster;
mod doctor;
mod layers;
mod man;
mod pack;
mod registry;
mod render;
mod schema;
mod sim;
mod start;
mod template;
mod unpack;
mod verify;
