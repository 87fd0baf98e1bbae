//! What a request asks for: chat, completions and embeddings as OpenAI defines them.
//!
//! A token is a word between blanks (or one number of a prompt given as token ids),
//! so prompt sizes are exact and anyone can count them.

use serde::Deserialize;

use super::law::Law;

/// Which of the three APIs was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Chat,
    Completions,
    Embeddings,
}

/// One request, checked against the law's limits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) api: Api,
    pub(super) prompt_tokens: u32,
    /// 0 for embeddings.
    pub(super) output_tokens: u32,
    /// Whether `output_tokens` is the request's own limit.
    pub(super) limited: bool,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Prompt tokens and length of each embedding asked for.
    pub(super) inputs: Vec<u32>,
    pub(super) dimensions: usize,
}

/// Why a request is refused, with the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    prompt: Option<Prompt>,
    input: Option<Prompt>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Prompt {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    Batch(Vec<Vec<u32>>),
}

/// Embedding length where the request names none.
const DIMENSIONS_DEFAULT: usize = 384;
/// The longest embedding of a known model is 8192; more would only cost memory.
const DIMENSIONS_MAX: usize = 16_384;
/// As many inputs as OpenAI takes in one embeddings request.
const INPUTS_MAX: usize = 2048;

/// Reads a request body; `model` is the only one served.
pub(super) fn parse(api: Api, body: &[u8], model: &str, law: &Law) -> Result<Request, Refusal> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the request is not valid: {error}")))?;
    if let Some(asked) = body.model.as_deref().filter(|asked| *asked != model) {
        return Err(Refusal {
            status: 404,
            message: format!("The model `{asked}` does not exist."),
        });
    }
    if body.n.unwrap_or(1) != 1 {
        return Err(Refusal::bad("n other than 1 is not simulated"));
    }
    let inputs = match api {
        Api::Chat => vec![chat_tokens(body.messages.as_deref())?],
        Api::Completions => one(prompt_tokens(body.prompt.as_ref(), "prompt")?)?,
        Api::Embeddings => prompt_tokens(body.input.as_ref(), "input")?,
    };
    let prompt_tokens = inputs.iter().fold(0_u32, |sum, n| sum.saturating_add(*n));
    let asked = body.max_completion_tokens.or(body.max_tokens);
    let request = Request {
        api,
        prompt_tokens,
        output_tokens: match api {
            Api::Embeddings => 0,
            Api::Chat | Api::Completions => asked.unwrap_or(law.output_tokens),
        },
        limited: asked.is_some(),
        stream: body.stream.unwrap_or(false) && api != Api::Embeddings,
        include_usage: body
            .stream_options
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        inputs,
        dimensions: body.dimensions.unwrap_or(DIMENSIONS_DEFAULT),
    };
    within_limits(&request, body.encoding_format.as_deref(), asked, law)?;
    Ok(request)
}

fn within_limits(
    request: &Request,
    encoding: Option<&str>,
    asked: Option<u32>,
    law: &Law,
) -> Result<(), Refusal> {
    if asked == Some(0) {
        return Err(Refusal::bad("max_tokens must be at least 1, got 0"));
    }
    let total = request.prompt_tokens.saturating_add(request.output_tokens);
    if total > law.context_tokens {
        return Err(Refusal::bad(format!(
            "This model's maximum context length is {} tokens. However, you requested {} output \
             tokens and your prompt contains {} tokens.",
            law.context_tokens, request.output_tokens, request.prompt_tokens
        )));
    }
    if Law::blocks(request.prompt_tokens, request.output_tokens) > law.kv_blocks {
        return Err(Refusal::bad(format!(
            "{total} tokens need more KV blocks than the {} there are",
            law.kv_blocks
        )));
    }
    if request.dimensions == 0 || request.dimensions > DIMENSIONS_MAX {
        return Err(Refusal::bad(format!(
            "dimensions must be from 1 to {DIMENSIONS_MAX}"
        )));
    }
    if request.inputs.len() > INPUTS_MAX {
        return Err(Refusal::bad(format!("more than {INPUTS_MAX} inputs")));
    }
    match encoding {
        None | Some("float") => Ok(()),
        Some(other) => Err(Refusal::bad(format!(
            "encoding_format {other} is not simulated; ask for float"
        ))),
    }
}

fn chat_tokens(messages: Option<&[Message]>) -> Result<u32, Refusal> {
    let messages = messages.filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Refusal::bad("messages is missing or empty"))?;
    let words = messages.iter().map(|message| match &message.content {
        Some(Content::Text(text)) => words(text),
        Some(Content::Parts(parts)) => parts
            .iter()
            .filter_map(|part| part.text.as_deref())
            .map(words)
            .sum(),
        None => 0,
    });
    Ok(words.sum())
}

fn prompt_tokens(prompt: Option<&Prompt>, field: &str) -> Result<Vec<u32>, Refusal> {
    let counts: Vec<u32> = match prompt {
        Some(Prompt::Text(text)) => vec![words(text)],
        Some(Prompt::Texts(texts)) => texts.iter().map(|text| words(text)).collect(),
        Some(Prompt::Ids(ids)) => vec![count(ids.len())],
        Some(Prompt::Batch(batch)) => batch.iter().map(|ids| count(ids.len())).collect(),
        None => Vec::new(),
    };
    if counts.is_empty() {
        return Err(Refusal::bad(format!("{field} is missing or empty")));
    }
    Ok(counts)
}

fn one(prompts: Vec<u32>) -> Result<Vec<u32>, Refusal> {
    match prompts.len() {
        1 => Ok(prompts),
        many => Err(Refusal::bad(format!(
            "{many} prompts in one request are not simulated"
        ))),
    }
}

fn words(text: &str) -> u32 {
    count(text.split_whitespace().count())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(api: Api, body: &str) -> Result<Request, Refusal> {
        parse(api, body.as_bytes(), "m", &Law::default())
    }

    #[test]
    fn a_chat_counts_the_words_of_all_messages_and_parts() {
        let request = read(
            Api::Chat,
            r#"{"model":"m","stream":true,"max_completion_tokens":7,"stream_options":{"include_usage":true},
                "messages":[{"role":"system","content":"be brief"},
                {"role":"user","content":[{"type":"text","text":"one two three"},{"type":"image_url"}]},
                {"role":"assistant","content":null}],"temperature":0.1}"#,
        )
        .unwrap();
        assert_eq!((request.prompt_tokens, request.output_tokens), (5, 7));
        assert!(request.stream && request.include_usage && request.limited);
    }

    #[test]
    fn prompts_may_be_text_or_token_ids_and_embeddings_may_be_many() {
        let completion = read(Api::Completions, r#"{"prompt":[1,2,3]}"#).unwrap();
        assert_eq!(
            (completion.prompt_tokens, completion.output_tokens),
            (3, 64)
        );
        assert!(!completion.limited);
        let embeddings = read(Api::Embeddings, r#"{"input":["a b","c"],"stream":true}"#).unwrap();
        assert_eq!(embeddings.inputs, [2, 1]);
        assert_eq!((embeddings.output_tokens, embeddings.stream), (0, false));
        let batch = read(Api::Embeddings, r#"{"input":[[1,2],[3]]}"#).unwrap();
        assert_eq!(batch.prompt_tokens, 3);
    }

    #[test]
    fn wrong_requests_are_refused_with_their_reason() {
        for (api, body, status, reason) in [
            (Api::Chat, "{", 400, "not valid"),
            (Api::Chat, r#"{"messages":[]}"#, 400, "messages"),
            (
                Api::Chat,
                r#"{"model":"other","messages":[]}"#,
                404,
                "`other`",
            ),
            (Api::Completions, "{}", 400, "prompt is missing"),
            (
                Api::Completions,
                r#"{"prompt":["a","b"]}"#,
                400,
                "2 prompts",
            ),
            (Api::Completions, r#"{"prompt":"a","n":2}"#, 400, "n other"),
            (
                Api::Completions,
                r#"{"prompt":"a","max_tokens":0}"#,
                400,
                "at least 1",
            ),
            (
                Api::Completions,
                r#"{"prompt":"a","max_tokens":-1}"#,
                400,
                "not valid",
            ),
            (
                Api::Completions,
                r#"{"prompt":"a","max_tokens":8192}"#,
                400,
                "maximum context length",
            ),
            (
                Api::Embeddings,
                r#"{"input":"a","dimensions":0}"#,
                400,
                "dimensions",
            ),
            (
                Api::Embeddings,
                r#"{"input":"a","encoding_format":"base64"}"#,
                400,
                "float",
            ),
        ] {
            let refusal = read(api, body).unwrap_err();
            assert_eq!(refusal.status, status, "{body}");
            assert!(refusal.message.contains(reason), "{}", refusal.message);
        }
    }
}
