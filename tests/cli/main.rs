//! Fast, hermetic tests of the command line: no network, no cluster, own HOME.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod capabilities;
mod cluster;
mod completions;
mod cut_off;
mod doctor;
mod examples;
mod generated;
mod help;
mod init;
mod inspect;
mod kubernetes_release;
mod layers;
mod life;
mod load;
mod load_release;
mod man;
mod offline;
mod pack;
mod rbac;
mod registry;
mod render;
mod route;
mod route_faults;
mod schema;
mod serve;
mod sim;
mod start;
mod template;
mod terminal;
mod unpack;
mod verify;
