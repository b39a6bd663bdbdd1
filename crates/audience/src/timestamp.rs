//! Instants as people write them in files: RFC 3339, or Unix time in seconds or milliseconds.

use common::time::UnixMs;

/// A number below this is seconds (until the year 5138), from it on milliseconds (since March 1973).
const SECONDS_BELOW: i64 = 100_000_000_000;

/// Reads `2026-02-08T23:31:05.120Z`, `2026-02-08 23:31:05+01:00`, `1770593465` or `1770593465120`.
#[must_use]
pub fn parse(text: &str) -> Option<UnixMs> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let n: i64 = text.parse().ok()?;
        return Some(UnixMs(if n < SECONDS_BELOW { n * 1000 } else { n }));
    }
    rfc3339(text.as_bytes())
}

fn rfc3339(s: &[u8]) -> Option<UnixMs> {
    let (date, rest) = s.split_at_checked(19)?;
    let fixed = date[4] == b'-'
        && date[7] == b'-'
        && matches!(date[10], b'T' | b't' | b' ')
        && date[13] == b':'
        && date[16] == b':';
    let number = |from: usize, to: usize| digits(&date[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let real = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    let (ms, zone) = fraction(rest)?;
    let offset = offset_minutes(zone)?;
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset;
    (fixed && real).then(|| UnixMs((minutes * 60 + second) * 1000 + ms))
}

fn digits(s: &[u8]) -> Option<i64> {
    s.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// The milliseconds of `.120Z`, and what follows them.
fn fraction(s: &[u8]) -> Option<(i64, &[u8])> {
    let Some(s) = s.strip_prefix(b".") else { return Some((0, s)) };
    let n = s.iter().take_while(|b| b.is_ascii_digit()).count();
    let place = |at: usize| if at < n { i64::from(s[at] - b'0') } else { 0 };
    (1..=9).contains(&n).then(|| (place(0) * 100 + place(1) * 10 + place(2), &s[n..]))
}

fn offset_minutes(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let all = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -all } else { all })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, by counting in 400-year eras that start on the first of March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let (yoe, mp) = (year.rem_euclid(400), (month + 9) % 12);
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-02-08T23:31:05.120Z", 1_770_593_465_120),
            ("2026-02-09 00:31:05.12+01:00", 1_770_593_465_120),
            ("2026-02-08t18:31:05.1209999-05:00", 1_770_593_465_120),
            ("1770593465", 1_770_593_465_000),
            ("1770593465120", 1_770_593_465_120),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(UnixMs(ms)), "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "-5",
            "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-08T24:00:00Z",
            "2026-02-08T23:31:05",
            "2026-02-08",
            "2026-02-08T23:31:05.Z",
            "99999999999999999999",
            "2026-02-08T23:31:05+1:00",
            "2026-02-08T23:31:05Z ",
            "é026-02-08T23:31:05Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_common_writes_is_read(ms in -62_000_000_000_000i64..250_000_000_000_000) {
            prop_assert_eq!(parse(&UnixMs(ms).rfc3339()), Some(UnixMs(ms)));
        }

        #[test]
        fn rubbish(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
