//! The writes that lead from any split to any other, so that no proxy is ever told to send to a
//! backend it does not know yet, or no longer knows (pure).
//!
//! A proxy learns of routes and of backends apart from each other: a route that names a backend
//! in the moment it comes or goes answers 503 (Envoy: `no_cluster`). So one write either changes
//! which backends there are, or which of them gets what, and a backend comes and goes at weight 0.

use crate::{
    name::VersionId,
    traffic::{Change, Split},
    weight::Weight,
};

/// The writes that make `change` of `read`, in order; the last one is `change` itself.
///
/// Five writes at most. What leaves gives its share to the *keeper*, which carries all traffic
/// while others come and go; a newcomer becomes known at weight 0; where the keeper leaves too,
/// the newcomer gets everything and the second newcomer becomes known; then `change`.
pub(super) fn transition(read: &Split, change: &Change) -> Vec<Change> {
    let step = |live: &VersionId, candidate: &VersionId, weight: Weight| Change {
        live: live.clone(),
        candidate: Some(candidate.clone()),
        weight,
        matches: None,
        // The split stays with the run that holds it until the last write.
        journal: read.journal.clone(),
        run: change.run.clone(),
    };
    let is_known = |version: &VersionId| read.versions().any(|known| known == version);
    let is_named = |version: &VersionId| change.versions().any(|named| named == version);
    let mut writes = Vec::new();
    if !read.versions().all(is_named) || !change.versions().all(is_known) {
        let keeper = keeper(read, change);
        if let Some(candidate) = read.candidate.as_ref().filter(|_| is_shared(read, keeper)) {
            let all = if keeper == candidate {
                Weight::ALL
            } else {
                Weight::ZERO
            };
            writes.push(step(&read.live, candidate, all));
        }
        let newcomers = change.versions().filter(|version| !is_known(version));
        let mut newcomers = newcomers.filter(|version| change.gives_to(version));
        if let Some(first) = newcomers.next() {
            writes.push(step(keeper, first, Weight::ZERO));
            if !is_named(keeper) {
                writes.push(step(keeper, first, Weight::ALL));
                writes.extend(newcomers.map(|second| step(first, second, Weight::ZERO)));
            }
        }
    }
    writes.push(change.clone());
    writes
}

/// The version that carries all traffic while others come and go: one that keeps requests, else
/// one that gets them now.
fn keeper<'a>(read: &'a Split, change: &Change) -> &'a VersionId {
    let serving = read.serving();
    let mut known = std::iter::once(serving).chain(read.versions());
    let keeps = known.find(|version| change.gives_to(version));
    let mut serves = read.versions().filter(|version| read.gives_to(version));
    keeps.or_else(|| serves.next()).unwrap_or(serving)
}

/// Whether a version other than the keeper gets requests.
fn is_shared(read: &Split, keeper: &VersionId) -> bool {
    let mut others = read.versions().filter(|version| *version != keeper);
    others.any(|version| read.gives_to(version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 4] = ["v00000000a", "v00000000b", "v00000000c", "v00000000d"];

    fn id(name: &str) -> VersionId {
        NAMES[usize::from(name.as_bytes()[0] - b'a')]
            .parse()
            .unwrap()
    }

    /// `"a"`, `"a b:30"`, `"a b:0 match"`, as live, candidate, its weight and its match.
    fn split(text: &str) -> Split {
        let mut words = text.split(' ');
        let live = id(words.next().unwrap());
        let candidate = words.next().map(|word| word.split_once(':').unwrap());
        let weight = candidate.map_or(0, |(_, weight)| weight.parse().unwrap());
        Split {
            live,
            candidate: candidate.map(|(name, _)| id(name)),
            weight: Weight::try_from(weight).unwrap(),
            matches: words.next().map(|_| "header:x-beta=1".parse().unwrap()),
            token: String::new(),
            journal: None,
            writer: None,
        }
    }

    fn told(change: &Change) -> String {
        let name = |version: &VersionId| version.as_str()[9..].to_owned();
        let mut text = name(&change.live);
        if let Some(candidate) = &change.candidate {
            text = format!("{text} {}:{}", name(candidate), change.weight.percent());
        }
        if change.matches.is_some() {
            text += " match";
        }
        text
    }

    fn writes(from: &str, to: &str) -> Vec<String> {
        let to = split(to);
        let change = Change {
            run: "r".to_owned(),
            ..Change::standing(&to)
        };
        transition(&split(from), &change).iter().map(told).collect()
    }

    #[test]
    fn a_backend_comes_and_goes_without_traffic() {
        let table: [(&str, &str, &[&str]); 16] = [
            ("a", "b", &["a b:0", "a b:100", "b"]),
            ("a b:50", "b", &["a b:100", "b"]),
            ("a b:50", "a", &["a b:0", "a"]),
            ("a b:0", "a", &["a"]),
            ("a b:100", "b", &["b"]),
            ("a", "a", &["a"]),
            ("a", "a b:0", &["a b:0"]),
            ("a", "a b:10", &["a b:0", "a b:10"]),
            ("a b:10", "a b:50", &["a b:50"]),
            ("a", "a b:0 match", &["a b:0", "a b:0 match"]),
            ("a b:0 match", "a", &["a b:0", "a"]),
            ("a b:0 match", "b", &["a b:100", "b"]),
            // A third version, over what a move that was cut off has left behind.
            ("a b:0", "c", &["a c:0", "a c:100", "c"]),
            ("a b:100", "c", &["b c:0", "b c:100", "c"]),
            ("a b:50", "c", &["a b:0", "a c:0", "a c:100", "c"]),
            ("a b:100", "b c:10", &["b c:0", "b c:10"]),
        ];
        for (from, to, expected) in table {
            assert_eq!(writes(from, to), expected, "{from} → {to}");
        }
    }

    /// What each version gets: its share, and whether the match's requests reach it.
    fn parts(change: &Change) -> Vec<(String, u8, bool)> {
        let candidate = change.weight.percent();
        let mut parts = vec![(change.live.to_string(), 100 - candidate, false)];
        if let Some(version) = &change.candidate {
            parts.push((version.to_string(), candidate, change.matches.is_some()));
        } else {
            parts[0].1 = 100;
        }
        parts.sort();
        parts
    }

    fn any_split() -> impl Strategy<Value = Split> {
        let weights = prop_oneof![Just(0), Just(100), 1..100_u8];
        let journal = prop_oneof![Just(None), Just(Some(json!({"run_id": "r"})))];
        (0..4_usize, 0..5_usize, weights, any::<bool>(), journal).prop_map(
            |(live, candidate, weight, matches, journal)| {
                let there = candidate < 4 && candidate != live;
                Split {
                    live: NAMES[live].parse().unwrap(),
                    candidate: there.then(|| NAMES[candidate].parse().unwrap()),
                    weight: Weight::try_from(if there { weight } else { 0 }).unwrap(),
                    matches: (there && matches).then(|| "header:x-beta=1".parse().unwrap()),
                    token: String::new(),
                    journal,
                    writer: None,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn each_write_changes_the_backends_or_their_shares_and_never_both(
            (read, wanted) in (any_split(), any_split())
        ) {
            let change = Change::standing(&wanted);
            let writes = transition(&read, &change);
            prop_assert!(writes.len() <= 6, "{} writes", writes.len());
            prop_assert_eq!(writes.last(), Some(&change));
            let mut before = parts(&Change::standing(&read));
            for write in &writes {
                let after = parts(write);
                let getting = |parts: &[(String, u8, bool)]| -> Vec<_> {
                    let gets = |part: &&(String, u8, bool)| part.1 > 0 || part.2;
                    parts.iter().filter(gets).cloned().collect()
                };
                let named = |parts: &[(String, u8, bool)]| -> Vec<_> {
                    parts.iter().map(|part| part.0.clone()).collect()
                };
                if named(&before) != named(&after) {
                    let shares = |parts: Vec<(String, u8, bool)>| -> Vec<_> {
                        // A match whose version has everything anyway changes nothing.
                        parts.into_iter().map(|(version, share, _)| (version, share)).collect()
                    };
                    prop_assert_eq!(shares(getting(&before)), shares(getting(&after)));
                }
                if write != &change {
                    for (version, ..) in getting(&after) {
                        let version: VersionId = version.parse().unwrap();
                        prop_assert!(read.gives_to(&version) || change.gives_to(&version));
                    }
                }
                before = after;
            }
        }
    }
}
