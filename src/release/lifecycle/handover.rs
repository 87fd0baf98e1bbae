//! Which replicas end and start in which order when two versions do not fit side by side
//! (DESIGN §2, Room). Pure.

use crate::weight::Weight;

/// A version's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fleet {
    pub(super) replicas: u32,
    /// GPUs of each replica.
    pub(super) gpus: u64,
}

/// One thing to do; counts are those that the version has afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandoverStep {
    /// The old version goes down to so many replicas.
    Old(u32),
    /// The new version comes up to so many replicas, all Ready.
    New(u32),
    /// The new version gets this share of the traffic.
    Share(Weight),
    /// The new version gets all traffic.
    All,
}

/// What there is to hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ground {
    /// What serves.
    pub(super) old: Fleet,
    /// What is wanted.
    pub(super) new: Fleet,
    /// Replicas of the new version that are up already: a hand-over that was killed goes on.
    pub(super) up: u32,
    /// GPUs that are free now.
    pub(super) free: u64,
    /// Whether the new version has all traffic already: a hand-over that was cut off goes on.
    pub(super) moved: bool,
    /// Whether the traffic can be split; else it moves once, when the new version has half of
    /// the replicas.
    pub(super) weighted: bool,
}

/// The steps, never fewer replicas serving than there must be; `None` where even all GPUs of
/// the old version are too few.
pub(super) fn steps(ground: &Ground) -> Option<Vec<HandoverStep>> {
    let (mut old, mut new, mut free) = (ground.old.replicas, ground.up, ground.free);
    let wanted = ground.new.replicas;
    let mut steps = Vec::new();
    let mut all = old == 0 || ground.moved;
    while new < wanted {
        if free >= ground.new.gpus {
            free -= ground.new.gpus;
            new += 1;
            steps.push(HandoverStep::New(new));
            if !all && new < wanted {
                all = share(&mut steps, ground.weighted, old, new);
            }
            continue;
        }
        if old == 0 {
            return None;
        }
        if !all && new > 0 {
            // What is about to end gets no more requests than the rest can take.
            all = share(&mut steps, ground.weighted, old - 1, new);
        }
        old -= 1;
        free += ground.old.gpus;
        steps.push(HandoverStep::Old(old));
    }
    if !ground.moved && !steps.contains(&HandoverStep::All) {
        steps.push(HandoverStep::All);
    }
    Some(thinned(&steps))
}

/// Gives the new version the share of its replicas; whether that is all.
fn share(steps: &mut Vec<HandoverStep>, weighted: bool, old: u32, new: u32) -> bool {
    if old == 0 || (!weighted && new >= old) {
        steps.push(HandoverStep::All);
        return true;
    }
    if weighted {
        let percent = u64::from(new) * 100 / (u64::from(old) + u64::from(new));
        let percent = u8::try_from(percent).unwrap_or(100).max(1);
        steps.extend(Weight::try_from(percent).map(HandoverStep::Share));
    }
    false
}

/// Without the steps that the next one of their kind makes idle.
fn thinned(steps: &[HandoverStep]) -> Vec<HandoverStep> {
    let mut kept: Vec<HandoverStep> = Vec::new();
    for step in steps {
        if let (Some(HandoverStep::Share(_)), HandoverStep::Share(_) | HandoverStep::All) =
            (kept.last(), step)
        {
            kept.pop();
        }
        kept.push(*step);
    }
    kept
}

/// Whether there is a time in which nothing serves: the old version is down before a replica
/// of the new one is up.
pub(super) fn has_downtime(steps: &[HandoverStep]) -> bool {
    let down = steps.iter().position(|step| *step == HandoverStep::Old(0));
    let all = steps.iter().position(|step| *step == HandoverStep::All);
    match (down, all) {
        (Some(down), Some(all)) => down < all,
        // Without a move among the steps the new version has the traffic already.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ground(old: (u32, u64), new: (u32, u64), free: u64) -> Ground {
        let fleet = |(replicas, gpus)| Fleet { replicas, gpus };
        Ground {
            old: fleet(old),
            new: fleet(new),
            up: 0,
            free,
            moved: false,
            weighted: true,
        }
    }

    fn told(ground: &Ground) -> String {
        let steps = steps(ground).unwrap();
        let told: Vec<_> = steps
            .iter()
            .map(|step| match step {
                HandoverStep::Old(count) => format!("old {count}"),
                HandoverStep::New(count) => format!("new {count}"),
                HandoverStep::Share(weight) => format!("{}%", weight.percent()),
                HandoverStep::All => "all".to_owned(),
            })
            .collect();
        told.join(", ")
    }

    #[test]
    fn replica_by_replica() {
        assert_eq!(
            told(&ground((3, 2), (3, 2), 0)),
            "old 2, new 1, 50%, old 1, new 2, all, old 0, new 3"
        );
    }

    #[test]
    fn free_cards_are_used_before_anything_ends() {
        assert_eq!(
            told(&ground((2, 1), (2, 1), 1)),
            "new 1, 50%, old 1, new 2, all"
        );
    }

    #[test]
    fn a_single_replica_ends_first() {
        let one = ground((1, 4), (1, 4), 0);
        assert_eq!(told(&one), "old 0, new 1, all");
        assert!(has_downtime(&steps(&one).unwrap()));
        assert!(!has_downtime(&steps(&ground((2, 4), (2, 4), 0)).unwrap()));
    }

    #[test]
    fn a_larger_replica_takes_the_place_of_several() {
        assert_eq!(
            told(&ground((4, 1), (2, 2), 0)),
            "old 3, old 2, new 1, 50%, old 1, all, old 0, new 2"
        );
        // Both replicas must go before one of the new ones fits.
        assert!(has_downtime(&steps(&ground((2, 1), (1, 2), 0)).unwrap()));
    }

    #[test]
    fn without_weights_the_traffic_moves_once() {
        let mut ground = ground((4, 1), (4, 1), 0);
        ground.weighted = false;
        assert_eq!(
            told(&ground),
            "old 3, new 1, old 2, new 2, all, old 1, new 3, old 0, new 4"
        );
    }

    #[test]
    fn what_was_killed_goes_on() {
        let mut ground = ground((2, 1), (4, 1), 0);
        ground.up = 2;
        assert_eq!(told(&ground), "66%, old 1, new 3, all, old 0, new 4");
    }

    #[test]
    fn after_the_move_the_old_version_makes_room_without_it() {
        let mut ground = ground((2, 1), (3, 1), 0);
        (ground.up, ground.moved) = (1, true);
        assert_eq!(told(&ground), "old 1, new 2, old 0, new 3");
        assert!(!has_downtime(&steps(&ground).unwrap()));
    }

    #[test]
    fn what_does_not_fit_even_then_is_said_before_anything_ends() {
        assert_eq!(steps(&ground((1, 4), (1, 8), 0)), None);
    }

    proptest! {
        #[test]
        fn it_ends_with_what_is_wanted_within_the_cards_there_are(
            old in 1_u32..9, old_gpus in 1_u64..5, new in 1_u32..9, new_gpus in 1_u64..5,
            free in 0_u64..9, up in 0_u32..9, weighted: bool,
        ) {
            let up = up.min(new);
            let ground = Ground {
                up, weighted, ..ground((old, old_gpus), (new, new_gpus), free)
            };
            let Some(steps) = steps(&ground) else {
                let most = free + u64::from(old) * old_gpus;
                prop_assert!(u64::from(new - up) * new_gpus > most);
                return Ok(());
            };
            let cards = free + u64::from(old) * old_gpus + u64::from(up) * new_gpus;
            let (mut olds, mut news, mut weight, mut all) = (old, up, 0, false);
            for step in steps {
                match step {
                    HandoverStep::Old(count) => { prop_assert_eq!(count + 1, olds); olds = count; }
                    HandoverStep::New(count) => { prop_assert_eq!(count, news + 1); news = count; }
                    HandoverStep::Share(share) => {
                        prop_assert!(!all && news > 0 && share.percent() >= weight);
                        weight = share.percent();
                    }
                    HandoverStep::All => { prop_assert!(!all && news > 0); all = true; }
                }
                prop_assert!(u64::from(olds) * old_gpus + u64::from(news) * new_gpus <= cards);
                // While a replica of either is up, it is one that gets traffic.
                prop_assert!(olds > 0 || news == 0 || all || matches!(step, HandoverStep::New(_)));
            }
            prop_assert!(all);
            prop_assert_eq!(news, new);
        }
    }
}
