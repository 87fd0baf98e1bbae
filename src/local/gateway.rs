//! The data path: one request in, one version's response out.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery,
};
use http_body_util::{Either, Full, Limited};
use hyper::body::{Body as _, Incoming};

use super::{
    headers::{end_of_hop, end_of_hop_request},
    meter::{Arrival, Meter},
    relay::Relay,
    ring::Ring,
    route::{Admitted, Refused, Routes, VERSION_HEADER},
    upstream::{InFlight, RequestBody, SendError},
};
use crate::{load::Fault, name::VersionId};

/// Largest request: a hundred images in base64. It streams through, so this bounds what an
/// engine is sent, not memory.
const REQUEST_BYTES_MAX: usize = 256 << 20;

pub(super) type Answer = Response<Either<Relay, Full<Bytes>>>;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) routes: Arc<Routes>,
    pub(super) ring: Arc<Ring>,
}

impl Gateway {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let arrival = Arrival::now(request.method(), request.uri().path());
        let forward = match forwardable(request) {
            Ok(forward) => forward,
            Err(refusal) => return Ok(*refusal),
        };
        let table = self.routes.table();
        Ok(match table.admit(forward.headers(), &self.routes.wheel) {
            Ok(admitted) => self.relay(admitted, forward, &arrival).await,
            Err(refused) => refusal(&refused),
        })
    }

    /// Sends it, once; to the other version where not a byte of it could be sent.
    ///
    /// There is no limit on the time until the engine answers: a long answer that is not
    /// streamed takes minutes. The wait ends when the sender leaves or the engine dies,
    /// and an engine that hangs is ended by its liveness probe.
    async fn relay(
        &self,
        admitted: Admitted,
        mut request: Request<RequestBody>,
        arrival: &Arrival,
    ) -> Answer {
        let Admitted {
            mut in_flight,
            routed,
            mut other,
        } = admitted;
        let mut meter = Meter::start(&self.ring, arrival, in_flight.upstream(), routed);
        loop {
            let error = match in_flight.upstream().send(request).await {
                Ok((response, connection)) => {
                    let version = in_flight.upstream().version().clone();
                    let (mut head, body) = response.into_parts();
                    meter.answered(head.status, &head.headers);
                    end_of_hop(&mut head.headers);
                    head.headers
                        .insert(&VERSION_HEADER, version_value(&version));
                    head.version = Version::HTTP_11;
                    let relay = Relay::new(body, meter, in_flight, connection);
                    return Response::from_parts(head, Either::Left(relay));
                }
                Err(error) => error,
            };
            in_flight.upstream().suspected.notify_one();
            match error {
                SendError::Unreached {
                    request: unsent,
                    source,
                } => {
                    let Some(next) = other.take().and_then(|upstream| upstream.enter()) else {
                        meter.unanswered(StatusCode::BAD_GATEWAY, Fault::Connect);
                        return unanswered(&in_flight, &format!("could not be reached: {source}"));
                    };
                    meter.moved(next.upstream());
                    in_flight = next;
                    request = *unsent;
                }
                SendError::Broken(error) if too_large(&error) => {
                    meter.unanswered(StatusCode::PAYLOAD_TOO_LARGE, Fault::Http4xx);
                    return request_too_large();
                }
                SendError::Broken(error) => {
                    meter.unanswered(StatusCode::BAD_GATEWAY, Fault::Reset);
                    return unanswered(&in_flight, &format!("broke off: {error}"));
                }
            }
        }
    }
}

/// The request as it goes to an engine.
fn forwardable(request: Request<Incoming>) -> Result<Request<RequestBody>, Box<Answer>> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(Box::new(error(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this is a gateway to inference servers, not a proxy",
        )));
    }
    if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
        return Err(Box::new(request_too_large()));
    }
    if !head.headers.contains_key(header::HOST) {
        head.headers
            .insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    end_of_hop_request(&mut head.headers);
    let path = head.uri.path_and_query().cloned();
    head.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    head.version = Version::HTTP_11;
    Ok(Request::from_parts(
        head,
        Limited::new(body, REQUEST_BYTES_MAX),
    ))
}

fn too_large(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = cause.source();
    }
    false
}

fn request_too_large() -> Answer {
    error(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request_too_large",
        &format!("a request has at most {REQUEST_BYTES_MAX} bytes"),
    )
}

fn unanswered(in_flight: &InFlight, what: &str) -> Answer {
    let version = in_flight.upstream().version();
    let mut answer = error(
        StatusCode::BAD_GATEWAY,
        "engine_unavailable",
        &format!("the engine of {version} {what}"),
    );
    answer
        .headers_mut()
        .insert(&VERSION_HEADER, version_value(version));
    answer
}

fn refusal(refused: &Refused) -> Answer {
    match refused {
        Refused::Unknown { asked, known } => {
            let known: Vec<_> = known.iter().map(VersionId::as_str).collect();
            let known = match known.as_slice() {
                [] => "there is none yet".to_owned(),
                some => format!("there are {}", some.join(", ")),
            };
            error(
                StatusCode::NOT_FOUND,
                "version_not_found",
                &format!("x-infer-version {asked:?} is not a version of this release: {known}"),
            )
        }
        Refused::PinnedNotReady(version) => not_now(
            "version_not_ready",
            &format!("{version}, which x-infer-version asks for, is not ready"),
        ),
        Refused::NoneReady => not_now("no_version_ready", "no version is ready"),
        Refused::NothingLive => not_now("nothing_live", "no version is live yet: run infer deploy"),
    }
}

/// A refusal that may be gone at the next try.
fn not_now(code: &str, message: &str) -> Answer {
    let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, code, message);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// An error in the shape that every OpenAI client reads.
fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let kind = if status.is_client_error() {
        "invalid_request_error"
    } else {
        "server_error"
    };
    let body = serde_json::json!({
        "error": {"message": message, "type": kind, "param": null, "code": code},
    });
    let mut answer = Response::new(Either::Right(Full::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}

fn version_value(version: &VersionId) -> HeaderValue {
    HeaderValue::from_str(version.as_str()).expect("a version is v and hex digits")
}
