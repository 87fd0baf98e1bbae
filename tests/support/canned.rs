//! A fake HTTP server for what no real one does on demand: it sends the same bytes to
//! each request of a path, cuts them off at will, and keeps what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub struct Canned {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Serves `(path, whole HTTP response)`; anything else is a 404.
    pub fn start(answers: &[(&str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<_> = answers
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.clone()))
            .collect();
        let seen = Arc::clone(&requests);
        // Ends with the test process: it holds nothing that would outlive it.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, seen) = (answers.clone(), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &answers, &seen));
            }
        });
        Self { url, requests }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Heads and bodies of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .expect("no test thread panicked")
            .clone()
    }
}

/// A whole response with a body, after which the connection closes.
pub fn response(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A model list.
pub fn models(names: &[&str]) -> (&'static str, String) {
    let data: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({"id": name, "owned_by": "me"}))
        .collect();
    let body = serde_json::json!({"object": "list", "data": data}).to_string();
    ("/v1/models", response("200 OK", "application/json", &body))
}

fn serve(mut stream: TcpStream, answers: &[(String, String)], seen: &Mutex<Vec<String>>) {
    let Some(request) = read(&stream) else {
        return;
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().expect("no test thread panicked").push(request);
    let found = answers.iter().find(|(known, _)| *known == path);
    let answer = match found {
        Some((_, answer)) => answer.clone(),
        None => response("404 Not Found", "text/plain", "nothing here"),
    };
    // The client may have gone, which is its right.
    drop(stream.write_all(answer.as_bytes()));
}

fn read(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}
