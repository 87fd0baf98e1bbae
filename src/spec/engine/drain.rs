//! How long a pod takes to go: one sum for probes, hooks and flags alike.

use super::{Kind, Version};

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

/// The drain of one engine, whose requests in flight get `drain_s`.
///
/// An engine that ends requests on SIGTERM is kept from it for the whole time.
pub fn drain(kind: Kind, version: Option<&Version>, drain_s: u64) -> Drain {
    let flags = match kind {
        // vllm#36666; the default of 0 ends requests at once.
        Kind::Vllm if version.is_some_and(|version| version.at_least(0, 18)) => {
            vec!["--shutdown-timeout".to_owned(), drain_s.to_string()]
        }
        Kind::Sim => vec!["--drain".to_owned(), format!("{drain_s}s")],
        Kind::Vllm | Kind::Sglang | Kind::LlamaCpp => Vec::new(),
    };
    let waits_after_term = !flags.is_empty();
    Drain {
        pre_stop_s: PRE_STOP_S + if waits_after_term { 0 } else { drain_s },
        grace_s: PRE_STOP_S + drain_s + MARGIN_S,
        flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_vllm_waits_itself_and_an_old_one_is_kept_waiting() {
        let new = drain(Kind::Vllm, Version::parse("0.18.0").as_ref(), 45);
        assert_eq!(new.flags, ["--shutdown-timeout", "45"]);
        assert_eq!((new.pre_stop_s, new.grace_s), (15, 75));
        for version in [Version::parse("0.17.9"), None] {
            let old = drain(Kind::Vllm, version.as_ref(), 45);
            assert!(old.flags.is_empty());
            assert_eq!((old.pre_stop_s, old.grace_s), (60, 75));
        }
    }
}
