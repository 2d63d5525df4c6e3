//! Configuration files that are written: the sample in the repository, and the first file of a node.

use super::layer::{ConfigError, parse, put};
use super::options::Config;
use super::spec::{OptionSpec, section_doc, specs};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Units: characters of a line.
const WIDTH: usize = 100;

/// A file with every option, its documentation and its default, all commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# Lockstep: every option with its default. Flags win over the environment, the environment over this\n\
         # file, this file over the network's own values.\n",
    );
    text.push_str(&options(&Table::new()));
    text
}

/// A file of a new node: as the sample, with these options set.
///
/// # Errors
/// [`ConfigError`] if a value is not what its option takes.
pub fn file_with(network: &str, set: &BTreeMap<String, String>) -> Result<String, ConfigError> {
    let mut table = Table::new();
    for spec in specs() {
        if let Some(text) = set.get(&spec.key()) {
            put(&mut table, &spec, parse(&spec.key(), &spec, text)?);
        }
    }
    let mut text = format!(
        "# A Lockstep node on the network `{network}`. What is commented out is as it is.\n"
    );
    text.push_str(&options(&table));
    Ok(text)
}

fn options(set: &Table) -> String {
    let defaults = Table::try_from(Config::default()).unwrap_or_default();
    let mut text = String::new();
    let mut section = "";
    let specs = specs();
    for spec in &specs {
        if spec.section != section {
            section = &spec.section;
            text.push_str(&format!("\n# {}\n[{section}]\n", section_doc(section)));
        }
        text.push('\n');
        for line in wrapped(&spec.doc) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("# {}, --{}\n", spec.env(), spec.flag()));
        text.push_str(&line_of(spec, set, &defaults));
    }
    text
}

fn line_of(spec: &OptionSpec, set: &Table, defaults: &Table) -> String {
    let lookup =
        |table: &Table| -> Option<Value> { table.get(&spec.section)?.get(&spec.name).cloned() };
    match (lookup(set), lookup(defaults)) {
        (Some(value), _) => format!("{} = {value}\n", spec.name),
        (None, Some(value)) => format!("#{} = {value}\n", spec.name),
        (None, None) => format!("#{} =\n", spec.name),
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
            } else if line.len().saturating_add(word.len()) < WIDTH {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_committed_sample_is_the_one_that_the_options_make() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/lockstep.toml");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, sample()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == sample(), "deploy/config/lockstep.toml is old: run with UPDATE=1");
    }

    #[test]
    fn the_sample_is_a_file_that_changes_nothing() {
        let config: Config = toml::from_str(&sample()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn every_default_of_the_sample_is_what_it_says() {
        let lines = sample();
        let active: String = lines
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.contains(" = ") && !rest.starts_with(' ') => rest,
                Some(_) => "",
                None => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let config: Config = toml::from_str(&active).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn a_new_file_holds_what_was_set() {
        let set = [
            ("chain.endpoints".to_owned(), "http://127.0.0.1:8545".to_owned()),
            ("p2p.mdns".to_owned(), "true".to_owned()),
        ];
        let file = file_with("dev", &set.into()).unwrap();
        let config: Config = toml::from_str(&file).unwrap();
        assert_eq!(config.chain.endpoints, ["http://127.0.0.1:8545"]);
        assert!(config.p2p.mdns);
        assert!(file_with("dev", &[("p2p.mdns".to_owned(), "x".to_owned())].into()).is_err());
    }
}
