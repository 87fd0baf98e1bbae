//! From what stands to what is wanted: which steps are left. Pure.
//!
//! What was moved is known from what is read, never from where a run stopped: a finished state
//! plans nothing, and every state that a run can be cut off in plans the rest.

use super::handover::{Fleet, Ground, HandoverStep, has_downtime, steps as handover_steps};
use crate::{
    cluster::diff::ObjectDiff,
    name::VersionId,
    release::record::{Record, RevisionState},
    spec::Surge,
    traffic::Split,
    weight::Weight,
};

/// What stands now, as one site reads it.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// `None` while nothing holds the traffic.
    pub split: Option<Split>,
    /// The version that the address inside the cluster leads to, where there is such an address.
    pub service: Option<VersionId>,
    pub record: Record,
    pub versions: Vec<Standing>,
    /// What the wanted version finds room in; `None` where that cannot be seen or is not asked.
    pub room: Option<Room>,
    /// What applying the wanted objects would change.
    pub changes: Changes,
    /// The same for people, field by field.
    pub differences: Vec<ObjectDiff>,
    /// Whether the router can send a part of the traffic.
    pub weighted: bool,
    /// Whether something is there of a version that the record does not know.
    pub orphans: bool,
    /// Versions whose autoscalers are held at a floor, as they are while a canary is open.
    pub floored: Vec<VersionId>,
}

/// One version's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub version: VersionId,
    /// Asked for.
    pub replicas: u32,
    pub ready: u32,
}

/// Where the wanted version's missing replicas find GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Whether all of them do.
    pub fits: bool,
    /// GPUs that replicas of its size can have now.
    pub free: u64,
    /// GPUs of one replica of the wanted version.
    pub gpus_each: u64,
    /// GPUs of the same kind that one replica of live gives back.
    pub given_each: u64,
    /// What is needed and what is there, for people.
    pub sentence: String,
}

/// Which of the wanted objects differ from what the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    pub shared: bool,
    pub version: bool,
    pub route: bool,
}

impl Observed {
    /// The version that users reach now.
    pub fn serving(&self) -> Option<&VersionId> {
        self.split.as_ref().map(Split::serving)
    }

    /// The version that serves, or served until a hand-over with downtime ended it.
    pub fn before(&self) -> Option<&VersionId> {
        let recorded = self.record.live().map(|live| &live.version);
        self.serving().or(recorded)
    }

    pub fn standing(&self, version: &VersionId) -> Standing {
        let known = self.versions.iter().find(|known| known.version == *version);
        known.cloned().unwrap_or_else(|| Standing {
            version: version.clone(),
            replicas: 0,
            ready: 0,
        })
    }

    /// Replicas that a version has when it serves everything.
    fn full(&self, version: &VersionId) -> u32 {
        let recorded = self.record.find(version).map_or(1, |known| known.replicas);
        recorded.max(1)
    }
}

/// What a run is to reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub version: VersionId,
    pub replicas: u32,
    /// Where an autoscaler owns the replicas: how many it may make of them.
    pub replicas_max: Option<u32>,
    pub goal: Goal,
}

impl Wanted {
    /// The replicas that it is to have now. Those that an autoscaler has made stay; a version
    /// that takes over begins with as many as serve.
    fn replicas_now(&self, observed: &Observed) -> u32 {
        let Some(most) = self.replicas_max else {
            return self.replicas;
        };
        let own = observed.standing(&self.version).replicas;
        let before = observed.before().filter(|_| self.goal == Goal::Serve);
        let before = before.map_or(0, |before| observed.standing(before).replicas);
        own.max(before)
            .clamp(self.replicas, most.max(self.replicas))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// All traffic goes to the version.
    Serve,
    /// The version is up beside what serves, without traffic.
    Wait,
}

/// How it may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    pub surge: Surge,
    /// Whether nothing may serve for a while.
    pub allow_downtime: bool,
}

/// One thing to do. Each may be done again: what is so already stays so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The objects of all versions are applied.
    ApplyShared,
    /// What the version needs to start is at hand: its model, on this machine.
    Prepare { version: VersionId },
    /// The record knows the version and what brings it up again.
    Remember { version: VersionId },
    /// The version has so many replicas, all Ready.
    BringUp { version: VersionId, replicas: u32 },
    /// The version has answered a request with a token.
    FirstToken { version: VersionId },
    /// The version goes down to so many replicas, and their GPUs are free.
    Shrink { version: VersionId, replicas: u32 },
    /// What holds the traffic is created, with all of it for the version.
    Expose { version: VersionId },
    /// What holds the traffic is applied, without the fields that say where it goes.
    ApplyRoute,
    /// The version is in the split, at weight 0.
    Beside { version: VersionId },
    /// The version has a part of the traffic.
    Share { version: VersionId, weight: Weight },
    /// The version has all traffic, alone.
    Move { version: VersionId },
    /// The address inside the cluster leads to the version.
    PointService { version: VersionId },
    /// What holds the traffic is deleted: nothing is to serve.
    Unexpose,
    /// Users reach the version through the gateway.
    Confirm { version: VersionId },
    /// The record says that the version is live.
    Promote { version: VersionId },
    /// The version has no replicas; one that was a candidate ends as `state`.
    End {
        version: VersionId,
        state: RevisionState,
        /// Whether requests may still be under way on it.
        drain: bool,
    },
    /// The version's autoscaler has the floor that it had before a canary opened.
    Unfloor { version: VersionId },
    /// What belongs to versions that the record no longer has is deleted.
    Prune,
}

/// Why nothing may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    CanaryOpen {
        candidate: Option<VersionId>,
        run: String,
    },
    /// There is no room beside live; `alone`: stopping live would make it.
    NoRoom { lack: String, alone: bool },
}

/// The steps from `observed` to `wanted`; none where it is reached.
pub fn plan(wanted: &Wanted, observed: &Observed, options: Options) -> Result<Vec<Step>, Refused> {
    if let Some(split) = &observed.split
        && let Some(run) = split.run()
    {
        return Err(Refused::CanaryOpen {
            candidate: split.candidate.clone(),
            run: run.to_owned(),
        });
    }
    let mut steps = Vec::new();
    if observed.changes.shared {
        steps.push(Step::ApplyShared);
    }
    let is_serving = observed.serving() == Some(&wanted.version);
    let asked = wanted.replicas;
    let wanted = &Wanted {
        replicas: wanted.replicas_now(observed),
        ..wanted.clone()
    };
    match wanted.goal {
        _ if is_serving => in_place((wanted, asked), observed, options, &mut steps)?,
        Goal::Serve => take_over(wanted, observed, options, &mut steps)?,
        Goal::Wait => wait_beside(wanted, observed, &mut steps),
    }
    if observed.changes.route && observed.split.is_some() {
        steps.push(Step::ApplyRoute);
    }
    let keeps_waiting = is_serving || waiting(observed) == Some(&wanted.version);
    let kept = Kept {
        wanted: Some(&wanted.version),
        serving: wanted.goal == Goal::Wait || is_serving,
        waiting: keeps_waiting,
    };
    steps.extend(leftovers(observed, &kept));
    Ok(steps)
}

/// The steps that finish what earlier runs left: what serves is recorded and alone, but for a
/// candidate that waits in the split.
pub fn settle(observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(serving) = observed.serving().cloned() {
        let full = observed.full(&serving);
        let is_recorded = observed.record.state(&serving) == Some(RevisionState::Live);
        if !is_recorded && observed.standing(&serving).replicas != full {
            steps.push(Step::BringUp {
                version: serving.clone(),
                replicas: full,
            });
        }
        converge(&serving, observed, &mut steps);
    }
    let kept = Kept {
        wanted: None,
        serving: true,
        waiting: true,
    };
    steps.extend(leftovers(observed, &kept));
    steps
}

/// The version serves already: what was cut off is finished, what changed is applied.
fn in_place(
    (wanted, asked): (&Wanted, u32),
    observed: &Observed,
    options: Options,
    steps: &mut Vec<Step>,
) -> Result<(), Refused> {
    let version = &wanted.version;
    let recorded = observed.record.find(version);
    if recorded.is_none_or(|known| known.replicas != asked) || observed.changes.version {
        steps.push(Step::Prepare {
            version: version.clone(),
        });
        steps.push(Step::Remember {
            version: version.clone(),
        });
    }
    let now = observed.standing(version);
    // What still leads to the old version must not lose it.
    let leads_first = now.ready > 0;
    if leads_first {
        converge(version, observed, steps);
    }
    let grows = now.ready < wanted.replicas && others_run(observed, version);
    if let Some(handed) = handover(wanted, observed, options, grows)? {
        steps.extend(handed);
    } else if observed.changes.version
        || now.replicas != wanted.replicas
        || now.ready < now.replicas
    {
        steps.push(Step::Prepare {
            version: version.clone(),
        });
        steps.push(Step::BringUp {
            version: version.clone(),
            replicas: wanted.replicas,
        });
    }
    if !leads_first {
        converge(version, observed, steps);
    }
    Ok(())
}

/// The split, the address inside the cluster and the record say what serves.
fn converge(serving: &VersionId, observed: &Observed, steps: &mut Vec<Step>) {
    let version = || serving.clone();
    let waits = waiting(observed);
    let alone = observed.split.as_ref().is_some_and(|split| {
        split.live == *serving && (split.candidate.is_none() || waits.is_some())
    });
    if !alone {
        steps.push(Step::Move { version: version() });
    }
    if observed.service.as_ref().is_some_and(|now| now != serving) {
        steps.push(Step::PointService { version: version() });
    }
    if observed.record.state(serving) != Some(RevisionState::Live) {
        steps.push(Step::Confirm { version: version() });
        steps.push(Step::Promote { version: version() });
    }
}

/// The version comes up and gets all traffic.
fn take_over(
    wanted: &Wanted,
    observed: &Observed,
    options: Options,
    steps: &mut Vec<Step>,
) -> Result<(), Refused> {
    let version = || wanted.version.clone();
    steps.push(Step::Prepare { version: version() });
    steps.push(Step::Remember { version: version() });
    if let Some(handed) = handover(wanted, observed, options, true)? {
        steps.extend(handed);
    } else {
        bring_up(wanted, steps);
        give_all(wanted, observed, steps);
    }
    Ok(())
}

fn bring_up(wanted: &Wanted, steps: &mut Vec<Step>) {
    let version = || wanted.version.clone();
    steps.push(Step::BringUp {
        version: version(),
        replicas: wanted.replicas,
    });
    steps.push(Step::FirstToken { version: version() });
}

fn give_all(wanted: &Wanted, observed: &Observed, steps: &mut Vec<Step>) {
    let version = || wanted.version.clone();
    if observed.split.is_none() {
        steps.push(Step::Expose { version: version() });
        let elsewhere = observed.service.as_ref();
        if elsewhere.is_some_and(|now| *now != wanted.version) {
            steps.push(Step::PointService { version: version() });
        }
    } else {
        steps.push(Step::Move { version: version() });
        // Created with the rest where it is not there.
        steps.push(Step::PointService { version: version() });
    }
    steps.push(Step::Confirm { version: version() });
    steps.push(Step::Promote { version: version() });
}

fn wait_beside(wanted: &Wanted, observed: &Observed, steps: &mut Vec<Step>) {
    let version = || wanted.version.clone();
    let is_beside = observed
        .split
        .as_ref()
        .is_none_or(|split| split.candidate.as_ref() == Some(&wanted.version));
    let now = observed.standing(&wanted.version);
    let is_up = now.ready >= wanted.replicas && now.replicas == wanted.replicas;
    let is_known = observed.record.state(&wanted.version) == Some(RevisionState::Candidate);
    if is_beside && is_up && is_known && !observed.changes.version {
        return;
    }
    steps.push(Step::Prepare { version: version() });
    steps.push(Step::Remember { version: version() });
    bring_up(wanted, steps);
    if !is_beside {
        steps.push(Step::Beside { version: version() });
    }
}

/// The candidate that waits in the split without traffic and without a run.
fn waiting(observed: &Observed) -> Option<&VersionId> {
    let split = observed.split.as_ref()?;
    let candidate = split.candidate.as_ref()?;
    let is_open = split.run().is_some();
    (is_open || split.weight == Weight::ZERO).then_some(candidate)
}

fn others_run(observed: &Observed, version: &VersionId) -> bool {
    let mut others = observed.versions.iter();
    others.any(|other| other.version != *version && other.replicas > 0)
}

/// Which versions are to stay beside those that end.
struct Kept<'a> {
    wanted: Option<&'a VersionId>,
    /// What serves now goes on serving.
    serving: bool,
    /// What waits in the split goes on waiting.
    waiting: bool,
}

/// What runs, or is recorded as a candidate, and is not to stay.
fn leftovers(observed: &Observed, kept: &Kept<'_>) -> Vec<Step> {
    let serving = observed.serving().filter(|_| kept.serving);
    let waits = waiting(observed).filter(|_| kept.waiting);
    // While nothing serves, candidates wait for the first deploy that exposes one.
    let idle = observed.split.is_none() && kept.wanted.is_none();
    let is_candidate =
        |version: &VersionId| observed.record.state(version) == Some(RevisionState::Candidate);
    let is_kept = |version: &VersionId| {
        [kept.wanted, serving, waits].contains(&Some(version)) || (idle && is_candidate(version))
    };
    let running = observed.versions.iter().filter(|known| known.replicas > 0);
    let mut ending: Vec<&VersionId> = running.map(|known| &known.version).collect();
    for known in &observed.record.revisions {
        if is_candidate(&known.version) && !ending.contains(&&known.version) {
            ending.push(&known.version);
        }
    }
    ending.retain(|version| !is_kept(version));
    let mut steps = Vec::new();
    if observed.split.as_ref().and_then(Split::run).is_none() {
        let floored = observed.floored.iter().cloned();
        steps.extend(floored.map(|version| Step::Unfloor { version }));
    }
    if let (Some(serving), false) = (serving, ending.is_empty()) {
        // A gateway that still sends to a version must not lose it.
        steps.push(Step::Confirm {
            version: serving.clone(),
        });
    }
    for version in ending {
        steps.push(Step::End {
            version: version.clone(),
            state: RevisionState::Withdrawn,
            drain: true,
        });
    }
    if observed.orphans || steps.iter().any(|step| matches!(step, Step::End { .. })) {
        steps.push(Step::Prune);
    }
    steps
}

/// The steps by which the version takes live's place, where it finds no room beside it.
fn handover(
    wanted: &Wanted,
    observed: &Observed,
    options: Options,
    needed: bool,
) -> Result<Option<Vec<Step>>, Refused> {
    if options.surge != Surge::None || !needed {
        return Ok(None);
    }
    let moved = observed.serving() == Some(&wanted.version);
    let mut others = observed.versions.iter();
    let old = if moved {
        others.find(|other| other.version != wanted.version && other.replicas > 0)
    } else {
        let live = observed.before();
        others.find(|other| Some(&other.version) == live && other.replicas > 0)
    };
    let Some(old) = old else {
        return Ok(None);
    };
    if observed.room.as_ref().is_some_and(|room| room.fits) {
        return Ok(None);
    }
    let now = observed.standing(&wanted.version);
    // Those that are asked for have their GPUs, Ready or not.
    let up = now.replicas.min(wanted.replicas);
    // What is free cannot be seen: each replica takes the place of one that served before.
    let places = observed.full(&old.version).max(old.replicas);
    let unseen = u64::from(places.saturating_sub(old.replicas).saturating_sub(up));
    let (gpus, given, free) = observed.room.as_ref().map_or((1, 1, unseen), |room| {
        (room.gpus_each, room.given_each, room.free)
    });
    let ground = Ground {
        old: Fleet {
            replicas: old.replicas,
            gpus: given,
        },
        new: Fleet {
            replicas: wanted.replicas,
            gpus,
        },
        up,
        free,
        moved,
        weighted: observed.weighted && observed.split.is_some(),
    };
    let lack = || match &observed.room {
        Some(room) => room.sentence.clone(),
        None => "rollout.surge is none, and what is free beside it cannot be seen".to_owned(),
    };
    let handed = handover_steps(&ground).ok_or_else(|| Refused::NoRoom {
        lack: lack(),
        alone: false,
    })?;
    if has_downtime(&handed) && !options.allow_downtime {
        return Err(Refused::NoRoom {
            lack: lack(),
            alone: true,
        });
    }
    let mut steps = Vec::new();
    if now.ready < up {
        let up = Wanted {
            replicas: up,
            ..wanted.clone()
        };
        bring_up(&up, &mut steps);
    }
    for step in handed {
        hand_over(step, &old.version, (wanted, observed), &mut steps);
    }
    Ok(Some(steps))
}

/// One step of a hand-over, as the lifecycle takes it.
fn hand_over(
    step: HandoverStep,
    old: &VersionId,
    (wanted, observed): (&Wanted, &Observed),
    steps: &mut Vec<Step>,
) {
    let version = || wanted.version.clone();
    match step {
        HandoverStep::Old(replicas) => steps.push(Step::Shrink {
            version: old.clone(),
            replicas,
        }),
        HandoverStep::New(replicas) => {
            steps.push(Step::BringUp {
                version: version(),
                replicas,
            });
            if replicas == 1 {
                steps.push(Step::FirstToken { version: version() });
            }
        }
        HandoverStep::Share(weight) => steps.push(Step::Share {
            version: version(),
            weight,
        }),
        HandoverStep::All => give_all(wanted, observed, steps),
    }
}

/// Whether nothing serves between two of the steps.
pub fn stops_serving(steps: &[Step]) -> bool {
    let down = steps
        .iter()
        .position(|step| matches!(step, Step::Shrink { replicas: 0, .. }));
    let all = steps
        .iter()
        .position(|step| matches!(step, Step::Move { .. } | Step::Expose { .. }));
    match (down, all) {
        (Some(down), Some(all)) => down < all,
        _ => false,
    }
}

/// What a run that failed is to leave behind: what served before serves again, as before.
///
/// `failed` ends as `state`, or stays without traffic where `keep` says so. After the record
/// says that `failed` is live there is nothing to undo; nor where nothing served before and
/// `failed` has been exposed: the same command again goes on from there.
pub fn undo(
    before: Option<&VersionId>,
    failed: &VersionId,
    observed: &Observed,
    (state, keep): (RevisionState, bool),
) -> Vec<Step> {
    let mut steps = Vec::new();
    if observed.record.state(failed) == Some(RevisionState::Live) {
        return steps;
    }
    let end = |drain| Step::End {
        version: failed.clone(),
        state,
        drain,
    };
    let Some(before) = before.filter(|before| *before != failed) else {
        if observed.split.is_none() && !keep {
            if observed.service.is_some() {
                steps.push(Step::Unexpose);
            }
            steps.push(end(false));
        }
        return steps;
    };
    // What served before is down already, and the version serves: the same command goes on.
    if observed.serving() == Some(failed) && observed.standing(before).ready == 0 {
        return steps;
    }
    let had_traffic = observed.split.as_ref().is_some_and(|split| {
        let part = split.weight != Weight::ZERO || split.matches.is_some();
        split.live == *failed || (split.candidate.as_ref() == Some(failed) && part)
    }) || observed.service.as_ref() == Some(failed);
    let is_moved = observed
        .split
        .as_ref()
        .is_some_and(|split| split.live != *before || split.candidate.as_ref() == Some(failed));
    if is_moved {
        steps.push(Step::Move {
            version: before.clone(),
        });
    }
    if observed.service.as_ref().is_some_and(|now| now != before) {
        steps.push(Step::PointService {
            version: before.clone(),
        });
    }
    if had_traffic {
        // A gateway that is behind must not lose what it still sends to.
        steps.push(Step::Confirm {
            version: before.clone(),
        });
    }
    if keep {
        return steps;
    }
    steps.push(end(had_traffic));
    let full = observed.full(before);
    if observed.standing(before).replicas < full {
        steps.push(Step::BringUp {
            version: before.clone(),
            replicas: full,
        });
    }
    if observed.split.is_none() {
        steps.push(Step::Expose {
            version: before.clone(),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "v00000000a";
    const NEXT: &str = "v00000000b";

    fn id(name: &str) -> VersionId {
        name.parse().unwrap()
    }

    /// `LIVE` serves with `replicas`, and nothing is left to do.
    fn serving(replicas: u32) -> Observed {
        let mut record = Record::default();
        let entry = crate::release::record::Entry {
            version: id(LIVE),
            image: String::new(),
            simulated: true,
            replicas: 2,
        };
        record.candidate(&entry, jiff::Timestamp::UNIX_EPOCH);
        record.promote(&id(LIVE), 10, jiff::Timestamp::UNIX_EPOCH);
        Observed {
            split: Some(Split {
                live: id(LIVE),
                candidate: None,
                weight: Weight::ZERO,
                matches: None,
                token: String::new(),
                journal: None,
                writer: None,
            }),
            service: Some(id(LIVE)),
            record,
            versions: vec![Standing {
                version: id(LIVE),
                replicas,
                ready: replicas,
            }],
            weighted: true,
            ..Observed::default()
        }
    }

    fn autoscaled(version: &str) -> Wanted {
        Wanted {
            version: id(version),
            replicas: 2,
            replicas_max: Some(5),
            goal: Goal::Serve,
        }
    }

    fn brought_up(steps: &[Step]) -> Vec<u32> {
        let replicas = steps.iter().filter_map(|step| match step {
            Step::BringUp { replicas, .. } => Some(*replicas),
            _ => None,
        });
        replicas.collect()
    }

    #[test]
    fn what_an_autoscaler_has_made_of_the_replicas_is_as_wanted() {
        let options = Options::default();
        for replicas in 2..=5 {
            let steps = plan(&autoscaled(LIVE), &serving(replicas), options).unwrap();
            assert_eq!(steps, []);
        }
        let beyond = plan(&autoscaled(LIVE), &serving(6), options).unwrap();
        assert_eq!(brought_up(&beyond), [5]);
        let below = plan(&autoscaled(LIVE), &serving(1), options).unwrap();
        assert_eq!(brought_up(&below), [2]);
    }

    #[test]
    fn what_takes_over_begins_with_as_many_replicas_as_serve() {
        let options = Options::default();
        for (serve, begins) in [(1, 2), (4, 4), (9, 5)] {
            let steps = plan(&autoscaled(NEXT), &serving(serve), options).unwrap();
            assert_eq!(brought_up(&steps), [begins]);
        }
        let waits = Wanted {
            goal: Goal::Wait,
            ..autoscaled(NEXT)
        };
        let steps = plan(&waits, &serving(4), options).unwrap();
        assert_eq!(brought_up(&steps), [2]);
    }

    #[test]
    fn floors_that_a_killed_canary_left_are_taken_back() {
        let mut left = serving(3);
        left.floored = vec![id(LIVE)];
        let unfloor = [Step::Unfloor { version: id(LIVE) }];
        assert_eq!(settle(&left), unfloor);
        let steps = plan(&autoscaled(LIVE), &left, Options::default());
        assert_eq!(steps.unwrap(), unfloor);
        // While it is open they stay.
        let split = left.split.as_mut().unwrap();
        split.candidate = Some(id(NEXT));
        split.journal = Some("{\"run_id\": \"r\"}".parse().unwrap());
        assert_eq!(settle(&left), []);
    }
}
