//! Whether a change of the split may be made. Pure.

use super::{
    Error,
    control::{Split, SplitChange},
};
use crate::{name::VersionId, weight::Weight};

/// Why a change of the split was not made.
#[derive(Debug)]
pub(super) enum SplitError {
    Conflict {
        message: String,
        run: Option<String>,
    },
    Wrong(String),
    NotSaved(Error),
}

/// The split after `change`, if its preconditions hold.
pub(super) fn changed(
    split: &Split,
    change: SplitChange,
    is_known: impl Fn(&VersionId) -> bool,
) -> Result<Split, SplitError> {
    let run = || split.run().map(str::to_owned);
    let by = run().map_or_else(String::new, |run| format!(" by run {run}"));
    if change.expect_generation != split.generation {
        return Err(SplitError::Conflict {
            message: format!(
                "the split has moved on{by}: generation {} was read, it is {} now",
                change.expect_generation, split.generation
            ),
            run: run(),
        });
    }
    if change.expect_run.is_some() && change.expect_run.as_deref() != split.run() {
        return Err(SplitError::Conflict {
            message: format!(
                "the split is not held by run {} any more",
                change.expect_run.as_deref().unwrap_or_default()
            ),
            run: run(),
        });
    }
    let unknown = [&change.live, &change.candidate]
        .into_iter()
        .flatten()
        .find(|version| !is_known(version));
    if let Some(version) = unknown {
        return Err(SplitError::Wrong(format!(
            "{version} has never been started here"
        )));
    }
    if change.live.is_some() && change.live == change.candidate {
        return Err(SplitError::Wrong(
            "live and candidate are the same version".to_owned(),
        ));
    }
    if change.candidate.is_none() && change.weight > Weight::ZERO {
        return Err(SplitError::Wrong("a weight needs a candidate".to_owned()));
    }
    if change.candidate.is_none() && change.matches.is_some() {
        return Err(SplitError::Wrong("a match needs a candidate".to_owned()));
    }
    Ok(Split {
        generation: split.generation + 1,
        live: change.live,
        candidate: change.candidate,
        weight: change.weight,
        matches: change.matches,
        journal: change.journal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Split {
        Split {
            generation: 7,
            live: Some("v00000000a".parse().unwrap()),
            journal: Some(serde_json::json!({"run_id": "r1"})),
            ..Split::empty()
        }
    }

    fn change() -> SplitChange {
        SplitChange {
            expect_generation: 7,
            expect_run: None,
            live: split().live,
            candidate: Some("v00000000b".parse().unwrap()),
            weight: 10.try_into().unwrap(),
            matches: None,
            journal: None,
        }
    }

    #[test]
    fn a_change_of_what_was_read_is_made_and_counted() {
        let after = changed(&split(), change(), |_| true).unwrap();
        assert_eq!((after.generation, after.weight.percent()), (8, 10));
        let owned = SplitChange {
            expect_run: Some("r1".to_owned()),
            ..change()
        };
        assert!(changed(&split(), owned, |_| true).is_ok());
    }

    #[test]
    fn a_change_of_something_older_or_of_another_run_says_who_was_faster() {
        let older = SplitChange {
            expect_generation: 6,
            ..change()
        };
        let other = SplitChange {
            expect_run: Some("r0".to_owned()),
            ..change()
        };
        for wrong in [older, other] {
            let Err(SplitError::Conflict { run, .. }) = changed(&split(), wrong, |_| true) else {
                panic!("accepted");
            };
            assert_eq!(run.as_deref(), Some("r1"));
        }
    }

    #[test]
    fn a_split_that_makes_no_sense_is_refused() {
        let cases = [
            SplitChange {
                candidate: change().live,
                ..change()
            },
            SplitChange {
                candidate: None,
                ..change()
            },
            SplitChange {
                candidate: None,
                weight: Weight::ZERO,
                matches: "header:x-beta=1".parse().ok(),
                ..change()
            },
        ];
        for wrong in cases {
            assert!(matches!(
                changed(&split(), wrong, |_| true),
                Err(SplitError::Wrong(_))
            ));
        }
        let unknown = changed(&split(), change(), |version| {
            version.as_str() != "v00000000b"
        });
        assert!(matches!(unknown, Err(SplitError::Wrong(_))));
    }
}
