//! The header of a safetensors file: 8 bytes of length, JSON, then tensor data.

use std::{collections::BTreeSet, fmt, io::Read};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{
    Fault, Tensor,
    tensor::{Gaps, check_places},
};

/// The limit of the reference implementation; real headers are below 10 MB.
const HEADER_BYTES_MAX: u64 = 100_000_000;

const LENGTH_BYTES: u64 = 8;

pub(super) struct Header {
    pub(super) tensors: Vec<Tensor>,
}

/// Reads the header from the start of a file of `file_bytes`.
///
/// # Errors
/// A header longer than the file or the limit, tensors that overlap, leave gaps,
/// or do not end where the file ends.
pub(super) fn read(reader: &mut dyn Read, file_bytes: u64) -> Result<Header, Fault> {
    let truncated = |needed_bytes| Fault::Truncated {
        needed_bytes,
        found_bytes: file_bytes,
    };
    if file_bytes < LENGTH_BYTES {
        return Err(truncated(LENGTH_BYTES));
    }
    let mut length = [0; 8];
    reader.read_exact(&mut length)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > HEADER_BYTES_MAX {
        return Err(Fault::HeaderTooLarge {
            claimed_bytes: header_bytes,
            limit_bytes: HEADER_BYTES_MAX,
        });
    }
    let data_start = LENGTH_BYTES + header_bytes;
    if data_start > file_bytes {
        return Err(truncated(data_start));
    }
    let entries: Entries =
        serde_json::from_reader(reader.take(header_bytes)).map_err(Fault::Json)?;
    let tensors = entries.checked()?;
    let data_bytes = file_bytes - data_start;
    let end = check_places(&tensors, Gaps::Refused)?;
    if end > data_bytes {
        return Err(truncated(data_start.saturating_add(end)));
    }
    if end < data_bytes {
        return Err(Fault::Trailing {
            bytes: data_bytes - end,
        });
    }
    Ok(Header { tensors })
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The JSON object in file order, so that a name given twice is seen.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                entries.push((name, map.next_value()?));
            }
        }
        Ok(Entries(entries))
    }
}

impl Entries {
    fn checked(self) -> Result<Vec<Tensor>, Fault> {
        let mut names = BTreeSet::new();
        let mut tensors = Vec::with_capacity(self.0.len());
        for (name, entry) in self.0 {
            if !names.insert(name.clone()) {
                return Err(Fault::Duplicate(name));
            }
            tensors.push(entry.checked(name)?);
        }
        Ok(tensors)
    }
}

impl Entry {
    fn checked(self, name: String) -> Result<Tensor, Fault> {
        let (offset, end) = self.data_offsets;
        let Some(bytes) = end.checked_sub(offset) else {
            return Err(Fault::Impossible(name));
        };
        let elements = self
            .shape
            .iter()
            .try_fold(1_u64, |all, n| all.checked_mul(*n));
        let Some(elements) = elements else {
            return Err(Fault::Impossible(name));
        };
        if let Some(bits) = element_bits(&self.dtype) {
            let needed_bytes = elements.checked_mul(bits).map(|bits| bits.div_ceil(8));
            if needed_bytes != Some(bytes) {
                return Err(Fault::Size {
                    tensor: name,
                    dtype: self.dtype,
                    shape: self.shape,
                    needed_bytes: needed_bytes.unwrap_or(u64::MAX),
                    given_bytes: bytes,
                });
            }
        }
        Ok(Tensor {
            name,
            dtype: self.dtype.to_ascii_lowercase(),
            shape: self.shape,
            offset,
            bytes,
        })
    }
}

/// Bits of one element; `None` for a type newer than this table.
fn element_bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ"
        | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "F64" | "I64" | "U64" | "C64" => 64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(json: &str, data_bytes: usize) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes.extend(vec![0; data_bytes]);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Header, Fault> {
        read(&mut &*bytes, bytes.len() as u64)
    }

    #[test]
    fn a_sound_header_gives_its_tensors() {
        let json = r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}  "#;
        let header = parse(&file(json, 16)).unwrap();
        assert_eq!(header.tensors.len(), 2);
        assert_eq!(header.tensors[0].dtype, "bf16");
        assert_eq!(header.tensors[0].elements(), 6);
    }

    #[test]
    fn a_header_of_2_to_the_63_bytes_is_refused_before_it_is_read() {
        let mut bytes = (1_u64 << 63).to_le_bytes().to_vec();
        bytes.extend([b'{'; 64]);
        assert!(matches!(parse(&bytes), Err(Fault::HeaderTooLarge { .. })));
    }

    #[test]
    fn every_kind_of_wrong_header_is_refused() {
        let cut = file(
            r#"{"w":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}"#,
            8,
        );
        assert!(matches!(parse(&cut), Err(Fault::Truncated { .. })));
        let long = file(
            r#"{"w":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}"#,
            10,
        );
        assert!(matches!(parse(&long), Err(Fault::Trailing { bytes: 1 })));
        let size = file(
            r#"{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,9]}}"#,
            9,
        );
        assert!(matches!(
            parse(&size),
            Err(Fault::Size {
                needed_bytes: 36,
                ..
            })
        ));
        let overlap = r#"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[5],"data_offsets":[4,9]}}"#;
        assert!(matches!(
            parse(&file(overlap, 9)),
            Err(Fault::Overlap { .. })
        ));
        let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        assert!(matches!(parse(&file(twice, 2)), Err(Fault::Duplicate(_))));
        let backwards = file(
            r#"{"w":{"dtype":"U8","shape":[0],"data_offsets":[9,0]}}"#,
            0,
        );
        assert!(matches!(parse(&backwards), Err(Fault::Impossible(_))));
        let huge = r#"{"w":{"dtype":"U8","shape":[4294967296,4294967296,2],"data_offsets":[0,1]}}"#;
        assert!(matches!(parse(&file(huge, 1)), Err(Fault::Impossible(_))));
        assert!(matches!(parse(&file("[]", 0)), Err(Fault::Json(_))));
        assert!(matches!(parse(b"short"), Err(Fault::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(parse(&bytes));
        }

        #[test]
        fn no_json_makes_it_panic(json in r#"\{("[a-c]":\{"dtype":"(U8|F32|X)","shape":\[[0-9]{0,20}\],"data_offsets":\[[0-9]{1,20},[0-9]{1,20}\]\},?){0,3}\}"#, data in 0_usize..64) {
            drop(parse(&file(&json, data)));
        }
    }
}
