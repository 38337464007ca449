//! Owns a gateway that is started for the cases, with the users and settings that they need, linked with a simulated CRM in one
//! mode and format, or with none; and, if a rule is to be broken, the bending proxies before it.

use std::path::Path;

use serde_json::Value;

use super::stage::SOON;
use super::target::{CREW, Person, Target};
use crate::bend::{Bend, Bent, Side};
use crate::crm::{CrmHandle, CrmRecord, CrmSeen, Mode, SimulatedCrm};
use crate::error::Result;
use crate::format::Format;
use crate::gateway::{DEFAULT_PASSWORD, Gateway, Settings, User};
use crate::pairing::Pairing;

/// A gateway and what is around it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) target: Target,
    /// The CRM and the format of its link.
    pub(super) crm: Option<(CrmHandle, Format)>,
    gateway: Gateway,
    /// Holds the files that the settings name.
    _pairing: Option<Pairing>,
    _proxies: Vec<Bent>,
}

impl World {
    /// Starts the program.
    pub(super) async fn start(
        program: &Path,
        link: Option<(Mode, Format)>,
        bend: Option<&'static Bend>,
    ) -> Result<Self> {
        let mut settings = settings();
        let mut proxies = Vec::new();
        let (mut pairing, mut crm) = (None, None);
        if let Some((mode, format)) = link {
            let mut ends = Pairing::new(mode, format)?;
            if let Some(bend) = bend {
                let proxy = Bent::start(bend, Side::crm(mode), ends.address()).await?;
                ends = ends.reached_at(proxy.address());
                proxies.push(proxy);
            }
            settings = ends.settings(settings);
            crm = Some((SimulatedCrm::start(ends.crm()).await?, format));
            pairing = Some(ends);
        }
        let gateway = Gateway::start_program(program.to_path_buf(), settings).await?;
        let mut target = Target {
            clients: gateway.clients(),
            admin: Some(gateway.addresses().admin),
            simulated_switch: true,
            users: people(),
        };
        if let Some(bend) = bend {
            let proxy = Bent::start(bend, Side::Tabs, target.clients).await?;
            target.clients = proxy.address();
            proxies.push(proxy);
        }
        let world = Self {
            target,
            crm,
            gateway,
            _pairing: pairing,
            _proxies: proxies,
        };
        if let Some((mode, _)) = link {
            world.until_linked(mode).await?;
        }
        Ok(world)
    }

    /// Ends the gateway in order.
    pub(super) async fn stop(self) -> Result<()> {
        self.gateway.stop().await
    }

    async fn until_linked(&self, mode: Mode) -> Result<()> {
        let is_ready = |crm: &Value| crm["state"] == "ready";
        self.gateway.until_crm(4 * SOON, is_ready).await?;
        match &self.crm {
            Some((crm, _)) if !mode.is_http() => self.until_users_are_told(crm).await,
            _ => Ok(()),
        }
    }

    /// The users whom the CRM says to be active at its introduction; before that a login would be taken back by its list.
    async fn until_users_are_told(&self, crm: &CrmHandle) -> Result<()> {
        let is_list = |record: &CrmRecord| matches!(&record.what, CrmSeen::Sent(message) if message.name == "activeusers");
        let told = crm.received().find(SOON, is_list).await;
        let failed = |_| {
            self.gateway
                .failure("it did not ask who is active in the CRM")
        };
        told.map(drop).map_err(failed)
    }
}

fn settings() -> Settings {
    let settings = Settings::new().without_load_limits();
    let settings = settings.set("pbx.sim.answer_after_ms", 50);
    (0..CREWS * CREW).fold(settings, |settings, place| {
        // Ids have letters, since their case matters (protocol 3.1-l).
        let id = format!("0a1b2c3d-0000-4000-8000-{place:012x}");
        settings.user(User::new(&login(place)).id(&id).operator())
    })
}

fn people() -> Vec<Person> {
    let person = |place: usize| Person {
        login: login(place),
        password: DEFAULT_PASSWORD.into(),
        number: (FIRST_NUMBER + place).to_string(),
    };
    (0..CREWS * CREW).map(person).collect()
}

/// Logins have capitals, since these are to be echoed as typed (protocol 3.1-k).
fn login(place: usize) -> String {
    format!("Operator{}", place + 1)
}

/// How many cases are played at tabs at a time.
pub(super) const CREWS: usize = 6;
/// The first user's number, as the settings give them.
const FIRST_NUMBER: usize = 101;
