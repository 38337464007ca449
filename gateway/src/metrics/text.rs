//! The numbers in the text format of Prometheus and `OpenMetrics`.

use std::fmt::Error;

use okgate_core::crm::CrmCounters;
use okgate_core::hub::Status;
use okgate_core::protocol::{EventKind, Method};
use okgate_core::shard::Refused;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::ShardSample;

/// All numbers at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) samples: Vec<ShardSample>,
    pub(super) rings: Vec<Vec<(&'static str, u64)>>,
    pub(super) addresses: usize,
    pub(super) status: Option<Status>,
    pub(super) log_lines: u64,
    pub(super) log_lines_dropped: u64,
    pub(super) started_at: u64,
}

/// The text of these numbers.
pub(super) fn encode(snapshot: Snapshot) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("okgate");
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        self.process(&mut page)?;
        self.links(&mut page)?;
        self.by_kind(&mut page)?;
        self.fanout(&mut page)?;
        self.rings(&mut page)?;
        if let Some(status) = &self.status {
            hub(&mut page, status)?;
            crm(&mut page, status)?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn process(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("build", "The version that runs", [(version, 1)])?;
        let help = "When the process started, in seconds since 1970";
        page.gauge("start_time_seconds", help, self.started_at)?;
        let help = "Whether the hub answers";
        page.gauge("hub_up", help, u64::from(self.status.is_some()))?;
        page.counter("log_lines", "Lines logged", self.log_lines)?;
        let help = "Lines that were not logged because the log was not read fast enough";
        page.counter("log_lines_dropped", help, self.log_lines_dropped)
    }

    fn links(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let each = |value: fn(&ShardSample) -> u64| {
            let shards = self.samples.iter().enumerate();
            shards.map(move |(index, sample)| ([("shard", index.to_string())], value(sample)))
        };
        let help = "Connections, in whatever stage";
        page.gauges("links", help, each(|sample| sample.counters.links))?;
        let help = "Links that are logged in";
        page.gauges("tabs", help, each(|sample| sample.counters.tabs))?;
        let help = "Addresses with connections now or of late; 0 without a limit per address";
        page.gauge("addresses", help, count(self.addresses))?;
        let help = "Bytes that wait for full sockets";
        page.gauges(
            "queue_bytes",
            help,
            each(|sample| sample.counters.queue_bytes),
        )?;
        let help = "Connections accepted";
        page.counters("connections", help, each(|sample| sample.counters.accepted))?;
        let help = "Handshakes that became links";
        page.counters("upgrades", help, each(|sample| sample.counters.upgraded))
    }

    /// One counter for each name that the rings have.
    fn rings(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let names = self.rings.first().into_iter().flatten();
        for (place, (name, _)) in names.enumerate() {
            let rings = self.rings.iter().enumerate();
            let rows = rings.filter_map(|(shard, ring)| {
                Some(([("shard", shard.to_string())], ring.get(place)?.1))
            });
            let help = "What the tab ring counts; the names say what";
            page.counters(&format!("ring_{name}"), help, rows)?;
        }
        Ok(())
    }

    fn by_kind(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let methods = self.each_kind("method", |sample| {
            let names = Method::ALL.iter().map(|method| method.name());
            names.zip(sample.counters.messages).collect()
        });
        page.counters("messages", "Messages from links, by method", methods)?;
        let events = self.each_kind("event", |sample| {
            let names = EventKind::ALL.iter().map(|event| event.name());
            names.zip(sample.counters.events).collect()
        });
        page.counters("events", "Events given to links", events)?;
        let refusals = self.each_kind("reason", |sample| {
            let labels = Refused::ALL.iter().map(|reason| reason.label());
            labels.zip(sample.counters.refused).collect()
        });
        page.counters(
            "refusals",
            "Connections, links and messages refused by the gateway, by reason",
            refusals,
        )
    }

    fn each_kind(
        &self,
        label: &'static str,
        rows: impl Fn(&ShardSample) -> Vec<(&'static str, u64)>,
    ) -> Vec<([(&'static str, String); 2], u64)> {
        let shards = self.samples.iter().enumerate();
        let labelled = shards.flat_map(|(index, sample)| {
            let row = move |(name, value): (&str, u64)| {
                let labels = [("shard", index.to_string()), (label, name.to_owned())];
                (labels, value)
            };
            rows(sample).into_iter().map(row)
        });
        labelled.collect()
    }

    fn fanout(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let help = "How long giving an event to links kept a shard at a stretch";
        let mut metric =
            page.0
                .encode_descriptor("fanout_seconds", help, None, MetricType::Histogram)?;
        for (index, sample) in self.samples.iter().enumerate() {
            let (times, labels) = (&sample.fanout, [("shard", index.to_string())]);
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    times.sum_seconds(),
                    times.count(),
                    &times.buckets(),
                    None,
                )?;
        }
        Ok(())
    }
}

fn hub(page: &mut Page<'_>, status: &Status) -> Result<(), Error> {
    let help = "Whether the telephone switch is connected";
    page.gauge("pbx_connected", help, u64::from(status.pbx_connected))?;
    page.gauge("users", "Users in the settings", count(status.users))?;
    let help = "Users with at least one link";
    page.gauge("users_online", help, count(status.users_online))?;
    let help = "Sessions, with and without links";
    page.gauge("sessions", help, count(status.sessions))?;
    page.gauge("calls", "Calls that go on", count(status.calls))?;
    let help = "Callers who wait in lines";
    page.gauge("callers_waiting", help, count(status.callers_waiting))?;
    let help = "Callers who were refused, by the limit that was met";
    let refused = [
        ([("limit", "calls")], status.calls_over_limit),
        ([("limit", "line")], status.callers_over_limit),
    ];
    page.counters("calls_refused", help, refused)?;
    let help = "Dynamic methods that run";
    page.gauge("method_runs", help, count(status.method_runs))?;
    page.counter("hub_events", "Events that the hub gave out", status.events)?;
    forms(page, status)
}

fn forms(page: &mut Page<'_>, status: &Status) -> Result<(), Error> {
    page.gauge(
        "forms_open",
        "Forms that are open at users",
        count(status.forms_open),
    )?;
    let forms = &status.forms;
    let help = "Forms that were opened, and how that went on";
    let rows = [
        ([("what", "opened")], forms.forms_opened),
        ([("what", "answered")], forms.forms_answered),
        ([("what", "refused")], forms.forms_refused),
        ([("what", "crowded_out")], forms.forms_crowded_out),
    ];
    page.counters("forms", help, rows)?;
    let help = "Dynamic methods given to users' pages";
    page.counter("tab_runs", help, forms.tab_runs)?;
    let help = "Results of methods at users' pages that nobody waited for any more";
    let late = [
        ([("accepted", "yes")], forms.tab_results_late),
        ([("accepted", "no")], forms.tab_results_refused),
    ];
    page.counters("tab_results_late", help, late)
}

fn crm(page: &mut Page<'_>, status: &Status) -> Result<(), Error> {
    let crm = &status.crm;
    let ready = u64::from(crm.state == "ready");
    let labels = [("mode", crm.mode), ("state", crm.state)];
    page.gauges("crm_link", "The state of the CRM's link", [(labels, 1)])?;
    page.gauge("crm_ready", "Whether the CRM's link is ready", ready)?;
    crm_traffic(page, &crm.counters)?;
    let help = "Bytes that wait to be sent to the CRM";
    page.gauge("crm_queue_bytes", help, count(crm.queue_bytes))?;
    let help = "Messages that are being posted to the CRM";
    page.gauge("crm_exchanges", help, count(crm.exchanges))?;
    let help = "Connections to the CRM's address that are not let in, or not yet";
    page.gauge("crm_candidates", help, count(crm.candidates))?;
    let help = "Dynamic methods that the CRM declared";
    page.gauge("crm_methods", help, count(crm.methods))?;
    let help = "Forms that the CRM declared";
    page.gauge("crm_forms", help, count(crm.forms))?;
    let help = "Users who are active in the CRM";
    page.gauge("crm_active_users", help, count(crm.active_users))
}

fn crm_traffic(page: &mut Page<'_>, crm: &CrmCounters) -> Result<(), Error> {
    page.counter("crm_connects", "Links made to the CRM", crm.connects)?;
    page.counter("crm_losses", "Links to the CRM lost", crm.losses)?;
    page.counter("crm_messages", "Messages from the CRM", crm.messages)?;
    let help = "What of the CRM's messages was refused or dropped, by reason";
    let refused = [
        ([("reason", "malformed")], crm.malformed),
        ([("reason", "too_big")], crm.too_big),
        ([("reason", "multipart")], crm.multiparts_dropped),
        ([("reason", "too_many")], crm.too_many),
        ([("reason", "users")], crm.users_ignored),
    ];
    page.counters("crm_refused", help, refused)?;
    page.counter("crm_events", "Events sent to the CRM", crm.events_sent)?;
    let help = "Events that were not sent to the CRM, by reason";
    let dropped = [
        ([("reason", "not_ready")], crm.events_not_ready),
        ([("reason", "not_active")], crm.events_not_wanted),
    ];
    page.counters("crm_events_dropped", help, dropped)?;
    let help = "Links to the CRM dropped since too much waited to be sent";
    page.counter("crm_queue_overflows", help, crm.queue_overflows)?;
    let help = "Connections to the CRM's address that were not let in, by reason";
    let told = crm.unauthenticated + crm.conflicts;
    let others = crm.turned_away.saturating_sub(told);
    let turned_away = [
        ([("reason", "unauthenticated")], crm.unauthenticated),
        ([("reason", "conflict")], crm.conflicts),
        ([("reason", "other")], others),
    ];
    page.counters("crm_turned_away", help, turned_away)?;
    page.counter("crm_posts", "Messages posted to the CRM", crm.posts)?;
    let help = "Messages posted to the CRM that came to nothing, by reason";
    let failed = [
        ([("reason", "unreachable")], crm.posts_unreachable),
        ([("reason", "timed_out")], crm.posts_timed_out),
        ([("reason", "broken")], crm.posts_broken),
        ([("reason", "unauthorized")], crm.posts_unauthorized),
        ([("reason", "status")], crm.posts_status),
        ([("reason", "html")], crm.posts_html),
        ([("reason", "base64")], crm.posts_base64),
        ([("reason", "unanswered")], crm.posts_unanswered),
    ];
    page.counters("crm_posts_failed", help, failed)?;
    let help = "Requests in the CRM's answers to what was posted: they are ignored";
    page.counter("crm_requests_ignored", help, crm.requests_ignored)?;
    let help = "Messages that the format of the CRM's link cannot say";
    page.counter("crm_unwritable", help, crm.unwritable)?;
    let help = "Results of dynamic methods that came after their time-out";
    let late = [
        ([("accepted", "yes")], crm.late_accepted),
        ([("accepted", "no")], crm.late_refused),
    ];
    page.counters("crm_late_results", help, late)
}

fn count(value: usize) -> u64 {
    value as u64
}

struct Page<'p>(DescriptorEncoder<'p>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, u64)>,
    ) -> Result<(), Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, u64)>,
    ) -> Result<(), Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use okgate_core::shard::{Admission, Limits};

    use super::super::Metrics;
    use super::*;

    /// Every sample line as name with labels → value; panics on a line that is
    /// not one.
    fn parse(text: &str) -> HashMap<String, f64> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let first = name.chars().next().expect("a name");
            assert!(first.is_ascii_lowercase(), "{line}");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(sample).collect()
    }

    fn admission() -> std::sync::Arc<Admission> {
        std::sync::Arc::new(Admission::new(&Limits::default()))
    }

    #[test]
    fn the_text_holds_what_the_shards_showed_and_the_hub_said() {
        let metrics = Metrics::new(
            vec![
                Box::new(|| vec![("parks", 3)]),
                Box::new(|| vec![("parks", 4)]),
            ],
            admission(),
            std::sync::Arc::default(),
            7,
        );
        let mut sample = ShardSample::default();
        sample.counters.links = 3;
        sample.counters.messages[Method::Ping.index()] = 5;
        sample.counters.refused[Refused::Slow as usize] = 1;
        sample.fanout.observe(Duration::from_micros(80));
        let shard = metrics.shard(1).expect("there are two");
        shard.publish(&sample.counters, &sample.fanout);
        assert!(metrics.shard(2).is_none());
        let status = Status {
            users_online: 4,
            pbx_connected: true,
            ..Status::default()
        };

        let text = metrics.text(Some(&status)).expect("numbers can be written");
        let values = parse(&text);
        let value = |name: &str| values.get(name).copied();
        assert_eq!(value("okgate_links{shard=\"1\"}"), Some(3.0));
        let name = "okgate_messages_total{shard=\"1\",method=\"ping\"}";
        assert_eq!(value(name), Some(5.0));
        let name = "okgate_refusals_total{shard=\"1\",reason=\"slow\"}";
        assert_eq!(value(name), Some(1.0));
        let name = "okgate_fanout_seconds_bucket{le=\"0.0001\",shard=\"1\"}";
        assert_eq!(value(name), Some(1.0), "{text}");
        let name = "okgate_fanout_seconds_bucket{le=\"+Inf\",shard=\"1\"}";
        assert_eq!(value(name), Some(1.0), "{text}");
        assert_eq!(value("okgate_fanout_seconds_count{shard=\"0\"}"), Some(0.0));
        let name = "okgate_ring_parks_total{shard=\"1\"}";
        assert_eq!(value(name), Some(4.0), "{text}");
        assert_eq!(value("okgate_users_online"), Some(4.0));
        assert_eq!(value("okgate_addresses"), Some(0.0));
        assert_eq!(value("okgate_hub_up"), Some(1.0));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn without_the_hub_its_numbers_are_missing_and_the_text_says_so() {
        let metrics = Metrics::new(
            vec![Box::new(Vec::new)],
            admission(),
            std::sync::Arc::default(),
            7,
        );
        let text = metrics.text(None).expect("numbers can be written");
        let values = parse(&text);
        assert_eq!(values.get("okgate_hub_up"), Some(&0.0));
        assert!(!values.contains_key("okgate_users_online"));
        assert_eq!(values.get("okgate_links{shard=\"0\"}"), Some(&0.0));
    }
}
