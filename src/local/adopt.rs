//! Decides what to do with each version that an earlier `infer serve` left behind. Pure.

use serde::{Deserialize, Serialize};

/// What makes a process this one and no other: a pid alone is used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// Clock ticks from the boot to its start.
    pub(super) start_ticks: u64,
    pub(super) boot_id: String,
}

/// Whether a version is meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wanted {
    Up,
    Down,
}

/// What the record says about one version, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left<'a> {
    pub(super) wanted: Wanted,
    /// Its process, where it had one.
    pub(super) identity: Option<&'a Identity>,
    /// Whether a start was written down whose process was not.
    pub(super) was_being_started: bool,
    /// Whether it needs values that were in the memory of the process that died.
    pub(super) needs_secrets: bool,
}

/// What is found on the machine now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) boot_id: &'a str,
    /// When the process that has the recorded pid now started; `None` where none has it.
    pub(super) start_ticks: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It runs: watch it.
    Adopt,
    /// It runs and should not: end it.
    Finish,
    /// It may run: look for its mark, and if it is nowhere, start it or leave it.
    Search,
    Start,
    /// It must be started again, but the values of its secrets were in memory only.
    AskForSecrets,
    Leave,
}

pub(super) fn decide(left: Left, found: Found) -> Decision {
    let same = left.identity.is_some_and(|identity| {
        identity.boot_id == found.boot_id && found.start_ticks == Some(identity.start_ticks)
    });
    match (left.wanted, same) {
        (Wanted::Up, true) => Decision::Adopt,
        (Wanted::Down, true) => Decision::Finish,
        (_, false) if left.was_being_started && left.identity.is_none() => Decision::Search,
        (Wanted::Up, false) if left.needs_secrets => Decision::AskForSecrets,
        (Wanted::Up, false) => Decision::Start,
        (Wanted::Down, false) => Decision::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity() -> Identity {
        Identity {
            pid: 4711,
            start_ticks: 100,
            boot_id: "b1".to_owned(),
        }
    }

    fn left(identity: Option<&Identity>) -> Left<'_> {
        Left {
            wanted: Wanted::Up,
            identity,
            was_being_started: false,
            needs_secrets: false,
        }
    }

    const HERE: Found = Found {
        boot_id: "b1",
        start_ticks: Some(100),
    };

    #[test]
    fn the_same_process_is_adopted() {
        assert_eq!(decide(left(Some(&identity())), HERE), Decision::Adopt);
    }

    #[test]
    fn another_process_with_its_pid_is_left_alone_and_the_engine_started_anew() {
        for found in [
            Found {
                start_ticks: Some(101),
                ..HERE
            },
            Found {
                start_ticks: None,
                ..HERE
            },
            Found {
                boot_id: "b2",
                ..HERE
            },
        ] {
            assert_eq!(decide(left(Some(&identity())), found), Decision::Start);
        }
    }

    #[test]
    fn an_engine_whose_secrets_died_waits_for_them() {
        let gone = Found {
            start_ticks: None,
            ..HERE
        };
        let identity = identity();
        let left = Left {
            needs_secrets: true,
            ..left(Some(&identity))
        };
        assert_eq!(decide(left, gone), Decision::AskForSecrets);
        assert_eq!(decide(left, HERE), Decision::Adopt);
    }

    proptest! {
        #[test]
        fn nothing_is_adopted_or_ended_without_proof(
            up in any::<bool>(), recorded in any::<bool>(), starting in any::<bool>(),
            secrets in any::<bool>(), same_boot in any::<bool>(), ticks in prop::option::of(99_u64..102),
        ) {
            let identity = identity();
            let left = Left {
                wanted: if up { Wanted::Up } else { Wanted::Down },
                identity: recorded.then_some(&identity),
                was_being_started: starting,
                needs_secrets: secrets,
            };
            let found = Found { boot_id: if same_boot { "b1" } else { "b2" }, start_ticks: ticks };
            let proof = recorded && same_boot && ticks == Some(100);
            let touches = matches!(decide(left, found), Decision::Adopt | Decision::Finish);
            prop_assert_eq!(touches, proof);
        }
    }
}
