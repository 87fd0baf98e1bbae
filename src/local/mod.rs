//! The local target: every version of a release behind one weighted gateway.
//!
//! `infer serve` is the supervisor and the gateway; other verbs reach it through
//! [`Client`] on a Unix socket. Engines outlive it: killed
//! with -9 it leaves them running, and the next `infer serve` adopts them.

mod adopt;
mod api;
mod backoff;
mod choice;
mod client;
mod control;
mod error;
mod event;
mod gateway;
mod headers;
mod health;
mod launch;
mod lifecycle;
mod listener;
mod lock;
mod log;
mod meter;
mod paths;
mod prober;
mod proc;
mod process;
mod record;
mod recover;
mod relay;
mod request_match;
mod ring;
mod route;
mod serve;
mod split;
mod store;
mod supervisor;
mod upstream;

pub use self::{
    client::Client,
    control::{
        Engine, Observation, Observations, PORT_PLACEHOLDER, Phase, Refusal, SessionKey, Split,
        SplitChange, State, VersionState,
    },
    error::Error,
    event::{Event, Traffic, View},
    launch::Launch,
    lock::{Holder, Lock, holder, lock},
    paths::{ReleasePaths, releases},
    serve::{Ended, Mode, Options, serve},
};
