//! Owns a gateway and a simulated CRM that are linked in some way.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::Message;
use okgate_harness::admin::Admin;
use okgate_harness::crm::{
    Answer, AnswerKind, CrmHandle, CrmOptions, Method, Mode, Parameter, SimulatedCrm,
};
use okgate_harness::format::Format;
use okgate_harness::gateway::{Gateway, Settings, User};
use okgate_harness::pairing::Pairing;
use okgate_tests::TestResult;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

pub(crate) const CALLER: &str = "89274513158";
pub(crate) const NAME: &str = "Иван Петров";
/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The longest pause between two tries to link the CRM, and some time to make the link.
pub(crate) const LINK_MAX: Duration = Duration::from_secs(45);
/// How long the long answer is.
pub(crate) const LONG_BYTES: usize = 5 << 20;
/// How often the status is asked for: HTTP has no way to be told.
const POLL: Duration = Duration::from_millis(20);

/// Both ends, linked.
pub(crate) struct Stage {
    pub(crate) mode: Mode,
    pub(crate) gateway: Gateway,
    pub(crate) crm: CrmHandle,
    options: CrmOptions,
    /// Holds the files that the settings name.
    pairing: Pairing,
}

impl Stage {
    /// A gateway with the users anna, who is active in the CRM with an id of its own, and boris.
    pub(crate) async fn start(mode: Mode, format: Format) -> anyhow::Result<Self> {
        Self::of(mode, Pairing::new(mode, format)?).await
    }

    /// The same with ends of one's own.
    pub(crate) async fn of(mode: Mode, pairing: Pairing) -> anyhow::Result<Self> {
        let long = Method {
            outputparams: vec![Parameter {
                key: "text".into(),
                ..Parameter::default()
            }],
            ..Method::new(
                "long",
                Answer {
                    kind: AnswerKind::Bytes,
                    bytes: LONG_BYTES,
                    ..Answer::default()
                },
            )
        };
        let mut options = pairing
            .crm()
            .caller(CALLER, NAME)
            .active_user("anna", "crm-7");
        options.behaviour = options.behaviour.method(long);
        let crm = SimulatedCrm::start(options.clone()).await?;
        let users = Settings::new()
            .user(User::new("anna"))
            .user(User::new("boris"));
        let gateway = Gateway::start(pairing.settings(users)).await?;
        let stage = Self {
            mode,
            gateway,
            crm,
            options,
            pairing,
        };
        stage.until_linked().await?;
        Ok(stage)
    }

    pub(crate) fn admin(&self) -> Admin {
        self.gateway.admin().deadline(LINK_MAX)
    }

    /// Waits until the link is ready and the gateway knows what the CRM can do.
    pub(crate) async fn until_linked(&self) -> TestResult {
        let deadline = Instant::now() + LINK_MAX;
        let mut ticks = interval(POLL);
        loop {
            let state = self.admin().status().await?["crm"].clone();
            let mut is_ready = state["state"] == "ready";
            for path in ["/api/v1/methods", "/api/v1/forms"] {
                let list = self.admin().get(path).await?.json()?;
                is_ready &= list.as_array().is_some_and(|list| !list.is_empty());
            }
            if is_ready {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                self.gateway.failure(format!("the CRM's link is {state}"))
            );
            ticks.tick().await;
        }
    }

    /// Runs a method to its good end; gives its outputs.
    pub(crate) async fn run(&self, key: &str, inputs: Value) -> anyhow::Result<Value> {
        let body = json!({"inputparameters": inputs, "timeout_ms": 30_000});
        let answer = self.admin().run_method(key, &body).await?;
        let answer = answer.expect_status(200);
        let answer = answer.map_err(|error| self.gateway.failure(error.to_string()))?;
        Ok(answer.json()?["outputparameters"].clone())
    }

    /// Asks for the caller's name.
    pub(crate) async fn expect_name(&self) -> TestResult {
        let outputs = self.run("callername", json!({"callerid": CALLER})).await?;
        ensure!(outputs == json!({"name": NAME}), "the name is {outputs}");
        Ok(())
    }

    /// Waits for a message at the CRM, from the beginning of its record.
    pub(crate) async fn at_crm(&self, name: &str) -> anyhow::Result<Message> {
        let message = CrmHandle::wait_for(&mut self.crm.received(), name, SOON).await;
        message.with_context(|| format!("in the mode {}", self.mode))
    }

    /// The names of everything that the CRM has received.
    pub(crate) fn names_at_crm(&self) -> Vec<String> {
        let records = self.crm.records();
        let messages = records.iter().filter_map(|record| record.received());
        messages.map(|message| message.name.clone()).collect()
    }

    /// Ends the CRM without a word.
    pub(crate) async fn without_crm(self) -> anyhow::Result<Crmless> {
        self.crm.stop().await;
        Ok(Crmless {
            mode: self.mode,
            gateway: self.gateway,
            options: self.options,
            pairing: self.pairing,
        })
    }
}

/// A gateway whose CRM is gone.
pub(crate) struct Crmless {
    mode: Mode,
    pub(crate) gateway: Gateway,
    options: CrmOptions,
    pairing: Pairing,
}

impl Crmless {
    /// Starts the CRM again, as it was.
    pub(crate) async fn with_crm(self) -> anyhow::Result<Stage> {
        Ok(Stage {
            mode: self.mode,
            gateway: self.gateway,
            crm: SimulatedCrm::start(self.options.clone()).await?,
            options: self.options,
            pairing: self.pairing,
        })
    }
}
