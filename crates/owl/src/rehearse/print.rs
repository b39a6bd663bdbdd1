//! A rehearsal's figures in words.

use crate::output::{count, outln};
use loadtest::rehearse::{Judged, Rehearsal, Times};

/// For people.
pub(super) fn print(done: &Rehearsal) {
    for (number, p) in (1..).zip(&done.presses) {
        let t = &p.steps.accepted.times;
        outln!();
        outln!(
            "press {number:<5} {} users, {} devices: half {}, 99 % {}, last {}; {} pushes/s, {}",
            count(p.users),
            count(p.devices),
            ms(t.p50_ms),
            ms(t.p99_ms),
            ms(t.last_ms),
            count(p.pushes_per_s()),
            match p.cpu_us_per_push() {
                us if us > 0.0 => format!("{us:.2} us of our CPU each"),
                _ => "CPU not measured".to_owned(),
            }
        );
        for (name, passed) in p.steps.all() {
            let Times { first_ms, p50_ms, last_ms, .. } = passed.times;
            outln!(
                "            {name:18} first {:>9}, half {:>9}, last {:>9}",
                ms(first_ms),
                ms(p50_ms),
                ms(last_ms)
            );
        }
        for sentence in &p.limits.sentences {
            outln!("            {sentence}");
        }
        p.judged.iter().for_each(judged);
    }
    done.growth.iter().for_each(judged);
    if !done.compared.is_empty() {
        outln!();
    }
    for change in &done.compared {
        let (users, figure) = (count(change.users), &change.figure);
        let (before, now, verdict) = (&change.before, &change.now, change.verdict());
        outln!("baseline    {users} users, {figure}: {before}, now {now} ({verdict})");
    }
    outln!();
    if let Some(server) = &done.server {
        let (interim, push) = (count(server.interim_workers), count(server.push_workers));
        outln!("services    {}: {interim} interim workers, {push} push workers", server.url);
        for note in &server.notes {
            outln!("            {note}");
        }
    }
    match (&done.failed, done.passed) {
        (Some(why), _) => outln!("FAILED      it could not go on to its end: {why}"),
        (None, true) => outln!("PASSED      all objectives hold"),
        (None, false) => outln!("FAILED      an objective does not hold"),
    }
}

fn judged(j: &Judged) {
    let verdict = if j.holds { "holds" } else { "DOES NOT HOLD" };
    outln!("objective   {}: at most {}, measured {}: {verdict}", j.objective, j.at_most, j.measured);
}

fn ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{} ms", count(ms.unsigned_abs())))
}
