//! Models on this machine: unpacked once per digest, verified while that is done.

use std::{path::PathBuf, time::Instant};

use crate::{
    home::Home,
    interrupt::Interrupt,
    pack,
    registry::{Location, Options, Store},
    release::{
        error::Error,
        event::{Event, Phase, PhaseSeconds},
    },
};

/// The folder of the model that `place` names by digest; unpacked there if it is not.
///
/// The folder only appears when it is whole, so one that is there needs no second look.
pub(super) async fn pull(
    home: &Home,
    place: &Location,
    options: &Options,
    on_event: &(dyn Fn(Event) + Send + Sync),
    interrupt: &Interrupt,
) -> Result<(PathBuf, PhaseSeconds), Error> {
    let digest = place.digest().ok_or(Error::NoImage)?;
    let folder = home.cache.join("models").join(digest.hex());
    let mut seconds = PhaseSeconds::default();
    if folder.is_dir() {
        return Ok((folder, seconds));
    }
    let started = Instant::now();
    on_event(Event::PhaseStarted {
        phase: Phase::Pull,
        detail: place.to_string(),
    });
    let store = Store::open(place, options).await?;
    let unpacking = |event: pack::Event| on_event(Event::Unpack(event));
    pack::unpack(
        &store,
        &place.to_string(),
        Some(&digest.to_string()),
        &folder,
        interrupt,
        &unpacking,
    )
    .await?;
    let took = started.elapsed();
    seconds.set(Phase::Pull, took);
    on_event(Event::PhaseDone {
        phase: Phase::Pull,
        took,
        detail: place.to_string(),
    });
    Ok((folder, seconds))
}
