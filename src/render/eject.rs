//! Copies of built-in templates for users to change, and what has changed since. Pure.

use similar::TextDiff;

use super::{
    overrides::{Overrides, extends},
    part::Template,
};

/// Starts the comment by which an ejected copy remembers where it came from.
const MARK: &str = "{# Ejected from infer ";

/// Lines of context around a difference, as `diff -u` shows.
const CONTEXT_LINES: usize = 3;

/// A built-in template with its origin in the first line.
pub fn copy(builtin: &Template) -> String {
    format!(
        "{MARK}{} sha256:{} #}}\n{}",
        env!("CARGO_PKG_VERSION"),
        builtin.fingerprint(),
        builtin.source
    )
}

/// The fingerprint of the built-in that a copy came from.
pub(super) fn origin(source: &str) -> Option<&str> {
    let (first, _) = source.strip_prefix(MARK)?.split_once('\n')?;
    first.split("sha256:").nth(1)?.split(' ').next()
}

/// One template, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    BuiltIn,
    /// A user's file that changes some blocks of the built-in.
    Extended,
    /// A user's file in place of the built-in.
    Replaced,
    /// In place of a built-in that has changed since it was ejected.
    Stale,
    /// A user's own object.
    Added,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Row {
    pub file: String,
    pub origin: Origin,
    pub blocks: Vec<&'static str>,
}

/// All templates: the built-in ones in order, then the user's own.
pub fn rows(overrides: &Overrides) -> Vec<Row> {
    let builtins = Template::all().map(|builtin| Row {
        file: builtin.file.to_owned(),
        origin: match overrides.get(builtin.file) {
            None => Origin::BuiltIn,
            Some(_) if overrides.stale().any(|stale| stale == builtin.file) => Origin::Stale,
            Some(source) if extends(source) => Origin::Extended,
            Some(_) => Origin::Replaced,
        },
        blocks: builtin.blocks(),
    });
    let added = overrides
        .files()
        .filter(|file| Template::find(file).is_none())
        .map(|file| Row {
            file: file.to_owned(),
            origin: Origin::Added,
            blocks: Vec::new(),
        });
    builtins.chain(added).collect()
}

/// What a user's file changes of the built-in, as a unified diff; empty if nothing.
pub fn diff(builtin: &Template, own: &str) -> String {
    let own_text = match own
        .strip_prefix(MARK)
        .and_then(|rest| rest.split_once('\n'))
    {
        Some((_, rest)) => rest,
        None => own,
    };
    TextDiff::from_lines(builtin.source, own_text)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(&format!("built-in/{}", builtin.file), builtin.file)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_remembers_its_origin_and_differs_in_nothing() {
        let builtin = Template::find("service.yaml.j2").unwrap();
        let copy = copy(builtin);
        assert_eq!(origin(&copy), Some(builtin.fingerprint().as_str()));
        assert_eq!(diff(builtin, &copy), "");
        let changed = copy.replace("ClusterIP", "NodePort");
        let shown = diff(builtin, &changed);
        assert!(
            shown.contains("-  type: ClusterIP\n+  type: NodePort"),
            "{shown}"
        );
    }
}
