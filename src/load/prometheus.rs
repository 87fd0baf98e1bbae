//! Samples of a `/metrics` page in the Prometheus text format (pure).

/// One line of a page: a name, its labels and a value that is a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    pub value: f64,
    labels: &'a str,
}

/// The samples of a page; comments and lines that are not a sample are passed over.
pub fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(Sample::parse)
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let name_ends = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(name_ends);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(inner) => {
                let end = outside_quotes(inner, '}')?;
                (&inner[..end], &inner[end + 1..])
            }
            None => ("", rest),
        };
        let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        value.is_finite().then_some(Self {
            name,
            value,
            labels,
        })
    }

    /// The value of a label as it is written: `\"` and `\\` are left as they are.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.labels;
        loop {
            let end = outside_quotes(rest, ',').unwrap_or(rest.len());
            let (key, value) = rest[..end].split_once('=')?;
            if key.trim() == name {
                return value.trim().strip_prefix('"')?.strip_suffix('"');
            }
            rest = rest.get(end + 1..)?;
        }
    }
}

/// Where `wanted` is for the first time outside a quoted label value.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Sample<'_> {
        samples(line).next().unwrap()
    }

    #[test]
    fn labels_may_hold_braces_commas_and_quotes() {
        let sample = one(r#"x{path="/v1/{id}",model="a,\"b\"=c}", le="+Inf"} 3 1700000000"#);
        assert_eq!((sample.name, sample.value), ("x", 3.0));
        assert_eq!(sample.label("path"), Some("/v1/{id}"));
        assert_eq!(sample.label("model"), Some(r#"a,\"b\"=c}"#));
        assert_eq!(sample.label("le"), Some("+Inf"));
        assert_eq!(sample.label("id"), None);
        assert_eq!(one("up 1").label("x"), None);
    }

    #[test]
    fn an_exemplar_is_not_part_of_the_labels() {
        let sample = one("x_bucket{le=\"1\"} 4 # {trace_id=\"ab}\"} 0.5");
        assert_eq!((sample.value, sample.label("le")), (4.0, Some("1")));
    }

    #[test]
    fn lines_that_are_not_a_sample_are_passed_over() {
        let page = "# HELP x y\n<html>}\n{} NaN\nx NaN\ny +Inf\n\nx{\nx{a=\"} 1\nx\n";
        assert_eq!(samples(page).count(), 0);
    }
}
