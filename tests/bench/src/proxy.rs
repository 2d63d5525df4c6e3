//! A TCP proxy that delivers everything a fixed time later, in both directions, as a long line does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::watch::Watch;

/// Units: bytes of one read.
const READ_BYTES: usize = 64 * 1_024;
/// Reads that may be under way in one direction: far more than a session sends in a round trip.
const UNDER_WAY: usize = 4_096;
/// How often the proxy looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// A running proxy; it ends with this.
pub struct DelayProxy {
    is_over: Arc<AtomicBool>,
    /// Where it listens.
    pub port: u16,
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

impl DelayProxy {
    /// Starts a proxy to a port of this machine that makes a round trip take this much longer.
    ///
    /// # Errors
    /// If it can't listen.
    pub fn start(target: u16, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let delay = round_trip / 2;
        thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((near, _)) => {
                        let _joined = join(near, target, delay);
                    }
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Ok(Self { is_over, port })
    }
}

fn join(near: TcpStream, target: u16, delay: Duration) -> Result<()> {
    near.set_nonblocking(false)?;
    let far = TcpStream::connect(("127.0.0.1", target))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    carry(near.try_clone()?, far.try_clone()?, delay);
    carry(far, near, delay);
    Ok(())
}

/// Reads at once and writes when it is time; ends with either end.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Watch, Vec<u8>)>(UNDER_WAY);
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((Watch::start(), buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (since, bytes) in receiver {
            thread::sleep(delay.saturating_sub(since.elapsed()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _closed = to.shutdown(Shutdown::Both);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_whole_in_order_and_not_before_their_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().port();
        let proxy = DelayProxy::start(target, Duration::from_millis(40)).unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        let watch = Watch::start();
        stream.write_all(b"hello").unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        assert!(watch.elapsed() >= Duration::from_millis(40));
        echo.join().unwrap();
    }
}
