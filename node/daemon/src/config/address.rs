//! The file in which a running node says where its JSON-RPC interface is.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

fn path_of(data_dir: &Path) -> PathBuf {
    data_dir.join("rpc.address")
}

/// Notes where the interface is, for callers on this machine.
///
/// # Errors
/// As the disk says.
pub fn write_address(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    fs::write(path_of(data_dir), format!("{address}\n"))
}

/// Takes the note away; it may be gone already.
///
/// # Errors
/// As the disk says.
pub fn remove_address(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(path_of(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where a node that runs, or was killed, has its interface.
pub fn address_of(data_dir: &Path) -> Option<SocketAddr> {
    fs::read_to_string(path_of(data_dir)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_while_it_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:9".parse().unwrap();
        assert_eq!(address_of(folder.path()), None);
        write_address(folder.path(), address).unwrap();
        assert_eq!(address_of(folder.path()), Some(address));
        remove_address(folder.path()).unwrap();
        remove_address(folder.path()).unwrap();
        assert_eq!(address_of(folder.path()), None);
    }
}
