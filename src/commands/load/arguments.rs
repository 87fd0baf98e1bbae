//! Arguments of `infer load` as text (pure).

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::{duration, load::Timeouts};

/// `90s`, `2m`, `500ms`, `1h 30m`
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err("use a duration above 0".to_owned());
    }
    Ok(duration)
}

/// `first=30s,idle=10s,total=5m`, each of them optional
pub(super) fn timeouts(text: &str) -> Result<Timeouts, String> {
    let mut timeouts = Timeouts::default();
    for part in text.split(',') {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} has no =: use first=30s,idle=10s,total=5m"))?;
        let value = duration(value.trim())?;
        match name.trim() {
            "first" => timeouts.first = value,
            "idle" => timeouts.idle = value,
            "total" => timeouts.total = value,
            other => {
                return Err(format!(
                    "{other:?} is not a known timeout: use first, idle or total"
                ));
            }
        }
    }
    Ok(timeouts)
}

/// `NAME:VALUE`; the value is kept out of all output.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header is NAME:VALUE, as in x-tenant:a")?;
    let name = HeaderName::try_from(name.trim())
        .map_err(|_| format!("{:?} is not a valid header name", name.trim()))?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of {name} is not one that a header can carry"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_reason() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "5", "0s", "-1s", "25h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn timeouts_change_only_what_they_name() {
        let found = timeouts("first=30s, idle=5s").unwrap();
        assert_eq!(found.first, Duration::from_secs(30));
        assert_eq!(found.idle, Duration::from_secs(5));
        assert_eq!(found.total, Timeouts::default().total);
        for wrong in ["30s", "last=3s", "first=3", ""] {
            assert!(timeouts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn header_values_are_never_shown() {
        let (name, value) = header("x-token: s3cret").unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap()),
            ("x-token", "s3cret")
        );
        assert!(!format!("{value:?}").contains("s3cret"));
        assert!(header("nothing").is_err() && header("a b:c").is_err());
        assert!(!header("a:\u{1}s3cret").unwrap_err().contains("s3cret"));
    }
}
