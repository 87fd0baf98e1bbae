//! The local target: every version of a release behind one weighted gateway.
//!
//! `infer serve` is the supervisor and the gateway; other verbs reach it through
//! [`Client`] on a Unix socket. Engines are its children but not its hostages: killed
//! with -9 it leaves them running, and the next one finds them again.

mod adopt;
mod api;
mod asked;
mod backoff;
mod book;
mod choice;
mod client;
mod clock;
mod control;
mod doors;
mod error;
mod event;
mod gateway;
mod headers;
mod health;
mod keeper;
mod launch;
mod life;
mod listen;
mod lock;
mod log;
mod meter;
mod place;
mod prober;
mod proc;
mod process;
mod record;
mod recover;
mod relay;
mod ring;
mod route;
mod running;
mod serve;
mod slot;
mod split;
mod task;
mod view;

pub use self::{
    book::OnEvent,
    client::Client,
    control::{
        Engine, Observation, Observations, PORT_PLACEHOLDER, Phase, Refusal, SessionKey, Split,
        SplitChange, State, VersionState,
    },
    error::Error,
    event::Event,
    launch::Launch,
    lock::{Holder, Lock, holder, lock},
    place::{Place, releases},
    serve::{Ended, Mode, Options, serve},
    view::{TRAFFIC_SPAN, Traffic, View},
};
