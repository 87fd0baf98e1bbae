//! A tiny language model with random weights, in GGUF: a few hundred kilobytes that a
//! real llama.cpp loads at once and streams real tokens from. The number of blocks sets
//! its speed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const EMBEDDING: u64 = 64;
const FEED_FORWARD: u64 = 128;
const HEADS: u32 = 4;
const CONTEXT: u32 = 4096;
/// Every tensor starts at a multiple of it.
const ALIGNMENT: usize = 32;

/// The file of a model with `blocks` blocks; the same bytes for the same arguments.
pub fn tiny_llama(blocks: u32, seed: u64) -> Vec<u8> {
    let vocabulary = vocabulary();
    let metadata = metadata(blocks, &vocabulary);
    let tensors = tensors(blocks, vocabulary.len() as u64, seed);

    let mut file = Vec::new();
    file.extend(b"GGUF");
    file.extend(3_u32.to_le_bytes());
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in &metadata {
        string(&mut file, key);
        file.extend(value);
    }
    let mut data = Vec::new();
    for tensor in &tensors {
        string(&mut file, &tensor.name);
        file.extend(
            u32::try_from(tensor.shape.len())
                .expect("few dimensions")
                .to_le_bytes(),
        );
        for dimension in &tensor.shape {
            file.extend(dimension.to_le_bytes());
        }
        file.extend(F32.to_le_bytes());
        file.extend((data.len() as u64).to_le_bytes());
        for value in &tensor.values {
            data.extend(value.to_le_bytes());
        }
        pad(&mut data);
    }
    pad(&mut file);
    file.extend(data);
    file
}

const F32: u32 = 0;

struct Tensor {
    name: String,
    shape: Vec<u64>,
    values: Vec<f32>,
}

struct Token {
    text: String,
    score: f32,
    kind: i32,
}

/// Three control tokens, the 256 bytes, and a few words.
fn vocabulary() -> Vec<Token> {
    const NORMAL: i32 = 1;
    const UNKNOWN: i32 = 2;
    const CONTROL: i32 = 3;
    const BYTE: i32 = 6;
    let token = |text: &str, score, kind| Token {
        text: text.to_owned(),
        score,
        kind,
    };
    let mut tokens = vec![
        token("<unk>", 0.0, UNKNOWN),
        token("<s>", 0.0, CONTROL),
        token("</s>", 0.0, CONTROL),
    ];
    tokens.extend((0..=255_u8).map(|byte| token(&format!("<0x{byte:02X}>"), 0.0, BYTE)));
    let words = [
        "▁the", "▁a", "▁of", "▁and", "▁to", "▁in", "▁is", "▁it", "▁model", "▁token",
    ];
    let mut score = 0.0;
    tokens.extend(words.map(|word| {
        score -= 1.0;
        token(word, score, NORMAL)
    }));
    tokens
}

fn metadata(blocks: u32, vocabulary: &[Token]) -> Vec<(&'static str, Vec<u8>)> {
    let embedding = u32::try_from(EMBEDDING).expect("small");
    let feed_forward = u32::try_from(FEED_FORWARD).expect("small");
    let texts = vocabulary.iter().map(|token| {
        let mut bytes = Vec::new();
        string(&mut bytes, &token.text);
        bytes
    });
    let scores = vocabulary
        .iter()
        .map(|token| token.score.to_le_bytes().to_vec());
    let kinds = vocabulary
        .iter()
        .map(|token| token.kind.to_le_bytes().to_vec());
    vec![
        ("general.architecture", text("llama")),
        ("general.name", text("tiny random llama")),
        ("llama.block_count", number(blocks)),
        ("llama.context_length", number(CONTEXT)),
        ("llama.embedding_length", number(embedding)),
        ("llama.feed_forward_length", number(feed_forward)),
        ("llama.attention.head_count", number(HEADS)),
        ("llama.attention.head_count_kv", number(HEADS)),
        ("llama.rope.dimension_count", number(embedding / HEADS)),
        (
            "llama.attention.layer_norm_rms_epsilon",
            typed(FLOAT32, &1e-5_f32.to_le_bytes()),
        ),
        ("general.file_type", number(0)),
        ("tokenizer.ggml.model", text("llama")),
        ("tokenizer.ggml.tokens", array(STRING, texts)),
        ("tokenizer.ggml.scores", array(FLOAT32, scores)),
        ("tokenizer.ggml.token_type", array(INT32, kinds)),
        ("tokenizer.ggml.unknown_token_id", number(0)),
        ("tokenizer.ggml.bos_token_id", number(1)),
        ("tokenizer.ggml.eos_token_id", number(2)),
    ]
}

fn tensors(blocks: u32, vocabulary: u64, seed: u64) -> Vec<Tensor> {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let mut random = |name: String, shape: Vec<u64>, size: f32| Tensor {
        values: (0..shape.iter().product())
            .map(|_| draws.random_range(-size..size))
            .collect(),
        name,
        shape,
    };
    let norm = |name: String| Tensor {
        values: vec![1.0; usize::try_from(EMBEDDING).expect("small")],
        name,
        shape: vec![EMBEDDING],
    };
    let mut tensors = vec![
        random(
            "token_embd.weight".to_owned(),
            vec![EMBEDDING, vocabulary],
            1.0,
        ),
        norm("output_norm.weight".to_owned()),
    ];
    let mut output = random("output.weight".to_owned(), vec![EMBEDDING, vocabulary], 1.0);
    keep_to_text(&mut output.values);
    tensors.push(output);
    for block in 0..blocks {
        let name = |part: &str| format!("blk.{block}.{part}.weight");
        let square = vec![EMBEDDING, EMBEDDING];
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            tensors.push(random(name(part), square.clone(), 0.1));
        }
        let wide = vec![EMBEDDING, FEED_FORWARD];
        tensors.push(random(name("ffn_gate"), wide.clone(), 0.1));
        tensors.push(random(name("ffn_up"), wide, 0.1));
        tensors.push(random(name("ffn_down"), vec![FEED_FORWARD, EMBEDDING], 0.1));
        tensors.push(norm(name("attn_norm")));
        tensors.push(norm(name("ffn_norm")));
    }
    tensors
}

/// Control tokens and bytes outside printable ASCII get a row of zeros, so that an answer
/// rarely ends early and hardly ever waits for the rest of a UTF-8 sequence.
fn keep_to_text(rows: &mut [f32]) {
    const FIRST_BYTE: usize = 3;
    let width = usize::try_from(EMBEDDING).expect("small");
    for (token, row) in rows.chunks_mut(width).enumerate() {
        let printable = token
            .checked_sub(FIRST_BYTE)
            .is_some_and(|byte| byte > 255 || (0x20..0x7F).contains(&byte));
        if !printable {
            row.fill(0.0);
        }
    }
}

const UINT32: u32 = 4;
const INT32: u32 = 5;
const FLOAT32: u32 = 6;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn typed(kind: u32, value: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), value].concat()
}

fn number(value: u32) -> Vec<u8> {
    typed(UINT32, &value.to_le_bytes())
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    string(&mut bytes, value);
    typed(STRING, &bytes)
}

fn array(kind: u32, items: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = typed(ARRAY, &kind.to_le_bytes());
    bytes.extend((items.len() as u64).to_le_bytes());
    bytes.extend(items.flatten());
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}
