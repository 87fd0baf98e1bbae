//! Whether a model that is split over files is all there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};

use super::{Error, Fault, File, TensorFile};

/// 100 bytes for each of 500 000 tensors, more than any model has.
pub(super) const INDEX_BYTES_MAX: u64 = 50 << 20;

/// Beyond this the number in a name is no count of shards.
const SHARDS_MAX: usize = 100_000;

/// `x-00002-of-00005.gguf` implies four others; all must be there.
pub(super) fn check_names(files: &[File]) -> Result<(), Error> {
    let mut series = BTreeMap::<Series<'_>, BTreeSet<usize>>::new();
    for file in files {
        if let Some((found, number)) = Series::of(&file.path) {
            series.entry(found).or_default().insert(number);
        }
    }
    for (found, numbers) in series {
        if numbers.len() < found.total {
            let missing = (1..=found.total)
                .filter(|number| !numbers.contains(number))
                .map(|number| found.name(number))
                .collect();
            return Err(Error::MissingShards {
                name: found.name(1),
                total: found.total,
                missing,
            });
        }
    }
    Ok(())
}

/// Files that name each other: `<stem>-<n>-of-<total><suffix>`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Series<'a> {
    stem: &'a str,
    digits: usize,
    total_digits: usize,
    total: usize,
    suffix: &'a str,
}

impl<'a> Series<'a> {
    fn of(path: &'a str) -> Option<(Self, usize)> {
        let dot = path.rfind('.')?;
        let (before, suffix) = path.split_at(dot);
        if ![".safetensors", ".gguf", ".bin"].contains(&suffix) {
            return None;
        }
        let (before, total) = before.rsplit_once("-of-")?;
        let (stem, number) = before.rsplit_once('-')?;
        let all_digits = |text: &str| text.len() >= 2 && text.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(total) || !all_digits(number) {
            return None;
        }
        let (count, number_value) = (total.parse().ok()?, number.parse().ok()?);
        if count > SHARDS_MAX || number_value > count || number_value == 0 {
            return None;
        }
        let series = Self {
            stem,
            digits: number.len(),
            total_digits: total.len(),
            total: count,
            suffix,
        };
        Some((series, number_value))
    }

    fn name(&self, number: usize) -> String {
        format!(
            "{}-{number:0digits$}-of-{:0total_digits$}{}",
            self.stem,
            self.total,
            self.suffix,
            digits = self.digits,
            total_digits = self.total_digits,
        )
    }
}

pub(super) fn index_files(files: &[File]) -> impl Iterator<Item = &File> {
    files
        .iter()
        .filter(|file| file.path.ends_with(".safetensors.index.json"))
}

/// `model.safetensors.index.json`: which tensor is in which file.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    weight_map: WeightMap,
}

#[derive(Debug)]
struct WeightMap(Vec<(String, String)>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = WeightMap;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of tensor names to files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(WeightMap(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl Index {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(Fault::Json)
    }

    /// Every listed file is there and holds the tensors it should.
    pub(super) fn check(&self, index_path: &str, files: &[TensorFile]) -> Result<(), Fault> {
        let folder = index_path.rfind('/').map_or("", |at| &index_path[..=at]);
        let mut known = BTreeMap::<&str, BTreeSet<&str>>::new();
        for file in files {
            let names = file.tensors.iter().map(|tensor| tensor.name.as_str());
            known.insert(&file.path, names.collect());
        }
        for (tensor, file) in &self.weight_map.0 {
            let path = format!("{folder}{file}");
            match known.get(path.as_str()) {
                None => return Err(Fault::ShardMissing { file: file.clone() }),
                Some(tensors) if !tensors.contains(tensor.as_str()) => {
                    return Err(Fault::TensorMissing {
                        tensor: tensor.clone(),
                        file: file.clone(),
                    });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tensor;

    fn files(names: &[&str]) -> Vec<File> {
        names.iter().map(|name| File::named(name, 1)).collect()
    }

    #[test]
    fn a_gap_in_a_series_is_named() {
        let three = files(&[
            "a/model-00001-of-00003.safetensors",
            "a/model-00003-of-00003.safetensors",
        ]);
        let Err(Error::MissingShards { missing, total, .. }) = check_names(&three) else {
            panic!("not refused");
        };
        assert_eq!(missing, ["a/model-00002-of-00003.safetensors"]);
        assert_eq!(total, 3);
    }

    #[test]
    fn whole_series_and_other_names_pass() {
        let fine = files(&[
            "m-00001-of-00002.gguf",
            "m-00002-of-00002.gguf",
            "1-of-2.txt",
            "x-9-of-3.gguf",
        ]);
        assert!(check_names(&fine).is_ok());
    }

    #[test]
    fn an_index_must_find_its_files_and_tensors() {
        let index = Index::parse(r#"{"metadata":{},"weight_map":{"w":"a.safetensors"}}"#).unwrap();
        let holds = |name: &str| TensorFile {
            path: "sub/a.safetensors".to_owned(),
            tensors: vec![Tensor {
                name: name.to_owned(),
                dtype: "u8".to_owned(),
                shape: vec![],
                offset: 0,
                bytes: 1,
            }],
        };
        let path = "sub/model.safetensors.index.json";
        assert!(index.check(path, &[holds("w")]).is_ok());
        assert!(matches!(
            index.check(path, &[holds("v")]),
            Err(Fault::TensorMissing { .. })
        ));
        assert!(matches!(
            index.check(path, &[]),
            Err(Fault::ShardMissing { .. })
        ));
    }
}
