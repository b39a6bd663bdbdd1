//! The pictures: SVG, as text, to stand in a page.

use plotters::backend::SVGBackend;
use std::collections::BTreeMap;
use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{PathElement, Rectangle};
use plotters::series::LineSeries;
use plotters::style::{BLACK, Color as _, RGBColor, WHITE};

use super::{Passed, Pressed, Sample, WorkerDid};

const SIZE: (u32, u32) = (860, 300);
/// Told apart by people who see no red or green too (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// Most workers in a picture.
const LANES_MAX: usize = 40;

type Fault = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A picture, or why there is none.
fn draw(paint: impl FnOnce(&Area<'_>) -> Result<(), Fault>) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).and_then(|()| paint(&area)).and_then(|()| area.present())
    };
    match drawn {
        Ok(()) => svg,
        Err(_) => "<p>There is no picture: it could not be drawn.</p>".to_owned(),
    }
}

/// What a picture's axes say.
struct Axes<'a> {
    /// The end of the time, in seconds from the press.
    end: f64,
    y: Range<f64>,
    y_says: &'a str,
    /// What stands beside a line of the mesh.
    y_label: fn(&f64) -> String,
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn chart<'a, 'b>(area: &'a Area<'b>, axes: &Axes<'_>) -> Result<Chart<'a, 'b>, Fault> {
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..axes.end, axes.y.clone())?;
    chart
        .configure_mesh()
        .x_desc("seconds from the press")
        .y_desc(axes.y_says)
        .y_labels(8)
        .y_label_formatter(&axes.y_label)
        .draw()?;
    Ok(chart)
}

/// From, to, and how high.
type Bar = (f64, f64, f64);

fn bars(axes: &Axes<'_>, bars: &[Bar], colour: RGBColor) -> String {
    draw(|area| {
        let low = axes.y.start;
        let bar = |(from, to, high): &Bar| Rectangle::new([(*from, low), (*to, *high)], colour.filled());
        chart(area, axes)?.draw_series(bars.iter().map(bar))?;
        Ok(())
    })
}

fn lines(axes: &Axes<'_>, lines: Vec<(&str, Vec<(f64, f64)>)>, names: SeriesLabelPosition) -> String {
    draw(|area| {
        let mut chart = chart(area, axes)?;
        for ((name, points), colour) in lines.into_iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(names)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        Ok(())
    })
}

/// Devices accepted in each slot of time, as a rate a second: bars.
pub(super) fn throughput(accepted: &Passed) -> String {
    let rates = rates(even_slots(accepted));
    let top = rates.iter().map(|bar| bar.2).fold(1.0, f64::max) * 1.1;
    let axes =
        Axes { end: end_s(accepted), y: 0.0..top, y_says: "accepted a second", y_label: |y| thousands(*y) };
    bars(&axes, &rates, COLOURS[0])
}

/// How many were accepted when: bars on a logarithmic scale, so that the last hundred are seen beside the millions.
pub(super) fn latencies(accepted: &Passed) -> String {
    let logs: Vec<Bar> =
        even_slots(accepted).into_iter().map(|(from, to, n)| (from, to, (n as f64).log10())).collect();
    let top = logs.iter().map(|slot| slot.2).fold(1.0, f64::max) + 0.3;
    let axes = Axes {
        end: end_s(accepted),
        // A slot with one device has a bar too.
        y: -0.2..top,
        y_says: "devices in a slot (log)",
        y_label: |y| if y.fract().abs() < 1e-6 { thousands(10_f64.powf(*y)) } else { String::new() },
    };
    bars(&axes, &logs, COLOURS[2])
}

/// How much of the whole had passed each step when: where two lines are far apart, things waited between them.
pub(super) fn waterfall(pressed: &Pressed) -> String {
    let steps = pressed.steps.all();
    let end = steps.iter().map(|(_, passed)| end_s(passed)).fold(0.1, f64::max);
    let axes = Axes { end, y: 0.0..102.0, y_says: "% that had passed", y_label: |y| format!("{y:.0}") };
    let shares = steps.map(|(name, passed)| (name, shares(passed)));
    lines(&axes, shares.into(), SeriesLabelPosition::LowerRight)
}

/// What lay on the queues.
pub(super) fn queues(samples: &[Sample]) -> String {
    type Pick = fn(&Sample) -> u64;
    let picks: [(&str, Pick); 3] = [
        ("batch queue, waiting", |s| s.batch_queue),
        ("batch queue, with a worker", |s| s.batches_in_flight),
        ("FIFO queue", |s| s.shard_queue),
    ];
    let top = samples.iter().flat_map(|s| picks.map(|(_, pick)| pick(s))).max().unwrap_or(1).max(1);
    let axes = Axes {
        end: samples.last().map_or(0.1, |sample| sample.ms as f64 / 1000.0).max(0.1),
        y: 0.0..top as f64 * 1.1,
        y_says: "envelopes",
        y_label: |y| thousands(*y),
    };
    let points = |pick: Pick| samples.iter().map(|s| (s.ms as f64 / 1000.0, pick(s) as f64)).collect();
    let all = picks.map(|(name, pick)| (name, points(pick)));
    lines(&axes, all.into(), SeriesLabelPosition::UpperRight)
}

/// A lane for each worker: the darker, the more outcomes it wrote down in that time. What is white in the middle of a lane was idle.
pub(super) fn workers(all: &[WorkerDid]) -> String {
    let shown = all.len().min(LANES_MAX);
    let all = &all[..shown];
    let seconds = |ms: i64| ms as f64 / 1000.0;
    // A lane, from, to, and how many a second. The first slot began before the press.
    let slots = || {
        let of = |(lane, w): (usize, &'_ WorkerDid)| {
            let slot = w.slot_ms.max(1);
            let each = w
                .by_ms
                .iter()
                .map(|(ms, n)| (seconds((*ms).max(0)), seconds(ms + slot), *n as f64 / seconds(slot)));
            each.map(|(from, to, rate)| (lane, from, to, rate)).collect::<Vec<_>>()
        };
        all.iter().enumerate().flat_map(of)
    };
    let most = slots().map(|(.., rate)| rate).fold(1.0, f64::max);
    let axes = Axes {
        end: slots().map(|(_, _, to, _)| to).fold(0.1, f64::max),
        y: 0.0..shown.max(1) as f64,
        y_says: "push workers",
        y_label: |_| String::new(),
    };
    draw(|area| {
        let lane = |(lane, from, to, rate): (usize, f64, f64, f64)| {
            let top = (shown - lane) as f64;
            let colour = COLOURS[0].mix(0.15 + 0.85 * rate / most);
            Rectangle::new([(from, top - 0.9), (to, top - 0.1)], colour.filled())
        };
        chart(area, &axes)?.draw_series(slots().map(lane))?;
        Ok(())
    })
}

/// The slots with where they begin and end, in seconds.
fn slots(passed: &Passed) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
    passed.by_ms.iter().map(|(&ms, &n)| (ms as f64 / 1000.0, (ms + width(ms)) as f64 / 1000.0, n))
}

/// The same, all as wide as the widest: bars of many widths beside each other would look as if something had changed where only
/// their width does.
fn even_slots(passed: &Passed) -> Vec<(f64, f64, u64)> {
    let widest = passed.by_ms.keys().next_back().map_or(1, |&ms| width(ms));
    let mut even = BTreeMap::<i64, u64>::new();
    for (ms, n) in &passed.by_ms {
        *even.entry(ms.div_euclid(widest) * widest).or_default() += n;
    }
    even.into_iter().map(|(ms, n)| (ms as f64 / 1000.0, (ms + widest) as f64 / 1000.0, n)).collect()
}

fn rates(slots: impl IntoIterator<Item = (f64, f64, u64)>) -> Vec<Bar> {
    slots.into_iter().map(|(from, to, n)| (from, to, n as f64 / (to - from))).collect()
}

/// The share that had passed, at the end of each slot.
fn shares(passed: &Passed) -> Vec<(f64, f64)> {
    let total = passed.count().max(1) as f64;
    let mut points = vec![(0.0, 0.0)];
    let mut so_far = 0;
    for (from, to, n) in slots(passed) {
        points.push((from, so_far as f64 * 100.0 / total));
        so_far += n;
        points.push((to, so_far as f64 * 100.0 / total));
    }
    points
}

/// How wide the books' slots are (`slot_begin` in `common::report`, which this crate does not know): 10 ms below a second, 100 ms
/// below 10 s, a second below ten minutes, then a minute. Only what was just measured is drawn, never a baseline's.
fn width(ms: i64) -> i64 {
    match ms {
        ..1_000 => 10,
        1_000..10_000 => 100,
        10_000..600_000 => 1_000,
        _ => 60_000,
    }
}

fn end_s(passed: &Passed) -> f64 {
    slots(passed).map(|(_, to, _)| to).fold(0.1, f64::max)
}

fn thousands(n: f64) -> String {
    match n {
        _ if n >= 1e6 => format!("{:.1} M", n / 1e6),
        _ if n >= 1e4 => format!("{:.0} k", n / 1e3),
        _ => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_drawn_of_anything_and_of_nothing() {
        let by_ms = BTreeMap::from([(0, 1), (100, 50_000), (9_900, 3), (11_000, 7), (120_000, 1)]);
        let passed = Passed { by_ms, ..Passed::default() };
        let mut pressed = Pressed::default();
        pressed.steps.accepted = passed.clone();
        let samples =
            [Sample { ms: 5, batch_queue: 10, ..Sample::default() }, Sample { ms: 900, ..Sample::default() }];
        let by_ms = BTreeMap::from([(-400, 5), (600, 9)]);
        let did = vec![WorkerDid { by_ms, slot_ms: 1_000, ..WorkerDid::default() }; 50];
        assert_eq!(
            workers(&did).matches("<rect").count() - workers(&[]).matches("<rect").count(),
            LANES_MAX * 2
        );
        let none = Passed::default();
        for svg in
            [throughput(&passed), latencies(&passed), waterfall(&pressed), queues(&samples), workers(&did)]
        {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
        let steps = waterfall(&pressed);
        for (name, _) in pressed.steps.all() {
            assert!(steps.contains(name), "{name}");
        }
        for svg in
            [throughput(&none), latencies(&none), waterfall(&Pressed::default()), queues(&[]), workers(&[])]
        {
            assert!(svg.starts_with("<svg"), "{svg}");
        }
    }

    #[test]
    fn shares_grow_to_the_whole() {
        let passed = Passed { by_ms: BTreeMap::from([(0, 1), (300, 3)]), ..Passed::default() };
        assert_eq!(shares(&passed), [(0.0, 0.0), (0.0, 0.0), (0.01, 25.0), (0.3, 25.0), (0.31, 100.0)]);
        assert_eq!(rates(slots(&passed))[1].2.round(), 300.0);
    }

    #[test]
    fn a_slot_is_as_wide_as_the_books_have_it() {
        let begins = [0, 990, 1_000, 9_900, 10_000, 599_000, 600_000, 3_600_000];
        assert_eq!(begins.map(width), [10, 10, 100, 100, 1_000, 1_000, 60_000, 60_000]);
        // Nine a slot of 100 ms, a second, and a minute.
        let by_ms = BTreeMap::from([(5_000, 9), (70_000, 9), (660_000, 9)]);
        let rates = rates(slots(&Passed { by_ms, ..Passed::default() }));
        assert_eq!(
            rates.iter().map(|(.., rate)| (rate * 100.0).round()).collect::<Vec<_>>(),
            [9_000.0, 900.0, 15.0]
        );
    }

    #[test]
    fn bars_are_all_as_wide_as_the_widest() {
        let by_ms = BTreeMap::from([(0, 1), (10, 2), (990, 3), (1_000, 4), (1_100, 5)]);
        let even = even_slots(&Passed { by_ms, ..Passed::default() });
        assert_eq!(even, [(0.0, 0.1, 3), (0.9, 1.0, 3), (1.0, 1.1, 4), (1.1, 1.2, 5)]);
        assert_eq!(even_slots(&Passed::default()), []);
    }
}
