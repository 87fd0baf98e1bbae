//! Values of `infer canary`'s flags.

use std::{fs, path::Path, time::Duration};

use crate::{
    canary::{
        CanaryResult, RunState,
        plan::{OnInterrupt, OnUndecided},
        probe,
    },
    duration,
    error::Failure,
    file::{self, write_atomically},
    load::Prompts,
};

/// Largest prompts file that is read.
const PROMPTS_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Undecided {
    /// The weight from before the run
    Restore,
    /// The weight stays
    Hold,
}

impl From<Undecided> for OnUndecided {
    fn from(value: Undecided) -> Self {
        match value {
            Undecided::Restore => Self::Restore,
            Undecided::Hold => Self::Hold,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Interrupted {
    /// The live version gets all requests again
    RollBack,
    /// The weight stays, for `infer canary resume`
    Freeze,
}

impl From<Interrupted> for OnInterrupt {
    fn from(value: Interrupted) -> Self {
        match value {
            Interrupted::RollBack => Self::RollBack,
            Interrupted::Freeze => Self::Freeze,
        }
    }
}

/// `90s`, `10m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(5) {
        return Err("a share needs at least 5s".to_owned());
    }
    Ok(duration)
}

/// `20%` or `20`, as a fraction.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let percent: f64 = number
        .parse()
        .map_err(|_| "use a percentage such as 20%".to_owned())?;
    if percent.is_finite() {
        Ok(percent / 100.0)
    } else {
        Err("use a percentage such as 20%".to_owned())
    }
}

/// The probes' prompts: a file's, or built-in ones.
pub(super) fn prompts(path: Option<&Path>) -> Result<Prompts, Failure> {
    let Some(path) = path else {
        return Ok(probe::built_in(probe::now_ms()));
    };
    let unread = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "cannot take prompts from {}: {error}",
            path.display()
        ))
    };
    let size = fs::metadata(path).map_err(|error| unread(&error))?.len();
    if size > PROMPTS_BYTES_MAX {
        return Err(unread(&"it is larger than 256 MB"));
    }
    let text = fs::read_to_string(path).map_err(|error| unread(&error))?;
    Prompts::parse(&text).map_err(|error| unread(&error))
}

/// Refuses a report that could not be written, before minutes are spent on it.
pub(super) fn writable(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    file::writable(path).map_err(|error| unwritten(path, &error))
}

/// Writes the comparison as one HTML file.
pub(super) fn write_report(
    path: &Path,
    ending: &CanaryResult,
    state: &RunState,
) -> Result<(), Failure> {
    let page = crate::canary::report::page(ending, state);
    write_atomically(path, page.as_bytes()).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let mut failure = Failure::failed(error);
    failure.message = format!("cannot write the report {}", path.display());
    failure.causes = vec![error.to_string()];
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_times_are_read_as_people_write_them() {
        assert_eq!(percent("20%"), Ok(0.2));
        assert_eq!(percent("7.5"), Ok(0.075));
        assert!(percent("nan").is_err() && percent("a lot").is_err());
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_mins(10)));
        for text in ["-5m", "10", "1s", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
