//! The plots: a few lines of SVG for each curve, so that nothing has to be installed to draw them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Units: pixels of one panel.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 60.0;

/// One curve.
struct Panel {
    title: &'static str,
    across: &'static str,
    up: &'static str,
    case: &'static str,
    field: &'static str,
    /// Whether the axis across counts powers of ten.
    is_log: bool,
}

const PANELS: [Panel; 6] = [
    Panel {
        title: "Payments by size of a batch",
        across: "payments in a batch",
        up: "payments/s",
        case: "one-way",
        field: "by_batch",
        is_log: true,
    },
    Panel {
        title: "Payments by distance",
        across: "added round trip, ms",
        up: "payments/s",
        case: "distance",
        field: "by_round_trip_millis",
        is_log: false,
    },
    Panel {
        title: "States by number of channels",
        across: "channels, one payment under way in each",
        up: "states/s",
        case: "channels",
        field: "by_channels",
        is_log: true,
    },
    Panel {
        title: "Does a payment cost more the more there were?",
        across: "payments made before",
        up: "payments/s",
        case: "one-way",
        field: "by_number",
        is_log: false,
    },
    Panel {
        title: "Start by number of idle channels",
        across: "channels",
        up: "seconds",
        case: "idle",
        field: "start_by_channels",
        is_log: false,
    },
    Panel {
        title: "Memory of an idle channel",
        across: "channels",
        up: "bytes for each",
        case: "idle",
        field: "bytes_by_channels",
        is_log: false,
    },
];

/// A point: where, the median, and the spread.
struct Point {
    at: f64,
    median: f64,
    min: f64,
    max: f64,
}

/// All panels that there are results for, two in a row.
#[must_use]
pub fn all(results: &Map<String, Value>) -> String {
    let cases = results.get("cases").unwrap_or(&Value::Null);
    let drawn: Vec<_> = PANELS
        .iter()
        .map(|panel| (panel, points(&cases[panel.case][panel.field])))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let rows = drawn.len().div_ceil(2) as f64;
    let (width, height) = (WIDTH * 2.0, HEIGHT * rows);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (index, (panel, points)) in drawn.iter().enumerate() {
        let (x, y) = ((index % 2) as f64 * WIDTH, (index / 2) as f64 * HEIGHT);
        let _written =
            write!(svg, "<g transform=\"translate({x},{y})\">\n{}</g>\n", draw(panel, points));
    }
    svg + "</svg>\n"
}

fn points(series: &Value) -> Vec<Point> {
    let points = series.as_array().into_iter().flatten();
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    points
        .map(|point| Point {
            at: number(&point["at"]),
            median: number(&point["value"]["median"]),
            min: number(&point["value"]["min"]),
            max: number(&point["value"]["max"]),
        })
        .collect()
}

fn draw(panel: &Panel, points: &[Point]) -> String {
    let place = |at: f64| if panel.is_log { at.max(1.0).log10() } else { at };
    let left = points.iter().map(|point| place(point.at)).fold(f64::MAX, f64::min);
    let right = points.iter().map(|point| place(point.at)).fold(f64::MIN, f64::max);
    let top = points.iter().map(|point| point.max).fold(0.0, f64::max) * 1.1 + 1e-12;
    let x =
        |at: f64| MARGIN + (place(at) - left) / (right - left).max(1e-12) * (WIDTH - 1.5 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let (base, end) = (HEIGHT - MARGIN, WIDTH - MARGIN / 2.0);
    let mut svg = format!(
        "<text x=\"{MARGIN}\" y=\"24\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{MARGIN}\" y=\"42\" fill=\"#555555\">{}</text>\n\
         <text x=\"{end}\" y=\"{}\" text-anchor=\"end\" fill=\"#555555\">{}</text>\n\
         <path d=\"M{MARGIN},{} V{base} H{end}\" fill=\"none\" stroke=\"#999999\"/>\n",
        panel.title,
        panel.up,
        HEIGHT - 14.0,
        panel.across,
        MARGIN,
    );
    for part in [0.0, 0.5, 1.0] {
        let value = top * part / 1.1;
        let _written = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555555\">{}</text>",
            MARGIN - 6.0,
            y(value) + 4.0,
            short(value)
        );
    }
    let line: Vec<_> =
        points.iter().map(|point| format!("{:.1},{:.1}", x(point.at), y(point.median))).collect();
    let _written = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for point in points {
        let at = x(point.at);
        let _written = writeln!(
            svg,
            "<path d=\"M{at:.1},{:.1} V{:.1}\" stroke=\"#1f6feb\"/>\
             <circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#1f6feb\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">{}</text>",
            y(point.min),
            y(point.max),
            y(point.median),
            base + 18.0,
            short(point.at)
        );
    }
    svg
}

/// A number that fits a label.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.1}M", value / 1e6),
        size if size >= 1e3 => format!("{:.0}k", value / 1e3),
        size if size >= 10.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 0.1 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_point_of_a_curve_is_drawn_and_a_curve_without_points_is_not() {
        let value = json!({"median": 5.0, "min": 4.0, "max": 6.0});
        let series = json!([{"at": 1, "value": value}, {"at": 100, "value": value}]);
        let results = json!({"cases": {"one-way": {"by_batch": series}}});
        let svg = all(results.as_object().unwrap());
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<g ").count(), 1);
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
