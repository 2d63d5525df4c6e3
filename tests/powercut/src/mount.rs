//! A file system in a file, that can be shut down as a power cut would.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Size of the image; XFS takes no less than 300 MiB.
const IMAGE_BYTES: u64 = 400 * 1024 * 1024;

/// An image that is mounted, and unmounted when this is dropped.
pub(crate) struct Mount {
    image: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Makes a file system and mounts it.
    pub(crate) fn create(fs: &str, dir: &Path) -> Result<Self> {
        let (image, point) = (dir.join("image"), dir.join("mounted"));
        std::fs::File::create(&image)?.set_len(IMAGE_BYTES)?;
        std::fs::create_dir_all(&point)?;
        run(Command::new(format!("mkfs.{fs}")).arg("-q").arg(&image))?;
        let mount = Self { image, point };
        mount.mount()?;
        Ok(mount)
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// Ends all writing at once, without flushing the log.
    pub(crate) fn shut_down(&self) -> Result<()> {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.point))
    }

    /// Mounts it again, as after a restart: the log is replayed and memory is forgotten.
    pub(crate) fn remount(&self) -> Result<()> {
        run(Command::new("umount").arg(&self.point))?;
        self.mount()
    }

    fn mount(&self) -> Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.point))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.point)) {
            println!("left mounted: {error:#}");
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
