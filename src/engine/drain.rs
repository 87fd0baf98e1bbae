//! How long a pod takes to go: one sum for probes, hooks and flags alike.

use super::{Engine, Version};

/// Time for gateways and endpoint pickers to drop a pod before its engine hears
/// of it; llm-d's `graceful-shutdown` and KServe use the same.
pub const PRE_STOP_S: u64 = 15;

/// What is left for the engine to exit after its last request.
pub const MARGIN_S: u64 = 15;

/// How a pod goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// Sleep between leaving the endpoints and SIGTERM.
    pub pre_stop_s: u64,
    /// `terminationGracePeriodSeconds`.
    pub grace_s: u64,
    /// Flags that make the engine wait for requests in flight after SIGTERM.
    pub flags: Vec<String>,
}

/// A flag that makes an engine wait for requests in flight after SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainFlag {
    pub flag: &'static str,
    /// What follows the number of seconds.
    pub unit: &'static str,
    /// The first version (major, minor) that knows it; `None` for every version.
    pub since: Option<(u32, u32)>,
}

impl DrainFlag {
    fn is_known_to(&self, version: Option<&Version>) -> bool {
        self.since.is_none_or(|(major, minor)| {
            version.is_some_and(|version| version.at_least(major, minor))
        })
    }

    /// The seconds that a command line gives it.
    pub fn seconds(&self, words: &[&str]) -> Option<u64> {
        let mut pairs = words.windows(2);
        let pair = pairs.find(|pair| pair[0] == self.flag)?;
        pair[1].strip_suffix(self.unit)?.parse().ok()
    }
}

/// The drain of one engine, whose requests in flight get `drain_s`.
///
/// An engine that ends requests on SIGTERM is kept from it for the whole time.
pub fn drain(engine: &Engine, version: Option<&Version>, drain_s: u64) -> Drain {
    let flag = engine.drain_flag.filter(|flag| flag.is_known_to(version));
    Drain {
        pre_stop_s: PRE_STOP_S + if flag.is_some() { 0 } else { drain_s },
        grace_s: PRE_STOP_S + drain_s + MARGIN_S,
        flags: flag.map_or_else(Vec::new, |flag| {
            vec![flag.flag.to_owned(), format!("{drain_s}{}", flag.unit)]
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Kind, *};

    #[test]
    fn a_new_vllm_waits_itself_and_an_old_one_is_kept_waiting() {
        let new = drain(Kind::Vllm.row(), Version::parse("0.18.0").as_ref(), 45);
        assert_eq!(new.flags, ["--shutdown-timeout", "45"]);
        assert_eq!((new.pre_stop_s, new.grace_s), (15, 75));
        for version in [Version::parse("0.17.9"), None] {
            let old = drain(Kind::Vllm.row(), version.as_ref(), 45);
            assert!(old.flags.is_empty());
            assert_eq!((old.pre_stop_s, old.grace_s), (60, 75));
        }
    }
}
