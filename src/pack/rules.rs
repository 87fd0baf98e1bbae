//! Which files of a folder belong into an image: left out, refused, warned about.

/// Never part of a model: version control, caches, editors, our own files.
const LEFT_OUT: [&str; 16] = [
    ".git*",
    ".hg",
    ".svn",
    ".cache",
    ".no_exist",
    "*.incomplete",
    "__pycache__",
    "*.pyc",
    ".ipynb_checkpoints",
    ".venv",
    ".DS_Store",
    "._*",
    "Thumbs.db",
    ".infer",
    "infer.yaml",
    "infer.lock",
];

/// An image is read by everyone who may pull it.
const SECRETS: [&str; 20] = [
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".ssh",
    ".aws",
    ".kube",
    ".docker",
];

/// Formats that run code when they are loaded.
const PICKLES: [&str; 6] = ["*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle"];

/// Weights in any format: what a runtime calls the model rather than its settings.
const WEIGHTS: [&str; 12] = [
    "*.safetensors",
    "*.gguf",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.onnx",
    "*.onnx_data",
    "*.h5",
    "*.engine",
    "*.plan",
    "*.msgpack",
];

/// What the user added to the rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Patterns of `--exclude`; see [`matches`].
    pub exclude: Vec<String>,
}

impl Rules {
    pub fn leaves_out(&self, path: &str) -> bool {
        let exclude = self.exclude.iter().map(String::as_str);
        any(LEFT_OUT.into_iter().chain(exclude), path)
    }
}

pub(super) fn is_secret(path: &str) -> bool {
    any(SECRETS, path)
}

pub fn is_pickle(path: &str) -> bool {
    any(PICKLES, path)
}

pub(super) fn is_weights(path: &str) -> bool {
    any(WEIGHTS, path)
}

fn any<'a>(patterns: impl IntoIterator<Item = &'a str>, path: &str) -> bool {
    patterns.into_iter().any(|pattern| matches(pattern, path))
}

/// Whether `pattern` takes `path` or a folder above it.
///
/// `*` and `?` stay within one name, `**` does not. A pattern without `/` matches
/// names at any depth, one with `/` the path from the model's folder.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let pattern = pattern.trim_end_matches('/');
    if pattern.is_empty() {
        return false;
    }
    if !pattern.contains('/') {
        return path.split('/').any(|name| glob(pattern, name));
    }
    let pattern = pattern.trim_start_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.chain([path.len()])
        .any(|end| glob(pattern, &path[..end]))
}

/// Wildcard match in linear memory and at worst quadratic time for each `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The positions in `pattern` that can be reached after the text so far.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_stars(&pattern, &mut reached);
    for c in text {
        let mut next = vec![false; pattern.len() + 1];
        for at in (0..pattern.len()).filter(|at| reached[*at]) {
            match pattern[at] {
                '*' if c != '/' || is_double(&pattern, at) => next[at] = true,
                '*' => {}
                '?' if c != '/' => next[at + 1] = true,
                literal if literal == c => next[at + 1] = true,
                _ => {}
            }
        }
        skip_stars(&pattern, &mut next);
        reached = next;
    }
    reached[pattern.len()]
}

fn is_double(pattern: &[char], at: usize) -> bool {
    pattern.get(at + 1) == Some(&'*') || (at > 0 && pattern[at - 1] == '*')
}

/// A star may stand for nothing.
fn skip_stars(pattern: &[char], reached: &mut [bool]) {
    for at in 0..pattern.len() {
        if reached[at] && pattern[at] == '*' {
            reached[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_at_any_depth_and_paths_from_the_top() {
        for (pattern, path, expected) in [
            ("*.bin", "a/b/x.bin", true),
            ("*.bin", "x.bin.txt", false),
            ("original", "original/consolidated.pth", true),
            ("original/", "original/consolidated.pth", true),
            ("original/*", "original/a", true),
            ("original/*.pth", "original/deep/a.pth", false),
            ("original/**", "original/deep/a.pth", true),
            ("/a/b", "a/b/c", true),
            ("a/b", "x/a/b", false),
            ("v?", "v1", true),
            ("v?", "v", false),
            ("**/x", "a/b/x", true),
            ("", "x", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn secrets_and_left_outs_are_told_apart() {
        for path in [
            ".env",
            "sub/.env.production",
            "server.key",
            "keys/id_rsa",
            ".ssh/config",
        ] {
            assert!(is_secret(path), "{path}");
        }
        for path in [
            "tokenizer.json",
            "model.safetensors",
            "environment.json",
            "keys.json",
        ] {
            assert!(!is_secret(path), "{path}");
        }
        let rules = Rules {
            exclude: vec!["original".to_owned()],
        };
        for path in [".git", ".gitattributes", ".cache", "infer.lock", "original"] {
            assert!(rules.leaves_out(path), "{path}");
        }
        assert!(!rules.leaves_out("config.json"));
    }

    #[test]
    fn many_stars_stay_fast() {
        assert!(!glob(&"*a".repeat(200), &"a".repeat(199)));
    }
}
