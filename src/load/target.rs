//! Which server, model and engine a run is about.

use std::{error::Error as _, time::Duration};

use reqwest::Url;
use serde::Deserialize;

use super::{
    chunk::shorten,
    client::{Client, VERSION_HEADER, failed},
    error::Error,
    fault::{Failed, Fault},
};
use crate::engine::Kind;

/// How long the server may take to list its models; no model is run for this.
const DISCOVERY_MAX: Duration = Duration::from_secs(10);

/// Largest model list that is read; routers with thousands of models fit.
const MODELS_BYTES_MAX: usize = 4 << 20;

/// A serving engine, as far as it can be recognised from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One that `infer` also runs.
    Known(Kind),
    Ollama,
    Tgi,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Ollama => "ollama",
            Self::Tgi => "tgi",
        }
    }

    /// Whether the request field `ignore_eos` means something to it; others refuse or ignore it.
    pub fn knows_ignore_eos(self) -> bool {
        match self {
            Self::Known(kind) => kind.row().knows_ignore_eos,
            Self::Ollama | Self::Tgi => false,
        }
    }

    fn is_simulated(self) -> bool {
        matches!(self, Self::Known(kind) if kind.is_simulated())
    }

    /// From `owned_by` of the model, else from the `server` header.
    fn detect(owned_by: &str, server: &str) -> Option<Self> {
        if let Some(kind) = Kind::detect(owned_by, server) {
            return Some(Self::Known(kind));
        }
        let server = server.to_ascii_lowercase();
        match owned_by {
            "library" | "ollama" => Some(Self::Ollama),
            _ if server.contains("text-generation-inference") => Some(Self::Tgi),
            _ => None,
        }
    }
}

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// Ends with a slash; API paths are joined to it.
    pub base: Url,
    pub model: String,
    pub engine: Option<Engine>,
    /// Whether no model is run; `None` where the server does not report it.
    pub simulated: Option<bool>,
    /// How requests get there, where the address alone does not show it.
    pub via: Option<String>,
    /// It closes a connection after a streamed answer without a word before (llama.cpp's
    /// server), so that the next request on it would be lost.
    pub hangs_up: bool,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
}

/// The base of an address as people copy it: with or without `/v1` and API path.
pub fn base(text: &str) -> Result<Url, Error> {
    let wrong = |reason: &str| Error::Url {
        url: text.to_owned(),
        reason: reason.to_owned(),
    };
    if !text.contains("://") {
        return Err(wrong("it needs http:// or https://"));
    }
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it needs http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("use --api-key-env or --header, not a password in it"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let mut path = url.path().trim_end_matches('/').to_owned();
    for known in [
        "/chat/completions",
        "/completions",
        "/embeddings",
        "/models",
    ] {
        if let Some(start) = path.strip_suffix(&format!("/v1{known}")) {
            path = format!("{start}/v1");
        }
    }
    let path = path.strip_suffix("/v1").unwrap_or(&path);
    url.set_path(&format!("{path}/"));
    Ok(url)
}

impl Target {
    /// Asks the server at `base` for its models; `model` is what the user named.
    pub async fn discover(client: &Client, base: Url, model: Option<&str>) -> Result<Self, Error> {
        let models = match models(client, &base).await {
            Ok(models) => models,
            Err(source) => return without_models(base, model, source),
        };
        let found = match model {
            Some(name) => models.list.iter().find(|found| found.id == name),
            None => match &models.list[..] {
                [one] => Some(one),
                many => {
                    return Err(Error::ManyModels {
                        url: base.to_string(),
                        models: many.iter().map(|model| shorten(&model.id)).collect(),
                    });
                }
            },
        };
        // Every entry of a server's list names the same engine.
        let entry = found.or(models.list.first());
        let owned_by = entry.and_then(|entry| entry.owned_by.as_deref());
        let engine = Engine::detect(owned_by.unwrap_or_default(), &models.server);
        let simulated = models.says_simulated || engine.is_some_and(Engine::is_simulated);
        let name = model.or(found.map(|found| found.id.as_str()));
        Ok(Self {
            base,
            model: name.unwrap_or_default().to_owned(),
            engine,
            simulated: simulated.then_some(true),
            via: None,
            hangs_up: models.hangs_up,
        })
    }
}

struct Listed {
    list: Vec<Model>,
    server: String,
    hangs_up: bool,
    says_simulated: bool,
}

/// A server without a model list will do where the user named the model.
fn without_models(base: Url, model: Option<&str>, source: Failed) -> Result<Target, Error> {
    let url = base.to_string();
    match (source.fault, model) {
        (Fault::Connect | Fault::Tls | Fault::TimeoutFirst, _) => {
            Err(Error::Unreachable { url, source })
        }
        (_, Some(model)) => Ok(Target {
            base,
            model: model.to_owned(),
            engine: None,
            simulated: None,
            via: None,
            hangs_up: false,
        }),
        (_, None) => Err(Error::NoModel { url, source }),
    }
}

async fn models(client: &Client, base: &Url) -> Result<Listed, Failed> {
    let late = |_| Failed::new(Fault::TimeoutFirst, "no answer to /v1/models within 10 s");
    tokio::time::timeout(DISCOVERY_MAX, ask(client, base))
        .await
        .map_err(late)?
}

async fn ask(client: &Client, base: &Url) -> Result<Listed, Failed> {
    let url = base.join("v1/models").map_err(|error| {
        Failed::new(
            Fault::Connect,
            error
                .source()
                .map_or(error.to_string(), ToString::to_string),
        )
    })?;
    let sent = client.http().get(url).send().await;
    let mut response = sent.map_err(|error| failed(&error))?;
    if let Some(fault) = Fault::of_status(response.status().as_u16()) {
        let detail = format!("{} from /v1/models", response.status());
        return Err(Failed::new(fault, detail));
    }
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let server = header("server").unwrap_or_default();
    // Behind a gateway of ours it is the gateway that holds the connection.
    let hangs_up = server == "llama.cpp" && header(VERSION_HEADER).is_none();
    let says_simulated = header("x-infer-simulated").is_some_and(|value| value == "true");
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| failed(&error))? {
        body.extend_from_slice(&bytes);
        if body.len() > MODELS_BYTES_MAX {
            return Err(Failed::new(Fault::Malformed, "/v1/models is endless"));
        }
    }
    let models: Models = serde_json::from_slice(&body)
        .map_err(|error| Failed::new(Fault::Malformed, format!("/v1/models: {error}")))?;
    Ok(Listed {
        list: models.data,
        hangs_up,
        server,
        says_simulated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_copy_them() {
        for text in [
            "http://h:8080",
            "http://h:8080/",
            "http://h:8080/v1",
            "http://h:8080/v1/",
            "http://h:8080/v1/chat/completions",
            "http://h:8080/v1/models?x=1#y",
        ] {
            assert_eq!(base(text).unwrap().as_str(), "http://h:8080/", "{text}");
        }
        let below = base("https://h/team/v1").unwrap();
        assert_eq!(
            below.join("v1/models").unwrap().as_str(),
            "https://h/team/v1/models"
        );
    }

    #[test]
    fn wrong_addresses_say_what_is_wrong() {
        for (text, hint) in [
            ("localhost:8080", "http://"),
            ("ftp://h", "http://"),
            ("http://", "empty host"),
            ("http://u:p@h", "--api-key-env"),
        ] {
            let error = base(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn engines_are_told_by_owner_or_server() {
        assert_eq!(Engine::detect("vllm", ""), Some(Engine::Known(Kind::Vllm)));
        assert_eq!(Engine::detect("library", ""), Some(Engine::Ollama));
        assert_eq!(Engine::detect("openai", "envoy"), None);
    }
}
