//! What a run of the benchmark is made of.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// How much is measured, and with what.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Only that every case runs and every sum is exact; times say nothing.
    pub is_quick: bool,
    /// Measurements of each figure.
    pub runs: usize,
    /// The program that is measured.
    pub binary: PathBuf,
    /// The program that makes the local chain.
    pub anvil: PathBuf,
    /// Whether the nodes' folders stay, for whoever wants to read their logs.
    pub keeps: bool,
    /// Where nodes keep their files: the disk that is measured.
    pub folder: PathBuf,
}

impl Setting {
    /// The release build beside this program, and a folder beside both.
    ///
    /// # Errors
    /// If the program or the tools are missing.
    pub fn find(is_quick: bool) -> Result<Self> {
        let own = std::env::current_exe().context("the benchmark's own program")?;
        let profile = own.parent().context("a target folder")?;
        let binary = match std::env::var_os("LOCKSTEP_BINARY") {
            Some(path) => PathBuf::from(path),
            None => profile.join("lockstep"),
        };
        ensure!(binary.is_file(), "{} is missing: build lockstep first", binary.display());
        let anvil = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/script/tool.sh");
        let folder = profile.join("bench");
        std::fs::create_dir_all(&folder).context("a folder for the nodes")?;
        let runs = if is_quick { 1 } else { 5 };
        Ok(Self { is_quick, runs, binary, anvil, keeps: false, folder })
    }
}
