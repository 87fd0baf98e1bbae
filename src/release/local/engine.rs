//! From what is wanted to the process that serves it on this machine.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    engine::{Kind, Weights},
    local::{self, PORT_PLACEHOLDER},
    name::VersionId,
    release::error::Error,
    render::version_of,
    spec::{Launch, Secret, Spec},
};

/// What stands for the model's folder until it is known.
const MODEL_PLACEHOLDER: &str = "{model}";

/// Only this machine may ask an engine; others come through the gateway.
const HOST: &str = "127.0.0.1";

/// The version's id: a hash of the model's digest, the command line with placeholders for
/// what is this machine's, the environment's names and non-secret values (DESIGN §2).
pub fn version(spec: &Spec, model_digest: &str) -> Result<VersionId, Error> {
    let argv = argv(spec, None, MODEL_PLACEHOLDER, FILE_PLACEHOLDER)?;
    let secrets: Vec<_> = spec.secrets.keys().collect();
    Ok(version_of(&json!({
        "argv": argv,
        "env": spec.engine.env,
        "model": model_digest,
        "secrets": secrets,
    })))
}

fn argv(spec: &Spec, program: Option<&str>, model: &str, file: &str) -> Result<Vec<String>, Error> {
    let launch = Launch {
        program,
        model: Some(model),
        file: Some(file),
        host: HOST,
        port: PORT_PLACEHOLDER,
        ..Launch::default()
    };
    spec.argv(&launch)
        .map_err(|error| Error::Engine(error.to_string()))
}

/// What stands for the one GGUF file of a model until the folder is there.
const FILE_PLACEHOLDER: &str = "{file}";

/// The process that serves the version: its program found, its model's folder filled in.
pub fn engine(
    spec: &Spec,
    version: &VersionId,
    model: &Path,
    model_digest: &str,
) -> Result<local::Engine, Error> {
    let own = match &spec.engine.command {
        Some(_) => None,
        None => Some(program(spec.engine.kind)?.to_string_lossy().into_owned()),
    };
    let file = match spec.engine.kind.row().weights {
        Weights::GgufFile if spec.model.file.is_none() && own.is_some() => gguf_file(model)?,
        _ => String::new(),
    };
    let argv = argv(spec, own.as_deref(), &model.to_string_lossy(), &file)?;
    Ok(local::Engine {
        version: version.clone(),
        simulated: spec.engine.kind.is_simulated(),
        kind: spec.engine.kind.name().to_owned(),
        argv,
        env: spec.engine.env.clone(),
        folder: None,
        // Filled in from the caller's environment when it is started.
        secret_env: BTreeMap::new(),
        health_path: spec.engine.kind.row().health_path.to_owned(),
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
    let name = kind.row().binary;
    on_path(name).ok_or_else(|| Error::NoEngine {
        program: name.to_owned(),
        how: kind.row().install.to_owned(),
    })
}

/// The executable a name stands for, as a shell would find it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    find_in(&env::var_os("PATH").unwrap_or_default(), program)
}

fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(runs)
}

/// Which of the caller's environment variables hold the engine's secrets.
pub fn secret_variables(spec: &Spec) -> BTreeMap<String, String> {
    let variable = |(name, secret): (&String, &Secret)| (name.clone(), secret.env.clone());
    spec.secrets.iter().map(variable).collect()
}

/// The GGUF that llama.cpp is given: the only one, or the first of its shards.
fn gguf_file(model: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::File {
        act: "read",
        path: model.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(model).map_err(unreadable)? {
        let name = entry
            .map_err(unreadable)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "gguf")
        {
            files.push(name);
        }
    }
    files.sort();
    choose_gguf(&files).map(str::to_owned).ok_or_else(|| {
        Error::Engine(match files.len() {
            0 => "the model has no .gguf file for llama.cpp to load".to_owned(),
            _ => format!(
                "the model has several GGUF files ({}); say which in model.file",
                files.join(", ")
            ),
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
    fn only_executable_files_on_path_are_programs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("llama-server");
        std::fs::write(&file, "").unwrap();
        let path = dir.path().as_os_str();
        assert_eq!(find_in(path, "llama-server"), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(path, "llama-server"), Some(file.clone()));
        assert_eq!(find_in(path, &file.to_string_lossy()), Some(file));
    }
}
