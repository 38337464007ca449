//! Owns the two fault proxies of a soak: one before the gateway for some of its tabs, one on the CRM's link.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::Result;
use crate::faults::{FaultOptions, FaultProxy, Kind, Plan};

/// The proxies; they let everything through until they are armed.
#[derive(Debug)]
pub(super) struct Proxies {
    pub(super) tabs: FaultProxy,
    pub(super) crm: FaultProxy,
}

impl Proxies {
    /// The proxy on the CRM's link, in front of whoever listens at this address.
    pub(super) fn for_crm(plan: &Plan, seed: u64, connect: SocketAddr) -> Result<FaultProxy> {
        start(plan, seed.wrapping_add(1), connect)
    }

    /// Adds the proxy for tabs, before the gateway.
    pub(super) fn new(
        plan: &Plan,
        seed: u64,
        crm: FaultProxy,
        gateway: SocketAddr,
    ) -> Result<Self> {
        Ok(Self {
            tabs: start(plan, seed, gateway)?,
            crm,
        })
    }

    /// Faults come from now on.
    pub(super) fn arm(&self) {
        self.tabs.arm();
        self.crm.arm();
    }

    /// Everything comes through from now on.
    pub(super) fn heal(&self) {
        self.tabs.heal();
        self.crm.heal();
    }

    /// How often each kind came so far, on both.
    pub(super) fn counts(&self) -> BTreeMap<Kind, u64> {
        let mut sums = self.tabs.counts().faults;
        for (kind, count) in self.crm.counts().faults {
            *sums.entry(kind).or_default() += count;
        }
        sums
    }

    /// What is wrong if half-open connections of tabs outlasted this time, within which the gateway must find them out.
    pub(super) fn judge(&self, plan: &Plan, found_out_after: Duration) -> Option<String> {
        let unnoticed = self.tabs.counts().unnoticed;
        let lasted = Duration::from_millis(plan.half_open_ms_min()?);
        (unnoticed > 0 && lasted > found_out_after).then(|| {
            format!(
                "{unnoticed} half-open links were still there after {lasted:?}; the gateway must find them out after \
                 {found_out_after:?}"
            )
        })
    }
}

fn start(plan: &Plan, seed: u64, connect: SocketAddr) -> Result<FaultProxy> {
    let mut options = FaultOptions::before(connect, seed, plan.clone());
    options.is_armed = false;
    options.keeps_records = false;
    FaultProxy::start(options)
}
