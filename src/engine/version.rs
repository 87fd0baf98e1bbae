//! An engine's version, as far as flags depend on it.

use std::fmt;

/// Up to three numbers and whatever follows: `0.18.0`, `6341`, `0.18.0rc1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u32; 3],
    written: String,
}

impl Version {
    /// `None` where the text does not start with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let written = text.strip_prefix(['v', 'b']).unwrap_or(text);
        let mut numbers = [0; 3];
        let mut parts = written.splitn(3, '.');
        for (at, number) in numbers.iter_mut().enumerate() {
            let Some(part) = parts.next() else { break };
            let digits = part.split(|c: char| !c.is_ascii_digit()).next()?;
            match digits.parse() {
                Ok(value) => *number = value,
                Err(_) if at > 0 => break,
                Err(_) => return None,
            }
        }
        Some(Self {
            numbers,
            written: written.to_owned(),
        })
    }

    /// The version that an image's tag says, if it says one: `v0.18.0-cu128`, `server-b6341`.
    pub fn of_image(image: &str) -> Option<Self> {
        let without_digest = image.split('@').next()?;
        let (_, tag) = without_digest.rsplit_once(':')?;
        if tag.contains('/') {
            return None;
        }
        let number_at = tag.find(|c: char| c.is_ascii_digit())?;
        // `cuda12-latest` says nothing about the engine.
        match &tag[..number_at] {
            "" | "v" | "b" | "server-b" | "server-cuda-b" => Self::parse(&tag[number_at..]),
            _ => None,
        }
    }

    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.numbers[0], self.numbers[1]) >= (major, minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_letter() {
        let at_least = |text: &str| Version::parse(text).unwrap().at_least(0, 18);
        assert!(
            at_least("0.18.0") && at_least("v0.32.1") && at_least("1") && at_least("0.18.0rc1")
        );
        assert!(!at_least("0.9.2") && !at_least("0.17"));
        assert!(Version::parse("latest").is_none() && Version::parse("").is_none());
    }

    #[test]
    fn an_image_tag_tells_the_version_or_nothing() {
        let of = |image: &str| Version::of_image(image).map(|version| version.to_string());
        assert_eq!(of("vllm/vllm-openai:v0.18.0").as_deref(), Some("0.18.0"));
        assert_eq!(of("x/llama.cpp:server-b6341").as_deref(), Some("6341"));
        assert_eq!(
            of("vllm/vllm-openai:v0.18.0@sha256:00").as_deref(),
            Some("0.18.0")
        );
        assert_eq!(of("host:5000/vllm"), None);
        assert_eq!(of("x/y:cuda12-latest"), None);
        assert_eq!(of("x/y@sha256:00"), None);
    }
}
