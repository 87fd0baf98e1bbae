//! A packed model back on disk, never outside the folder that was asked for.

use std::{
    fs,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use futures_util::{StreamExt, stream};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, open, openat, openat2, unlinkat},
    io::Errno,
};
use serde::Serialize;

use super::{
    Error,
    archive::{Archive, Entry, EntryKind, Stop},
    contents::{Contents, are_disjoint, check_media_type, open_layer},
    error::EntryFault,
    event::{Act, Event},
    framing::ROOT,
    gauge::Gauges,
    push::blocking,
};
use crate::{
    interrupt::Interrupt,
    registry::{Descriptor, Store},
};

/// Layers fetched at once, as when they are sent.
const LAYERS_AT_ONCE: usize = 4;
const BUFFER_BYTES: usize = 1 << 20;

/// As in the image, less what the user's umask takes away.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Unpacked {
    /// The folder that holds the model's files.
    #[serde(serialize_with = "crate::file::serialize_shown")]
    pub path: PathBuf,
    pub digest: String,
    pub files: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// Unpacks the image that `wanted` names into the new folder `into`.
///
/// Everything is written to a folder beside it, checked against its digests, and
/// renamed: `into` is whole or not there. `name` is the image's in errors.
///
/// # Errors
/// `into` exists; an entry that leads out, is a link or a device; a wrong digest; a
/// full disk. Nothing is left behind then.
pub async fn unpack(
    store: &Store,
    name: &str,
    wanted: Option<&str>,
    into: &Path,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<Unpacked, Error> {
    let started = Instant::now();
    if fs::symlink_metadata(into).is_ok() {
        return Err(Error::Exists {
            path: into.to_owned(),
        });
    }
    let contents = Contents::read(store, name, wanted).await?;
    let layers = &contents.manifest().layers;
    for layer in layers {
        check_media_type(layer)?;
    }
    let room = Room::make(into)?;
    let written = fetch_all(store, layers, &room, interrupt, on_event).await?;
    if written.files == 0 {
        return Err(Error::NoModel {
            image: name.to_owned(),
        });
    }
    let into = into.to_owned();
    let path = into.clone();
    blocking(move || room.hand_over(&into)).await?;
    Ok(Unpacked {
        path,
        digest: contents.top.digest.to_string(),
        files: written.files,
        bytes: written.bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

#[derive(Debug, Clone, Copy, Default)]
struct Written {
    files: u64,
    bytes: u64,
}

async fn fetch_all(
    store: &Store,
    layers: &[Descriptor],
    room: &Room,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<Written, Error> {
    let labels = layers
        .iter()
        .map(|layer| (layer.digest.short(), layer.size));
    let gauges = Arc::new(Gauges::new(Act::Unpack, labels));
    // A later layer replaces files of an earlier one, so order matters where they meet.
    let at_once = if are_disjoint(layers) {
        LAYERS_AT_ONCE
    } else {
        1
    };
    let work = stream::iter(layers.iter().cloned().enumerate())
        .map(|(number, layer)| {
            let (gauges, folder) = (Arc::clone(&gauges), Arc::clone(&room.folder));
            async move {
                if gauges.is_stopped() {
                    return Err(Error::Interrupted);
                }
                let reader = open_layer(store, &layer).await;
                let digest = layer.digest.to_string();
                let stop = Arc::clone(&gauges);
                let written = match reader {
                    Ok(reader) => {
                        blocking(move || {
                            write_layer(reader, &digest, folder.as_fd(), &gauges, number)
                        })
                        .await
                    }
                    Err(error) => Err(error),
                };
                if written.is_err() {
                    stop.stop();
                }
                written
            }
        })
        .buffered(at_once)
        .collect::<Vec<_>>();
    sum(gauges.watch(work, interrupt, on_event).await)
}

fn sum(results: Vec<Result<Written, Error>>) -> Result<Written, Error> {
    let (mut all, mut stopped) = (Written::default(), false);
    for result in results {
        match result {
            Ok(one) => {
                all.files += one.files;
                all.bytes += one.bytes;
            }
            Err(Error::Interrupted) => stopped = true,
            Err(cause) => return Err(cause),
        }
    }
    if stopped {
        return Err(Error::Interrupted);
    }
    Ok(all)
}

/// A private folder beside the wanted one, and in it the one to be handed over.
struct Room {
    temporary: tempfile::TempDir,
    folder: Arc<OwnedFd>,
}

impl Room {
    fn make(into: &Path) -> Result<Self, Error> {
        let parent = match into.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
        let temporary = tempfile::Builder::new()
            .prefix(".infer-unpack-")
            .tempdir_in(parent)
            .map_err(Error::file("write to", parent))?;
        let model = temporary.path().join(ROOT);
        let failed = |act| {
            let place = model.clone();
            move |error: Errno| Error::file(act, place)(error.into())
        };
        mkdirat(CWD, &model, Mode::from_raw_mode(FOLDER_MODE)).map_err(failed("make"))?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = open(&model, flags, Mode::empty()).map_err(failed("open"))?;
        Ok(Self {
            temporary,
            folder: Arc::new(folder),
        })
    }

    fn hand_over(self, into: &Path) -> Result<(), Error> {
        let failed = |act| move |error: Errno| Error::file(act, into)(error.into());
        rustix::fs::fsync(&self.folder).map_err(failed("write"))?;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        let place = &self.temporary.path().join(ROOT);
        let moved = match rustix::fs::renameat_with(CWD, place, CWD, into, flags) {
            // File systems without the flag: an empty folder at most is replaced.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(place, into),
            moved => moved,
        };
        match moved {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Err(Error::Exists {
                path: into.to_owned(),
            }),
            Err(error) => Err(failed("rename to")(error)),
        }
    }
}

/// Writes what lies below [`ROOT`]; the rest of a foreign image is passed over.
fn write_layer(
    reader: Box<dyn Read + Send>,
    digest: &str,
    folder: BorrowedFd<'_>,
    gauges: &Gauges,
    number: usize,
) -> Result<Written, Error> {
    let mut archive = Archive::new(reader);
    let mut written = Written::default();
    let fault = |fault| Error::Entry {
        digest: digest.to_owned(),
        fault,
    };
    let unread = |source| Error::Layer {
        digest: digest.to_owned(),
        source,
    };
    loop {
        let entry = match archive.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(Stop::Fault(found)) => return Err(fault(found)),
            Err(Stop::Read(source)) => return Err(unread(source)),
        };
        let Some(path) = inside(&entry) else {
            continue;
        };
        let failed = |error: Errno| match error {
            Errno::NOTDIR | Errno::ISDIR | Errno::EXIST | Errno::LOOP | Errno::XDEV => {
                fault(EntryFault::Clash {
                    path: entry.path.clone(),
                })
            }
            other => Error::file("write", &entry.path)(other.into()),
        };
        match entry.kind {
            EntryKind::Folder => make_folders(folder, path).map_err(failed)?,
            EntryKind::File => {
                if let Some((parents, _)) = path.rsplit_once('/') {
                    make_folders(folder, parents).map_err(failed)?;
                }
                let mut file = create(folder, path).map_err(failed)?;
                written.bytes += copy(&mut archive, &mut file, &entry, gauges, number, &unread)?;
                written.files += 1;
            }
        }
    }
    archive.finish().map_err(unread)?;
    Ok(written)
}

/// The path below [`ROOT`]; `None` for `ROOT` itself and what lies elsewhere.
fn inside(entry: &Entry) -> Option<&str> {
    let rest = entry.path.strip_prefix(ROOT)?.strip_prefix('/')?;
    (!rest.is_empty()).then_some(rest)
}

fn copy(
    archive: &mut Archive<Box<dyn Read + Send>>,
    file: &mut fs::File,
    entry: &Entry,
    gauges: &Gauges,
    number: usize,
    unread: &dyn Fn(io::Error) -> Error,
) -> Result<u64, Error> {
    let gauge = gauges.layer(number);
    let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(entry.bytes).unwrap_or(usize::MAX))];
    let mut copied = 0;
    while copied < entry.bytes {
        if gauges.is_stopped() {
            return Err(Error::Interrupted);
        }
        let read = archive.read(&mut buffer).map_err(unread)?;
        file.write_all(&buffer[..read])
            .map_err(Error::file("write", &entry.path))?;
        copied += read as u64;
        gauge.add_moved(read as u64);
    }
    // A folder that was renamed in is believed: its bytes must be on disk first.
    file.sync_data()
        .map_err(Error::file("write", &entry.path))?;
    Ok(copied)
}

/// Makes each folder of `path`, which [`super::archive::safe_path`] has checked.
fn make_folders(folder: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    for end in ends.chain([path.len()]) {
        match mkdirat(folder, &path[..end], Mode::from_raw_mode(FOLDER_MODE)) {
            // Opening something in it shows whether it is a folder.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    open_beneath(
        folder,
        path,
        OFlags::DIRECTORY | OFlags::RDONLY,
        Mode::empty(),
    )
    .map(drop)
}

/// A new file; one of the same name from an earlier layer is replaced, never followed.
fn create(folder: BorrowedFd<'_>, path: &str) -> Result<fs::File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mode = Mode::from_raw_mode(FILE_MODE);
    let opened = match open_beneath(folder, path, flags, mode) {
        Err(Errno::EXIST) => {
            unlinkat(folder, path, AtFlags::empty())?;
            open_beneath(folder, path, flags, mode)?
        }
        opened => opened?,
    };
    Ok(fs::File::from(opened))
}

/// The kernel refuses to leave `folder`, whatever the names were made into meanwhile.
fn open_beneath(
    folder: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(folder, path, flags, mode, resolve) {
        // Kernels before 5.6 and some sandboxes: the folder is ours alone (0700), the
        // path has no `..`, and no link was ever made in it.
        Err(Errno::NOSYS | Errno::PERM) => openat(folder, path, flags, mode),
        opened => opened,
    }
}
