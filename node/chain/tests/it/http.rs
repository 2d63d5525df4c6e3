//! As much HTTP as a JSON-RPC proxy in front of a local chain needs: one message each way for each connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest message that is read: a batch of receipts is far below it.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Writes one message and says that no other follows.
pub(crate) async fn write(stream: &mut TcpStream, head: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // Whoever is gone does not need it.
    let _sent = stream.write_all(text.as_bytes()).await;
}

/// Reads one message.
pub(crate) async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length?.trim().parse().ok().filter(|length| *length < MAX_BYTES)?;
            let body = end + 4;
            if bytes.len() >= body + length {
                return Some(bytes[body..body + length].to_vec());
            }
        }
        let count = stream.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}
