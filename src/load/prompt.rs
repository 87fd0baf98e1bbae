//! What is asked: prompts made from a seed, or a user's own (pure).

use std::sync::LazyLock;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Words that the vocabularies in use hold as one token each, with their blank.
const WORDS: &str = "time year people way day man thing woman life child world school state family \
    student group country problem hand part place case week company system program question work \
    government number night point home water room mother area money story fact month lot right \
    study book eye job word business issue side kind head house service friend father power hour \
    game line end member law car city community name president team minute idea kid body \
    information back parent face others level office door health person art war history party \
    result change morning reason research girl guy moment air teacher force education foot boy age \
    policy music market sense nation plan college interest death course experience behind support \
    road table north south east west green blue red white black small large early young important \
    public able bad good new first last long great little own other old high different next few \
    same open begin call keep hold turn start show hear play run move live believe bring happen \
    write provide sit stand lose pay meet include continue set learn lead understand watch follow \
    stop create speak read allow add spend grow offer remember love consider appear buy wait serve \
    die send expect build stay fall cut reach kill remain suggest raise pass sell require report";

static VOCABULARY: LazyLock<Vec<&str>> = LazyLock::new(|| WORDS.split_ascii_whitespace().collect());

/// One request's question, in the shape the user gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    Text(String),
    /// Chat messages, passed on as they are.
    Messages(Value),
}

/// A line of a prompts file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub prompt: Prompt,
    /// Overrides `--output-tokens` for this request.
    pub output_tokens: Option<u32>,
}

/// Where prompts come from.
#[derive(Debug, Clone)]
pub enum Prompts {
    /// So many words each; no two alike, so that no prefix cache helps.
    Generated { words: u32, seed: u64 },
    /// In file order, from the start again when all were sent.
    Given(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PromptError {
    pub line: usize,
    pub reason: String,
}

impl Prompts {
    /// Reads JSON lines: a string, `{"prompt": …}`, `{"input": …}` or `{"messages": […]}`,
    /// optionally with `"max_tokens"`.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let refuse = |reason: String| PromptError {
                line: at + 1,
                reason,
            };
            let value: Value =
                serde_json::from_str(line).map_err(|error| refuse(error.to_string()))?;
            entries.push(entry(value).map_err(refuse)?);
        }
        if entries.is_empty() {
            return Err(PromptError {
                line: 1,
                reason: "the file holds no prompt".to_owned(),
            });
        }
        Ok(Self::Given(entries))
    }

    /// The prompt of request `index`; the same for the same seed, on whichever thread.
    pub fn get(&self, index: u64) -> Entry {
        match self {
            Self::Generated { words, seed } => Entry {
                prompt: Prompt::Text(generate(*words, *seed, index)),
                output_tokens: None,
            },
            Self::Given(entries) => {
                let count = entries.len() as u64;
                let at = usize::try_from(index % count).unwrap_or(0);
                entries[at].clone()
            }
        }
    }
}

fn entry(value: Value) -> Result<Entry, String> {
    let fields = match value {
        Value::String(text) => {
            return Ok(Entry {
                prompt: Prompt::Text(text),
                output_tokens: None,
            });
        }
        Value::Object(fields) => fields,
        _ => return Err("it is neither a string nor an object".to_owned()),
    };
    let prompt = match (
        fields.get("messages"),
        fields.get("prompt").or(fields.get("input")),
    ) {
        (Some(messages @ Value::Array(list)), _) if !list.is_empty() => {
            Prompt::Messages(messages.clone())
        }
        (None, Some(Value::String(text))) => Prompt::Text(text.clone()),
        _ => {
            return Err(
                "it needs \"prompt\" (a string) or \"messages\" (a list that is not empty)"
                    .to_owned(),
            );
        }
    };
    let output_tokens = match fields.get("max_tokens").or(fields.get("output_tokens")) {
        None | Some(Value::Null) => None,
        Some(value) => {
            let tokens = value.as_u64().and_then(|tokens| u32::try_from(tokens).ok());
            let wrong = || format!("max_tokens is {value}, not a positive number");
            Some(tokens.filter(|tokens| *tokens > 0).ok_or_else(wrong)?)
        }
    };
    Ok(Entry {
        prompt,
        output_tokens,
    })
}

fn generate(words: u32, seed: u64, index: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index);
    let mut text = String::with_capacity(words as usize * 7);
    for at in 0..words {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(VOCABULARY[random.random_range(0..VOCABULARY.len())]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(prompts: &Prompts, index: u64) -> String {
        match prompts.get(index).prompt {
            Prompt::Text(text) => text,
            Prompt::Messages(_) => panic!("generated prompts are text"),
        }
    }

    #[test]
    fn generated_prompts_are_repeatable_varied_and_as_long_as_asked() {
        let prompts = |seed| Prompts::Generated { words: 64, seed };
        assert_eq!(text(&prompts(1), 5), text(&prompts(1), 5));
        assert_ne!(text(&prompts(1), 5), text(&prompts(1), 6));
        assert_ne!(text(&prompts(1), 5), text(&prompts(2), 5));
        assert_eq!(text(&prompts(1), 0).split(' ').count(), 64);
    }

    #[test]
    fn a_file_may_hold_strings_prompts_and_messages() {
        let given = "\"a\"\n\n{\"prompt\":\"b\",\"max_tokens\":7}\n{\"messages\":[{\"role\":\"user\"}]}\n{\"input\":\"c\"}";
        let prompts = Prompts::parse(given).unwrap();
        assert_eq!(text(&prompts, 0), "a");
        assert_eq!(prompts.get(1).output_tokens, Some(7));
        assert!(matches!(prompts.get(2).prompt, Prompt::Messages(_)));
        assert_eq!(text(&prompts, 7), "c");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (given, line, hint) in [
            ("\"a\"\n{", 2, "EOF"),
            ("7", 1, "neither"),
            ("{\"text\":\"a\"}", 1, "\"prompt\""),
            ("{\"messages\":[]}", 1, "\"messages\""),
            ("{\"prompt\":\"a\",\"max_tokens\":0}", 1, "positive"),
            ("\n \n", 1, "no prompt"),
        ] {
            let error = Prompts::parse(given).unwrap_err();
            assert_eq!(error.line, line, "{given}");
            assert!(error.reason.contains(hint), "{given}: {}", error.reason);
        }
    }
}
