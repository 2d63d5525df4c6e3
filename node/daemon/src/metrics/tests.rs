use super::*;
use std::collections::BTreeSet;

/// What is listed for operators.
const LISTED: &str = include_str!("../../../../deploy/grafana/README.md");
/// Examples of rules for alerts.
const RULES: &str = include_str!("../../../../deploy/prometheus/alerts.yml");

fn rendered() -> String {
    let metrics = Metrics::new();
    metrics.paid(true);
    metrics.sent();
    metrics.channels([1; 6]);
    metrics.committed(3);
    metrics.alarms(AlarmKind::ALL.map(|kind| (kind, 1)));
    metrics.render()
}

/// Names of figures in a text, without what the format adds to counters and histograms.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter: char| !is_part(letter));
    let figures = words.filter(|word| word.starts_with("lockstep_"));
    let plain = |word: &str| {
        let word = word.strip_suffix("_total").unwrap_or(word);
        let word = word.strip_suffix("_bucket").unwrap_or(word);
        word.to_owned()
    };
    figures.map(plain).collect()
}

#[test]
fn every_figure_that_is_rendered_is_listed_for_operators() {
    let text = rendered();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(LISTED.contains(&format!("`{name}`")), "{name} is not in deploy/grafana/README.md");
        assert!(name.starts_with("lockstep_"), "{name}");
    }
    let paid = "lockstep_engine_payments_total{direction=\"Sent\",result=\"Final\"} 1";
    assert!(text.contains(paid));
    assert!(text.contains("lockstep_engine_alarms{reason=\"EndpointDown\"} 1"));
}

#[test]
fn every_rule_asks_for_figures_that_there_are() {
    let listed = names_in(LISTED);
    let asked = names_in(RULES);
    let unknown: Vec<_> = asked.difference(&listed).collect();
    assert!(unknown.is_empty(), "no such figures: {unknown:?}");
    // A kind of alarm that is renamed would wake nobody any more.
    let kinds: BTreeSet<String> = AlarmKind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
    let matches = RULES.split("reason=~\"").skip(1).filter_map(|rest| rest.split('"').next());
    let named: Vec<&str> = matches.flat_map(|kinds| kinds.split('|')).collect();
    assert!(!named.is_empty());
    for kind in &named {
        assert!(kinds.contains(*kind), "no alarm is called {kind}");
    }
    // Each kind wakes somebody, and one only.
    let once: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(once.len(), named.len());
    assert_eq!(once.len(), kinds.len());
}

#[test]
fn every_rule_says_how_bad_it_is_what_is_the_case_and_what_to_do() {
    let rules: Vec<&str> = RULES.split("      - alert: ").skip(1).collect();
    assert!(rules.len() >= 8);
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        for part in ["expr: ", "for: ", "severity: ", "summary: ", "action: "] {
            assert_eq!(rule.matches(part).count(), 1, "{name} lacks {part}");
        }
        assert!(!rule.contains('\t'), "{name}");
    }
}
