//! The whole job on a real cluster; see `tests/bed/up`, which each test joins.

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod cut_off;
mod diagnosis;
mod faults;
mod handover;
mod job;
mod rows;
mod shares;
mod simulated;
mod stopped;
mod traffic;
