//! From what is wanted to the process that serves it on this machine.

use std::{
    collections::BTreeMap,
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    local::{self, PORT_PLACEHOLDER},
    name::{VersionId, VersionIdError},
    release::error::Error,
    spec::{
        Secret, Spec,
        engine::{self, Kind, Process},
    },
};

/// What stands for the model's folder until it is known.
const MODEL_PLACEHOLDER: &str = "{model}";

/// Only this machine may ask an engine; others come through the gateway.
const HOST: &str = "127.0.0.1";

/// The engine of the wanted version, except for its program and its model's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    pub version: VersionId,
    /// Program first; `{model}` and `{port}` still in it.
    argv: Vec<String>,
    /// Whether `argv[0]` is looked up by `infer`, not given in `engine.command`.
    own_program: bool,
}

/// Makes the command line and the version id: a hash of the model's digest, `argv`, the
/// environment's names and non-secret values (DESIGN §2), so nothing else changes a version.
pub fn blueprint(spec: &Spec, model_digest: &str) -> Result<Blueprint, Error> {
    let argv = argv(spec)?;
    let secrets: Vec<_> = spec.secrets.keys().collect();
    // serde_json's maps are sorted: the same facts give the same bytes.
    let canonical = json!({
        "argv": argv,
        "env": spec.engine.env,
        "model": model_digest,
        "secrets": secrets,
    });
    let version = version_of(&canonical.to_string()).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(Blueprint { version, argv, own_program: spec.engine.command.is_none() })
}

fn version_of(canonical: &str) -> Result<VersionId, VersionIdError> {
    let hash = Sha256::digest(canonical.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    VersionId::from_sha256_hex(&hex)
}

fn argv(spec: &Spec) -> Result<Vec<String>, Error> {
    if let Some(command) = &spec.engine.command {
        let served = |word: &String| word.replace("{served_name}", &spec.model.served_name);
        return Ok(command.iter().map(served).collect());
    }
    let drain = engine::drain(
        spec.engine.kind,
        spec.engine.version.as_ref(),
        spec.rollout.drain_s,
    );
    let process = Process {
        program: engine::binary(spec.engine.kind),
        model: Some(MODEL_PLACEHOLDER),
        file: Some(spec.model.file.as_deref().unwrap_or(FILE_PLACEHOLDER)),
        served_name: &spec.model.served_name,
        host: HOST,
        port: PORT_PLACEHOLDER,
        args: &spec.engine.args,
        drain: &drain,
    };
    engine::argv(spec.engine.kind, &process).map_err(|error| Error::Engine(error.to_string()))
}

/// What stands for the one GGUF file of a model until the folder is there.
const FILE_PLACEHOLDER: &str = "{file}";

/// Completes the blueprint: the program found, the model's folder and the secrets filled in.
pub fn engine(
    spec: &Spec,
    blueprint: &Blueprint,
    model: &Path,
    model_digest: &str,
) -> Result<local::Engine, Error> {
    let folder = model.to_string_lossy();
    let file = match blueprint.argv.iter().any(|word| word.contains(FILE_PLACEHOLDER)) {
        true => gguf_file(model)?,
        false => String::new(),
    };
    let mut argv: Vec<_> = blueprint
        .argv
        .iter()
        .map(|word| word.replace(MODEL_PLACEHOLDER, &folder).replace(FILE_PLACEHOLDER, &file))
        .collect();
    if blueprint.own_program {
        argv[0] = program(spec.engine.kind)?.to_string_lossy().into_owned();
    }
    Ok(local::Engine {
        version: blueprint.version.clone(),
        simulated: spec.engine.kind.is_simulated(),
        kind: spec.engine.kind.name().to_owned(),
        argv,
        env: spec.engine.env.clone(),
        // Filled in from the caller's environment when it is started.
        secret_env: BTreeMap::new(),
        health_path: spec.engine.kind.facts().health_path.to_owned(),
        startup_s: spec.rollout.startup_s,
        drain_s: spec.rollout.drain_s,
        served_model: spec.model.served_name.clone(),
        model_digest: Some(model_digest.to_owned()),
    })
}

/// The engine's own binary on PATH; the simulator is this very program.
fn program(kind: Kind) -> Result<PathBuf, Error> {
    if kind.is_simulated() {
        return env::current_exe().map_err(|source| Error::File {
            act: "find",
            path: PathBuf::from("infer"),
            source,
        });
    }
    let name = engine::binary(kind);
    on_path(name, &env::var_os("PATH").unwrap_or_default()).ok_or_else(|| Error::NoEngine {
        program: name.to_owned(),
        how: kind.facts().install.to_owned(),
    })
}

fn on_path(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| {
        candidate
            .metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// Which of the caller's environment variables hold the engine's secrets.
pub fn secret_variables(spec: &Spec) -> BTreeMap<String, String> {
    let variable = |(name, secret): (&String, &Secret)| {
        (name.clone(), secret.env.clone().unwrap_or_else(|| name.clone()))
    };
    spec.secrets.iter().map(variable).collect()
}

/// The GGUF that llama.cpp is given: the only one, or the first of its shards.
fn gguf_file(model: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::File { act: "read", path: model.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(model).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "gguf") {
            files.push(name);
        }
    }
    files.sort();
    choose_gguf(&files).map(str::to_owned).ok_or_else(|| {
        Error::Engine(match files.len() {
            0 => "the model has no .gguf file for llama.cpp to load".to_owned(),
            _ => format!("the model has several GGUF files ({}); say which in model.file", files.join(", ")),
        })
    })
}

fn choose_gguf(files: &[String]) -> Option<&str> {
    match files {
        [only] => Some(only),
        [first, rest @ ..] => {
            let (stem, count) = first.split_once("-00001-of-")?;
            let same = |name: &String| name.starts_with(stem) && name.ends_with(count);
            rest.iter().all(same).then_some(first)
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Vec<String> {
        files.iter().map(|file| (*file).to_owned()).collect()
    }

    #[test]
    fn one_gguf_or_the_first_of_its_shards_is_loaded() {
        assert_eq!(choose_gguf(&names(&["m.gguf"])), Some("m.gguf"));
        let shards = names(&["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
        assert_eq!(choose_gguf(&shards), Some("m-00001-of-00002.gguf"));
        assert_eq!(choose_gguf(&names(&["a.gguf", "b.gguf"])), None);
        assert_eq!(choose_gguf(&[]), None);
    }

    #[test]
    fn a_version_is_the_hash_of_what_it_is_made_of() {
        let one = version_of("{\"model\":\"a\"}").unwrap();
        assert_eq!(one, version_of("{\"model\":\"a\"}").unwrap());
        assert_ne!(one, version_of("{\"model\":\"b\"}").unwrap());
    }

    #[test]
    fn only_executable_files_on_path_are_programs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("llama-server");
        std::fs::write(&file, "").unwrap();
        assert_eq!(on_path("llama-server", dir.path().as_os_str()), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(on_path("llama-server", dir.path().as_os_str()), Some(file));
    }
}
