//! Puts the layers on top of each other, and remembers from which each value came.

use super::network::NetworkFile;
use super::options::Config;
use super::spec::{OptionKind, OptionSpec, specs};
use lockstep_core::error::ErrorClass;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value as Toml};

/// What the environment calls the password file for short.
const PASSWORD_FILE: &str = "LOCKSTEP_PASSWORD_FILE";

/// Where a value comes from; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// The network's own file.
    Network,
    /// The node's file.
    File,
    /// The environment.
    Environment,
    /// A flag.
    Flag,
}

impl Source {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Network => "network",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration {path} can't be read", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML, or has an option that does not exist.
    #[error("configuration {path} can't be understood", path = .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// A value in the environment or a flag is not what the option takes.
    #[error("{name} is not {expected}")]
    Value {
        /// The variable or flag.
        name: Box<str>,
        /// What it should be.
        expected: &'static str,
    },
    /// A value can't be understood, wherever it comes from.
    #[error("the configuration can't be understood")]
    Invalid {
        /// Which and why.
        #[source]
        source: toml::de::Error,
    },
    /// The network's name is none.
    #[error("a network's name is 1 to 32 lower-case letters, digits and hyphens")]
    NetworkName,
}

impl ConfigError {
    /// The operator has to change something.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::Value { .. }
            | Self::Invalid { .. }
            | Self::NetworkName => ErrorClass::Refused,
        }
    }
}

/// Everything that can say something about an option.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The network's name.
    pub network: String,
    /// The node's file; one that is not there says nothing.
    pub file: PathBuf,
    /// The environment, of which only `LOCKSTEP_*` is looked at.
    pub environment: BTreeMap<String, String>,
    /// Flags, by key of their option.
    pub flags: BTreeMap<String, String>,
}

/// One option's value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The option.
    pub spec: OptionSpec,
    /// Its value; none for an optional one that nobody set.
    pub value: Option<Toml>,
    /// Who said so.
    pub source: Source,
}

/// A configuration with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// Each option's value and source, by section and name.
    pub values: Vec<Value>,
    /// Names in the environment that look like options and are none.
    pub unknown: Vec<String>,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// [`ConfigError`] names the value or the place in the file.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let specs = specs();
        let defaults = table_of(&Config::default())?;
        let layers = [
            (Source::Default, defaults),
            (Source::Network, NetworkFile::of(&self.network)?.0),
            (Source::File, read_file(&self.file)?),
            (Source::Environment, self.environment_table(&specs)?),
            (Source::Flag, self.flag_table(&specs)?),
        ];
        let mut merged = Table::new();
        let mut values = Vec::new();
        for spec in &specs {
            let said = layers.iter().rev().find_map(|(source, table)| {
                lookup(table, spec).map(|value| (*source, value.clone()))
            });
            let (source, value) = match said {
                // An empty text takes an optional value away again.
                Some((source, Toml::String(text))) if spec.is_optional && text.is_empty() => {
                    (source, None)
                }
                Some((source, value)) => (source, Some(value)),
                None => (Source::Default, None),
            };
            if let Some(value) = &value {
                put(&mut merged, spec, value.clone());
            }
            values.push(Value { spec: spec.clone(), value, source });
        }
        let config = merged.try_into().map_err(|source| ConfigError::Invalid { source })?;
        Ok(Loaded { config, values, unknown: self.unknown(&specs) })
    }

    fn environment_table(&self, specs: &[OptionSpec]) -> Result<Table, ConfigError> {
        let mut table = Table::new();
        for spec in specs {
            let name = spec.env();
            let short = (spec.key() == "keys.password_file").then_some(PASSWORD_FILE);
            let text = self.environment.get(&name);
            let text = text.or_else(|| short.and_then(|short| self.environment.get(short)));
            if let Some(text) = text {
                put(&mut table, spec, parse(&name, spec, text)?);
            }
        }
        Ok(table)
    }

    fn flag_table(&self, specs: &[OptionSpec]) -> Result<Table, ConfigError> {
        let mut table = Table::new();
        for spec in specs {
            if let Some(text) = self.flags.get(&spec.key()) {
                put(&mut table, spec, parse(&format!("--{}", spec.flag()), spec, text)?);
            }
        }
        Ok(table)
    }

    fn unknown(&self, specs: &[OptionSpec]) -> Vec<String> {
        let sections: Vec<String> =
            specs.iter().map(|spec| format!("LOCKSTEP_{}_", spec.section.to_uppercase())).collect();
        let is_option = |name: &String| specs.iter().any(|spec| spec.env() == *name);
        self.environment
            .keys()
            .filter(|name| sections.iter().any(|section| name.starts_with(section)))
            .filter(|name| !is_option(name))
            .cloned()
            .collect()
    }
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    };
    let malformed = |source| ConfigError::Malformed { path: path.to_owned(), source };
    // As a whole, so that the error has its line: an unknown option, or a value of another kind.
    toml::from_str::<Config>(&text).map_err(malformed)?;
    text.parse().map_err(malformed)
}

fn table_of(config: &Config) -> Result<Table, ConfigError> {
    Table::try_from(config)
        .map_err(|_| ConfigError::Value { name: "default".into(), expected: "a configuration" })
}

fn lookup<'a>(table: &'a Table, spec: &OptionSpec) -> Option<&'a Toml> {
    table.get(&spec.section)?.get(&spec.name)
}

pub(super) fn put(table: &mut Table, spec: &OptionSpec, value: Toml) {
    let section = table.entry(spec.section.clone()).or_insert_with(|| Toml::Table(Table::new()));
    if let Toml::Table(section) = section {
        section.insert(spec.name.clone(), value);
    }
}

/// The value of a text, as the option's kind says.
pub(super) fn parse(name: &str, spec: &OptionSpec, text: &str) -> Result<Toml, ConfigError> {
    let refused = |expected| ConfigError::Value { name: name.into(), expected };
    match spec.kind {
        OptionKind::Text => Ok(Toml::String(text.to_owned())),
        OptionKind::Integer if spec.is_optional && text.is_empty() => {
            Ok(Toml::String(String::new()))
        }
        OptionKind::Integer => {
            text.parse().map(Toml::Integer).map_err(|_| refused("a whole number"))
        }
        OptionKind::Boolean => {
            text.parse().map(Toml::Boolean).map_err(|_| refused("true or false"))
        }
        OptionKind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Toml::Array(parts.map(|part| Toml::String(part.to_owned())).collect()))
        }
    }
}

#[cfg(test)]
mod tests;
