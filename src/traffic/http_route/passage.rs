//! The writes between two splits, so that no proxy ever sends to what it no longer knows, or
//! does not know yet. A proxy learns of routes and of backends apart from each other: a route
//! that names a backend in the moment it comes or goes answers 503 (Envoy: `no_cluster`).
//! So a backend comes and goes at weight 0 (pure).

use crate::{
    traffic::{Change, Split},
    weight::Weight,
};

/// What to write before `change`; nothing where it only moves the weight of who is there.
pub(super) fn between(read: &Split, change: &Change) -> Vec<Change> {
    if change.candidate.is_some() {
        return Vec::new();
    }
    let all = Weight::try_from(100).unwrap_or_default();
    let wins = |weight: Weight, candidate| Change {
        live: read.live.clone(),
        candidate: Some(candidate),
        weight,
        journal: read.journal.clone(),
        run: change.run.clone(),
    };
    let winner = &change.live;
    match &read.candidate {
        None if read.live != *winner => vec![
            wins(Weight::ZERO, winner.clone()),
            wins(all, winner.clone()),
        ],
        Some(candidate) if candidate == winner && read.weight != all => {
            vec![wins(all, candidate.clone())]
        }
        Some(candidate) if read.live == *winner && read.weight != Weight::ZERO => {
            vec![wins(Weight::ZERO, candidate.clone())]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(candidate: Option<&str>, weight: u8, winner: &str) -> Vec<(String, u8)> {
        let id = |text: &str| text.parse().unwrap();
        let read = Split {
            live: id("v000000001"),
            candidate: candidate.map(id),
            weight: Weight::try_from(weight).unwrap(),
            token: String::new(),
            journal: None,
            writer: None,
        };
        let change = Change {
            live: id(winner),
            candidate: None,
            weight: Weight::ZERO,
            journal: None,
            run: "r".to_owned(),
        };
        let steps = between(&read, &change);
        steps
            .iter()
            .map(|step| {
                assert_eq!(step.live, read.live);
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
    }
}
