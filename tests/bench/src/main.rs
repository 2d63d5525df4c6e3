//! `lockstep-bench [--quick] [--runs N] [CASE...]`: measures, and writes the page.

use anyhow::{Result, bail};
use lockstep_bench::case::{self, Case};
use lockstep_bench::floor::Floor;
use lockstep_bench::setting::Setting;
use lockstep_bench::watch::Watch;
use lockstep_bench::{profile, report};
use serde_json::{Value, json};

const HELP: &str = "\
lockstep-bench [--quick] [--runs N] [CASE...]
  --quick   only that every case runs and all sums are exact; writes nothing
  --runs N  measurements of each figure
  --keep    leave the nodes' folders, with their logs
  --page    write the page anew from the results that are there
cases:";

struct Orders {
    setting: Setting,
    cases: Vec<&'static Case>,
    has_profile: bool,
    is_page_only: bool,
}

fn parse() -> Result<Orders> {
    let mut setting = Setting::find(false)?;
    let mut names = Vec::new();
    let mut is_page_only = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => setting = Setting::find(true)?,
            "--keep" => setting.keeps = true,
            "--page" => is_page_only = true,
            "--runs" => setting.runs = words.next().unwrap_or_default().parse()?,
            name if case::ALL.iter().any(|case| case.name == name) || name == "profile" => {
                names.push(name.to_owned());
            }
            other => {
                println!("{HELP}");
                case::ALL.iter().for_each(|case| println!("  {:10} {}", case.name, case.what));
                println!("  {:10} where the time goes", "profile");
                bail!("{other:?} is none of these");
            }
        }
    }
    let is_meant = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
    let cases = case::ALL.iter().filter(|case| is_meant(case.name)).collect();
    Ok(Orders { setting, cases, has_profile: is_meant("profile"), is_page_only })
}

fn main() -> Result<()> {
    let Orders { setting, cases, has_profile, is_page_only } = parse()?;
    let folder = report::folder();
    let mut results = report::read(&folder)?;
    if is_page_only {
        return report::write(&folder, &results);
    }
    results.insert("machine".to_owned(), report::machine());
    for case in cases {
        let watch = Watch::start();
        eprintln!("{}: {} ...", case.name, case.what);
        let result = case.run(&setting)?;
        eprintln!("{}: {:.1} s\n{}", case.name, watch.secs(), brief(&result));
        report::put(&mut results, case.name, result);
        if !setting.is_quick {
            report::write(&folder, &results)?;
        }
    }
    if has_profile {
        results.insert("profile".to_owned(), profiles(&setting)?);
    }
    if setting.is_quick {
        println!("every case ran, and every sum is exact");
        return Ok(());
    }
    report::write(&folder, &results)
}

fn profiles(setting: &Setting) -> Result<Value> {
    let floor = Floor::measure(&setting.folder, setting.is_quick)?;
    let rounds = if setting.is_quick { 3 } else { 60 };
    let mut all = Vec::new();
    for size in profile::SIZES {
        let profile = profile::run(&setting.folder, &floor, size, rounds)?;
        eprintln!("{}", brief(&profile));
        all.push(profile);
    }
    Ok(json!(all))
}

fn brief(result: &Value) -> String {
    let Some(fields) = result.as_object() else { return result.to_string() };
    let lines = fields.iter().filter(|(name, _)| *name != "gas");
    lines.map(|(name, value)| format!("    {name}: {value}\n")).collect()
}
