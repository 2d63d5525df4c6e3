//! Other processes, killed processes, and faults that the system itself injects.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use lockstep_store::{
    error::{OpenError, StoreError},
    fixture::ChannelFixture,
    journal::DiskJournal,
};

use crate::scene::{Scene, channel, commit_one, options, read};

/// Tells a child what to do: `hold`, `endless` or `count:<n>`.
const TASK: &str = "LOCKSTEP_STORE_TEST_TASK";
/// Tells a child where.
const FOLDER: &str = "LOCKSTEP_STORE_TEST_FOLDER";

/// Not a test of its own: what the children of the others do.
#[test]
fn child_process() {
    let (Ok(task), Ok(folder)) = (std::env::var(TASK), std::env::var(FOLDER)) else { return };
    let (mut journal, _) = DiskJournal::open(Path::new(&folder), &options()).unwrap();
    say("open");
    let count = match task.split_once(':') {
        Some(("count", count)) => count.parse().unwrap(),
        _ if task == "endless" => u64::MAX,
        _ => {
            // Holds the journal until the parent closes the pipe or kills.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            return;
        }
    };
    let ours = channel(1);
    for version in 1..=count {
        match commit_one(&mut journal, ours.step(version)) {
            Ok(()) => say(&format!("ack {version}")),
            Err(StoreError::Poisoned) => say("poisoned"),
            Err(error) => say(&format!("failed {error}")),
        }
    }
}

/// The harness of the tests may have begun a line of its own, so ours begins with a mark.
fn say(line: &str) {
    println!("\n> {line}");
    std::io::stdout().flush().unwrap();
}

fn child(task: &str, folder: &Path, wrapper: &[&str]) -> Child {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let mut words = wrapper.to_vec();
    words.extend([this, "processes::child_process", "--exact", "--nocapture"]);
    Command::new(words[0])
        .args(&words[1..])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a child says, line by line.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().map_while(Result::ok).filter_map(|l| l.strip_prefix("> ").map(str::to_owned))
}

fn acked(line: &str) -> Option<u64> {
    line.strip_prefix("ack ").map(|version| version.parse().unwrap())
}

#[test]
fn p48_a_second_process_is_refused_and_told_who_has_the_journal() {
    let scene = Scene::new();
    let mut holder = child("hold", &scene.data(), &[]);
    assert_eq!(lines(&mut holder).next().unwrap(), "open");
    match scene.try_open(&options()) {
        Err(OpenError::Locked { owner, .. }) => assert_eq!(owner, Some(holder.id())),
        other => panic!("{:?}", other.map(drop)),
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The lock went with the process; the epoch shows that it was there.
    assert_eq!(scene.open().head().epoch, 2);
}

#[test]
fn p52_a_process_that_was_killed_at_any_moment_leaves_what_it_acknowledged() {
    let scene = Scene::new();
    let ours = channel(1);
    for (round, enough) in [1_u64, 7, 40, 90].into_iter().enumerate() {
        let folder = scene.dir.path().join(format!("round{round}"));
        let mut writer = child("endless", &folder, &[]);
        let mut last = 0;
        let mut said = lines(&mut writer);
        while last < enough {
            last = acked(&said.next().unwrap()).unwrap_or(last);
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        last = said.filter_map(|line| acked(&line)).last().unwrap_or(last);
        let (mut journal, _) = DiskJournal::open(&folder, &options()).unwrap();
        let version = read(&mut journal, &ours).unwrap().parts().guard.highest.0;
        assert!(version >= last, "{version} after {last} was acknowledged");
        assert_eq!(read(&mut journal, &ours), Some(ours.record(version, 0)));
    }
}

/// Whether calls of a child can be traced here; says so if not.
fn can_trace(test: &str) -> bool {
    let works = Command::new("strace")
        .args(["-f", "-e", "trace=fdatasync", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        println!("skipped: {test}: strace cannot be used here");
    }
    works
}

#[test]
fn p32_the_system_sees_an_fdatasync_for_every_group() {
    if !can_trace("p32_the_system_sees_an_fdatasync_for_every_group") {
        return;
    }
    let syncs = |scene: &Scene, groups: u64| {
        let trace = scene.dir.path().join("trace");
        let strace = ["strace", "-f", "-e", "trace=fdatasync", "-o", trace.to_str().unwrap()];
        let mut writer = child(&format!("count:{groups}"), &scene.data(), &strace);
        let acks = lines(&mut writer).filter(|line| acked(line).is_some()).count();
        assert!(writer.wait().unwrap().success());
        assert_eq!(acks as u64, groups);
        let trace = fs::read_to_string(trace).unwrap();
        trace.lines().filter(|line| line.contains("fdatasync(") && line.ends_with("= 0")).count()
    };
    let opening = syncs(&Scene::new(), 0);
    assert_eq!(syncs(&Scene::new(), 25) - opening, 25);
}

#[test]
fn p49_an_fdatasync_that_the_system_fails_ends_all_acknowledgements() {
    if !can_trace("p49_an_fdatasync_that_the_system_fails_ends_all_acknowledgements") {
        return;
    }
    let scene = Scene::new();
    let fault = "inject=fdatasync:error=EIO:when=6";
    let trace = ["strace", "-f", "-e", "trace=fdatasync", "-e", fault, "-o", "/dev/null"];
    let mut writer = child("count:12", &scene.data(), &trace);
    let said: Vec<String> = lines(&mut writer).collect();
    writer.wait().unwrap();
    let acks: Vec<u64> = said.iter().filter_map(|line| acked(line)).collect();
    let failures = said.iter().filter(|line| line.starts_with("failed")).count();
    let poisoned = said.iter().filter(|line| *line == "poisoned").count();
    assert_eq!(failures, 1, "{said:?}");
    assert!(!acks.is_empty() && acks.len() < 12);
    assert_eq!(acks, (1..=acks.len() as u64).collect::<Vec<_>>(), "nothing after the failure");
    assert_eq!(acks.len() + failures + poisoned, 12, "the one failure was not tried again");
    let mut journal = scene.open();
    let version = read(&mut journal, &channel(1)).unwrap().parts().guard.highest.0;
    assert!(version >= acks.len() as u64);
}

/// A small file system in memory, unmounted at the end.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(point: std::path::PathBuf) -> Option<Self> {
        fs::create_dir(&point).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&point)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(point))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().unwrap();
    }
}

#[test]
fn p51_on_a_disk_that_is_really_full_nothing_leaves_and_all_is_well_once_there_is_room() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(scene.dir.path().join("small")) else {
        println!("skipped: p51 on a full disk: no file system can be mounted here");
        return;
    };
    let data = disk.0.join("data");
    let ours = ChannelFixture::new(1, lockstep_core::ids::Side::Two);
    let (mut journal, _) = DiskJournal::open(&data, &options()).unwrap();
    commit_one(&mut journal, ours.step(1)).unwrap();
    fill(&disk.0.join("ballast"));
    let mut version = 1;
    let error = loop {
        // Every record is large and new, so that the reserve is used up soon.
        match commit_one(&mut journal, ours.transition(ours.busy_record(version + 1, 0, 900))) {
            Ok(()) => version += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
    assert_eq!(read(&mut journal, &ours).unwrap().parts().guard.highest.0, version);
    drop(journal);
    fs::remove_file(disk.0.join("ballast")).unwrap();
    let (mut journal, _) = DiskJournal::open(&data, &options()).unwrap();
    let expected = ours.busy_record(version, 0, 900);
    assert_eq!(read(&mut journal, &ours), Some(expected));
    commit_one(&mut journal, ours.step(version + 1)).unwrap();
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut ballast = fs::File::create(path).unwrap();
    let block = vec![1; 64 * 1024];
    while ballast.write_all(&block).is_ok() {}
}
