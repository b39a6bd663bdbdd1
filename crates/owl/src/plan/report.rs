//! Measured figures out of a rehearsal's JSON, in place of assumed ones.

use super::assumptions::Assumptions;
use anyhow::bail;
use scale::Measured;

/// A rehearsal of fewer devices says more about starting up than about pushing.
const DEVICES_MIN: u64 = 50_000;

/// Takes over what the file measured.
///
/// # Errors
/// When it is no such JSON, or of a rehearsal too small to plan by.
pub(super) fn apply(text: &str, assumed: &mut Assumptions) -> anyhow::Result<()> {
    let measured = Measured::read(text)?;
    if measured.devices < DEVICES_MIN {
        bail!("it pushed to {} devices only: rehearse with at least {DEVICES_MIN}", measured.devices);
    }
    assumed.push_cpu_us.value = measured.push_cpu_us;
    assumed.push_cpu_us.source = format!("measured over {} devices (--from)", measured.devices);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_replaces_what_was_assumed() {
        let demo = "demo: made up\n{\"devices\": 210000, \"cpu_us_per_push\": 1.5, \"faults\": []}\n";
        let rehearsed = "{\"presses\": [{\"counted\": {\"accepted\": 200000, \"rejected\": 10000}, \"cpu_seconds\": 0.315}]}";
        for text in [demo, rehearsed] {
            let mut assumed = Assumptions::default();
            apply(text, &mut assumed).unwrap();
            assert!(assumed.push_cpu_us.source.contains("210000"));
            assert_eq!((assumed.push_cpu_us.value, &assumed.call_ms), (1.5, &Assumptions::default().call_ms));
        }
    }

    #[test]
    fn a_file_that_can_not_be_planned_by_is_refused() {
        for (text, why) in [
            ("", "not the JSON"),
            ("{\"devices\": 70000, \"cpu_us_per_push\": -1.0}", "no CPU time"),
            ("{\"devices\": 21000, \"cpu_us_per_push\": 24.0}", "21000 devices only"),
        ] {
            let mut assumed = Assumptions::default();
            let error = apply(text, &mut assumed).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert_eq!(assumed, Assumptions::default());
        }
    }
}
