//! What a deploy has to do, from what is wanted and what is there.

use crate::name::VersionId;

/// What the release's record says now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Current {
    pub live: Option<VersionId>,
    pub candidate: Option<VersionId>,
    /// The run of a canary that is open.
    pub canary: Option<String>,
}

/// How the wanted version comes to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing is live: bring it up, see its first token, 100%.
    First,
    /// It is live already.
    Unchanged,
    /// Bring it up beside `live`, see its first token, move all traffic, drain `live`.
    Replace { live: VersionId },
}

/// A canary is open, so the release's traffic is not a deploy's to move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a canary of {candidate} is open (run {run})")]
pub struct CanaryOpen {
    pub candidate: String,
    pub run: String,
}

/// Decides by the life of a release (DESIGN §2).
pub fn plan(wanted: &VersionId, current: &Current) -> Result<Action, CanaryOpen> {
    if let Some(run) = &current.canary {
        let candidate = current
            .candidate
            .as_ref()
            .map_or("a candidate", VersionId::as_str);
        return Err(CanaryOpen {
            candidate: candidate.to_owned(),
            run: run.clone(),
        });
    }
    Ok(match &current.live {
        None => Action::First,
        Some(live) if live == wanted => Action::Unchanged,
        Some(live) => Action::Replace { live: live.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(digit: u8) -> VersionId {
        format!("v00000000{digit}").parse().unwrap()
    }

    #[test]
    fn the_record_alone_decides() {
        let mut current = Current::default();
        assert_eq!(plan(&version(1), &current), Ok(Action::First));
        current.live = Some(version(1));
        assert_eq!(plan(&version(1), &current), Ok(Action::Unchanged));
        assert_eq!(
            plan(&version(2), &current),
            Ok(Action::Replace { live: version(1) })
        );
    }

    #[test]
    fn an_open_canary_refuses_even_an_unchanged_deploy() {
        let current = Current {
            live: Some(version(1)),
            candidate: Some(version(2)),
            canary: Some("run-1".to_owned()),
        };
        let refused = plan(&version(1), &current).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a canary of v000000002 is open (run run-1)"
        );
    }
}
