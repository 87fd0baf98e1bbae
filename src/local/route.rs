//! The split as the gateway applies it: from a request's headers to a version.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU8, Ordering},
    },
};

use http::{HeaderMap, HeaderName};

use super::{
    choice::{Able, Arm, Wheel, divert, session_arm},
    control::{SessionKey, Split},
    meter::Routed,
    request_match::{carries, session_id},
    upstream::{InFlight, Upstream},
};
use crate::{
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    weight::Weight,
};

/// Names the version on each response, and pins one on a request.
pub(super) static VERSION_HEADER: HeaderName = HeaderName::from_static("x-infer-version");

/// Entering an upstream fails only while its version changes its phase; then look again.
const ENTER_TRIES_MAX: u32 = 8;

/// The routing table: the split in force, and where each version is reached.
#[derive(Debug)]
pub(super) struct Table {
    release: ReleaseName,
    run: String,
    weight: Weight,
    matches: Option<HeaderMatch>,
    live: Option<Arc<Upstream>>,
    candidate: Option<Arc<Upstream>>,
    upstreams: BTreeMap<VersionId, Arc<Upstream>>,
    session: SessionKey,
}

/// One request admitted to one version.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) in_flight: InFlight,
    pub(super) routed: Routed,
    /// The version that may get it if not one byte of it can be sent.
    pub(super) other: Option<Arc<Upstream>>,
}

/// Why a request was not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The pinned version is not one of these.
    Unknown {
        asked: String,
        known: Vec<VersionId>,
    },
    PinnedNotReady(VersionId),
    NoneReady,
    NothingLive,
}

impl Table {
    pub(super) fn new(
        release: &ReleaseName,
        split: &Split,
        session: &SessionKey,
        upstreams: BTreeMap<VersionId, Arc<Upstream>>,
    ) -> Self {
        let upstream = |version: &Option<VersionId>| upstreams.get(version.as_ref()?).cloned();
        Self {
            release: release.clone(),
            run: split.run().unwrap_or_default().to_owned(),
            weight: split
                .candidate
                .as_ref()
                .map_or(Weight::ZERO, |_| split.weight),
            matches: split.matches.clone(),
            live: upstream(&split.live),
            candidate: upstream(&split.candidate),
            session: session.clone(),
            upstreams,
        }
    }

    /// Admits a request to the version that it pins, that its headers or its session select, or
    /// that the wheel gives.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        wheel: &SharedWheel,
    ) -> Result<Admitted, Refused> {
        if let Some(pin) = headers.get(&VERSION_HEADER) {
            return self.pinned(&String::from_utf8_lossy(pin.as_bytes()));
        }
        if self.live.is_none() && self.candidate.is_none() {
            return Err(Refused::NothingLive);
        }
        let is_matched = self
            .matches
            .as_ref()
            .is_some_and(|wanted| carries(headers, wanted));
        let meant = match session_id(headers, &self.session) {
            _ if is_matched => Arm::Candidate,
            Some(id) => session_arm(&self.release, &self.run, id, self.weight),
            None => wheel.turn(self.weight),
        };
        let may_stand_in = |arm| self.may_stand_in(arm) || is_matched;
        for _ in 0..ENTER_TRIES_MAX {
            let able = self.able(may_stand_in);
            let choice = divert(meant, able).ok_or(Refused::NoneReady)?;
            if let Some(in_flight) = self.upstream(choice.arm).and_then(Upstream::enter) {
                let other = (!choice.diverted && may_stand_in(meant.other()))
                    .then(|| self.upstream(meant.other()).cloned())
                    .flatten();
                let routed = Routed {
                    pinned: false,
                    diverted: choice.diverted,
                };
                return Ok(Admitted {
                    in_flight,
                    routed,
                    other,
                });
            }
        }
        Err(Refused::NoneReady)
    }

    fn pinned(&self, asked: &str) -> Result<Admitted, Refused> {
        let upstream = asked
            .parse()
            .ok()
            .and_then(|version: VersionId| self.upstreams.get(&version));
        let Some(upstream) = upstream else {
            return Err(Refused::Unknown {
                asked: asked.chars().take(64).collect(),
                known: self.upstreams.keys().cloned().collect(),
            });
        };
        let in_flight = upstream
            .enter()
            .ok_or_else(|| Refused::PinnedNotReady(upstream.version().clone()))?;
        Ok(Admitted {
            in_flight,
            routed: Routed {
                pinned: true,
                diverted: false,
            },
            other: None,
        })
    }

    fn upstream(&self, arm: Arm) -> Option<&Arc<Upstream>> {
        match arm {
            Arm::Live => self.live.as_ref(),
            Arm::Candidate => self.candidate.as_ref(),
        }
    }

    fn able(&self, may_stand_in: impl Fn(Arm) -> bool) -> Able {
        let open = |arm| {
            may_stand_in(arm)
                && self
                    .upstream(arm)
                    .is_some_and(|upstream| upstream.is_open())
        };
        Able {
            live: open(Arm::Live),
            candidate: open(Arm::Candidate),
        }
    }

    /// A candidate that was given no share gets none, not even when live is down.
    fn may_stand_in(&self, arm: Arm) -> bool {
        match arm {
            Arm::Live => true,
            Arm::Candidate => self.weight > Weight::ZERO,
        }
    }
}

/// The wheel that all connections turn.
#[derive(Debug)]
pub(super) struct SharedWheel(AtomicU8);

impl Default for SharedWheel {
    fn default() -> Self {
        Self(AtomicU8::new(Wheel::START.position()))
    }
}

impl SharedWheel {
    fn turn(&self, weight: Weight) -> Arm {
        let mut position = self.0.load(Ordering::Relaxed);
        loop {
            let (next, arm) = Wheel::at(position).turn(weight);
            let swapped = self.0.compare_exchange_weak(
                position,
                next.position(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return arm,
                Err(found) => position = found,
            }
        }
    }
}

/// The table in force; replaced whole, so each request sees one split.
#[derive(Debug)]
pub(super) struct Routes {
    table: RwLock<Arc<Table>>,
    pub(super) wheel: SharedWheel,
}

impl Routes {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table: RwLock::new(Arc::new(table)),
            wheel: SharedWheel::default(),
        }
    }

    pub(super) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two {
        live: Arc<Upstream>,
        candidate: Arc<Upstream>,
    }

    impl Two {
        fn open() -> Self {
            let [live, candidate] =
                ["v00000000a", "v00000000b"].map(|id| Upstream::new(id.parse().unwrap()));
            live.open(1);
            candidate.open(2);
            Self { live, candidate }
        }

        fn table(&self, percent: u8) -> Table {
            self.matched(percent, None)
        }

        fn matched(&self, percent: u8, matches: Option<HeaderMatch>) -> Table {
            let split = Split {
                matches,
                live: Some(self.live.version().clone()),
                candidate: Some(self.candidate.version().clone()),
                weight: percent.try_into().unwrap(),
                ..Split::empty()
            };
            let upstreams = [&self.live, &self.candidate]
                .map(|upstream| (upstream.version().clone(), Arc::clone(upstream)));
            Table::new(
                &"chat".parse().unwrap(),
                &split,
                &SessionKey::default(),
                upstreams.into(),
            )
        }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    fn admit(table: &Table, headers: &HeaderMap) -> Result<(VersionId, Routed), Refused> {
        table
            .admit(headers, &SharedWheel::default())
            .map(|let_in| (let_in.in_flight.upstream().version().clone(), let_in.routed))
    }

    #[test]
    fn a_dead_version_gets_nothing_and_its_share_is_diverted() {
        let two = Two::open();
        let table = two.table(10);
        let wheel = SharedWheel::default();
        let run = |diverted_expected: usize| {
            let let_in: Vec<_> = (0..100)
                .map(|_| table.admit(&HeaderMap::new(), &wheel).unwrap())
                .collect();
            let diverted = let_in.iter().filter(|one| one.routed.diverted).count();
            assert_eq!(diverted, diverted_expected);
        };
        run(0);
        two.candidate.close();
        run(10);
        two.candidate.open(2);
        two.live.close();
        run(90);
        two.candidate.close();
        assert_eq!(admit(&table, &HeaderMap::new()), Err(Refused::NoneReady));
    }

    #[test]
    fn a_candidate_without_a_share_does_not_stand_in_for_live() {
        let two = Two::open();
        two.live.close();
        let table = two.table(0);
        assert_eq!(admit(&table, &HeaderMap::new()), Err(Refused::NoneReady));
    }

    #[test]
    fn a_pin_is_kept_or_refused_and_does_not_turn_the_wheel() {
        let two = Two::open();
        let table = two.table(0);
        let pin = headers("x-infer-version", "v00000000b");
        let (version, routed) = admit(&table, &pin).unwrap();
        assert_eq!(version.as_str(), "v00000000b");
        assert!(routed.pinned && !routed.diverted);
        two.candidate.close();
        assert!(matches!(
            admit(&table, &pin),
            Err(Refused::PinnedNotReady(_))
        ));
        for unknown in ["v00000000c", "latest", ""] {
            let refused = admit(&table, &headers("x-infer-version", unknown));
            assert!(matches!(refused, Err(Refused::Unknown { .. })), "{unknown}");
        }
    }

    #[test]
    fn a_match_goes_to_the_candidate_before_any_session_and_the_rest_to_live() {
        let two = Two::open();
        let table = two.matched(0, "header:x-beta=1".parse().ok());
        let beta = headers("x-beta", "1");
        let mut session = beta.clone();
        session.insert("x-session-id", "u1".parse().unwrap());
        let mut twice = beta.clone();
        twice.append("x-beta", "1".parse().unwrap());
        let (a, b) = ("v00000000a", "v00000000b");
        for (sent, meets) in [
            (&beta, b),
            (&session, b),
            (&twice, a),
            (&headers("x-beta", "2"), a),
            (&HeaderMap::new(), a),
        ] {
            let (version, routed) = admit(&table, sent).unwrap();
            assert_eq!((version.as_str(), routed.diverted), (meets, false));
        }
        two.candidate.close();
        let (version, routed) = admit(&table, &beta).unwrap();
        assert_eq!((version.as_str(), routed.diverted), (a, true));
        two.candidate.open(2);
        two.live.close();
        assert_eq!(admit(&table, &beta).unwrap().0.as_str(), b);
        let rest = admit(&table, &HeaderMap::new());
        assert!(matches!(rest, Err(Refused::NoneReady)));
    }

    #[test]
    fn a_session_stays_where_it_is_at_one_weight() {
        let two = Two::open();
        let table = two.table(50);
        let wheel = SharedWheel::default();
        for id in 0..20 {
            let id = headers("x-session-id", &format!("user-{id}"));
            let versions: std::collections::BTreeSet<_> = (0..5)
                .map(|_| {
                    table
                        .admit(&id, &wheel)
                        .unwrap()
                        .in_flight
                        .upstream()
                        .version()
                        .clone()
                })
                .collect();
            assert_eq!(versions.len(), 1);
        }
    }
}
