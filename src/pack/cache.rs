//! Digests remembered between runs, so that unchanged files are not read again.
//!
//! A layer's digest is a pure function of its files' places and bytes. The key holds
//! each file's place and identity (device, inode, size, times): any write changes it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::plan::Layer;
use crate::{file::write_atomically, registry::Digest};

/// Part of the key: another framing gives other digests.
const FRAMING_VERSION: u32 = 1;

/// A file changed this recently could change again without its times showing it: the
/// clock of network file systems ticks once a second.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Entries are kept this long and no more than this many: about 10 MB at most.
const KEPT_FOR: Duration = Duration::from_hours(4320);
const ENTRIES_MAX: usize = 4096;

/// An entry larger than this is not one of ours.
const ENTRY_BYTES_MAX: u64 = 16 << 20;

/// What is known of a layer without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub digest: Digest,
    pub bytes: u64,
    /// SHA-256 of each file, in the layer's order.
    pub files: Vec<Digest>,
}

/// The folder of remembered digests; losing it costs time, nothing else.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// `cache` is `Home::cache`.
    pub fn new(cache: &Path) -> Self {
        Self {
            folder: cache.join("digests"),
        }
    }

    pub fn get(&self, layer: &Layer) -> Option<Known> {
        let path = self.path(layer);
        let metadata = fs::metadata(&path).ok()?;
        if metadata.len() > ENTRY_BYTES_MAX {
            return None;
        }
        let known: Known = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (known.bytes == layer.bytes() && known.files.len() == layer.files.len()).then_some(known)
    }

    /// Remembers `known`, unless a file is too young; a cache that cannot be written is none.
    pub fn put(&self, layer: &Layer, known: &Known) {
        if !settled(layer, SystemTime::now()) {
            return;
        }
        if let Ok(text) = serde_json::to_vec(known) {
            drop(write_atomically(&self.path(layer), &text));
        }
    }

    /// Forgets what was not used for long, and the oldest of too many.
    pub fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let now = SystemTime::now();
        let mut aged: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let modified = entry.metadata().ok()?.modified().ok()?;
                Some((
                    now.duration_since(modified).unwrap_or_default(),
                    entry.path(),
                ))
            })
            .collect();
        aged.sort();
        for (number, (age, path)) in aged.into_iter().enumerate() {
            if age > KEPT_FOR || number >= ENTRIES_MAX {
                drop(fs::remove_file(path));
            }
        }
    }

    fn path(&self, layer: &Layer) -> PathBuf {
        self.folder.join(format!("{}.json", key(layer).hex()))
    }
}

fn key(layer: &Layer) -> Digest {
    let start = format!("infer layer {FRAMING_VERSION}\n");
    let lines = layer.files.iter().map(|file| {
        let id = file.identity;
        format!(
            "{}:{} {} {} {} {} {}\n",
            file.path.len(),
            file.path,
            id.device,
            id.inode,
            id.bytes,
            id.modified_ns,
            id.changed_ns
        )
    });
    let text: String = std::iter::once(start).chain(lines).collect();
    Digest::of(text.as_bytes())
}

fn settled(layer: &Layer, now: SystemTime) -> bool {
    let now_ns = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
        });
    let limit_ns = now_ns - i128::try_from(SETTLED_AFTER.as_nanos()).unwrap_or(i128::MAX);
    layer
        .files
        .iter()
        .all(|file| file.identity.changed_ns <= limit_ns && file.identity.modified_ns <= limit_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::File, pack::plan::Plan};

    fn layer(change: impl Fn(&mut File)) -> Layer {
        let mut file = File::named("config.json", 10);
        change(&mut file);
        Plan::new(vec![file]).unwrap().layers.remove(0)
    }

    fn known(layer: &Layer) -> Known {
        Known {
            digest: Digest::of(b"layer"),
            bytes: layer.bytes(),
            files: vec![Digest::of(b"file")],
        }
    }

    #[test]
    fn what_is_put_is_found_until_anything_about_a_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let same = layer(|_| ());
        assert_eq!(cache.get(&same), None);
        cache.put(&same, &known(&same));
        assert_eq!(cache.get(&same), Some(known(&same)));
        for changed in [
            layer(|file| file.path = "config.yaml".to_owned()),
            layer(|file| file.identity.inode = 2),
            layer(|file| file.identity.modified_ns = 1),
            layer(|file| file.identity.changed_ns = 1),
            layer(|file| file.identity.bytes = 11),
        ] {
            assert_eq!(cache.get(&changed), None);
        }
    }

    #[test]
    fn a_file_written_this_instant_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let young = layer(|file| file.identity.changed_ns = i128::from(u64::MAX));
        cache.put(&young, &known(&young));
        assert_eq!(cache.get(&young), None);
    }

    #[test]
    fn a_damaged_entry_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let same = layer(|_| ());
        write_atomically(&cache.path(&same), b"{\"digest\":").unwrap();
        assert_eq!(cache.get(&same), None);
    }
}
