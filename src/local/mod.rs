//! The local target: every version of a release behind one weighted gateway.
//!
//! `infer serve` is the supervisor and the gateway; other verbs reach it through
//! [`Client`] on a Unix socket. Engines are its children but not its hostages: killed
//! with -9 it leaves them running, and the next one finds them again.

mod client;
mod clock;
mod control;
mod error;
mod launch;
mod lock;
mod log;
mod place;

pub use self::{
    client::Client,
    control::{
        Engine, Observation, Observations, PORT_PLACEHOLDER, Phase, Refusal, SessionKey, Split,
        SplitChange, State, VersionState,
    },
    error::Error,
    launch::Launch,
    lock::{Holder, Lock, holder, lock},
    place::{Place, releases},
};
