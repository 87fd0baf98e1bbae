//! A door on this machine to the pods of one version, through the API server.
//!
//! For what speaks HTTP and must reach pods where no gateway leads to them. What goes
//! through it also pays the API server's time, and passes nothing that a gateway does.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    Cluster, Error,
    pods::{PodView, proxy_uri},
};

/// Largest request, kept in memory while it is sent: prompts, not files.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// Headers of one connection, and `Authorization`, which the API server takes for its own.
const KEPT_BACK: [HeaderName; 5] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    TRANSFER_ENCODING,
];

/// Open until it is dropped; a client that does not know its address cannot use it.
#[derive(Debug)]
pub struct PodProxy {
    url: String,
    serving: JoinHandle<()>,
}

/// Where the requests go, in turns.
struct Way {
    cluster: Cluster,
    pods: Vec<(String, u16)>,
    next: AtomicUsize,
    /// First segment of every path, that only the opener knows.
    key: String,
}

impl PodProxy {
    /// Opens a door to `pods`; those without a port are left out.
    pub async fn open(cluster: &Cluster, pods: &[PodView]) -> Result<Self, Error> {
        let closed = |source| Error::Unreachable {
            act: "listen for requests to its pods".to_owned(),
            server: "127.0.0.1".to_owned(),
            source: Box::new(source),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(closed)?;
        let address = listener.local_addr().map_err(closed)?;
        let key = format!("{:032x}", rand::random::<u128>());
        let url = format!("http://{address}/{key}");
        let there = Arc::new(Way {
            cluster: cluster.clone(),
            pods: pods
                .iter()
                .filter_map(|pod| Some((pod.pod.clone(), pod.port?)))
                .collect(),
            next: AtomicUsize::new(0),
            key,
        });
        let serving = tokio::spawn(serve(listener, there));
        Ok(Self { url, serving })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PodProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, way: Arc<Way>) {
    let mut connections = JoinSet::new();
    // A connection that could not be taken is its client's error.
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, Arc::clone(&way)));
    }
}

async fn connection(stream: TcpStream, way: Arc<Way>) {
    // Only a delay, if it cannot be set.
    stream.set_nodelay(true).unwrap_or_default();
    let service = service_fn(move |request| {
        let way = Arc::clone(&way);
        async move { Ok::<_, Infallible>(way.answer(request).await) }
    });
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A client that leaves in the middle knows best why.
    drop(served);
}

type Answer = Response<Either<Body, Full<Bytes>>>;

impl Way {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let own = path.trim_start_matches('/').strip_prefix(&self.key);
        let (Some(path), false) = (own, self.pods.is_empty()) else {
            return error(StatusCode::NOT_FOUND, "nothing is served here");
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.pods.len();
        let (pod, port) = &self.pods[turn];
        let Ok(uri) = proxy_uri(&self.cluster, pod, *port, path).parse() else {
            return error(StatusCode::BAD_REQUEST, "the path is no path");
        };
        head.uri = uri;
        keep_back(&mut head.headers);
        let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
        };
        let body = Body::from(body.to_bytes().to_vec());
        match self
            .cluster
            .kube()
            .send(Request::from_parts(head, body))
            .await
        {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                keep_back(&mut head.headers);
                Response::from_parts(head, Either::Left(body))
            }
            Err(failed) => error(
                StatusCode::BAD_GATEWAY,
                &format!("no answer from pod {pod} through the API server: {failed}"),
            ),
        }
    }
}

fn keep_back(headers: &mut HeaderMap) {
    for name in KEPT_BACK {
        headers.remove(name);
    }
}

fn error(status: StatusCode, message: &str) -> Answer {
    let body = serde_json::json!({"error": {"message": message}}).to_string();
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *answer.status_mut() = status;
    answer
}
