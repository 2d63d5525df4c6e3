//! The list of options, read off [`Config`] itself: names, kinds and the sentences that describe them.

use super::options::Config;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// How an option is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Texts, with commas between them outside of the file.
    List,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its section in the file.
    pub section: String,
    /// Its name in the section.
    pub name: String,
    /// How it is written.
    pub kind: OptionKind,
    /// Whether it may be left without a value.
    pub is_optional: bool,
    /// What it is for.
    pub doc: String,
}

impl OptionSpec {
    /// `section.name`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Its name in the environment.
    pub fn env(&self) -> String {
        format!("LOCKSTEP_{}_{}", self.section, self.name).to_uppercase()
    }

    /// Its name as a flag, without the dashes before it.
    pub fn flag(&self) -> String {
        format!("{}-{}", self.section, self.name).replace('_', "-")
    }
}

/// Every option, by section and name.
pub fn specs() -> Vec<OptionSpec> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let root = settings.into_generator().into_root_schema_for::<Config>();
    let mut found = Vec::new();
    for (section, schema) in properties(root.as_value()) {
        for (name, option) in properties(schema) {
            let (kind, is_optional) = kind_of(option);
            found.push(OptionSpec {
                section: section.clone(),
                name: name.clone(),
                kind,
                is_optional,
                doc: doc_of(option),
            });
        }
    }
    found
}

/// What a section is about.
pub(super) fn section_doc(section: &str) -> String {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let root = settings.into_generator().into_root_schema_for::<Config>();
    properties(root.as_value())
        .find(|(name, _)| *name == section)
        .map(|(_, schema)| doc_of(schema))
        .unwrap_or_default()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The comment of a field, in one line.
fn doc_of(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is no number, truth value or list is written as text, choices included.
fn kind_of(schema: &Value) -> (OptionKind, bool) {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let is_null = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
    let is_optional =
        types.contains(&"null") || choices.is_some_and(|choices| choices.iter().any(is_null));
    let kind = if types.contains(&"integer") {
        OptionKind::Integer
    } else if types.contains(&"boolean") {
        OptionKind::Boolean
    } else if types.contains(&"array") {
        OptionKind::List
    } else {
        OptionKind::Text
    };
    (kind, is_optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, kind: OptionKind, is_optional: bool, env: &str, flag: &str) {
        let all = specs();
        let spec = all.iter().find(|spec| spec.key() == key).unwrap();
        assert_eq!((spec.kind, spec.is_optional), (kind, is_optional), "{key}");
        assert_eq!((spec.env(), spec.flag()), (env.to_owned(), flag.to_owned()));
    }

    #[test]
    fn names_and_kinds_follow_from_the_fields() {
        use OptionKind::{Boolean, Integer, List, Text};
        check("rpc.listen", Text, false, "LOCKSTEP_RPC_LISTEN", "rpc-listen");
        check("chain.kind", Text, true, "LOCKSTEP_CHAIN_KIND", "chain-kind");
        check("chain.id", Integer, true, "LOCKSTEP_CHAIN_ID", "chain-id");
        check("chain.endpoints", List, false, "LOCKSTEP_CHAIN_ENDPOINTS", "chain-endpoints");
        check("p2p.relay_server", Boolean, false, "LOCKSTEP_P2P_RELAY_SERVER", "p2p-relay-server");
        check(
            "keys.password_file",
            Text,
            true,
            "LOCKSTEP_KEYS_PASSWORD_FILE",
            "keys-password-file",
        );
        check("metrics.listen", Text, true, "LOCKSTEP_METRICS_LISTEN", "metrics-listen");
        check("channel.accept", Text, false, "LOCKSTEP_CHANNEL_ACCEPT", "channel-accept");
    }

    #[test]
    fn every_option_says_what_it_is_for_and_no_two_share_a_name() {
        let all = specs();
        for spec in &all {
            assert!(spec.doc.ends_with('.'), "{}: {}", spec.key(), spec.doc);
            let same = all.iter().filter(|other| other.env() == spec.env()).count();
            assert_eq!(same, 1, "{}", spec.env());
        }
    }
}
