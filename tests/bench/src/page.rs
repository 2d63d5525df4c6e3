//! The page: the file of results as text for people. It is made of that file alone, so both say the same.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A goal, and where its figure is.
struct Goal {
    what: &'static str,
    goal: &'static str,
    figure: &'static str,
    is_met: fn(f64) -> bool,
}

const GOALS: [Goal; 6] = [
    Goal {
        what: "payments/s, one channel, one way, durable on both sides",
        goal: ">= 50,000 (aim 200,000)",
        figure: "payments_per_second",
        is_met: |it| it >= 50_000.0,
    },
    Goal {
        what: "payments/s, one channel, both ways at once",
        goal: ">= 50,000",
        figure: "payments_per_second_both_ways",
        is_met: |it| it >= 50_000.0,
    },
    Goal {
        what: "co-signed states/s over 100 channels",
        goal: ">= 2,000",
        figure: "states_per_second",
        is_met: |it| it >= 2_000.0,
    },
    Goal {
        what: "a single payment over 2 fdatasync + 2 sign + 2 verify + 1 round trip",
        goal: "<= 1.2",
        figure: "payment_latency_over_floor",
        is_met: |it| it <= 1.2,
    },
    Goal {
        what: "start with 10,000 channels, seconds beyond a node with none",
        goal: "<= 2",
        figure: "start_seconds_10000_channels",
        is_met: |it| it <= 2.0,
    },
    Goal {
        what: "bytes of memory for each idle channel",
        goal: "<= 2,048",
        figure: "bytes_per_idle_channel",
        is_met: |it| it <= 2_048.0,
    },
];

/// The whole page.
#[must_use]
pub fn render(results: &Map<String, Value>) -> String {
    // As a value: what is not there reads as null.
    let results = &Value::Object(results.clone());
    let mut page = String::from(
        "# How fast it is\n\n\
         Written by `make bench` from `results.json`; don't edit it. Two `lockstep` release builds on one machine, \
         libp2p over the loopback, every payment durable on both sides (`fdatasync`) before it counts, the load over \
         JSON-RPC from a third process, a local chain that makes a block a second. Every case also checks that both \
         nodes agree on all sums to the wei.\n\n\
         Each case measures the machine itself before and after it (the quieter of both is its floor). Figures of a \
         machine that does other things beside are noisy: read the ratios.\n",
    );
    machine(&mut page, results);
    goals(&mut page, results);
    page.push_str("\n![Plots](results.svg)\n");
    floors(&mut page, results);
    for (title, case, field, at) in [
        ("By size of a batch", "one-way", "by_batch", "payments in a batch"),
        ("By distance", "distance", "by_round_trip_millis", "round trip added, ms"),
        ("By number of channels", "channels", "by_channels", "channels"),
        ("As payments add up", "one-way", "by_number", "payments made"),
        ("Start", "idle", "start_by_channels", "channels"),
        ("Memory for each channel", "idle", "bytes_by_channels", "channels"),
    ] {
        series(&mut page, title, at, &results["cases"][case][field]);
    }
    latency(&mut page, &results["cases"]["latency"]);
    profile(&mut page, &results["profile"]);
    simulator(&mut page, &results["cases"]["simulator"]);
    gas(&mut page, &results["cases"]["gas"]["gas"]);
    page.push_str(
        "\n## Not measured yet\n\nThe watchtower's cases (intake, a million channels, a storm of stale closes) come \
         with the watchtower itself.\n",
    );
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn machine(page: &mut String, results: &Value) {
    let machine = &results["machine"];
    let text = |name: &str| {
        let value = &machine[name];
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    line(
        page,
        &format!(
            "\nMachine: {} cores of {}, Linux {}, load {} when it began, commit {}.",
            text("cores"),
            text("processor"),
            text("kernel"),
            text("load_average_before"),
            text("commit")
        ),
    );
}

fn goals(page: &mut String, results: &Value) {
    line(page, "\n## Goals\n\n| what | goal | here | met |\n|---|---|---|---|");
    for Goal { what, goal, figure, is_met } in GOALS {
        let (here, met) = match results[figure].as_f64() {
            Some(value) => (number(value), if is_met(value) { "yes" } else { "no" }),
            None => ("-".to_owned(), "not measured"),
        };
        line(page, &format!("| {what} | {goal} | {here} | {met} |"));
    }
}

fn floors(page: &mut String, results: &Value) {
    line(page, "\n## The machine itself, for each case\n");
    line(page, "Median (least) of each, in microseconds.\n");
    line(page, "| case | fdatasync of 4 KiB | k256 sign | k256 verify | loopback round trip |");
    line(page, "|---|---|---|---|---|");
    for (name, case) in results["cases"].as_object().into_iter().flatten() {
        let floor = &case["floor"];
        let micros = |name: &str| {
            let of = |field: &str| floor[name][field].as_f64().unwrap_or(0.0) * 1e6;
            format!("{:.0} ({:.0})", of("median"), of("min"))
        };
        line(
            page,
            &format!(
                "| {name} | {} | {} | {} | {} |",
                micros("fdatasync_4kib_seconds"),
                micros("k256_sign_seconds"),
                micros("k256_verify_seconds"),
                micros("tcp_loopback_round_trip_seconds")
            ),
        );
    }
}

fn series(page: &mut String, title: &str, at: &str, series: &Value) {
    let Some(points) = series.as_array() else { return };
    line(
        page,
        &format!("\n## {title}\n\n| {at} | median | least | most | runs |\n|---|---|---|---|---|"),
    );
    for point in points {
        let of = |field: &str| number(point["value"][field].as_f64().unwrap_or(0.0));
        let at = number(point["at"].as_f64().unwrap_or(0.0));
        let runs = &point["value"]["runs"];
        line(
            page,
            &format!("| {at} | {} | {} | {} | {runs} |", of("median"), of("min"), of("max")),
        );
    }
}

fn latency(page: &mut String, latency: &Value) {
    if !latency.is_object() {
        return;
    }
    line(page, "\n## A single payment\n\nMilliseconds from the call to its final answer.\n");
    line(page, "| | p50 | p99 |\n|---|---|---|");
    let millis = |name: &str| format!("{:.2}", latency[name].as_f64().unwrap_or(0.0) * 1e3);
    for state in ["idle", "loaded"] {
        let (p50, p99) = (format!("{state}_p50_seconds"), format!("{state}_p99_seconds"));
        line(page, &format!("| {state} | {} | {} |", millis(&p50), millis(&p99)));
    }
    line(page, &format!("| floor | {} | |", millis("floor_seconds")));
}

fn profile(page: &mut String, profiles: &Value) {
    let Some(profiles) = profiles.as_array() else { return };
    line(page, "\n## Where the time of a state goes\n");
    line(
        page,
        "The nodes' own crates, one step after the other in one thread; medians in microseconds. Between nodes, the \
         steps of one state overlap with those of others.\n",
    );
    let sizes: Vec<_> = profiles.iter().map(|profile| profile["payments"].to_string()).collect();
    line(page, &format!("| step | what it holds | {} payments |", sizes.join(" | ")));
    line(page, &format!("|---|---|{}", "---|".repeat(profiles.len())));
    for (index, (step, what)) in crate::profile::STEPS.into_iter().enumerate() {
        let cells = profiles.iter().map(|it| tenth(&it["steps"][index]["micros"]));
        line(page, &format!("| {step} | {what} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
    let sums = profiles.iter().map(|it| tenth(&it["sum_micros"])).collect::<Vec<_>>();
    line(page, &format!("| all | | {} |", sums.join(" | ")));
    if let Some(parts) = profiles.first().map(|it| &it["parts"]) {
        let (digest, sign) = (tenth(&parts["digest"]), tenth(&parts["k256_sign"]));
        line(page, &format!("\nA digest takes {digest} of these, a bare k256 signature {sign}."));
    }
}

fn simulator(page: &mut String, simulator: &Value) {
    if let Some(runs) = simulator["runs_per_second"].as_f64() {
        let steps = simulator["steps_per_second"].as_f64();
        let steps = steps.map(|steps| format!(", {} steps a second", number(steps)));
        line(
            page,
            &format!(
                "\n## Simulator\n\n{} lives of a channel a second{} (all cores).",
                number(runs),
                steps.unwrap_or_default()
            ),
        );
    }
}

fn gas(page: &mut String, gas: &Value) {
    let Some(gas) = gas.as_object() else { return };
    line(page, "\n## Gas of whole transactions\n\n| what | gas |\n|---|---|");
    for (what, cost) in gas {
        line(page, &format!("| {what} | {} |", cost.as_str().unwrap_or("?")));
    }
}

fn tenth(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

/// Thousands apart, or as many places as matter.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let mut text = String::new();
        let _written = write!(text, "{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, text) in
            [(0.0, "0"), (1.5, "1.5"), (999.6, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_goal_that_is_missed_is_said_to_be() {
        let results = json!({"payments_per_second": 49_999.0, "states_per_second": 2_000.0,
            "machine": {}, "cases": {}, "profile": null});
        let page = render(results.as_object().unwrap());
        assert!(page.contains("| >= 50,000 (aim 200,000) | 49,999 | no |"), "{page}");
        assert!(page.contains("| >= 2,000 | 2,000 | yes |"), "{page}");
        assert!(page.contains("| - | not measured |"), "{page}");
    }
}
