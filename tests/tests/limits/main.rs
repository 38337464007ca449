//! Every limit of the protocol's section 9 over real sockets: with the smallest setting that reaches it, what the peer
//! is answered, that `/metrics` counts it, that the log names the setting, and that another tab does not notice.
#![forbid(unsafe_code)]

mod addresses;
mod handshakes;
mod messages;
mod server_link;
mod sessions;
mod times;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::gateway::{Gateway, Settings};
use okgate_harness::tab::Tab;
use okgate_tests::TestResult;
use okgate_tests::raw::{RawLink, request_head};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A gateway with limits, and a tab that keeps them.
struct Stage {
    gateway: Gateway,
    healthy: Tab,
}

impl Stage {
    /// Starts the gateway with these settings and the users `user1` to `user3`, the last of whom is logged in.
    async fn start(settings: Settings) -> anyhow::Result<Self> {
        let settings = settings.users(3).set("gateway.log_format", "json");
        let gateway = Gateway::start(settings).await?;
        let healthy = gateway.logged_in("user3").await?;
        Ok(Self { gateway, healthy })
    }

    /// The same with one limit.
    async fn with(key: &str, value: i64) -> anyhow::Result<Self> {
        Self::start(Settings::new().set(key, value)).await
    }

    /// A link that is upgraded.
    async fn link(&self) -> anyhow::Result<RawLink> {
        RawLink::upgraded(self.gateway.clients(), Some("json")).await
    }

    /// How often this reason was counted so far.
    async fn count(&self, reason: &str) -> anyhow::Result<u64> {
        let metrics = self.gateway.admin().metrics().await?;
        let label = format!("reason=\"{reason}\"");
        let sum = metrics.sum("okgate_refusals_total", &[&label]);
        let sum = sum.with_context(|| format!("{reason} is no reason"))?;
        Ok(sum.to_string().parse()?)
    }

    /// Waits until this reason was counted so often: the shards show their numbers now and then.
    async fn counted(&self, reason: &str, expected: u64) -> TestResult {
        until(&format!("{expected} of {reason}"), async || {
            let count = self.count(reason).await?;
            ensure!(
                count <= expected,
                "{reason} was counted {count} times instead of {expected}"
            );
            Ok(count == expected)
        })
        .await
    }

    /// The log's only line about this reason, once it is written.
    async fn logged(&self, reason: &str) -> anyhow::Result<Value> {
        let mut about = Vec::new();
        until(&format!("a line about {reason}"), async || {
            let log = self.gateway.log();
            // The last line may be half-written.
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            about = lines
                .filter(|line: &Value| line["reason"] == reason)
                .collect();
            Ok(!about.is_empty())
        })
        .await?;
        ensure!(about.len() == 1, "one line about {reason}, not {about:?}");
        Ok(about.remove(0))
    }

    /// The limit was met so often, by a tab of this machine: it is counted, the log's only line about it names the
    /// setting and the user, and the healthy tab is served.
    async fn met(
        &mut self,
        reason: &str,
        count: u64,
        setting: &str,
        user: Option<&str>,
    ) -> TestResult {
        self.counted(reason, count).await?;
        let line = self.logged(reason).await?;
        assert_eq!(line["level"], "WARN", "{line}");
        assert_eq!(line["message"], "a limit is met", "{line}");
        assert_eq!(line["setting"], setting, "{line}");
        assert_eq!(line["user"], json!(user), "{line}");
        let address = line["address"].as_str().unwrap_or_default();
        assert!(address.starts_with("127.0.0."), "{line}");
        self.serves().await
    }

    /// A rule of the protocol without a setting was broken: it is counted and logged, and the healthy tab is served.
    async fn broken(&mut self, reason: &str) -> TestResult {
        self.counted(reason, 1).await?;
        let line = self.logged(reason).await?;
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(
            (&line["message"], &line["setting"]),
            (&json!("refused"), &Value::Null),
            "{line}"
        );
        assert_eq!(line["address"], "127.0.0.1", "{line}");
        self.serves().await
    }

    /// The healthy tab is served.
    async fn serves(&mut self) -> TestResult {
        self.healthy.settle().await?;
        Ok(())
    }
}

/// A good request with these further header lines.
fn request(more: &str) -> String {
    request_head("13", &format!("Sec-WebSocket-Protocol: json\r\n{more}\r\n"))
}

/// Asks again and again whether this holds: nobody tells when a shard shows its numbers or has noticed a broken
/// connection.
async fn until(awaited: &str, mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> TestResult {
    let deadline = Instant::now() + DEADLINE;
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !holds().await? {
        ensure!(Instant::now() < deadline, "waited for {awaited}");
        ticks.tick().await;
    }
    Ok(())
}

/// How long the gateway may take to show what it counted, or that a place is free again.
const DEADLINE: Duration = Duration::from_secs(10);
