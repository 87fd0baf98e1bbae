//! Tensors as headers describe them.

use std::collections::BTreeMap;

use super::Fault;

/// One tensor: its type, shape and place in the file's data section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    /// Lower-case element type as files name it: `bf16`, `f8_e4m3`, `q4_k`.
    pub dtype: String,
    pub shape: Vec<u64>,
    /// Offset from the start of the file's data section.
    pub offset: u64,
    pub bytes: u64,
}

impl Tensor {
    /// Product of the shape; a scalar has one element.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |all, n| all.saturating_mul(*n))
    }
}

/// The tensors of one file.
#[derive(Debug, Clone)]
pub struct TensorFile {
    pub path: String,
    pub tensors: Vec<Tensor>,
}

/// Formats whose headers are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Safetensors,
    Gguf,
}

impl Kind {
    pub(super) fn of(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "safetensors" => Some(Self::Safetensors),
            "gguf" => Some(Self::Gguf),
            _ => None,
        }
    }
}

/// Bytes of each element type, largest first: what `facts` calls the precisions.
pub(super) fn bytes_by_dtype(files: &[TensorFile]) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<&str, u64>::new();
    for tensor in files.iter().flat_map(|file| &file.tensors) {
        let sum = sums.entry(&tensor.dtype).or_default();
        *sum = sum.saturating_add(tensor.bytes);
    }
    let mut sums: Vec<_> = sums
        .into_iter()
        .map(|(dtype, sum)| (dtype.to_owned(), sum))
        .collect();
    sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sums
}

/// Whether gaps between tensors are a fault: safetensors forbids them, GGUF pads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    Refused,
    Allowed,
}

/// Checks that the tensors lie in `data_bytes` without overlap; returns their end.
pub(super) fn check_places(tensors: &[Tensor], gaps: Gaps) -> Result<u64, Fault> {
    let mut by_place: Vec<_> = tensors.iter().collect();
    by_place.sort_by_key(|tensor| (tensor.offset, tensor.bytes));
    let mut end = 0;
    let mut before: Option<&Tensor> = None;
    for tensor in by_place {
        if let Some(before) = before.filter(|_| tensor.offset < end) {
            return Err(Fault::Overlap {
                first: before.name.clone(),
                second: tensor.name.clone(),
            });
        }
        if gaps == Gaps::Refused && tensor.offset > end {
            return Err(Fault::Gap {
                tensor: tensor.name.clone(),
                bytes: tensor.offset - end,
            });
        }
        end = tensor
            .offset
            .checked_add(tensor.bytes)
            .ok_or_else(|| Fault::Impossible(tensor.name.clone()))?;
        before = Some(tensor);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, offset: u64, bytes: u64) -> Tensor {
        Tensor {
            name: name.to_owned(),
            dtype: "u8".to_owned(),
            shape: vec![bytes],
            offset,
            bytes,
        }
    }

    #[test]
    fn neighbours_fit_and_overlaps_do_not() {
        let fine = [tensor("b", 4, 4), tensor("a", 0, 4), tensor("empty", 4, 0)];
        assert_eq!(check_places(&fine, Gaps::Refused).unwrap(), 8);
        let wrong = [tensor("a", 0, 5), tensor("b", 4, 4)];
        assert!(matches!(
            check_places(&wrong, Gaps::Allowed),
            Err(Fault::Overlap { .. })
        ));
    }

    #[test]
    fn a_gap_is_refused_only_where_the_format_forbids_it() {
        let gap = [tensor("a", 0, 4), tensor("b", 8, 4)];
        assert!(matches!(
            check_places(&gap, Gaps::Refused),
            Err(Fault::Gap { bytes: 4, .. })
        ));
        assert_eq!(check_places(&gap, Gaps::Allowed).unwrap(), 12);
    }
}
