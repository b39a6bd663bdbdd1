//! What a rehearsal measured, in place of assumed costs.

use crate::figures::{Figure, Figures};
use serde_json::Value;

/// A rehearsal of fewer devices says more about starting up than about pushing.
const DEVICES_MIN: u64 = 10_000;

/// Why nothing can be taken from a file.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CalibrateError {
    /// It is neither of both.
    #[error("this is not the JSON that `owl rehearse` or `owl demo --json` writes")]
    Unknown,
    /// Too small.
    #[error("it pushed to {0} devices only: rehearse with at least {DEVICES_MIN}")]
    TooSmall(u64),
    /// No CPU time.
    #[error("it says no CPU time of a push")]
    NoCpu,
}

/// What is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Of what.
    pub name: String,
    /// Devices with an answer.
    pub devices: u64,
    /// Our CPU for each, in microseconds.
    pub push_cpu_us: f64,
    /// The stand-in gateways' CPU for each, in microseconds.
    pub gateway_us: Option<f64>,
}

impl Measured {
    /// Reads what `owl rehearse` or `owl demo --json` wrote. Of several presses, the largest.
    ///
    /// # Errors
    /// When it is neither, or says too little.
    pub fn read(text: &str) -> Result<Self, CalibrateError> {
        // Other lines may stand before a demo's result.
        let last = text.trim_end().lines().last().unwrap_or_default();
        let all: Value = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(last))
            .map_err(|_| CalibrateError::Unknown)?;
        let rehearsed = all.get("presses").and_then(Value::as_array);
        let found = match rehearsed {
            Some(presses) => {
                let of = |press| Self::press(press, &all);
                presses.iter().filter_map(of).max_by_key(|m| m.devices)
            }
            None => Self::demo(&all),
        };
        let found = found.ok_or(CalibrateError::Unknown)?;
        if found.devices < DEVICES_MIN {
            return Err(CalibrateError::TooSmall(found.devices));
        }
        let usable = found.push_cpu_us.is_finite() && found.push_cpu_us > 0.0;
        if usable { Ok(found) } else { Err(CalibrateError::NoCpu) }
    }

    fn press(press: &Value, all: &Value) -> Option<Self> {
        let counted = press.get("counted")?;
        let devices = counted.get("accepted")?.as_u64()? + counted.get("rejected")?.as_u64()?;
        let each = |key: &str| Some(press.get(key)?.as_f64()? * 1e6 / devices.max(1) as f64);
        let name = all.get("scenario").and_then(Value::as_str).unwrap_or("a rehearsal");
        let gateway_us = each("gateway_cpu_seconds").filter(|us| *us > 0.0);
        Some(Self { name: name.to_owned(), devices, push_cpu_us: each("cpu_seconds")?, gateway_us })
    }

    fn demo(all: &Value) -> Option<Self> {
        let devices = all.get("devices")?.as_u64()?;
        let push_cpu_us = all.get("cpu_us_per_push")?.as_f64()?;
        let gateways = all.get("gateway_cpu_seconds").and_then(Value::as_f64);
        let gateway_us = gateways.map(|s| s * 1e6 / devices.max(1) as f64).filter(|us| *us > 0.0);
        Some(Self { name: "a demo".to_owned(), devices, push_cpu_us, gateway_us })
    }

    /// Puts it in place of what is assumed.
    pub fn apply(&self, figures: &mut Figures) {
        let put = |figure: &mut Figure, value: f64| {
            figure.value = value;
            figure.source = format!("measured: {}, {} devices", self.name, self.devices);
        };
        put(&mut figures.push_cpu_us, self.push_cpu_us);
        if let Some(us) = self.gateway_us {
            put(&mut figures.gateway_us_grouped, us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_and_a_demo_are_both_read() {
        let press = |devices: u64, s: f64| serde_json::json!({ "counted": { "accepted": devices - 5, "rejected": 5 }, "cpu_seconds": s, "gateway_cpu_seconds": 0.1 });
        let rehearsed =
            serde_json::json!({ "scenario": "x", "presses": [press(20_000, 0.1), press(100_000, 0.2)] });
        let measured = Measured::read(&rehearsed.to_string()).expect("a rehearsal");
        assert_eq!((measured.devices, measured.push_cpu_us, measured.gateway_us), (100_000, 2.0, Some(1.0)));
        let mut figures = Figures::default();
        measured.apply(&mut figures);
        assert!(figures.push_cpu_us.source.contains("measured: x, 100000"));
        let demo = "demo: made up\n{\"devices\": 210000, \"cpu_us_per_push\": 1.5}\n";
        assert_eq!(Measured::read(demo).expect("a demo").push_cpu_us, 1.5);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for (text, why) in [
            ("", CalibrateError::Unknown),
            ("{}", CalibrateError::Unknown),
            ("{\"devices\": 9, \"cpu_us_per_push\": 1.0}", CalibrateError::TooSmall(9)),
            ("{\"devices\": 70000, \"cpu_us_per_push\": -1.0}", CalibrateError::NoCpu),
        ] {
            assert_eq!(Measured::read(text), Err(why), "{text}");
        }
    }
}
