//! A few lines of HTTP in front of the facade.

use super::arbos::ArbOs;
use super::facade;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// A server that ends with whoever holds it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(arbos: Arc<Mutex<ArbOs>>, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let arbos = arbos.clone();
                tokio::spawn(async move { serve(stream, &arbos).await });
            }
        });
        Self { url, task }
    }
}

/// Answers requests of one connection until the other side ends it.
async fn serve(mut stream: TcpStream, arbos: &Mutex<ArbOs>) {
    let mut buffer = Vec::new();
    while let Some(body) = read_request(&mut stream, &mut buffer).await {
        let Ok(request) = serde_json::from_slice::<Value>(&body) else { return };
        let answer = facade::answer(&mut *arbos.lock().await, &request).await.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if stream.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.unwrap_or("0").trim().parse().ok()?;
            let (body, next) = (end + 4, end + 4 + length);
            if bytes.len() >= next {
                let request = bytes[body..next].to_vec();
                bytes.drain(..next);
                return Some(request);
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
