//! WebSocket by hand: text frames of our own size, read one at a time or not at all.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct WebSocket {
    stream: TcpStream,
}

/// What came over a WebSocket.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    Text(Value),
    Closed,
}

impl WebSocket {
    /// Connects; the status line of a refusal otherwise.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                break;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") {
            Ok(Self { stream })
        } else {
            Err(head.lines().next().unwrap_or_default().to_owned())
        }
    }

    pub(crate) async fn send(&mut self, text: &str) -> std::io::Result<()> {
        let bytes = text.as_bytes();
        let mut frame = vec![0x81];
        match u16::try_from(bytes.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            Ok(long) => {
                frame.push(0x80 | 126);
                frame.extend(long.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(bytes.len()).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros is a mask.
        frame.extend([0; 4]);
        frame.extend(bytes);
        self.stream.write_all(&frame).await
    }

    pub(crate) async fn call(&mut self, id: u64, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&call.to_string()).await.unwrap();
        loop {
            match self.receive().await {
                Message::Text(answer) if answer["id"] == id => return answer,
                Message::Text(_) => {}
                Message::Closed => panic!("closed before the answer"),
            }
        }
    }

    /// The next message; answers pings on the way.
    pub(crate) async fn receive(&mut self) -> Message {
        loop {
            let Some((kind, payload)) = self.frame().await else { return Message::Closed };
            match kind {
                1 => return Message::Text(serde_json::from_slice(&payload).unwrap()),
                8 => return Message::Closed,
                9 => {
                    let length = u8::try_from(payload.len()).unwrap();
                    let mut pong = vec![0x8a, 0x80 | length, 0, 0, 0, 0];
                    pong.extend(payload);
                    self.stream.write_all(&pong).await.unwrap();
                }
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = match head[1] & 0x7f {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((head[0] & 0x0f, payload))
    }

    /// Whether nothing comes for a moment of the paused clock.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.receive()).await.is_err()
    }
}
