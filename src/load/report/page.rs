//! The shell of a report: one HTML file that needs nothing beside it (pure).
//!
//! For every report of `infer`, canary's too. No script, no network: the policy in
//! the head forbids both, so a report can be opened from anywhere. All text goes
//! through [`escape`]; only [`Page::figure`] takes markup, from `chart`.

use std::fmt::Write as _;

use serde::Serialize;

const HEAD: &str = r#"<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<style>
:root{--ink:#1a1d21;--soft:#5d6670;--line:#d9dde2;--paper:#fff;--panel:#f6f7f9;--good:#12703f;--bad:#b3261e;--open:#8a5a00;
--series-1:#0b64b0;--series-2:#c4540a;--series-3:#12806a;--series-4:#8a3f8f}
@media (prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#9aa4af;--line:#363c44;--paper:#14171b;--panel:#1c2026;--good:#5fd08f;--bad:#ff8a80;--open:#f0b85a;
--series-1:#6db5f7;--series-2:#ff9b5e;--series-3:#5fd3b8;--series-4:#d596da}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:68rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.1rem;font-weight:600;color:var(--soft);margin:0 0 .25rem}
h2{font-size:1.05rem;margin:2.5rem 0 .75rem}
.verdict{font-size:1.6rem;line-height:1.3;font-weight:600;margin:0 0 1.5rem;overflow-wrap:anywhere}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.25rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.35rem .75rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:500}th:first-child,td:first-child{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1.25rem}
figure{margin:0;padding:1rem;background:var(--panel);border-radius:.5rem}
figcaption{font-weight:600;margin-bottom:.5rem}
svg{display:block;width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}
.axis{stroke:var(--line)}.limit{stroke:var(--bad);stroke-dasharray:5 4}.mark{stroke:var(--soft);stroke-dasharray:2 3}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round}
.s1{stroke:var(--series-1)}.s2{stroke:var(--series-2)}.s3{stroke:var(--series-3)}.s4{stroke:var(--series-4)}
.f1{fill:var(--series-1)}.f2{fill:var(--series-2)}.f3{fill:var(--series-3)}.f4{fill:var(--series-4)}
.band{opacity:.18;stroke:none}
pre{overflow:auto;max-height:24rem;padding:1rem;background:var(--panel);border-radius:.5rem;font-size:12px}
@media print{details{display:none}}
</style>"#;

/// How a sentence is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    /// Not decided.
    Open,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
        }
    }
}

/// A report while it is written, from top to bottom.
#[derive(Debug)]
pub struct Page {
    title: String,
    body: String,
    charts_open: bool,
}

impl Page {
    pub fn new(title: &str) -> Self {
        Self {
            title: escape(title),
            body: String::new(),
            charts_open: false,
        }
    }

    fn add(&mut self, html: &str) {
        if self.charts_open {
            self.charts_open = false;
            self.body.push_str("</div>\n");
        }
        self.body.push_str(html);
        self.body.push('\n');
    }

    /// The answer, as one sentence.
    pub fn verdict(&mut self, tone: Tone, sentence: &str) {
        let (class, text) = (tone.class(), escape(sentence));
        self.add(&format!("<p class=\"verdict {class}\">{text}</p>"));
    }

    pub fn heading(&mut self, text: &str) {
        self.add(&format!("<h2>{}</h2>", escape(text)));
    }

    pub fn paragraph(&mut self, text: &str) {
        self.add(&format!("<p>{}</p>", escape(text)));
    }

    /// Names and values, a line each.
    pub fn facts(&mut self, facts: &[(&str, String)]) {
        let mut html = String::from("<dl>");
        for (name, value) in facts {
            let (name, value) = (escape(name), escape(value));
            put(&mut html, &format!("<dt>{name}</dt><dd>{value}</dd>"));
        }
        html.push_str("</dl>");
        self.add(&html);
    }

    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let mut html = String::from("<div class=\"wide\"><table><thead><tr>");
        for cell in head {
            put(
                &mut html,
                &format!("<th scope=\"col\">{}</th>", escape(cell)),
            );
        }
        html.push_str("</tr></thead><tbody>");
        for row in rows {
            html.push_str("<tr>");
            for cell in row {
                put(&mut html, &format!("<td>{}</td>", escape(cell)));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table></div>");
        self.add(&html);
    }

    /// A chart; figures that follow each other stand side by side.
    pub fn figure(&mut self, caption: &str, svg: &str) {
        if !self.charts_open {
            self.body.push_str("<div class=\"charts\">");
            self.charts_open = true;
        }
        let caption = escape(caption);
        put(
            &mut self.body,
            &format!("<figure><figcaption>{caption}</figcaption>{svg}</figure>\n"),
        );
    }

    /// The raw data, to be read by machines and shown on demand.
    pub fn data(&mut self, data: &impl Serialize) {
        let json = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        self.add(&format!(
            "<h2>Raw data</h2><details><summary>JSON</summary><pre id=\"data\">{}</pre></details>",
            escape(&json)
        ));
    }

    pub fn finish(mut self) -> String {
        self.add("");
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<title>{title}</title>\n{HEAD}\n</head>\n<body>\n\
             <h1>{title}</h1>\n{}</body>\n</html>\n",
            self.body,
            title = self.title
        )
    }
}

fn put(html: &mut String, piece: &str) {
    html.push_str(piece);
}

/// Text as it may stand in HTML, in attributes too; control characters become visible.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            c if c.is_control() => safe.push('\u{fffd}'),
            // Marks that turn the reading direction could make a report lie.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(safe, "\\u{:x}", u32::from(character)).expect("a string grows");
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_a_server_says_becomes_markup() {
        let evil = "</script><img src=x onerror=alert(1)>'\"&";
        let mut page = Page::new(evil);
        page.verdict(Tone::Bad, evil);
        page.heading(evil);
        page.paragraph(evil);
        page.facts(&[(evil, evil.to_owned())]);
        page.table(&[evil], &[vec![evil.to_owned()]]);
        page.figure(evil, "<svg></svg>");
        page.data(&evil);
        let html = page.finish();
        assert!(
            !html.contains("<img") && !html.contains("</script"),
            "{html}"
        );
        assert_eq!(html.matches("&lt;img src=x").count(), 11);
    }

    #[test]
    fn a_report_needs_no_network_and_closes_what_it_opens() {
        let mut page = Page::new("t");
        page.figure("a", "<svg></svg>");
        page.figure("b", "<svg></svg>");
        page.heading("h");
        let html = page.finish();
        assert!(
            !html.contains("http://") && !html.contains("https://") && !html.contains("<script")
        );
        assert_eq!(html.matches("<div").count(), html.matches("</div>").count());
        assert!(html.contains("prefers-color-scheme:dark"));
    }

    proptest! {
        #[test]
        fn escaped_text_holds_no_markup(text in "\\PC{0,40}|[<>&\"'\u{202e}\u{0}]{0,10}") {
            let safe = escape(&text);
            let bare = safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}']);
            prop_assert!(!bare);
        }
    }
}
