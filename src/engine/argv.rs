//! The command line of an engine.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Drain, Engine, Flag, Group};

/// One engine process, in a container or on this machine.
///
/// `model`, `host` and `port` are text, so that `{port}` may stand for a port
/// that the supervisor picks later.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// The program: the engine's own name, or its path.
    pub program: &'a str,
    /// Folder with the weights; `None` only for an engine that runs no model.
    pub model: Option<&'a str>,
    /// File below the folder, for an engine that loads one file.
    pub file: Option<&'a str>,
    pub served_name: &'a str,
    pub host: &'a str,
    pub port: &'a str,
    pub args: &'a BTreeMap<String, Value>,
    pub drain: &'a Drain,
    /// Memory of the slice of a GPU that it runs on, in bytes.
    pub slice_bytes: Option<u128>,
    /// Its place in a replica that spans several machines.
    pub group: Option<Group<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    #[error("`engine.args.{key}` is set by infer itself ({flag})")]
    Reserved { key: String, flag: String },
    #[error("`engine.args.{key}` is empty; give it a value, or leave it out")]
    Null { key: String },
    #[error("`engine.args.{key}` is not a valid flag: use letters, digits, - and _")]
    Name { key: String },
    #[error("llama.cpp loads one file of the model, and none is named")]
    NoFile,
    #[error("the engine needs a model, and none is given")]
    NoModel,
}

impl Flag {
    pub(super) fn value(names: &'static [&'static str], value: impl Into<String>) -> Self {
        Self {
            names,
            value: Some(value.into()),
        }
    }

    pub(super) fn switch(names: &'static [&'static str]) -> Self {
        Self { names, value: None }
    }
}

/// The folder with the weights, for an engine that cannot do without.
pub(super) fn model<'a>(process: &Process<'a>) -> Result<&'a str, ArgumentError> {
    process.model.ok_or(ArgumentError::NoModel)
}

/// The whole command line, program first.
pub fn argv(engine: &Engine, process: &Process<'_>) -> Result<Vec<String>, ArgumentError> {
    let mut argv = vec![process.program.to_owned()];
    argv.extend((engine.arguments)(process)?);
    argv.extend(["--host", process.host, "--port", process.port].map(str::to_owned));
    argv.extend(process.drain.flags.iter().cloned());
    let own = flags(engine, process.args)?;
    let spanning = process.group.zip(engine.spanning);
    let group = spanning.map(|(group, spanning)| (spanning.flags)(&group));
    let slice = process.slice_bytes.map(engine.slice_flags);
    for added in group.into_iter().chain(slice).flatten() {
        if !added
            .names
            .iter()
            .any(|name| own.iter().any(|word| word == name))
        {
            argv.extend(added.names.first().map(|name| (*name).to_owned()));
            argv.extend(added.value);
        }
    }
    argv.extend(own);
    Ok(argv)
}

/// `max_model_len: 16384` → `--max-model-len 16384`; `true` → the flag alone;
/// `false` → nothing; a list → its items after one flag; a map → JSON.
pub fn flags(
    engine: &Engine,
    args: &BTreeMap<String, Value>,
) -> Result<Vec<String>, ArgumentError> {
    let mut flags = Vec::new();
    for (key, value) in args {
        let flag = flag(engine, key)?;
        match value {
            Value::Null => return Err(ArgumentError::Null { key: key.clone() }),
            Value::Bool(false) => {}
            Value::Bool(true) => flags.push(flag),
            Value::Array(items) => {
                flags.push(flag);
                flags.extend(items.iter().map(text));
            }
            Value::Number(_) | Value::String(_) | Value::Object(_) => {
                flags.push(flag);
                flags.push(text(value));
            }
        }
    }
    Ok(flags)
}

fn flag(engine: &Engine, key: &str) -> Result<String, ArgumentError> {
    let sound = key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !sound {
        return Err(ArgumentError::Name {
            key: key.to_owned(),
        });
    }
    let flag = if key.len() == 1 {
        format!("-{key}")
    } else {
        format!("--{}", key.replace('_', "-"))
    };
    if engine.reserved_flags.contains(&flag.as_str()) {
        return Err(ArgumentError::Reserved {
            key: key.to_owned(),
            flag,
        });
    }
    Ok(flag)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{Kind, Version, drain},
        *,
    };

    fn args(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn line(kind: Kind, version: Option<&str>, args: &BTreeMap<String, Value>) -> String {
        let drain = drain(kind.row(), version.and_then(Version::parse).as_ref(), 45);
        let process = Process {
            program: kind.row().binary,
            model: Some("/models"),
            file: Some("tiny.gguf"),
            served_name: "chat",
            host: "127.0.0.1",
            port: "{port}",
            args,
            drain: &drain,
            slice_bytes: None,
            group: None,
        };
        argv(kind.row(), &process).unwrap().join(" ")
    }

    #[test]
    fn each_engine_has_its_own_command_line() {
        let none = BTreeMap::new();
        assert_eq!(
            line(Kind::Vllm, Some("0.18.0"), &none),
            "vllm serve /models --served-model-name chat --host 127.0.0.1 --port {port} --shutdown-timeout 45"
        );
        assert_eq!(
            line(Kind::Vllm, None, &none),
            "vllm serve /models --served-model-name chat --host 127.0.0.1 --port {port}"
        );
        assert_eq!(
            line(Kind::Sglang, None, &none),
            "python3 -m sglang.launch_server --model-path /models --served-model-name chat --enable-metrics --host 127.0.0.1 --port {port}"
        );
        assert_eq!(
            line(Kind::LlamaCpp, None, &none),
            "llama-server --model /models/tiny.gguf --alias chat --metrics --host 127.0.0.1 --port {port}"
        );
        assert_eq!(
            line(Kind::Sim, None, &none),
            "infer sim --served-model-name chat --model /models --host 127.0.0.1 --port {port} --drain 45s"
        );
    }

    #[test]
    fn arguments_become_flags_by_their_type() {
        let args = args(json!({
            "max_model_len": 16384, "enforce_eager": true, "no_such": false, "c": 4096,
            "gpu-memory-utilization": 0.9, "lora_modules": ["a", "b c"], "config": {"k": [1]},
        }));
        assert_eq!(
            flags(Kind::Vllm.row(), &args).unwrap(),
            [
                "-c",
                "4096",
                "--config",
                "{\"k\":[1]}",
                "--enforce-eager",
                "--gpu-memory-utilization",
                "0.9",
                "--lora-modules",
                "a",
                "b c",
                "--max-model-len",
                "16384",
            ]
        );
    }

    #[test]
    fn flags_that_infer_sets_and_wrong_names_are_refused() {
        for (key, value) in [
            ("port", json!(1)),
            ("served_model_name", json!("x")),
            ("--x", json!(1)),
            ("a b", json!(1)),
            ("x", Value::Null),
            ("", json!(1)),
        ] {
            let args = BTreeMap::from([(key.to_owned(), value)]);
            assert!(flags(Kind::Vllm.row(), &args).is_err(), "{key}");
        }
    }
}
