//! Shifts a share of the traffic to a candidate, compares both versions, goes on or back.
//!
//! Pure: [`plan`] (what is to be done), [`sample`] (requests → blocks of five seconds),
//! [`judge`] with [`evidence`], [`filter`], [`noise`], [`mixture`] and [`failures`] (blocks →
//! decision), [`proof`] (is the split what was asked), [`power`] (what can be detected, and when),
//! [`journal`] and [`view`]. [`CanaryRun`] acts: make room, set the weight, measure, judge, next.

pub mod cluster;
mod error;
mod event;
pub mod evidence;
pub mod failures;
#[cfg(test)]
mod fakes;
#[cfg(test)]
mod fault_tests;
pub mod filter;
pub mod fleet;
pub mod journal;
pub mod judge;
pub mod local;
pub mod mixture;
pub mod noise;
pub mod open;
pub mod pair;
pub mod plan;
mod ports;
pub mod power;
pub mod probe;
mod probe_transport;
pub mod proof;
mod reading;
mod reason;
pub mod report;
mod result;
mod run;
#[cfg(test)]
mod run_tests;
pub mod sample;
#[cfg(test)]
mod simulation;
mod state;
pub mod tally;
pub mod view;

pub use self::{
    error::{Error, four_commands},
    event::{Begun, Event},
    ports::{Measure, Traffic, end},
    reading::{Chosen, Observed, Reading, SplitProbe},
    result::{CanaryResult, SplitResult, Verdict, VersionResult, Versions},
    run::{CanaryRun, RunEnd},
    state::RunState,
};
