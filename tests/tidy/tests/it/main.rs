//! The house rules, held against this repository.
//!
//! `UPDATE=1` takes the properties that have a test by now out of `docs/spec/properties-not-built.md`.

use lockstep_tidy::{bans, edges, errors, length, licences, manifests, matches, properties, tree};

/// Fails with one violation a line.
fn hold(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    hold("dependency edges", &edges::violations(&tree::metadata()));
}

#[test]
fn every_dependency_has_a_licence_that_we_may_ship() {
    hold("licences", &licences::violations(&tree::metadata()));
}

#[test]
fn versions_live_in_the_root_manifest_and_every_crate_takes_the_lints() {
    hold("manifests", &manifests::violations(&tree::files()));
}

#[test]
fn the_core_has_no_io_clock_randomness_threads_or_logging() {
    hold("bans of the core", &bans::core_violations(&tree::files()));
    hold("exceptions of the core", &bans::stale_exceptions(&tree::files()));
}

#[test]
fn product_code_has_no_macros_of_its_own_and_nothing_unfinished() {
    hold("bans", &bans::product_violations(&tree::files()));
    hold("leftovers", &bans::leftovers(&tree::files()));
}

#[test]
fn no_file_names_a_folder_of_one_machine_or_a_host_of_a_registry() {
    hold("machine names", &bans::machine_names(&tree::files()));
}

#[test]
fn our_enums_are_matched_in_full() {
    hold("wildcard arms", &matches::violations(&tree::files()));
}

#[test]
fn errors_carry_values_and_not_sentences() {
    hold("errors", &errors::violations(&tree::files()));
}

#[test]
fn no_file_is_longer_than_its_limit() {
    let files = tree::files();
    for long in length::longer_than(&files, length::BUDGET) {
        println!("over the budget of {}: {long}", length::BUDGET);
    }
    hold("file length", &length::longer_than(&files, length::LIMIT));
}

#[test]
fn every_property_has_a_test_named_after_it_or_is_listed_as_not_built() {
    if std::env::var_os("UPDATE").is_some() {
        let shorter = properties::shrunk_list(&tree::files());
        std::fs::write(tree::root().join(properties::NOT_BUILT), shorter)
            .expect("the list can be written");
    }
    hold("properties", &properties::violations(&tree::files()));
}
