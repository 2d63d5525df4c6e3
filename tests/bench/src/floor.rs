//! What this machine could do at best: the disk, the curve and the loopback, with nothing of ours around them.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use k256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use crate::stats::Sample;
use crate::watch::time;

/// Units: bytes of one append, a page of most file systems.
const APPEND_BYTES: usize = 4_096;

/// The machine itself. Units: seconds of each.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Appending 4 KiB to a file and making it survive a power cut.
    pub fdatasync: Sample,
    /// A k256 signature on a digest.
    pub sign: Sample,
    /// Checking one, with the key known.
    pub verify: Sample,
    /// One byte there and one back, over TCP on the loopback.
    pub round_trip: Sample,
}

impl Floor {
    /// Measures the machine.
    ///
    /// # Errors
    /// If the file or the socket can't be used.
    pub fn measure(folder: &Path, is_quick: bool) -> Result<Self> {
        let rounds = if is_quick { 20 } else { 300 };
        Ok(Self {
            fdatasync: fdatasync(folder, rounds)?,
            sign: Sample::new(signatures(rounds).0),
            verify: Sample::new(signatures(rounds).1),
            round_trip: round_trip(rounds * 10)?,
        })
    }

    /// The least that one payment can take: two syncs, two signatures, two checks, one round trip.
    /// Units: seconds.
    #[must_use]
    pub fn one_payment(&self) -> f64 {
        let curve = self.sign.median() + self.verify.median();
        2.0 * self.fdatasync.median() + 2.0 * curve + self.round_trip.median()
    }

    /// Of two measurements, before and after a case, the quieter one of each.
    #[must_use]
    pub fn best(self, other: Self) -> Self {
        let quieter = |a: Sample, b: Sample| if a.median() <= b.median() { a } else { b };
        Self {
            fdatasync: quieter(self.fdatasync, other.fdatasync),
            sign: quieter(self.sign, other.sign),
            verify: quieter(self.verify, other.verify),
            round_trip: quieter(self.round_trip, other.round_trip),
        }
    }

    /// For the file of results.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "fdatasync_4kib_seconds": self.fdatasync.to_json(),
            "k256_sign_seconds": self.sign.to_json(),
            "k256_verify_seconds": self.verify.to_json(),
            "tcp_loopback_round_trip_seconds": self.round_trip.to_json(),
            "one_payment_seconds": self.one_payment(),
        })
    }
}

fn fdatasync(folder: &Path, rounds: usize) -> Result<Sample> {
    let path = folder.join("floor");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).open(&path)?;
    let page = [0xa5; APPEND_BYTES];
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let (done, secs) = time(|| file.write_all(&page).and_then(|()| file.sync_data()));
        done.context("an append and its sync")?;
        all.push(secs);
    }
    std::fs::remove_file(&path)?;
    Ok(Sample::new(all))
}

fn signatures(rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let key = SigningKey::from_slice(&[7; 32]).expect("a scalar");
    let public = VerifyingKey::from(&key);
    let mut digest = [9; 32];
    let (mut signing, mut checking) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        digest[..8].copy_from_slice(&round.to_le_bytes());
        let (signature, secs) = time(|| -> Signature { key.sign_prehash(&digest).expect("signs") });
        signing.push(secs);
        let (held, secs) = time(|| public.verify_prehash(&digest, &signature));
        assert!(held.is_ok(), "a signature of our own holds");
        checking.push(secs);
    }
    (signing, checking)
}

fn round_trip(rounds: usize) -> Result<Sample> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            stream.write_all(&byte)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut byte = [1];
        let (done, secs) =
            time(|| stream.write_all(&byte).and_then(|()| stream.read_exact(&mut byte)));
        done.context("a round trip")?;
        all.push(secs);
    }
    drop(stream);
    echo.join().expect("the echo ends")?;
    Ok(Sample::new(all))
}
