//! What a process takes of its machine, as Linux tells it.

use std::fs;
use std::io;
use std::path::Path;

/// Units: bytes of memory that a process holds now.
///
/// # Errors
/// When there is no such process.
pub fn memory_bytes(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS")
}

/// Units: bytes of memory that a process has held at most.
///
/// # Errors
/// When there is no such process.
pub fn peak_memory_bytes(pid: u32) -> io::Result<u64> {
    status(pid, "VmHWM")
}

/// From now on the most that a process holds is counted anew: what it needed to start is no matter.
///
/// # Errors
/// When there is no such process, or it is somebody else's.
pub fn forget_peak(pid: u32) -> io::Result<()> {
    // As proc(5) names it: sets the peak to what is held now.
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Units: milliseconds of processor time that a process has used.
///
/// # Errors
/// When there is no such process.
pub fn busy_millis(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program may hold anything, so count from behind it.
    let (_, rest) = stat.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> io::Result<u64> {
        let field = fields.get(at).ok_or(io::ErrorKind::InvalidData)?;
        field.parse().map_err(io::Error::other)
    };
    // A tick is 10 ms on every Linux that there is.
    Ok((ticks(11)? + ticks(12)?) * 10)
}

/// How many files, sockets included, a process has open.
///
/// # Errors
/// When there is no such process.
pub fn open_files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Units: bytes of all files below a folder.
///
/// # Errors
/// When there is no such folder.
pub fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

fn status(pid: u32, name: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = number.ok_or(io::ErrorKind::InvalidData)?.parse().map_err(io::Error::other)?;
    Ok(kib * 1024)
}
