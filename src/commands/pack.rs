//! `infer pack`: weights on disk → an OCI image in a registry or a folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{Session, registry_args::RegistryArgs, release_args::home, release_file::ReleaseFile};
use crate::{
    error::{Failure, Outcome},
    home::Home,
    model::{self, Model, Source},
    pack::{
        self, Cache, Error, Event, Job, Packed, Plan, Rules, Target,
        lock::{self, Lock},
    },
    registry::{LayoutPath, Location, Options, Store},
    spec::Spec,
};

/// Pack model weights into an OCI image
///
/// Takes a folder, a Hugging Face cache snapshot or one .gguf file, checks that the
/// weights are whole, and writes a plain image with /models for amd64 and arm64: the
/// same bytes give the same digest everywhere. Writes infer.lock.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer pack ./my-model --to oci:./image\n  infer pack ./my-model --to ghcr.io/acme/chat:v3 --also modelpack\n  infer pack --dry-run"
)]
pub struct PackArgs {
    /// Weights to pack; model.source of infer.yaml if left out
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]; model.image of infer.yaml if left out
    #[arg(long, value_name = "IMAGE")]
    to: Option<Location>,
    /// Also write this manifest over the same blobs, tagged TAG-modelpack
    #[arg(long, value_enum, value_name = "FORMAT")]
    also: Vec<Also>,
    /// Leave out files or folders that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Lock file to write [default: infer.lock beside infer.yaml]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    #[command(flatten)]
    file: ReleaseFile,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Manifests that other tools want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Also {
    /// CNCF ModelPack
    Modelpack,
}

pub async fn run(args: PackArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    let (from, to) = args.places()?;
    if to.digest().is_some() {
        return Err(Failure::usage(format!(
            "{to} names a digest, and what is packed decides that itself"
        ))
        .hint("give a tag, or nothing"));
    }
    let lock_path = args.lock_path();
    let mut lock = Lock::read(&lock_path)?;
    let on_event = |event: Event| session.ui.show(&event);
    let job = args.prepare(&home, from, to.clone(), &on_event).await?;
    let kind = job.model.source.kind.clone();
    let packed = pack::pack(job, &session.interrupt, &on_event).await?;
    if !args.dry_run {
        lock.set(&in_full(to)?, entry(&packed, &kind)?);
        lock.write(&lock_path)?;
    }
    session.ui.answer(&packed);
    Ok(Outcome::Done)
}

impl PackArgs {
    /// Weights and image: from the flags, what they leave out from `infer.yaml`.
    fn places(&self) -> Result<(PathBuf, Location), Failure> {
        if let (Some(model), Some(to)) = (&self.model, &self.to) {
            return Ok((model.clone(), to.clone()));
        }
        let spec: Option<Spec> = if self.file.file.exists() {
            Some(self.file.load()?)
        } else {
            None
        };
        let from_file = spec.as_ref().and_then(|spec| spec.model.source.clone());
        let model = self.model.clone().or(from_file).ok_or_else(|| {
            Failure::usage("no model is named")
                .hint("name it: infer pack ./my-model --to oci:./image")
                .hint("or write model.source into infer.yaml: `infer init`")
        })?;
        let from_file = spec.as_ref().and_then(Spec::image_place);
        let to = self.to.clone().or(from_file).ok_or_else(|| {
            Failure::usage("nothing says where to pack to")
                .hint("a folder: --to oci:./image")
                .hint("a registry: --to ghcr.io/acme/chat")
        })?;
        Ok((model, to))
    }

    /// Beside `infer.yaml`, whose folder is this one if there is none.
    fn lock_path(&self) -> PathBuf {
        match &self.lock {
            Some(path) => path.clone(),
            None => self.file.file.with_file_name(lock::FILE_NAME),
        }
    }

    async fn prepare(
        &self,
        home: &Home,
        from: PathBuf,
        to: Location,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Job, Failure> {
        let created = source_date(env::var("SOURCE_DATE_EPOCH").ok())?;
        let rules = Rules {
            exclude: self.exclude.clone(),
        };
        let own = [
            layout_dir(&to).and_then(|dir| below(&from, dir)),
            below(&from, &self.lock_path()),
        ];
        let examined = tokio::task::spawn_blocking(move || examine(&from, &rules, &own));
        let (model, plan) = examined.await.map_err(|error| Failure::failed(&error))??;
        tell(&model, on_event);
        let options = self.registry.options(home);
        let target = self.target(&to, &options).await?;
        Ok(Job {
            model,
            plan,
            to,
            target,
            modelpack: self.also.contains(&Also::Modelpack),
            created,
            cache: Cache::new(&home.cache),
        })
    }

    async fn target(&self, to: &Location, options: &Options) -> Result<Target, Failure> {
        if !self.dry_run {
            return Ok(Target::Store(Store::open_to_write(to, options).await?));
        }
        // A layout that is not there yet holds nothing; a dry run does not make it.
        let absent = layout_dir(to).is_some_and(|dir| !dir.exists());
        let store = if absent {
            None
        } else {
            Some(Store::open(to, options).await?)
        };
        Ok(Target::DryRun(store))
    }
}

/// Reads headers only; `own` are paths below `from` that this run writes.
fn examine(from: &Path, rules: &Rules, own: &[Option<String>]) -> Result<(Model, Plan), Error> {
    let leave_out =
        |path: &str| rules.leaves_out(path) || own.iter().flatten().any(|own| own == path);
    let source = Source::open(from, &leave_out)?;
    let plan = Plan::new(source.files.clone())?;
    Ok((model::examine(source)?, plan))
}

fn tell(model: &Model, on_event: &(dyn Fn(Event) + Send + Sync)) {
    on_event(Event::Examined {
        facts: Box::new(model.facts.clone()),
        bytes: model.source.bytes(),
    });
    on_event(Event::Checked {
        tensor_files: model.tensor_files.len() as u64,
        files: model.source.files.len() as u64,
        left_out: model.source.left_out.clone(),
    });
    let paths = model.source.files.iter().map(|file| file.path.clone());
    let paths: Vec<_> = paths.filter(|path| pack::is_pickle(path)).collect();
    if !paths.is_empty() {
        on_event(Event::runs_code(&paths));
    }
}

fn layout_dir(to: &Location) -> Option<&Path> {
    match to {
        Location::Layout(layout) => Some(layout.dir()),
        Location::Registry(_) => None,
    }
}

/// `path` as seen from the folder `from`, if it lies in it.
fn below(from: &Path, path: &Path) -> Option<String> {
    let from = fs::canonicalize(from).ok()?;
    let path = std::path::absolute(path).ok()?;
    let parent = fs::canonicalize(path.parent()?).ok()?;
    let inside = parent.join(path.file_name()?);
    Some(inside.strip_prefix(&from).ok()?.to_str()?.to_owned())
}

/// `--to` is seen from this folder, the lock's entries from the lock's.
fn in_full(to: Location) -> Result<Location, Failure> {
    match to {
        Location::Layout(layout) => {
            let dir = std::path::absolute(layout.dir()).map_err(|error| Failure::failed(&error))?;
            Ok(Location::Layout(LayoutPath::new(dir)))
        }
        registry @ Location::Registry(_) => Ok(registry),
    }
}

/// `SOURCE_DATE_EPOCH` as RFC 3339 (reproducible-builds.org).
fn source_date(text: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let time = text
        .parse()
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    match time {
        Some(time) => Ok(Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        None => Err(Error::SourceDate { text }),
    }
}

fn entry(packed: &Packed, kind: &model::Kind) -> Result<lock::Entry, Failure> {
    let modelpack = packed.artifacts.modelpack.as_ref();
    let layers = packed.layers.iter().map(|layer| {
        Ok(lock::LockedLayer {
            digest: layer.digest.parse()?,
            bytes: layer.bytes,
        })
    });
    Ok(lock::Entry {
        digest: packed.digest.parse()?,
        modelpack: modelpack.map(|digest| digest.parse()).transpose()?,
        layers: layers.collect::<Result<_, Failure>>()?,
        source: kind.into(),
    })
}
