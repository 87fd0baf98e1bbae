//! The command line of an engine.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Drain, Kind};

/// One engine process, in a container or on this machine.
///
/// `model`, `host` and `port` are text, so that `{port}` may stand for a port
/// that the supervisor picks later.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// The program; see [`binary`].
    pub program: &'a str,
    /// Folder with the weights; `None` only for an engine that runs no model.
    pub model: Option<&'a str>,
    /// File below the folder, for llama.cpp.
    pub file: Option<&'a str>,
    pub served_name: &'a str,
    pub host: &'a str,
    pub port: &'a str,
    pub args: &'a BTreeMap<String, Value>,
    pub drain: &'a Drain,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    #[error("`engine.args.{key}` is set by infer itself ({flag})")]
    Reserved { key: String, flag: String },
    #[error("`engine.args.{key}` is empty; give it a value, or leave it out")]
    Null { key: String },
    #[error("`engine.args.{key}` is no flag: use letters, digits, - and _")]
    Name { key: String },
    #[error("llama.cpp loads one file of the model, and none is named")]
    NoFile,
    #[error("{kind} needs a model, and none is given")]
    NoModel { kind: Kind },
}

/// The program to start when `engine.command` does not say, as found on PATH or in the image.
///
/// The simulator is this very program: give its own path instead on this machine.
pub fn binary(kind: Kind) -> &'static str {
    kind.facts().binary
}

/// Flags that `infer` sets, which `engine.args` may not say again.
pub fn reserved_flags(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Vllm => &[
            "--model",
            "--host",
            "--port",
            "--served-model-name",
            "--shutdown-timeout",
        ],
        Kind::Sglang => &[
            "--model-path",
            "--model",
            "--host",
            "--port",
            "--served-model-name",
            "--enable-metrics",
        ],
        Kind::LlamaCpp => &[
            "-m",
            "--model",
            "--host",
            "--port",
            "--alias",
            "-a",
            "--metrics",
        ],
        Kind::Sim => &[
            "--model",
            "--host",
            "--port",
            "--served-model-name",
            "--drain",
        ],
    }
}

/// The whole command line, program first.
pub fn argv(kind: Kind, process: &Process<'_>) -> Result<Vec<String>, ArgumentError> {
    let mut argv = vec![process.program.to_owned()];
    let mut say = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    let model = || process.model.ok_or(ArgumentError::NoModel { kind });
    match kind {
        Kind::Vllm => say(&[
            "serve",
            model()?,
            "--served-model-name",
            process.served_name,
        ]),
        Kind::Sglang => say(&[
            "-m",
            "sglang.launch_server",
            "--model-path",
            model()?,
            "--served-model-name",
            process.served_name,
            "--enable-metrics",
        ]),
        Kind::LlamaCpp => {
            let path = llama_model(model()?, process.file.ok_or(ArgumentError::NoFile)?);
            say(&[
                "--model",
                &path,
                "--alias",
                process.served_name,
                "--metrics",
            ]);
        }
        Kind::Sim => {
            say(&["sim", "--served-model-name", process.served_name]);
            // It is not read, but a model that was not unpacked shows.
            if let Some(model) = process.model {
                say(&["--model", model]);
            }
        }
    }
    say(&["--host", process.host, "--port", process.port]);
    argv.extend(process.drain.flags.iter().cloned());
    argv.extend(flags(kind, process.args)?);
    Ok(argv)
}

fn llama_model(folder: &str, file: &str) -> String {
    format!("{}/{file}", folder.trim_end_matches('/'))
}

/// `max_model_len: 16384` → `--max-model-len 16384`; `true` → the flag alone;
/// `false` → nothing; a list → its items after one flag; a map → JSON.
pub(in crate::spec) fn flags(
    kind: Kind,
    args: &BTreeMap<String, Value>,
) -> Result<Vec<String>, ArgumentError> {
    let mut flags = Vec::new();
    for (key, value) in args {
        let flag = flag(kind, key)?;
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

fn flag(kind: Kind, key: &str) -> Result<String, ArgumentError> {
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
    if reserved_flags(kind).contains(&flag.as_str()) {
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
        super::{Version, drain},
        *,
    };

    fn args(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn line(kind: Kind, version: Option<&str>, args: &BTreeMap<String, Value>) -> String {
        let drain = drain(kind, version.and_then(Version::parse).as_ref(), 45);
        let process = Process {
            program: binary(kind),
            model: Some("/models"),
            file: Some("tiny.gguf"),
            served_name: "chat",
            host: "127.0.0.1",
            port: "{port}",
            args,
            drain: &drain,
        };
        argv(kind, &process).unwrap().join(" ")
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
            flags(Kind::Vllm, &args).unwrap(),
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
            assert!(flags(Kind::Vllm, &args).is_err(), "{key}");
        }
    }
}
