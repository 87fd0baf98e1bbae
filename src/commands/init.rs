//! `infer init`: a first `infer.yaml`, from flags or from answers.

use std::path::{Path, PathBuf};

use super::Session;
use crate::{
    engine::{Kind, Weights},
    error::{Failure, Outcome},
    file::write_atomically,
    model::{self, Facts, Format, Source},
    name::ReleaseName,
    registry::{LayoutPath, Location},
    slo::Gate,
    spec::{self, draft::Draft},
    ui::{
        Ui,
        init::{Written, about},
    },
};

/// Write infer.yaml, after a look at the weights
///
/// Asks for what no flag says, on a terminal; elsewhere it takes what the weights and
/// the folder suggest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer init
  infer init chat --model ./weights --image oci:./image --engine llama.cpp --target local")]
pub struct InitArgs {
    /// Name of the release; the folder's if left out
    #[arg(value_name = "NAME")]
    name: Option<ReleaseName>,
    /// Folder or .gguf file with the weights
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Where to pack them: REGISTRY/REPOSITORY, or oci:DIR
    #[arg(long, value_name = "IMAGE")]
    image: Option<Location>,
    /// vllm, sglang, llama.cpp or sim; as the weights suggest if left out
    #[arg(long, value_name = "KIND")]
    engine: Option<Kind>,
    /// The engine's version, such as 0.18.0
    #[arg(long, value_name = "VERSION")]
    engine_version: Option<String>,
    /// Container image of the engine
    #[arg(long, value_name = "IMAGE")]
    engine_image: Option<String>,
    /// Where it runs
    #[arg(long, value_enum)]
    target: Option<Where>,
    /// Namespace, for Kubernetes
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// GPUs per replica
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// Gateway to join, for Kubernetes
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Host name that clients ask for
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// An SLO, such as ttft.p99<500ms; may be repeated
    #[arg(long, value_name = "GATE")]
    slo: Vec<Gate>,
    /// File to write
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = spec::FILE_NAME,
        env = "INFER_FILE",
        hide_env = true
    )]
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Where {
    /// This machine
    Local,
    /// A cluster
    Kubernetes,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(mut args: InitArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.file.exists() && !args.force {
        return Err(
            Failure::usage(format!("{} is there already", args.file.display()))
                .hint("change it, or replace it: add --force"),
        );
    }
    let ui = &session.ui;
    let ask = ui.can_ask();
    if ask {
        args.ask_for_model(ui)?;
    }
    let facts = args.model.as_deref().map(examine).transpose()?;
    if ask {
        args.ask_for_the_rest(ui, facts.as_ref())?;
    }
    let draft = args.draft(facts.as_ref())?;
    let text = draft.to_yaml()?;
    // What init writes, every other verb must be able to read.
    spec::parse(&args.file, &text, None, &[])?;
    write_atomically(&args.file, text.as_bytes())
        .map_err(|error| Failure::cannot_write(&args.file, &error))?;
    ui.answer(&Written {
        file: args.file.display().to_string(),
        release: draft.name.to_string(),
        engine: draft.engine.name(),
        target: if draft.is_local {
            "local"
        } else {
            "kubernetes"
        },
        model: facts.map(|found| found.facts),
    });
    ui.note(match (&draft.source, &draft.image) {
        (Some(_), _) => "Next: `infer pack`.",
        (None, Some(_)) => "Next: `infer deploy`.",
        (None, None) => "Next: say what to serve with `model: {source: DIR}`, then `infer pack`.",
    });
    Ok(Outcome::Done)
}

/// What the weights say, and the file llama.cpp is to load.
struct Found {
    facts: Facts,
    file: Option<String>,
}

fn examine(place: &Path) -> Result<Found, Failure> {
    let source = Source::open(place, &|_| false)?;
    let model = model::examine(source)?;
    let mut gguf = model
        .source
        .files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| path.to_lowercase().ends_with(".gguf"));
    Ok(Found {
        file: gguf.next().map(str::to_owned),
        facts: model.facts,
    })
}

impl InitArgs {
    fn ask_for_model(&mut self, ui: &Ui) -> Result<(), Failure> {
        if self.name.is_none() {
            let check = |answer: &str| {
                let parsed = answer.parse::<ReleaseName>();
                parsed.map(drop).map_err(|error| error.to_string())
            };
            let name = ui.ask("Name of the release", &self.name_default(), check)?;
            self.name = name.parse().ok();
        }
        if self.model.is_none() && !self.engine.is_some_and(Kind::is_simulated) {
            let check = |answer: &str| {
                if Path::new(answer).exists() {
                    Ok(())
                } else {
                    Err(format!("{answer} is not there"))
                }
            };
            let model = ui.ask("Folder or .gguf file with the weights", ".", check)?;
            self.model = Some(PathBuf::from(model));
        }
        Ok(())
    }

    fn ask_for_the_rest(&mut self, ui: &Ui, found: Option<&Found>) -> Result<(), Failure> {
        if let Some(found) = found {
            ui.note(&about(&found.facts));
        }
        if self.engine.is_none() {
            let check = |answer: &str| {
                let parsed = answer.parse::<Kind>();
                parsed.map(drop).map_err(|error| error.to_string())
            };
            let engine = ui.ask("Engine", suggested(found).name(), check)?;
            self.engine = engine.parse().ok();
        }
        if self.target.is_none() {
            let check = |answer: &str| match answer {
                "local" | "kubernetes" => Ok(()),
                _ => Err("local or kubernetes".to_owned()),
            };
            let target = ui.ask("Where it runs (local, kubernetes)", "local", check)?;
            self.target = Some(match target.as_str() {
                "local" => Where::Local,
                _ => Where::Kubernetes,
            });
        }
        if self.image.is_none() && self.model.is_some() {
            let check = |answer: &str| {
                let parsed = answer.parse::<Location>();
                parsed.map(drop).map_err(|error| error.to_string())
            };
            let image = ui.ask("Where to pack it", "oci:./image", check)?;
            self.image = image.parse().ok();
        }
        Ok(())
    }

    fn draft(&self, found: Option<&Found>) -> Result<Draft, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.name_default().parse().map_err(|_| {
                Failure::usage("the folder's name is not a valid release name")
                    .hint("name the release: `infer init chat`")
            })?,
        };
        let is_local = self.target != Some(Where::Kubernetes);
        let image = match &self.image {
            Some(image) => Some(image.clone()),
            None if self.model.is_none() => None,
            None if is_local => Some(Location::Layout(LayoutPath::new("./image"))),
            None => {
                return Err(Failure::usage("nothing says where to pack the model")
                    .hint("nodes pull it: add --image REGISTRY/REPOSITORY"));
            }
        };
        let engine = self.engine.unwrap_or_else(|| suggested(found));
        let loads_file = engine.row().weights == Weights::GgufFile;
        Ok(Draft {
            source: self
                .model
                .as_deref()
                .map(|path| self.beside(path))
                .transpose()?,
            file: found
                .and_then(|found| found.file.clone())
                .filter(|_| loads_file),
            about: found.map(|found| about(&found.facts)),
            slo: self.slo.iter().map(ToString::to_string).collect(),
            engine_version: self.engine_version.clone(),
            engine_image: self.engine_image.clone(),
            namespace: self.namespace.clone(),
            gateway: self.gateway.clone(),
            host: self.host.clone(),
            gpus: self.gpus,
            name,
            image,
            engine,
            is_local,
        })
    }

    /// A path as it reads from the folder of the file.
    fn beside(&self, path: &Path) -> Result<String, Failure> {
        let folder = self
            .file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let shown = match folder {
            // Another folder: only a full path means the same from there.
            Some(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            None => path.to_owned(),
        };
        shown.into_os_string().into_string().map_err(|path| {
            Failure::usage(format!(
                "the name {} is not UTF-8, so infer.yaml cannot hold it",
                path.to_string_lossy()
            ))
            .hint("rename the folder or the file")
        })
    }

    /// The folder's name, as far as it can be a release's.
    fn name_default(&self) -> String {
        // The file itself, as the parent of a bare name is "", which cannot be made absolute.
        let file = std::path::absolute(&self.file).unwrap_or_default();
        let absolute = file.parent().map(Path::to_owned).unwrap_or_default();
        let name = absolute.file_name().unwrap_or_default().to_string_lossy();
        let plain: String = name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .skip_while(|c| !c.is_ascii_lowercase())
            .take(crate::name::RELEASE_NAME_LENGTH_MAX)
            .collect();
        plain.trim_end_matches('-').to_owned()
    }
}

/// The engine that loads what was found; a simulated one where no weights are named.
fn suggested(found: Option<&Found>) -> Kind {
    let weights = match found.map(|found| found.facts.format) {
        Some(Format::Gguf) => Weights::GgufFile,
        Some(Format::Safetensors | Format::Other) => Weights::Folder,
        None => Weights::NotRead,
    };
    Kind::that_loads(weights).unwrap_or(Kind::Sim)
}
