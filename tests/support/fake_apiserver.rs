//! A fake API server: it keeps objects in memory and notes every request. It knows
//! nothing of schemas, controllers or admission; a script plays the faults that a
//! real one will not produce on demand.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use infer::for_tests::object::{KINDS, kinds::Presence};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub body: Value,
}

/// What a script answers in the server's place.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    pub fn text(body: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    /// A `Status` as API servers write one.
    pub fn failure(status: u16, reason: &str, message: &str) -> Self {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": reason, "message": message, "details": {}, "code": status});
        Self::json(status, &body)
    }

    /// The connection ends without an answer.
    pub fn hang_up() -> Self {
        Self {
            status: 0,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// Objects by path.
#[derive(Debug, Default)]
pub struct Store {
    pub objects: BTreeMap<String, Value>,
    revision: u64,
}

impl Store {
    /// Puts an object as if it had always been there.
    pub fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.revision += 1;
        let old = self.objects.get(path);
        let generation = old
            .and_then(|old| old["metadata"]["generation"].as_u64())
            .unwrap_or(0);
        let same = old.is_some_and(|old| old["spec"] == object["spec"]);
        object["metadata"]["generation"] = json!(if same { generation } else { generation + 1 });
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        object["metadata"]["uid"] = json!(format!("uid-{path}"));
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// What the store does with a request that no script answers.
    pub fn keep(&mut self, call: &Call) -> Reply {
        keep(call, self)
    }
}

type Script = dyn Fn(&Call, &mut Store) -> Option<Reply> + Send + Sync;

pub struct FakeApiserver {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    store: Arc<Mutex<Store>>,
    /// Ends the server's thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl FakeApiserver {
    /// Starts on a free port of this machine, in a thread of its own.
    pub fn start(
        script: impl Fn(&Call, &mut Store) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let store = Arc::<Mutex<Store>>::default();
        let script: Arc<Script> = Arc::new(script);
        let (tell, address) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (noted, kept) = (Arc::clone(&calls), Arc::clone(&store));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, noted, kept, script) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            calls,
            store,
            _stop: stop,
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Requests of a method whose path contains `part`.
    pub fn of(&self, method: &Method, part: &str) -> Vec<Call> {
        let matches = |call: &Call| call.method == method && call.path.contains(part);
        self.calls().into_iter().filter(matches).collect()
    }

    pub fn put(&self, path: &str, object: Value) {
        self.store.lock().unwrap().put(path, object);
    }

    pub fn object(&self, path: &str) -> Option<Value> {
        self.store.lock().unwrap().objects.get(path).cloned()
    }

    /// Every object, by path.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        self.store.lock().unwrap().objects.clone()
    }

    pub fn config(&self) -> kube::Config {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        "team-a".clone_into(&mut config.default_namespace);
        config
    }

    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
             clusters: [{{name: fake, cluster: {{server: \"http://{}\"}}}}]\n\
             users: [{{name: fake, user: {{}}}}]\n\
             contexts: [{{name: fake, context: {{cluster: fake, user: fake, namespace: team-a}}}}]\n",
            self.address
        )
    }
}

async fn serve(
    listener: TcpListener,
    calls: Arc<Mutex<Vec<Call>>>,
    store: Arc<Mutex<Store>>,
    script: Arc<Script>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (calls, store, script) = (Arc::clone(&calls), Arc::clone(&store), Arc::clone(&script));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                answer(
                    request,
                    Arc::clone(&calls),
                    Arc::clone(&store),
                    Arc::clone(&script),
                )
            });
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(served);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    store: Arc<Mutex<Store>>,
    script: Arc<Script>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body
        .collect()
        .await
        .map(Collected::to_bytes)
        .unwrap_or_default();
    let content_type = parts
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    calls.lock().unwrap().push(call.clone());
    let reply = {
        let mut store = store.lock().unwrap();
        script(&call, &mut store).unwrap_or_else(|| keep(&call, &mut store))
    };
    if call.query.contains("watch=") {
        // A watch that nothing happens on, and that ends soon.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if reply.status == 0 {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", "application/json");
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(reply.body))).unwrap())
}

/// What the in-memory store does with a request.
pub fn keep(call: &Call, store: &mut Store) -> Reply {
    let not_found = || Reply::failure(404, "NotFound", &format!("{} not found", call.path));
    if call.query.contains("watch=") {
        return Reply::text("");
    }
    match call.method.as_str() {
        "GET" => match store.objects.get(&call.path) {
            Some(object) => Reply::json(200, object),
            None if is_discovery(&call.path) => discover(&call.path),
            None if is_collection(&call.path) => list(call, store),
            None => not_found(),
        },
        "POST" => {
            let name = call.body["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{}/{name}", call.path);
            if store.objects.contains_key(&path) {
                return Reply::failure(409, "AlreadyExists", "already exists");
            }
            Reply::json(201, &store.put(&path, call.body.clone()))
        }
        "PUT" => put(call, store),
        "PATCH" => patch(call, store),
        "DELETE" => match store.objects.remove(&call.path) {
            Some(_) => Reply::json(200, &json!({"kind": "Status", "status": "Success"})),
            None => not_found(),
        },
        _ => Reply::failure(405, "MethodNotAllowed", "method"),
    }
}

/// Extensions that the fake cluster has; a script may serve more.
const EXTENSIONS: &str = "gateway.networking.k8s.io";

fn is_discovery(path: &str) -> bool {
    path == "/apis" || path.starts_with("/apis/") && path.matches('/').count() == 3
}

/// Discovery of what Kubernetes itself serves and of [`EXTENSIONS`].
fn discover(path: &str) -> Reply {
    let served = KINDS
        .iter()
        .filter(|row| row.presence == Presence::Core || row.kind.group == EXTENSIONS);
    if path == "/apis" {
        let groups: Vec<_> = served
            .map(|row| json!({"name": row.kind.group, "versions": [{"groupVersion": row.kind.api_version()}]}))
            .collect();
        return Reply::json(200, &json!({"kind": "APIGroupList", "groups": groups}));
    }
    let resources: Vec<_> = served
        .filter(|row| path == format!("/apis/{}", row.kind.api_version()))
        .map(|row| json!({"name": row.kind.plural, "kind": row.kind.kind, "namespaced": row.kind.namespaced}))
        .collect();
    if resources.is_empty() {
        return Reply::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
    }
    Reply::json(
        200,
        &json!({"kind": "APIResourceList", "resources": resources}),
    )
}

fn put(call: &Call, store: &mut Store) -> Reply {
    let there = store
        .objects
        .get(&call.path)
        .map(|object| object["metadata"]["resourceVersion"].clone());
    match there {
        None => Reply::failure(404, "NotFound", "not found"),
        Some(there) if there != call.body["metadata"]["resourceVersion"] => {
            Reply::failure(409, "Conflict", "the object has been modified")
        }
        Some(_) => Reply::json(200, &store.put(&call.path, call.body.clone())),
    }
}

fn patch(call: &Call, store: &mut Store) -> Reply {
    let path = call.path.trim_end_matches("/scale");
    let mut object = store.objects.get(path).cloned();
    match call.content_type.as_str() {
        "application/json-patch+json" => {
            let Some(object) = object.as_mut() else {
                return Reply::failure(404, "NotFound", "not found");
            };
            let operations: json_patch::Patch = serde_json::from_value(call.body.clone()).unwrap();
            if json_patch::patch(object, &operations).is_err() {
                // Byte for byte what kube-apiserver says, whichever operation failed.
                let message = "the server rejected our request due to an error in our request";
                return Reply::failure(422, "Invalid", message);
            }
        }
        "application/apply-patch+yaml" | "application/merge-patch+json" => {
            let object = object.get_or_insert(json!({}));
            json_patch::merge(object, &call.body);
        }
        other => return Reply::failure(415, "UnsupportedMediaType", other),
    }
    let object = object.unwrap();
    if call.query.contains("dryRun=All") {
        return Reply::json(200, &object);
    }
    Reply::json(200, &store.put(path, object))
}

fn is_collection(path: &str) -> bool {
    let inside = path.split("/namespaces/").nth(1).unwrap_or_default();
    inside.matches('/').count() == 1 || path == "/api/v1/nodes" || path == "/api/v1/pods"
}

fn list(call: &Call, store: &Store) -> Reply {
    let wanted = call
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="));
    let wanted = wanted
        .unwrap_or_default()
        .replace("%3D", "=")
        .replace("%2C", ",")
        .replace("%2F", "/");
    let labels: Vec<_> = wanted
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let prefix = format!("{}/", call.path);
    let items: Vec<_> = store
        .objects
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
        .filter(|(_, object)| {
            labels
                .iter()
                .all(|(name, value)| object["metadata"]["labels"][*name] == *value)
        })
        .map(|(_, object)| object)
        .collect();
    let revision = store.revision.to_string();
    Reply::json(
        200,
        &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": revision}, "items": items}),
    )
}
