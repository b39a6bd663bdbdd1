//! Measured figures out of a rehearsal's JSON, in place of assumed ones.

use super::assumptions::Assumptions;
use anyhow::{Context, bail};
use serde::Deserialize;

/// A rehearsal of fewer devices says more about starting up than about pushing.
const DEVICES_MIN: u64 = 50_000;

/// What is used of `owl demo --json`.
#[derive(Deserialize)]
struct Measured {
    devices: u64,
    cpu_us_per_push: f64,
}

/// Takes over what the file measured.
///
/// # Errors
/// When it is no such JSON, or of a rehearsal too small to plan by.
pub(super) fn apply(text: &str, assumed: &mut Assumptions) -> anyhow::Result<()> {
    // Other lines may stand before the result.
    let last = text.trim_end().lines().last().unwrap_or_default();
    let measured: Measured = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(last))
        .context("this is not the JSON that `owl demo --json` prints")?;
    if measured.devices < DEVICES_MIN {
        bail!("it pushed to {} devices only: rehearse with at least {DEVICES_MIN}", measured.devices);
    }
    if !(measured.cpu_us_per_push.is_finite() && measured.cpu_us_per_push > 0.0) {
        bail!("cpu_us_per_push is {}, which is no CPU time", measured.cpu_us_per_push);
    }
    assumed.push_cpu_us.value = measured.cpu_us_per_push;
    assumed.push_cpu_us.source = format!("measured over {} devices (--from)", measured.devices);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_replaces_what_was_assumed() {
        let mut assumed = Assumptions::default();
        let text = "demo: made up\n{\"devices\": 210000, \"cpu_us_per_push\": 1.5, \"faults\": []}\n";
        apply(text, &mut assumed).unwrap();
        assert!(assumed.push_cpu_us.source.contains("210000"));
        assert_eq!((assumed.push_cpu_us.value, &assumed.call_ms), (1.5, &Assumptions::default().call_ms));
    }

    #[test]
    fn a_file_that_can_not_be_planned_by_is_refused() {
        for (text, why) in [
            ("", "not the JSON"),
            ("{}", "not the JSON"),
            ("{\"devices\": 70000, \"cpu_us_per_push\": \"fast\"}", "not the JSON"),
            ("{\"devices\": 70000, \"cpu_us_per_push\": -1.0}", "no CPU time"),
            ("{\"devices\": 2100, \"cpu_us_per_push\": 24.0}", "2100 devices only"),
        ] {
            let mut assumed = Assumptions::default();
            let error = apply(text, &mut assumed).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert_eq!(assumed, Assumptions::default());
        }
    }
}
