//! Shift a share of traffic to a candidate, and back if users would feel it.

pub mod evidence;
pub mod failures;
pub mod filter;
pub mod journal;
pub mod judge;
pub mod mixture;
pub mod noise;
pub mod plan;
pub mod sample;
pub mod share;
#[cfg(test)]
mod simulation;
