//! Plants bugs in a copy of the core, one at a time, and demands that the simulator or the core's own
//! tests find each.
//!
//! `core-mutants [name parts]`. The copy and its build live under the target folder and are kept between
//! runs. A file of `mutants/` holds one sentence, then edits: `@ path`, the old text between `<<<<` and
//! `====`, the new text between `====` and `>>>>`. Old text that is not there exactly once is an error: the
//! table must follow the code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use anyhow::{Context, Result, bail, ensure};

/// Seeds that the unchanged code must hold, and that a mutant may live through before the core's tests are asked.
const SEEDS: &str = "3000";

/// The crates of the copy.
const MEMBERS: [&str; 2] = ["node/core", "tests/sim"];
/// What the core's tests read besides.
const READ: [&str; 2] = ["tests/vectors", "docs"];

struct Edit {
    path: String,
    old: String,
    new: String,
}

struct Mutant {
    name: String,
    edits: Vec<Edit>,
}

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(parts: &[String]) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize()?;
    let place = root.join("target/core-mutants");
    let tree = place.join("tree");
    copy_tree(&root, &tree)?;
    let cargo = Cargo { tree: tree.clone(), target: place.join("target") };
    cargo.build()?;
    let baseline = cargo.simulate(SEEDS)?;
    let baseline = baseline.map_or_else(|| cargo.test_core(), |line| Ok(Some(line)))?;
    ensure!(baseline.is_none(), "the unchanged code fails: {}", baseline.unwrap_or_default());
    let mutants = read_table(&root.join("tests/sim/mutants"))?;
    let is_chosen =
        |mutant: &&Mutant| parts.is_empty() || parts.iter().any(|part| mutant.name.contains(part));
    let mutants: Vec<_> = mutants.iter().filter(is_chosen).collect();
    ensure!(!mutants.is_empty(), "no mutant has such a name");
    let mut survivors = 0;
    for mutant in &mutants {
        let verdict = judge(mutant, &cargo, &root, &tree);
        survivors += usize::from(!matches!(verdict, Ok(Some(_))));
        match verdict {
            Ok(found) => println!("{:<28} {}", mutant.name, found.as_deref().unwrap_or("SURVIVED")),
            Err(error) => println!("{:<28} NOT PLANTED: {error:#}", mutant.name),
        }
    }
    println!("{} planted, {} found", mutants.len(), mutants.len() - survivors);
    Ok(survivors == 0)
}

/// Plants one bug, and says who found it; the copy is whole again afterwards.
fn judge(mutant: &Mutant, cargo: &Cargo, root: &Path, tree: &Path) -> Result<Option<String>> {
    let verdict = plant(mutant, tree).and_then(|()| find(mutant, cargo));
    for edit in &mutant.edits {
        fs::copy(root.join(&edit.path), tree.join(&edit.path))?;
    }
    verdict
}

fn plant(mutant: &Mutant, tree: &Path) -> Result<()> {
    for edit in &mutant.edits {
        let path = tree.join(&edit.path);
        let text = fs::read_to_string(&path)?;
        let found = text.matches(&edit.old).count();
        ensure!(found == 1, "old text is {found} times in {}", edit.path);
        fs::write(&path, text.replace(&edit.old, &edit.new))?;
    }
    Ok(())
}

/// Who finds it: the simulator, else the core's own tests.
fn find(mutant: &Mutant, cargo: &Cargo) -> Result<Option<String>> {
    cargo.build().with_context(|| format!("{} does not compile", mutant.name))?;
    match cargo.simulate(SEEDS)? {
        Some(line) => Ok(Some(line)),
        None => cargo.test_core(),
    }
}

struct Cargo {
    tree: PathBuf,
    target: PathBuf,
}

impl Cargo {
    fn call(&self, arguments: &[&str]) -> Result<Output> {
        let output = Command::new("cargo")
            .args(arguments)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()?;
        Ok(output)
    }

    fn build(&self) -> Result<()> {
        let arguments = ["build", "--offline", "-q", "-p", "lockstep-sim", "--bin", "lockstep-sim"];
        let output = self.call(&arguments)?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// The first failing seed, if one fails.
    fn simulate(&self, seeds: &str) -> Result<Option<String>> {
        let output = Command::new(self.target.join("debug/lockstep-sim"))
            .args(["--seeds", seeds, "--failures", "1"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let held = text.lines().find_map(|line| line.split_once(" runs in ")).map(|(n, _)| n);
        let held: u64 = held.and_then(|held| held.parse().ok()).unwrap_or(0);
        let line = text.lines().find(|line| line.starts_with("FAILED"));
        let line = line.map(|line| format!("after {:>4} seeds: {}", held + 1, cut(line, 140)));
        // A panic is as good as a violation, but it prints elsewhere.
        let panic = || {
            format!("the simulator stopped: {}", cut(&String::from_utf8_lossy(&output.stderr), 150))
        };
        Ok(if output.status.success() { None } else { Some(line.unwrap_or_else(panic)) })
    }

    /// The first failing test of the core, if one fails.
    fn test_core(&self) -> Result<Option<String>> {
        let output =
            self.call(&["test", "--offline", "-q", "-p", "lockstep-core", "--all-features"])?;
        if output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // A mutant that the tests do not even compile with is not found by them.
        ensure!(
            text.contains("test result: FAILED"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.lines().find(|line| line.starts_with("test ") && line.ends_with("FAILED"));
        let line =
            line.or_else(|| text.lines().find(|line| line.trim_start().starts_with("---- ")));
        Ok(Some(format!("core: {}", cut(line.unwrap_or("a test fails"), 120))))
    }
}

fn cut(line: &str, length: usize) -> String {
    line.chars().take(length).collect::<String>().replace('\n', " ")
}

/// Brings the copy up to date; files that are equal keep their time, so that little is built again.
fn copy_tree(root: &Path, tree: &Path) -> Result<()> {
    for part in MEMBERS.iter().chain(&READ) {
        copy_folder(&root.join(part), &tree.join(part))?;
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let (head, rest) = manifest.split_once("members = [").context("no list of members")?;
    let (_, rest) = rest.split_once(']').context("no end of the list of members")?;
    let members = MEMBERS.map(|part| format!("\"{part}\"")).join(", ");
    write_if_new(
        &tree.join("Cargo.toml"),
        format!("{head}members = [{members}]{rest}").as_bytes(),
    )?;
    fs::copy(root.join("Cargo.lock"), tree.join("Cargo.lock"))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            write_if_new(&target, &fs::read(entry.path())?)?;
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let is_gone = !from.join(entry.file_name()).exists();
        if is_gone && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        } else if is_gone {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn write_if_new(path: &Path, content: &[u8]) -> Result<()> {
    let is_same = fs::read(path).is_ok_and(|known| known == content);
    if !is_same {
        fs::write(path, content)?;
    }
    Ok(())
}

fn read_table(folder: &Path) -> Result<Vec<Mutant>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "mutant"))
        .map(|path| read(path))
        .collect()
}

fn read(path: &Path) -> Result<Mutant> {
    let name = path.file_stem().context("no name")?.to_string_lossy().into_owned();
    let text = fs::read_to_string(path)?;
    let mut edits = vec![];
    for part in text.split("\n@ ").skip(1) {
        let (path, rest) =
            part.split_once("\n<<<<\n").with_context(|| format!("{name}: no <<<<"))?;
        let (old, rest) = rest.split_once("====\n").with_context(|| format!("{name}: no ===="))?;
        let (new, _) = rest.split_once(">>>>").with_context(|| format!("{name}: no >>>>"))?;
        edits.push(Edit { path: path.to_owned(), old: old.to_owned(), new: new.to_owned() });
    }
    ensure!(!edits.is_empty(), "{name} changes nothing");
    Ok(Mutant { name, edits })
}
