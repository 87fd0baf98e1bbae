//! How a value is refused, and the checks that every text goes through.

/// Why something is refused, and what would do.
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

pub(super) type Checked<T> = Result<T, Refusal>;

pub(super) fn refuse<T>(reason: impl Into<String>, hint: impl Into<String>) -> Checked<T> {
    Err(Refusal {
        reason: reason.into(),
        hint: Some(hint.into()),
    })
}

/// A text without spaces and control characters.
pub(super) fn word(key: &str, text: String) -> Checked<String> {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse(format!("`{key}` is {text:?}"), "use a text without spaces");
    }
    Ok(text)
}

/// A name that shells and containers accept for an environment variable.
pub(super) fn variable(key: &str, name: &str) -> Checked<()> {
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if sound {
        Ok(())
    } else {
        refuse(
            format!("`{key}` has {name:?}, which is not a valid variable name"),
            "use A-Z, 0-9 and _",
        )
    }
}
