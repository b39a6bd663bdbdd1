//! Whether Apple and Google can be reached, with whose credentials, and how fast they may be sent to.

use super::{Check, Facts, Light, made};
use common::device::Platform;
use common::fleet::Role;
use common::limits::LATE_MS;
use std::time::Duration;

/// Credentials that end sooner than this are amber.
const CREDENTIALS_AMBER: Duration = Duration::from_secs(300);

pub(super) fn gateways(f: &Facts<'_>) -> Check {
    let push: Vec<_> =
        f.workers.iter().filter(|w| w.role == Role::Push && w.campaign == Some(f.campaign.id)).collect();
    if push.is_empty() {
        return made("gateways", true, Light::Red, "no push worker has prepared this campaign yet");
    }
    let wanted = f.campaign.snapshot.iter().flat_map(|s| &s.devices).filter(|(_, n)| **n > 0).map(|(g, _)| g);
    let (mut missing, mut quiet) = (Vec::new(), Vec::new());
    for gateway in wanted {
        let links = || push.iter().flat_map(|w| &w.links).filter(|l| l.gateway == *gateway);
        let (connections, streams) =
            links().fold((0, 0), |(c, s), l| (c + l.connections, s + u64::from(l.streams)));
        if connections == 0 {
            let why =
                links().find_map(|l| l.trouble.clone()).unwrap_or_else(|| "none is configured".to_owned());
            missing.push(format!("no connection to {gateway}: {why}"));
        } else if streams == 0 {
            quiet.push(format!("{gateway} allows no stream yet"));
        }
    }
    if !missing.is_empty() {
        return made("gateways", true, Light::Red, missing.join("; "));
    }
    if !quiet.is_empty() {
        return made("gateways", true, Light::Amber, quiet.join("; "));
    }
    let total: u32 = push.iter().flat_map(|w| &w.links).map(|l| l.connections).sum();
    made(
        "gateways",
        true,
        Light::Green,
        format!("{total} connections open; each is proven by its first real request"),
    )
}

pub(super) fn credentials(f: &Facts<'_>) -> Check {
    let links = f.workers.iter().filter(|w| w.role == Role::Push).flat_map(|w| &w.links);
    let ends = links.filter_map(|l| l.credentials_until.map(|until| (until, &l.gateway)));
    let (light, text) = match ends.min() {
        Some((until, gateway)) if until <= f.now => {
            (Light::Red, format!("the credentials for {gateway} have expired"))
        }
        Some((until, gateway)) if until.since(f.now) < CREDENTIALS_AMBER => (
            Light::Amber,
            format!("the credentials for {gateway} are renewed within {} s", until.since(f.now).as_secs()),
        ),
        None if no_gateway(f) => (Light::Amber, "no gateway is configured".to_owned()),
        _ => (Light::Green, "valid".to_owned()),
    };
    made("credentials", true, light, text)
}

fn no_gateway(f: &Facts<'_>) -> bool {
    !f.workers.iter().any(|w| !w.links.is_empty())
}

pub(super) fn quota(f: &Facts<'_>) -> Check {
    let mut worst = (Light::Green, "no quota is in the way".to_owned());
    if no_gateway(f) {
        worst = (Light::Amber, "no gateway is configured".to_owned());
    }
    for platform in Platform::ALL {
        let devices =
            f.campaign.snapshot.as_ref().and_then(|s| s.devices.get(platform.label())).copied().unwrap_or(0);
        let links = f.workers.iter().flat_map(|w| &w.links).filter(|l| l.gateway == platform.label());
        let Some(per_s) = links.filter_map(|l| l.quota_per_s).min().filter(|q| *q > 0 && devices > 0) else {
            continue;
        };
        let ms = devices.saturating_mul(1000) / per_s;
        let light = match ms {
            ms if ms > f.campaign.options.deadline_ms => Light::Red,
            ms if ms > LATE_MS.unsigned_abs() => Light::Amber,
            _ => Light::Green,
        };
        if light >= worst.0 {
            let (gateway, seconds) = (platform.label(), ms.div_ceil(1000));
            let text = format!(
                "at {per_s}/s, {gateway}'s {devices} devices take about {seconds} s; ask for more quota early"
            );
            worst = (light, text);
        }
    }
    made("gateway_quota", true, worst.0, worst.1)
}
