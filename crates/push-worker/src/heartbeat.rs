//! The worker's rows: one heartbeat that sums its lanes, its counters, and what it learns from the others' heartbeats.

use crate::control::TRIPPED;
use crate::shared::{LaneReport, Shared, lock};
use common::device::Platform;
use common::fleet::{LinkRow, Role, WorkerRow};
use common::limits::HEARTBEAT_GOOD_FOR;
use std::sync::atomic::Ordering;

impl Shared {
    /// Writes the heartbeat row, and the counter rows that changed.
    pub async fn report(&self) {
        let row = self.row();
        self.tell_of_connections(&row);
        self.measure(&row);
        if let Err(error) = self.backend.fleet.beat(&row).await {
            tracing::warn!(%error, "heartbeat not written");
        }
        self.flush_counters().await;
    }

    /// Says once when the last connection to a gateway is lost, and when all are back.
    fn tell_of_connections(&self, row: &WorkerRow) {
        let cut = self.cut_off(&row.links).filter(|_| row.campaign.is_some());
        let was_cut = self.was_cut.swap(cut.is_some(), Ordering::Relaxed);
        match cut {
            Some(why) if !was_cut => tracing::warn!(worker = %self.id, why, "gateway out of reach"),
            None if was_cut => tracing::info!(worker = %self.id, "gateways within reach again"),
            _ => {}
        }
    }

    /// The gateways that the campaign needs and that there is no connection to, in words.
    fn cut_off(&self, links: &[LinkRow]) -> Option<String> {
        let campaign = self.watch.campaign()?;
        let needed = |l: &&LinkRow| campaign.snapshot.as_ref()?.devices.get(&l.gateway).filter(|n| **n > 0);
        let why = |l: &LinkRow| l.trouble.as_ref().map_or_else(String::new, |t| format!(" ({t})"));
        let cut = links.iter().filter(|l| l.connections == 0 && needed(l).is_some());
        let cut: Vec<_> = cut.map(|l| format!("no connection to {}{}", l.gateway, why(l))).collect();
        (!cut.is_empty()).then(|| cut.join("; "))
    }

    /// Writes the counter rows that changed.
    pub async fn flush_counters(&self) {
        let rows = self.counters().take(self.clock.now());
        for (campaign, row) in rows {
            if let Err(error) = self.backend.fleet.count(campaign, &row).await {
                tracing::warn!(%campaign, %error, "counter row not written, kept");
                self.counters().put_back(campaign, row);
            }
        }
    }

    /// Reads the other workers' rows: how many share the quotas, and whether the fleet gave a gateway up.
    pub async fn look_at_fleet(&self) {
        let after = self.clock.now().minus(HEARTBEAT_GOOD_FOR);
        match self.backend.fleet.workers(after).await {
            Ok(rows) => self.take_in(&rows),
            Err(error) => tracing::warn!(%error, "fleet not looked at"),
        }
    }

    /// Sets how fast may be sent: this worker's part of each gateway's quota, by what the lanes know of it and by how many workers were
    /// live at the last look. A lane does so before it takes its first batch: until the next look it would keep to no quota.
    pub(crate) fn pace(&self) {
        let quotas = links(&self.lanes());
        for platform in Platform::ALL {
            let quota = quotas.iter().find(|l| l.gateway == platform.label()).and_then(|l| l.quota_per_s);
            let now = self.clock.mono();
            let mut control = self.control(platform);
            // Read while nobody else can set it: whoever does so last knows of the last look.
            let sharing = self.sharing.load(Ordering::Relaxed).max(1);
            #[expect(clippy::cast_precision_loss, reason = "a rate is approximate anyway")]
            control.bucket.set_rate(quota.map(|q| q as f64 / sharing as f64), now);
        }
    }

    fn take_in(&self, rows: &[WorkerRow]) {
        self.sharing.store(rows.iter().filter(|r| r.role == Role::Push).count(), Ordering::Relaxed);
        self.pace();
        for platform in Platform::ALL {
            let (live, tripped) = census(rows, platform);
            let share =
                live > 0 && tripped * 100 >= live * usize::from(self.config.fleet_trip_percent.max(1));
            let mut control = self.control(platform);
            let gateway = platform.label();
            match (std::mem::replace(&mut control.fleet_tripped, share), share) {
                (false, true) => {
                    tracing::error!(
                        gateway,
                        tripped,
                        live,
                        "fleet leaves a gateway alone: abort, or correct its configuration"
                    );
                }
                (true, false) => tracing::warn!(gateway, live, "fleet uses a gateway again"),
                _ => {}
            }
        }
    }

    /// The heartbeat row as it would be written now.
    #[must_use]
    pub fn row(&self) -> WorkerRow {
        let lanes = self.lanes().clone();
        let tripped = Platform::ALL.into_iter().filter(|p| self.control(*p).breaker.is_tripped());
        let tripped: Vec<_> = tripped.map(Platform::label).collect();
        let mut links = links(&lanes);
        for link in links.iter_mut().filter(|l| tripped.contains(&l.gateway.as_str())) {
            link.trouble = Some(TRIPPED.to_owned());
        }
        let given_up: Vec<_> = Platform::ALL
            .into_iter()
            .filter(|p| self.control(*p).fleet_tripped)
            .map(Platform::label)
            .collect();
        let same =
            lanes.first().and_then(|l| l.prepared).filter(|p| lanes.iter().all(|l| l.prepared == Some(*p)));
        let lane_trouble = lanes.iter().find_map(|l| l.trouble.clone());
        let assigned = lock(&self.assign_trouble).clone();
        let lasting = || self.ledger.sentence(self.clock.mono()).or_else(|| self.watch.blind());
        let cut_off = || self.cut_off(&links).filter(|_| same.is_some());
        let trouble = assigned.or(lane_trouble).or_else(lasting).or_else(cut_off);
        let tripped_text =
            |g: &Vec<&str>, what: &str| (!g.is_empty()).then(|| format!("{} {what}", g.join(", ")));
        WorkerRow {
            worker: self.id,
            role: Role::Push,
            at: self.clock.now(),
            started_at: self.started_at,
            campaign: same.map(|p| p.0),
            epoch: self.watch.epoch(),
            snapshot: same.map(|p| p.2),
            content: same.map(|p| p.1),
            prepare_ms: lanes.iter().map(|l| l.prepare_ms).max().unwrap_or(0),
            ready: same.is_some() && trouble.is_none() && tripped.is_empty() && lanes.iter().all(|l| l.ready),
            trouble: tripped_text(&given_up, "given up by the fleet: many answers and no success")
                .or_else(|| tripped_text(&tripped, TRIPPED))
                .or(trouble),
            claims: lanes.iter().map(|l| l.claims).sum(),
            tripped: !tripped.is_empty(),
            links,
            payload_bytes_max: lanes.iter().map(|l| l.payload_bytes_max).max().unwrap_or(0),
            rehearsal: !lanes.is_empty() && lanes.iter().all(|l| l.rehearsal),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }
}

/// Live push workers, and how many of them have tripped on this gateway.
fn census(rows: &[WorkerRow], platform: Platform) -> (usize, usize) {
    let push: Vec<_> = rows.iter().filter(|r| r.role == Role::Push).collect();
    let has = |r: &WorkerRow| {
        let is_tripped = |l: &LinkRow| l.trouble.as_deref().is_some_and(|t| t.starts_with(TRIPPED));
        r.tripped && r.links.iter().any(|l| l.gateway == platform.label() && is_tripped(l))
    };
    (push.len(), push.iter().filter(|r| has(r)).count())
}

/// One row per gateway, summed over the lanes.
fn links(lanes: &[LaneReport]) -> Vec<LinkRow> {
    let mut all: Vec<LinkRow> = Vec::new();
    for link in lanes.iter().flat_map(|l| &l.links) {
        match all.iter_mut().find(|a| a.gateway == link.gateway) {
            None => all.push(link.clone()),
            Some(sum) => {
                sum.connections += link.connections;
                sum.streams += link.streams;
                sum.quota_per_s = sum.quota_per_s.or(link.quota_per_s);
                let until = [sum.credentials_until, link.credentials_until];
                sum.credentials_until = until.into_iter().flatten().min();
                sum.trouble = sum.trouble.take().or_else(|| link.trouble.clone());
            }
        }
    }
    all
}
