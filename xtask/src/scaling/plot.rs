//! Pictures, as SVG files.

use super::measure::Compared;
use super::scenarios::Answers;
use super::tables::{millions, number};
use anyhow::Context;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::combinators::IntoLogRange as _;
use plotters::drawing::IntoDrawingArea as _;
use plotters::element::{Circle, PathElement};
use plotters::series::LineSeries;
use plotters::style::{Color as _, RGBColor, WHITE};
use serde_json::Value;
use std::path::Path;

const SIZE: (u32, u32) = (860, 380);
/// Told apart by people who see no red or green too (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
    RGBColor(213, 94, 0),
];

/// A line, or points where nothing lies in between.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    line: bool,
}

/// 99 of a hundred, by push workers, a line for each audience; and what a user costs.
pub(super) fn audiences(dir: &Path, all: &[Value]) -> anyhow::Result<()> {
    let line = |pick: &dyn Fn(&Value, f64) -> f64| {
        let of = |predicted: &Value| {
            let users = number(&predicted["users"]);
            let fleets = predicted["fleets"].as_array().into_iter().flatten();
            let points = fleets.map(|fleet| (number(&fleet["push_workers"]), pick(fleet, users))).collect();
            Series { name: format!("{} users", millions(users)), points, line: true }
        };
        all.iter().map(of).collect::<Vec<_>>()
    };
    let p99 = line(&|fleet, _| number(&fleet["accepted"]["p99_ms"]) / 1_000.0);
    draw(&dir.join("fleets.svg"), "push workers", "99 % accepted, seconds from the press", &p99)?;
    let usd = line(&|fleet, users| number(&fleet["usd_event"]) / users * 1e6);
    draw(&dir.join("cost.svg"), "push workers", "US dollars a million users", &usd)
}

/// Measured beside predicted: the last device, by lanes and by users.
pub(super) fn compared(dir: &Path, all: &[Compared]) -> anyhow::Result<()> {
    let narrow: Vec<_> = all.iter().filter(|c| c.scenario.answers == Answers::After(150)).collect();
    let polite: Vec<_> = all.iter().filter(|c| c.scenario.answers == Answers::After(0)).collect();
    let x_of_narrow = |c: &Compared| f64::from(c.scenario.lanes.unwrap_or(1));
    let x_of_polite = |c: &Compared| c.scenario.users as f64;
    two(&dir.join("lanes.svg"), "lanes", &narrow, x_of_narrow)?;
    two(&dir.join("polite.svg"), "users", &polite, x_of_polite)
}

fn two(file: &Path, x: &str, all: &[&Compared], at: impl Fn(&Compared) -> f64) -> anyhow::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let predicted = all.iter().map(|c| (at(c), c.predicted.accepted.last_ms as f64 / 1_000.0)).collect();
    let runs = all.iter().flat_map(|c| c.runs.iter().map(|run| (at(c), run.last_ms / 1_000.0)));
    let series = [
        Series { name: "predicted".to_owned(), points: predicted, line: true },
        Series { name: "measured, each run".to_owned(), points: runs.collect(), line: false },
    ];
    draw(file, x, "last accepted, seconds from the press", &series)
}

/// Both axes are logarithmic.
fn draw(file: &Path, x: &str, y: &str, all: &[Series]) -> anyhow::Result<()> {
    let mut svg = String::new();
    paint(&mut svg, x, y, all).map_err(|e| anyhow::anyhow!("{} can't be drawn: {e}", file.display()))?;
    std::fs::write(file, svg + "\n").with_context(|| format!("cannot write {}", file.display()))
}

fn paint(svg: &mut String, x: &str, y: &str, all: &[Series]) -> Result<(), Box<dyn std::error::Error>> {
    let points = || all.iter().flat_map(|s| &s.points);
    let range = |values: Vec<f64>| {
        let (least, most) = values.iter().fold((f64::MAX, 1e-9), |(a, b), v| (v.clamp(1e-9, a), v.max(b)));
        (least / 1.25..most.max(least) * 1.25).log_scale()
    };
    let (xs, ys) = (range(points().map(|p| p.0).collect()), range(points().map(|p| p.1).collect()));
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(xs, ys)?;
    let label = |value: &f64| {
        let value = *value;
        if value >= 1e4 {
            millions(value)
        } else if value >= 10.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        }
    };
    chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&label).y_label_formatter(&label).draw()?;
    for (series, colour) in all.iter().zip(COLOURS) {
        let points = series.points.clone();
        if series.line {
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        } else {
            chart
                .draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?
                .label(&series.name)
                .legend(move |(x, y)| Circle::new((x + 9, y), 4, colour.filled()));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .draw()?;
    area.present()?;
    Ok(())
}
