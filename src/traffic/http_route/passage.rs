//! The writes between two splits, so that no proxy ever sends to what it no longer knows, or
//! does not know yet. A proxy learns of routes and of backends apart from each other: a route
//! that names a backend in the moment it comes or goes answers 503 (Envoy: `no_cluster`).
//! So a backend comes and goes at weight 0 (pure).

use crate::{
    name::VersionId,
    traffic::{Change, Split},
    weight::Weight,
};

/// What to write before `change`; nothing where it only moves the weight of who is there.
pub(super) fn between(read: &Split, change: &Change) -> Vec<Change> {
    let beside = |weight: Weight, candidate: &VersionId| Change {
        live: read.live.clone(),
        candidate: Some(candidate.clone()),
        weight,
        matches: None,
        journal: read.journal.clone(),
        run: change.run.clone(),
    };
    if let Some(candidate) = &change.candidate {
        let is_new = read.candidate.as_ref() != Some(candidate);
        let has_part = change.weight != Weight::ZERO || change.matches.is_some();
        return if is_new && has_part {
            vec![beside(Weight::ZERO, candidate)]
        } else {
            Vec::new()
        };
    }
    let winner = &change.live;
    match &read.candidate {
        None if read.live != *winner => {
            vec![beside(Weight::ZERO, winner), beside(Weight::ALL, winner)]
        }
        Some(candidate) if candidate == winner && read.weight != Weight::ALL => {
            vec![beside(Weight::ALL, candidate)]
        }
        Some(candidate) if read.live == *winner && has_part(read) => {
            vec![beside(Weight::ZERO, candidate)]
        }
        _ => Vec::new(),
    }
}

fn has_part(split: &Split) -> bool {
    split.weight != Weight::ZERO || split.matches.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    fn split(candidate: Option<&str>, weight: u8) -> Split {
        Split {
            live: id("v000000001"),
            candidate: candidate.map(id),
            weight: Weight::try_from(weight).unwrap(),
            matches: None,
            token: String::new(),
            journal: None,
            writer: None,
        }
    }

    fn told(candidate: Option<&str>, weight: u8, winner: &str) -> Vec<(String, u8)> {
        let change = Change::all_to(&id(winner), "r");
        steps(&split(candidate, weight), &change)
    }

    fn steps(read: &Split, change: &Change) -> Vec<(String, u8)> {
        let steps = between(read, change);
        steps
            .iter()
            .map(|step| {
                assert_eq!((&step.live, &step.matches), (&read.live, &None));
                let candidate = step.candidate.as_ref().unwrap();
                (candidate.to_string(), step.weight.percent())
            })
            .collect()
    }

    #[test]
    fn a_backend_comes_and_goes_without_traffic() {
        let (old, new) = ("v000000001", "v000000002");
        let step = |weight| (new.to_owned(), weight);
        assert_eq!(told(None, 0, new), [step(0), step(100)], "deployed");
        assert_eq!(told(Some(new), 50, new), [step(100)], "promoted");
        assert_eq!(told(Some(new), 50, old), [step(0)], "rolled back");
        assert_eq!(told(Some(new), 0, old), [], "it had no traffic");
        assert_eq!(told(None, 0, old), [], "nothing moves");
        let mut change = Change {
            candidate: Some(id(new)),
            ..Change::all_to(&id(old), "r")
        };
        assert_eq!(steps(&split(None, 0), &change), [], "it waits");
        change.weight = Weight::try_from(10).unwrap();
        assert_eq!(steps(&split(None, 0), &change), [step(0)], "it was unknown");
        assert_eq!(steps(&split(Some(new), 0), &change), [], "it was known");
    }

    #[test]
    fn a_match_comes_and_goes_while_its_backend_is_known() {
        let (old, new) = ("v000000001", "v000000002");
        let beta = "header:x-beta=1".parse().ok();
        let to_matched = Change {
            candidate: Some(id(new)),
            matches: beta.clone(),
            ..Change::all_to(&id(old), "r")
        };
        let told = steps(&split(None, 0), &to_matched);
        assert_eq!(told, [(new.to_owned(), 0)]);
        let mut read = split(Some(new), 0);
        read.matches = beta;
        let rolled_back = steps(&read, &Change::all_to(&id(old), "r"));
        assert_eq!(rolled_back, [(new.to_owned(), 0)]);
        let promoted = steps(&read, &Change::all_to(&id(new), "r"));
        assert_eq!(promoted, [(new.to_owned(), 100)]);
    }
}
