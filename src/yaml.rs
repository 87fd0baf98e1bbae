//! YAML in and out; the only file that names `serde_yaml`, which here is
//! serde-saphyr: serde_yaml proper is archived and writes the string `on`
//! unquoted, which kubectl reads as a boolean.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::explain::{Explain, Kind};

/// Text that is not the YAML it should be, with line, column and snippet.
#[derive(Debug, thiserror::Error)]
#[error("{} is not valid: {message}", path.display())]
pub struct Error {
    pub path: PathBuf,
    pub message: String,
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// Reads one document; `path` only names it in errors.
///
/// `yes`, `no`, `on` and `off` are strings, as in YAML 1.2; duplicate keys are errors.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_yaml::from_str_with_options(text, options()).map_err(|error| Error::read(path, &error))
}

/// Reads all documents of a stream; empty ones are left out.
pub fn parse_all<T: DeserializeOwned>(path: &Path, text: &str) -> Result<Vec<T>, Error> {
    serde_yaml::from_multiple_with_options(text, options())
        .map_err(|error| Error::read(path, &error))
}

impl Error {
    /// The parser's message with the file's own name, and in the words of who writes YAML.
    fn read(path: &Path, error: &serde_yaml::Error) -> Self {
        let text = error.to_string();
        let mut message = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
        message = message.replace("--> <input>:", &format!("--> {}:", path.display()));
        for (parsers, ours) in WORDS {
            message = message.replace(parsers, ours);
        }
        Self {
            path: path.to_owned(),
            message,
        }
    }
}

/// What the parser calls things, and what people do.
const WORDS: [(&str, &str); 7] = [
    (
        "expected mapping start",
        "expected keys with values, such as `key: value`",
    ),
    (
        "expected sequence start",
        "expected a list, such as `[one, two]`",
    ),
    ("expected string scalar", "expected text"),
    ("invalid u16", "expected a whole number from 0 to 65535"),
    ("invalid u32", "expected a whole number, 0 or more"),
    ("invalid u64", "expected a whole number, 0 or more"),
    (", set DuplicateKeyPolicy in Options if acceptable", ""),
];

/// Writes one document, ending in a newline, that YAML 1.1 and 1.2 readers read alike.
pub fn write<T: Serialize>(value: &T) -> Result<String, Error> {
    // A long reference or argument stays on its line: folded, it is hard to read and to grep.
    let options = serde_yaml::ser_options! { folded_wrap_chars: usize::MAX };
    let mut text = serde_yaml::to_string_with_options(value, options).map_err(|error| Error {
        path: PathBuf::from("output"),
        message: error.to_string(),
    })?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! { strict_booleans: true }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_error_names_file_and_line() {
        let error = parse::<Value>(Path::new("infer.yaml"), "a: 1\nb: [\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("infer.yaml") && error.contains("line"),
            "{error}"
        );
    }

    #[test]
    fn a_duplicate_key_is_refused() {
        let error = parse::<Value>(Path::new("x"), "a: 1\na: 2\n").unwrap_err();
        assert!(!error.message.contains("Policy"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_told_in_words_of_yaml_with_the_files_name() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Typed {
            count: Option<u32>,
            port: Option<u16>,
            keys: Option<std::collections::BTreeMap<String, String>>,
            list: Option<Vec<String>>,
        }
        for (text, told) in [
            ("count: many", "expected a whole number, 0 or more"),
            ("port: 99999", "expected a whole number from 0 to 65535"),
            ("keys: text", "expected keys with values"),
            ("list: text", "expected a list"),
            ("keys: {a: [1]}", "expected text"),
        ] {
            let error = parse::<Typed>(Path::new("infer.yaml"), text).unwrap_err();
            let message = error.message;
            assert!(message.contains(told), "{text}: {message}");
            assert!(message.contains("--> infer.yaml:1:"), "{text}: {message}");
            assert!(message.starts_with("line 1 column "), "{text}: {message}");
        }
    }

    #[test]
    fn words_that_yaml_1_1_takes_for_other_types_are_quoted() {
        for word in [
            "on",
            "off",
            "yes",
            "no",
            "y",
            "n",
            "true",
            "null",
            "~",
            "1_000",
            "010",
            "0x10",
            "1e3",
            "12:30:45",
            "2001-01-01",
            ".inf",
            "",
            " a",
            "a: b",
            "# a",
            "a\nb: c",
        ] {
            let text = write(&json!({ "value": word })).unwrap();
            let back: Value = parse(Path::new("x"), &text).unwrap();
            assert_eq!(back["value"], json!(word), "{text}");
        }
        assert_eq!(write(&json!({"FLAG": "on"})).unwrap(), "FLAG: \"on\"\n");
    }

    #[test]
    fn a_long_text_stays_on_its_line() {
        let long = "word ".repeat(60);
        let text = write(&json!({ "value": long.trim() })).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
