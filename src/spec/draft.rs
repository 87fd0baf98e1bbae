//! A first `infer.yaml`, written for a person to go on from. Pure.

use crate::{engine::Kind, name::ReleaseName, registry::Location, yaml};

/// What is known of a release before its file is there.
#[derive(Debug, Clone)]
pub struct Draft {
    pub name: ReleaseName,
    /// As it is to be written: relative to the file.
    pub source: Option<String>,
    pub image: Option<Location>,
    /// The file that llama.cpp loads.
    pub file: Option<String>,
    pub engine: Kind,
    pub engine_version: Option<String>,
    pub engine_image: Option<String>,
    pub is_local: bool,
    pub namespace: Option<String>,
    pub gpus: Option<u32>,
    pub gateway: Option<String>,
    pub host: Option<String>,
    pub slo: Vec<String>,
    /// What the weights say, for a comment.
    pub about: Option<String>,
}

impl Draft {
    /// The file's text; values are quoted where YAML wants it.
    pub fn to_yaml(&self) -> Result<String, yaml::Error> {
        let mut page = Page::default();
        page.line("# What `infer` serves, and how; `infer schema` has every key.");
        page.line("version: 1");
        page.pair(0, "name", self.name.as_str())?;
        self.model(&mut page)?;
        page.line("engine:");
        page.pair(2, "kind", self.engine.name())?;
        page.option(2, "version", self.engine_version.as_deref())?;
        page.option(2, "image", self.engine_image.as_deref())?;
        self.target(&mut page)?;
        if let Some(gpus) = self.gpus {
            page.line("hardware:");
            page.line(&format!("  gpus: {gpus}"));
        }
        self.traffic(&mut page)?;
        if !self.slo.is_empty() {
            page.line("gates:");
            page.line("  slo:");
            for gate in &self.slo {
                page.line(&format!("    - {}", scalar(gate)?));
            }
        }
        Ok(page.0)
    }

    fn model(&self, page: &mut Page) -> Result<(), yaml::Error> {
        let image = self.image.as_ref().map(ToString::to_string);
        if self.source.is_none() && image.is_none() {
            return Ok(());
        }
        if let Some(about) = &self.about {
            // One line: a comment must not end where a value would begin.
            let about: String = about.chars().filter(|c| !c.is_control()).collect();
            page.line(&format!("# {about}"));
        }
        page.line("model:");
        page.option(2, "source", self.source.as_deref())?;
        page.option(2, "image", image.as_deref())?;
        page.option(2, "file", self.file.as_deref())
    }

    fn target(&self, page: &mut Page) -> Result<(), yaml::Error> {
        match &self.namespace {
            _ if self.is_local => page.line("target: local"),
            None => page.line("target: kubernetes"),
            Some(namespace) => {
                page.line("target:");
                page.line("  kubernetes:");
                page.pair(4, "namespace", namespace)?;
            }
        }
        Ok(())
    }

    fn traffic(&self, page: &mut Page) -> Result<(), yaml::Error> {
        if self.gateway.is_none() && self.host.is_none() {
            return Ok(());
        }
        page.line("traffic:");
        if let Some(gateway) = &self.gateway {
            page.line("  gateway:");
            page.pair(4, "name", gateway)?;
        }
        page.option(2, "host", self.host.as_deref())
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn pair(&mut self, indent: usize, key: &str, value: &str) -> Result<(), yaml::Error> {
        let value = scalar(value)?;
        self.line(&format!("{:indent$}{key}: {value}", ""));
        Ok(())
    }

    fn option(&mut self, indent: usize, key: &str, value: Option<&str>) -> Result<(), yaml::Error> {
        value.map_or(Ok(()), |value| self.pair(indent, key, value))
    }
}

/// A text on one line: plain where every YAML reader takes it so, else quoted.
fn scalar(text: &str) -> Result<String, yaml::Error> {
    let written = yaml::write(&text)?;
    let line = written.trim_end_matches('\n');
    Ok(if line.contains('\n') || line.starts_with(['|', '>']) {
        serde_json::Value::from(text).to_string()
    } else {
        line.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Target, parse};

    fn draft() -> Draft {
        Draft {
            name: "chat".parse().unwrap(),
            source: Some("weights".to_owned()),
            image: Some("oci:./image".parse().unwrap()),
            file: None,
            engine: Kind::Sim,
            engine_version: None,
            engine_image: None,
            is_local: true,
            namespace: None,
            gpus: None,
            gateway: None,
            host: None,
            slo: vec!["ttft.p99<500ms".to_owned()],
            about: Some("BertModel, 22.7M parameters".to_owned()),
        }
    }

    #[test]
    fn a_draft_is_short_and_reads_back() {
        let text = draft().to_yaml().unwrap();
        assert_eq!(
            text,
            "# What `infer` serves, and how; `infer schema` has every key.\n\
             version: 1\n\
             name: chat\n\
             # BertModel, 22.7M parameters\n\
             model:\n  source: weights\n  image: oci:./image\n\
             engine:\n  kind: sim\n\
             target: local\n\
             gates:\n  slo:\n    - ttft.p99<500ms\n"
        );
        let spec = parse(Path::new("infer.yaml"), &text, None, &[]).unwrap();
        assert_eq!(spec.target, Target::Local);
    }

    #[test]
    fn hostile_answers_stay_values() {
        for hostile in [
            "a: b",
            "on",
            "x\nname: evil",
            "# c",
            "- d",
            "{e}",
            "'f",
            "a #b",
            "|",
            "",
        ] {
            let draft = Draft {
                source: Some(hostile.to_owned()),
                engine_image: Some("image:1".to_owned()),
                host: Some("on".to_owned()),
                about: Some(format!("{hostile}\nname: evil")),
                ..draft()
            };
            let text = draft.to_yaml().unwrap();
            let spec = parse(Path::new("infer.yaml"), &text, None, &[])
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(spec.name.as_str(), "chat", "{text}");
            assert_eq!(spec.model.source.unwrap(), Path::new(hostile), "{text}");
            assert_eq!(spec.traffic.host.as_deref(), Some("on"));
        }
    }
}
