//! Who is called back when a job ends.

use std::sync::{Arc, Mutex};

use atlas_core::JobId;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listens on loopback, and accepts whatever it is told.
pub(super) struct Callee {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Callee {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/over", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let hears = Arc::clone(&told);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(body) = hear(stream).await {
                    hears.lock().unwrap().push(body);
                }
            }
        });
        Self { url, told, listening }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// How often it was told of this job.
    pub(super) fn heard_of(&self, job: &JobId) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told["id"] == job.as_str()).count()
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Reads one request until its body is whole, and accepts it.
async fn hear(mut stream: TcpStream) -> Option<Value> {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&piece[..read]);
        let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_slice(&text[head + 4..]) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            return Some(body);
        }
    }
}
