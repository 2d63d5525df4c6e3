//! A file system of a few megabytes for one node's folder, which a test fills.
//!
//! It needs root, to mount. Where that is not to be had, a test says by name that it was not run; in CI it fails
//! instead.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::netns::Denied;

/// Written at a time until nothing more fits. Units: bytes.
const PIECE: usize = 4_096;

/// A mounted file system; unmounted when this is dropped, which must be before its folder is removed.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that a failed test leaves may still have files open.
        if let Err(error) = run("umount", &["-l", &self.at.display().to_string()]) {
            eprintln!("{} stays mounted: {error}", self.at.display());
        }
    }
}

impl SmallDisk {
    /// Puts one in the place of a folder that nobody uses, with all that is in it.
    ///
    /// # Errors
    /// [`Denied`].
    ///
    /// # Panics
    /// When the folder can't be copied.
    pub fn under(folder: &Path, mebibytes: u32) -> Result<Self, Denied> {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).expect("moved aside");
        fs::create_dir(folder).expect("a folder");
        let (at, size) = (folder.display().to_string(), format!("size={mebibytes}m,mode=0700"));
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "lockstep-e2e", &at]);
        if let Err(denied) = mounted {
            fs::remove_dir(folder).expect("removed");
            fs::rename(&aside, folder).expect("moved back");
            return Err(denied);
        }
        let disk = Self { at: folder.to_owned() };
        run("cp", &["-a", &format!("{}/.", aside.display()), &at])?;
        fs::remove_dir_all(&aside).expect("removed");
        Ok(disk)
    }

    /// Writes until nothing more fits.
    ///
    /// # Panics
    /// When it fails for another reason.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        loop {
            match ballast.write_all(&[0; PIECE]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back what was filled.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("removed");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

fn run(program: &str, words: &[&str]) -> Result<(), Denied> {
    let output = Command::new(program).args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Denied::Refused { command: format!("{program} {}", words.join(" ")), said })
}
