//! Owns what a case plays on: users of its own, tabs, the CRM's link, the simulated switch.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::Broken;
use super::target::{Person, Target};
use crate::admin::Admin;
use crate::crm::CrmHandle;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::message::Message;
use crate::tab::{ConnectOptions, Tab};

/// The stage of one case.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) target: Target,
    pub(super) crew: Vec<Person>,
    /// The CRM and the format of its link, for cases that are played there.
    pub(super) crm: Option<(CrmHandle, Format)>,
}

impl Stage {
    /// One of the crew.
    pub(super) fn user(&self, place: usize) -> &Person {
        &self.crew[place % self.crew.len()]
    }

    /// A tab that is connected and has not logged in.
    pub(super) async fn stranger(&self) -> Result<Tab> {
        self.connected(&ConnectOptions::subprotocol(Some("json")))
            .await
    }

    /// A tab whose handshake has these details.
    pub(super) async fn connected(&self, options: &ConnectOptions) -> Result<Tab> {
        let mut tab = Tab::connect_with(self.target.clients, options).await?;
        tab.set_deadline(SOON);
        Ok(tab)
    }

    /// A tab of one of the crew.
    pub(super) async fn logged_in(&self, place: usize) -> Result<Tab> {
        let mut tab = self.stranger().await?;
        let user = self.user(place);
        tab.login(&user.login, &user.password).await?;
        Ok(tab)
    }

    /// A tab of one of the crew that is told these events.
    pub(super) async fn told(&self, place: usize, events: &[&str]) -> Result<Tab> {
        let mut tab = self.logged_in(place).await?;
        tab.subscribe(events).await?;
        Ok(tab)
    }

    /// The admin address.
    pub(super) fn admin(&self) -> Result<Admin> {
        let admin = self.target.admin();
        admin.ok_or_else(|| Error::Usage("the target has no admin address".into()))
    }

    /// The CRM at the other end of the link.
    pub(super) fn crm(&self) -> Result<&CrmHandle> {
        let crm = self.crm.as_ref();
        crm.map(|(crm, _)| crm)
            .ok_or_else(|| Error::Usage("the case is not played at a CRM's link".into()))
    }

    /// What the gateway answers to a request of the CRM.
    pub(super) async fn ask(&self, method: &str, fields: Value) -> Result<Message> {
        self.crm()?.request(method, fields, SOON).await
    }

    /// Lets an outside caller ring one of the crew; gives the call's `chainid`.
    pub(super) async fn ring(&self, place: usize) -> Result<String> {
        let to = &self.user(place).number;
        self.admin()?.start_call(CALLER, to, json!({})).await
    }
}

/// The number or text in this field, however it is written: only the case about it is strict.
pub(super) fn number(message: &Message, key: &str) -> std::result::Result<i64, Broken> {
    let field = message.field(key);
    let number = field.as_i64();
    let number = number.or_else(|| field.as_str()?.trim().parse().ok());
    number.ok_or_else(|| Broken(format!("no number {key} in {}", message.to_text())))
}

/// The text in this field.
pub(super) fn text<'m>(message: &'m Message, key: &str) -> std::result::Result<&'m str, Broken> {
    let text = message.text(key);
    text.ok_or_else(|| Broken(format!("no text {key} in {}", message.to_text())))
}

/// How long a case waits for anything.
pub(super) const SOON: Duration = Duration::from_secs(5);
/// A caller outside.
pub(super) const CALLER: &str = "89274513158";
