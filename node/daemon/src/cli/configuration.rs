//! `lockstep config`: each option, its value, and who said so.

use super::Place;
use super::args::{Config, ConfigOrder};
use super::failure::CliError;
use super::output::{Terminal, table};
use crate::config::{Loaded, sample};
use serde::Serialize;
use std::path::PathBuf;

/// One option.
#[derive(Serialize)]
struct Row {
    key: String,
    value: Option<toml::Value>,
    source: &'static str,
    env: String,
    flag: String,
    doc: String,
}

/// The configuration, and where it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    network: String,
    data_dir: PathBuf,
    file: PathBuf,
    options: Vec<Row>,
    unknown: Vec<String>,
}

pub(super) fn run(args: &Config, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    match args.order {
        Some(ConfigOrder::Sample) => terminal.line(&sample()),
        None => terminal.answer(&shown(place, place.load()?), text),
    }
}

fn shown(place: &Place, loaded: Loaded) -> Shown {
    let row = |value: crate::config::Value| Row {
        key: value.spec.key(),
        value: value.value,
        source: value.source.name(),
        env: value.spec.env(),
        flag: format!("--{}", value.spec.flag()),
        doc: value.spec.doc,
    };
    Shown {
        network: place.network.clone(),
        data_dir: place.data_dir.clone(),
        file: place.layers.file.clone(),
        options: loaded.values.into_iter().map(row).collect(),
        unknown: loaded.unknown,
    }
}

fn text(shown: &Shown) -> String {
    let mut text = format!(
        "network      {}\ndata folder  {}\nfile         {}\n\n",
        shown.network,
        shown.data_dir.display(),
        shown.file.display()
    );
    let rows = shown.options.iter().map(|row| {
        let value = row.value.as_ref().map_or_else(String::new, ToString::to_string);
        vec![row.key.clone(), value, row.source.to_owned(), row.flag.clone()]
    });
    text.push_str(&table(&["OPTION", "VALUE", "FROM", "FLAG"], rows));
    for name in &shown.unknown {
        text.push_str(&format!("\nwarning: {name} is no option"));
    }
    text
}
