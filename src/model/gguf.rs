//! The header of a GGUF file (llama.cpp): key-value pairs, then tensor infos.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use super::{
    Fault, Tensor,
    tensor::{Gaps, check_places},
};

/// Vocabularies make headers long (about 10 MB at 250 000 words); ten times that is no header.
const HEADER_BYTES_MAX: u64 = 256 << 20;

/// The format's own limits.
const KEY_BYTES_MAX: u64 = 65_535;
const DIMENSIONS_MAX: u32 = 8;
const ARRAY_DEPTH_MAX: u32 = 4;

/// Longest text value that is kept; chat templates and licences are passed over.
const TEXT_BYTES_KEPT_MAX: u64 = 4096;

const ALIGNMENT_DEFAULT: u64 = 32;

/// Smallest encodings, to refuse counts that the rest of the file cannot hold.
const PAIR_BYTES_MIN: u64 = 8 + 4 + 1;
const TENSOR_BYTES_MIN: u64 = 8 + 4 + 4 + 8;

/// Scalars and short texts by key, and the tensors.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) numbers: BTreeMap<String, u64>,
    pub(super) texts: BTreeMap<String, String>,
    pub(super) tensors: Vec<Tensor>,
}

impl Header {
    /// Keeps what the first file of a split model says.
    pub(super) fn absorb(&mut self, other: Self) {
        for (key, value) in other.numbers {
            self.numbers.entry(key).or_insert(value);
        }
        for (key, value) in other.texts {
            self.texts.entry(key).or_insert(value);
        }
    }

    pub(super) fn architecture(&self) -> Option<&str> {
        self.texts.get("general.architecture").map(String::as_str)
    }

    /// A number below the architecture's own prefix, such as `context_length`.
    pub(super) fn of_architecture(&self, key: &str) -> Option<u64> {
        let architecture = self.architecture()?;
        self.numbers.get(&format!("{architecture}.{key}")).copied()
    }

    /// `general.file_type` by llama.cpp's name.
    pub(super) fn quantization(&self) -> Option<&'static str> {
        let kind = self.numbers.get("general.file_type")?;
        FILE_TYPES
            .iter()
            .find(|(number, _)| number == kind)
            .map(|(_, name)| *name)
    }
}

/// Reads the header from the start of a file of `file_bytes`.
///
/// # Errors
/// Counts or lengths beyond the file, unknown types, tensors that overlap or lie
/// beyond the end of the file.
pub(super) fn read(reader: &mut dyn Read, file_bytes: u64) -> Result<Header, Fault> {
    let mut cursor = Cursor {
        reader,
        at: 0,
        file_bytes,
    };
    if cursor.array()? != *b"GGUF" {
        return Err(Fault::Magic { expected: "GGUF" });
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Fault::Version(version));
    }
    let tensor_count = cursor.u64()?;
    let pair_count = cursor.u64()?;
    cursor.check_count("header values", pair_count, PAIR_BYTES_MIN)?;
    cursor.check_count("tensors", tensor_count, TENSOR_BYTES_MIN)?;
    let mut header = Header::default();
    for _ in 0..pair_count {
        cursor.pair(&mut header)?;
    }
    let mut names = BTreeSet::new();
    for _ in 0..tensor_count {
        let tensor = cursor.tensor()?;
        if !names.insert(tensor.name.clone()) {
            return Err(Fault::Duplicate(tensor.name));
        }
        header.tensors.push(tensor);
    }
    let alignment = header.numbers.get("general.alignment");
    let alignment = alignment.copied().unwrap_or(ALIGNMENT_DEFAULT).max(1);
    let end = check_places(&header.tensors, Gaps::Allowed)?;
    let needed_bytes = cursor
        .at
        .div_ceil(alignment)
        .checked_mul(alignment)
        .and_then(|data_start| data_start.checked_add(end))
        .unwrap_or(u64::MAX);
    if !header.tensors.is_empty() && needed_bytes > file_bytes {
        return Err(Fault::Truncated {
            needed_bytes,
            found_bytes: file_bytes,
        });
    }
    Ok(header)
}

struct Cursor<'a> {
    reader: &'a mut dyn Read,
    at: u64,
    file_bytes: u64,
}

impl Cursor<'_> {
    /// Refuses a read past the end of the file or of any sane header, before it happens.
    fn claim(&mut self, bytes: u64) -> Result<(), Fault> {
        let end = self.at.saturating_add(bytes);
        if end > self.file_bytes {
            return Err(Fault::Truncated {
                needed_bytes: end,
                found_bytes: self.file_bytes,
            });
        }
        if end > HEADER_BYTES_MAX {
            return Err(Fault::HeaderTooLarge {
                claimed_bytes: end,
                limit_bytes: HEADER_BYTES_MAX,
            });
        }
        self.at = end;
        Ok(())
    }

    fn check_count(&self, what: &'static str, claimed: u64, bytes_min: u64) -> Result<(), Fault> {
        let rest = self
            .file_bytes
            .min(HEADER_BYTES_MAX)
            .saturating_sub(self.at);
        if claimed > rest / bytes_min {
            return Err(Fault::TooMany { what, claimed });
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.claim(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        self.claim(bytes)?;
        let skipped = std::io::copy(&mut self.reader.take(bytes), &mut std::io::sink())?;
        if skipped < bytes {
            return Err(Fault::Read(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    fn text(&mut self, bytes: u64) -> Result<String, Fault> {
        self.claim(bytes)?;
        let mut text = Vec::new();
        self.reader.take(bytes).read_to_end(&mut text)?;
        String::from_utf8(text).map_err(|_| Fault::NotUtf8)
    }

    fn key(&mut self) -> Result<String, Fault> {
        let bytes = self.u64()?;
        if bytes > KEY_BYTES_MAX {
            return Err(Fault::TooMany {
                what: "bytes of a name",
                claimed: bytes,
            });
        }
        self.text(bytes)
    }

    fn pair(&mut self, header: &mut Header) -> Result<(), Fault> {
        let key = self.key()?;
        match self.u32()? {
            TEXT => {
                let bytes = self.u64()?;
                if bytes > TEXT_BYTES_KEPT_MAX {
                    self.skip(bytes)?;
                } else {
                    let text = self.text(bytes)?;
                    header.texts.insert(key, text);
                }
            }
            ARRAY => self.skip_array(0)?,
            kind => {
                if let Some(number) = self.number(kind)? {
                    header.numbers.insert(key, number);
                }
            }
        }
        Ok(())
    }

    /// A scalar; `None` for those that are no count (negative, floating).
    fn number(&mut self, kind: u32) -> Result<Option<u64>, Fault> {
        Ok(match kind {
            0 | 7 => Some(u64::from(self.array::<1>()?[0])),
            1 => u64::try_from(i8::from_le_bytes(self.array()?)).ok(),
            2 => Some(u64::from(u16::from_le_bytes(self.array()?))),
            3 => u64::try_from(i16::from_le_bytes(self.array()?)).ok(),
            4 => Some(u64::from(self.u32()?)),
            5 => u64::try_from(i32::from_le_bytes(self.array()?)).ok(),
            10 => Some(self.u64()?),
            11 => u64::try_from(i64::from_le_bytes(self.array()?)).ok(),
            6 => self.array::<4>().map(|_| None)?,
            12 => self.array::<8>().map(|_| None)?,
            unknown => return Err(Fault::ValueType(unknown)),
        })
    }

    fn skip_array(&mut self, depth: u32) -> Result<(), Fault> {
        if depth >= ARRAY_DEPTH_MAX {
            return Err(Fault::NestedTooDeep);
        }
        let kind = self.u32()?;
        let count = self.u64()?;
        match kind {
            TEXT => {
                self.check_count("array values", count, 8)?;
                for _ in 0..count {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
            }
            ARRAY => {
                self.check_count("array values", count, 12)?;
                for _ in 0..count {
                    self.skip_array(depth + 1)?;
                }
            }
            kind => {
                let width = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    10..=12 => 8,
                    unknown => return Err(Fault::ValueType(unknown)),
                };
                self.check_count("array values", count, width)?;
                self.skip(count * width)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<Tensor, Fault> {
        let name = self.key()?;
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS_MAX {
            return Err(Fault::Impossible(name));
        }
        let shape = (0..dimensions)
            .map(|_| self.u64())
            .collect::<Result<Vec<_>, _>>()?;
        let kind = self.u32()?;
        let offset = self.u64()?;
        let Some(elements) = shape.iter().try_fold(1_u64, |all, n| all.checked_mul(*n)) else {
            return Err(Fault::Impossible(name));
        };
        let known = TENSOR_TYPES.iter().find(|(number, ..)| *number == kind);
        let (dtype, bytes) = match known {
            Some((_, dtype, block, block_bytes)) => {
                let bytes = elements.div_ceil(*block).checked_mul(*block_bytes);
                let Some(bytes) = bytes else {
                    return Err(Fault::Impossible(name));
                };
                ((*dtype).to_owned(), bytes)
            }
            // Newer than this table: its place is checked, its length cannot be.
            None => (format!("type{kind}"), 0),
        };
        Ok(Tensor {
            name,
            dtype,
            shape,
            offset,
            bytes,
        })
    }
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// ggml types: number, name, elements of a block, bytes of a block.
const TENSOR_TYPES: [(u32, &str, u64, u64); 33] = [
    (0, "f32", 1, 4),
    (1, "f16", 1, 2),
    (2, "q4_0", 32, 18),
    (3, "q4_1", 32, 20),
    (6, "q5_0", 32, 22),
    (7, "q5_1", 32, 24),
    (8, "q8_0", 32, 34),
    (9, "q8_1", 32, 36),
    (10, "q2_k", 256, 84),
    (11, "q3_k", 256, 110),
    (12, "q4_k", 256, 144),
    (13, "q5_k", 256, 176),
    (14, "q6_k", 256, 210),
    (15, "q8_k", 256, 292),
    (16, "iq2_xxs", 256, 66),
    (17, "iq2_xs", 256, 74),
    (18, "iq3_xxs", 256, 98),
    (19, "iq1_s", 256, 50),
    (20, "iq4_nl", 32, 18),
    (21, "iq3_s", 256, 110),
    (22, "iq2_s", 256, 82),
    (23, "iq4_xs", 256, 136),
    (24, "i8", 1, 1),
    (25, "i16", 1, 2),
    (26, "i32", 1, 4),
    (27, "i64", 1, 8),
    (28, "f64", 1, 8),
    (29, "iq1_m", 256, 56),
    (30, "bf16", 1, 2),
    (34, "tq1_0", 256, 54),
    (35, "tq2_0", 256, 66),
    (39, "mxfp4", 32, 17),
    (40, "nvfp4", 64, 36),
];

/// `general.file_type`: llama.cpp's `llama_ftype`.
const FILE_TYPES: [(u64, &str); 31] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (38, "MXFP4"),
];

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
