//! Shift a share of traffic to a candidate, and back if users would feel it.
//!
//! Pure: [`plan`] (what is to be done), [`sample`] (requests → blocks of five seconds),
//! [`judge`] with [`evidence`], [`filter`], [`noise`], [`mixture`] and [`failures`] (blocks →
//! ruling), [`share`] and `matched` (is the split what was asked), [`power`] (what can be seen, and
//! when), [`journal`] and [`view`]. [`drive`] acts: set the weight, measure, judge, next.

pub mod cluster;
mod drive;
#[cfg(test)]
mod drive_fakes;
#[cfg(test)]
mod drive_tests;
mod ending;
mod error;
mod event;
pub mod evidence;
pub mod failures;
pub mod filter;
pub mod fleet;
pub mod journal;
pub mod judge;
pub mod local;
mod matched;
pub mod mixture;
pub mod noise;
pub mod open;
pub mod plan;
mod ports;
pub mod power;
pub mod probe;
mod reading;
mod reason;
pub mod report;
pub mod sample;
pub mod share;
#[cfg(test)]
mod simulation;
mod state;
pub mod tally;
pub mod view;
mod way;

pub use self::{
    drive::{AGAIN, Drive, Stopped},
    ending::{Ending, SplitResult, Verdict, VersionResult, Versions},
    error::{Error, four_commands},
    event::{Begun, Event, Judged},
    ports::{Fleet, Measure, Traffic, promote, roll_back},
    reading::{Chosen, Look, Observed, Reading},
    state::State,
    way::Way,
};
