//! Carries TCP connections over a socket file, which every network namespace of a machine can reach:
//! `port-forward in FILE` listens on a port of loopback, says which, and hands on to the file;
//! `port-forward out FILE ADDRESS` listens at the file and hands on to the address.

use std::io::Write;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["in", file] => carry_in(file).await,
        ["out", file, address] => carry_out(file, address).await,
        _ => panic!("{words:?} is neither 'in FILE' nor 'out FILE ADDRESS'"),
    }
}

async fn carry_in(file: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    say(&listener.local_addr().expect("its address").to_string());
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let file = file.to_owned();
        tokio::spawn(async move {
            if let Ok(other) = UnixStream::connect(file).await {
                carry(stream, other).await;
            }
        });
    }
}

async fn carry_out(file: &str, address: &str) {
    let listener = UnixListener::bind(file).expect("a socket file");
    say(file);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let address = address.to_owned();
        tokio::spawn(async move {
            if let Ok(other) = TcpStream::connect(address).await {
                carry(stream, other).await;
            }
        });
    }
}

async fn carry(
    mut one: impl AsyncRead + AsyncWrite + Unpin,
    mut two: impl AsyncRead + AsyncWrite + Unpin,
) {
    // Either end may break off; the other one notices.
    drop(copy_bidirectional(&mut one, &mut two).await);
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody listens");
}
