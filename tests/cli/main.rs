//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod completions;
mod doctor;
mod examples;
mod generated;
mod init;
mod inspect;
mod kubernetes_release;
mod layers;
mod load;
mod load_release;
mod man;
mod pack;
mod registry;
mod render;
mod route;
mod schema;
mod serve;
mod sim;
mod start;
mod template;
mod unpack;
mod verify;
