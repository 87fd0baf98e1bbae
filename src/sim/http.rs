//! The HTTP face: routes, status codes, headers.

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{
    BodyExt, Full, LengthLimitError, Limited, StreamBody, combinators::UnsyncBoxBody,
};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};

use super::{
    OWNER, SIMULATED_HEADER,
    answer::{Writer, embeddings, error},
    faults::Fault,
    metrics::Gauges,
    openai::{Api, Refusal, parse},
    server::Engine,
    stream::Answer,
};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Largest request body; far above the longest prompt that any law admits.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Answers one request; never fails, faults are answers too.
pub(super) async fn handle(
    engine: Arc<Engine>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let arrived = Instant::now();
    let mut response = route(engine, request, arrived).await;
    let headers = response.headers_mut();
    headers.insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
    headers.insert(header::SERVER, HeaderValue::from_static(OWNER));
    Ok(response)
}

async fn route(
    engine: Arc<Engine>,
    request: Request<Incoming>,
    arrived: Instant,
) -> Response<Body> {
    let api = match (request.method(), request.uri().path()) {
        (&Method::GET, "/health" | "/ping") => return health(&engine),
        (&Method::GET, "/metrics") => return metrics(&engine),
        (&Method::GET, "/version") => {
            return json_body(
                StatusCode::OK,
                &json!({"version": env!("CARGO_PKG_VERSION")}),
            );
        }
        (&Method::GET, "/v1/models") => return models(&engine),
        (&Method::POST, "/v1/chat/completions") => Api::Chat,
        (&Method::POST, "/v1/completions") => Api::Completions,
        (&Method::POST, "/v1/embeddings") => Api::Embeddings,
        (
            _,
            "/health"
            | "/ping"
            | "/metrics"
            | "/version"
            | "/v1/models"
            | "/v1/chat/completions"
            | "/v1/completions"
            | "/v1/embeddings",
        ) => return refuse(405, "Method Not Allowed"),
        _ => return refuse(404, "Not Found"),
    };
    if !engine.is_ready() {
        return refuse(503, "the simulated engine is starting");
    }
    match read(request.into_body()).await {
        Ok(body) => answer(engine, api, &body, arrived).await,
        Err(refusal) => refuse(refusal.status, &refusal.message),
    }
}

async fn answer(engine: Arc<Engine>, api: Api, body: &[u8], arrived: Instant) -> Response<Body> {
    let number = engine.receive().await;
    let simulation = &engine.simulation;
    let request = match parse(api, body, &simulation.model, &simulation.law) {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal.status, &refusal.message),
    };
    let fault = simulation.faults.of(simulation.law.seed, number);
    if let Some(Fault::Error(status)) = fault {
        return refuse(status, "simulated failure, as asked for");
    }
    let writer = Writer {
        api,
        id: match api {
            Api::Chat => format!("chatcmpl-sim-{number}"),
            Api::Completions | Api::Embeddings => format!("cmpl-sim-{number}"),
        },
        created: unix_seconds(),
        model: simulation.model.clone(),
        prompt_tokens: request.prompt_tokens,
        reasoning_tokens: match api {
            Api::Chat => simulation.reasoning_tokens,
            Api::Completions | Api::Embeddings => 0,
        },
    };
    let mut answer = Answer::new(Arc::clone(&engine), request, writer, number, fault, arrived);
    if answer.request.stream {
        return event_stream(answer);
    }
    match fault {
        Some(Fault::Hang) => answer.hang().await,
        Some(Fault::Reset | Fault::Truncated) => return cut_short(answer).await,
        Some(Fault::StreamError | Fault::Error(_)) | None => {}
    }
    let whole = if api == Api::Embeddings {
        answer.wait_for_embeddings().await;
        embeddings(&answer.request, &engine.simulation.model)
    } else {
        let end = answer.wait_for_all().await;
        answer
            .writer
            .whole(answer.request.output_tokens, end.name())
    };
    json_body(StatusCode::OK, &whole)
}

fn event_stream(answer: Answer) -> Response<Body> {
    let pieces = stream::unfold(answer, |mut answer| async {
        let piece = answer.next().await?;
        Some((piece.map(Frame::data), answer))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A body that ends before its declared length.
async fn cut_short(mut answer: Answer) -> Response<Body> {
    answer.wait_for_all().await;
    let pieces = stream::iter([
        Ok(Frame::data(Bytes::from_static(b"{\"id\":"))),
        Err(io::Error::other("cut, as asked for")),
    ]);
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal {
            status: 413,
            message: format!("the request is larger than {REQUEST_BYTES_MAX} bytes"),
        }),
        Err(error) => Err(Refusal {
            status: 400,
            message: format!("the request could not be read: {error}"),
        }),
    }
}

fn health(engine: &Engine) -> Response<Body> {
    if engine.is_ready() {
        Response::new(full(Bytes::new()))
    } else {
        refuse(503, "the simulated engine is starting")
    }
}

fn metrics(engine: &Engine) -> Response<Body> {
    let page = engine.metrics.render(Gauges {
        running: engine.slots.running(),
        waiting: engine.slots.waiting(),
        kv_usage: engine.slots.kv_usage(),
    });
    let mut response = Response::new(full(page.into()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn models(engine: &Engine) -> Response<Body> {
    let model = &engine.simulation.model;
    let entry = json!({
        "id": model, "object": "model", "created": unix_seconds(), "owned_by": OWNER,
        "root": model, "parent": null, "max_model_len": engine.simulation.law.context_tokens,
    });
    json_body(StatusCode::OK, &json!({"object": "list", "data": [entry]}))
}

fn refuse(status: u16, message: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json_body(status, &error(status.as_u16(), message))
}

fn json_body(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string().into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::sim::{Law, Simulation};

    /// The law is kept as a whole even where single events are late: each token is due at its
    /// own instant, not after the one before. So of a request that came long ago none waits.
    #[tokio::test]
    async fn what_is_overdue_is_sent_without_a_wait() {
        let (engine, _ended) = Engine::new(Simulation::from(Law::default()));
        let body = br#"{"prompt": "one two", "stream": true, "max_tokens": 201}"#;
        let long_ago = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let answer = answer(engine, Api::Completions, body, long_ago);
        let answer = answer.now_or_never().expect("no wait for the head");
        let body = answer.into_body().collect().now_or_never();
        let body = body.expect("no wait for a token").unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        // 201 tokens and the reason of the end.
        assert_eq!(body.matches("data: {").count(), 202);
        assert!(body.ends_with("[DONE]\n\n"), "{body}");
    }
}
