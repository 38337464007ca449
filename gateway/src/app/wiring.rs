//! From the settings to what the core's parts take.

use std::net::SocketAddr;
use std::sync::Arc;

use okgate_core::hub::{self, CrmSetup, DeskConfig, TokenKeyError};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::{ProcedureKind, VersionInfo};

use super::crm::crm_config;
use crate::config::{PbxSettings, Settings, SimSettings, TokenSettings};

/// What the hub is told; `web_port` is the HTTP interface's port.
pub(super) fn hub_config(
    settings: &Settings,
    shards: usize,
    web: Option<SocketAddr>,
) -> Result<hub::Config, TokenKeyError> {
    let PbxSettings::Sim(sim) = &settings.pbx;
    let token = settings.clients.token.as_ref();
    let version = VersionInfo {
        web_server_port: web.map_or(0, |address| address.port()),
        procedures: procedure_names(&settings.desk),
        ..VersionInfo::default()
    };
    Ok(hub::Config {
        shards: u16::try_from(shards).unwrap_or(u16::MAX),
        directory: settings.directory.clone(),
        switchboard: hub::SwitchboardLimits::default(),
        sessions: settings.clients.session_limits(),
        token: token.map(TokenSettings::verifier).transpose()?,
        version,
        crm: crm_setup(settings),
        pbx: sim_config(settings, sim),
        desk: DeskConfig {
            has_web: web.is_some(),
            ..settings.desk.clone()
        },
        forms: settings.forms.clone(),
        interface: settings.web.interface.clone(),
    })
}

/// What the hub is told of the CRM.
pub(super) fn crm_setup(settings: &Settings) -> CrmSetup {
    CrmSetup {
        crm: crm_config(&settings.crm.mode, &VersionInfo::default()),
        caller_name: settings.crm.caller_name.clone(),
    }
}

/// The names that `getversion` lists, in lower case (protocol 6.1-g).
fn procedure_names(desk: &DeskConfig) -> Vec<Arc<str>> {
    let all = desk.procedures.iter();
    let procedures = all.filter(|it| it.kind == ProcedureKind::Procedure);
    procedures.map(|it| it.name.to_lowercase().into()).collect()
}

/// Users' phones are registered while they stand in the settings.
fn sim_config(settings: &Settings, sim: &SimSettings) -> SimConfig {
    let users = settings.directory.users.iter();
    let numbers = users.flat_map(|user| user.numbers.iter());
    let ivrs = settings.directory.ivrs.iter();
    let shared = |numbers: &[String]| numbers.iter().map(|it| Arc::from(it.as_str())).collect();
    SimConfig {
        phones: numbers.map(|(_, number)| Arc::clone(number)).collect(),
        answer_after: sim.answer_after,
        ring_timeout: sim.ring_timeout,
        busy_numbers: shared(&sim.busy_numbers),
        no_answer_numbers: shared(&sim.no_answer_numbers),
        ivr_numbers: ivrs.map(|ivr| Arc::clone(&ivr.number.1)).collect(),
        seed: sim.seed,
        reject_share: sim.reject_share,
        delay: sim.delay,
        ..SimConfig::default()
    }
}
