//! The template engine: every value is written as JSON, so that no value can
//! become YAML of its own; unknown names are errors; work is bounded. Pure.

use std::{borrow::Cow, fmt::Write as _, path::Path};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig};
use serde::Serialize;
use serde_json::Value;

use super::{error::Error, overrides::Overrides, part::Template};
use crate::yaml;

/// Instructions one template may run: the largest built-in takes about a thousand.
const FUEL: u64 = 200_000;

/// How a user's template reaches the built-in one of the same name.
const BUILTIN_PREFIX: &str = "builtin/";

pub(super) struct Templates<'a> {
    environment: Environment<'a>,
}

impl<'a> Templates<'a> {
    pub(super) fn new(overrides: &'a Overrides) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // Whatever a file is called: JSON is YAML, and quotes what must be quoted.
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_formatter(|output, _, value| {
            if value.is_safe() {
                // The template's own text, such as `super()`: its values are JSON already.
                return Ok(output.write_str(value.as_str().unwrap_or_default())?);
            }
            let json = serde_json::to_string(value).map_err(|error| {
                minijinja::Error::new(ErrorKind::BadSerialization, error.to_string())
            })?;
            Ok(output.write_str(&as_yaml(&json))?)
        });
        // Marks text as not to be escaped.
        environment.remove_filter("safe");
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| failed("syntax", &error))?;
        environment.set_syntax(syntax);
        for builtin in Template::all() {
            let name = format!("{BUILTIN_PREFIX}{}", builtin.file);
            environment
                .add_template_owned(name, builtin.source)
                .map_err(|error| failed(builtin.file, &error))?;
            if overrides.get(builtin.file).is_none() {
                environment
                    .add_template(builtin.file, builtin.source)
                    .map_err(|error| failed(builtin.file, &error))?;
            }
        }
        for (file, source) in &overrides.sources {
            environment
                .add_template(file, source)
                .map_err(|error| failed(file, &error))?;
        }
        Ok(Self { environment })
    }

    /// The objects that one template gives for `values`.
    pub(super) fn objects(&self, file: &str, values: &impl Serialize) -> Result<Vec<Value>, Error> {
        let text = self
            .environment
            .get_template(file)
            .and_then(|template| template.render(minijinja::value::Serde(values)))
            .map_err(|error| failed(file, &error))?;
        let documents: Vec<Value> =
            yaml::parse_all(Path::new(file), &text).map_err(|error| Error::Object {
                file: file.to_owned(),
                reason: error.message,
            })?;
        Ok(documents
            .into_iter()
            .filter(|document| !document.is_null())
            .collect())
    }
}

/// JSON that is YAML too: characters that YAML 1.1 or 1.2 refuses or takes for a
/// line break are escaped. JSON has them inside strings only.
fn as_yaml(json: &str) -> Cow<'_, str> {
    let is_odd = |c: char| {
        matches!(
            c,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
    };
    if !json.contains(is_odd) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if is_odd(c) {
            write!(text, "\\u{:04x}", u32::from(c)).expect("a string grows");
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

fn failed(file: &str, error: &minijinja::Error) -> Error {
    Error::Template {
        file: file.to_owned(),
        message: format!("{error:#}").trim_end().to_owned(),
    }
}
