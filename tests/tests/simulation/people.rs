//! Who works in the simulated office, and the settings of its hub.

use std::time::Duration;

use okgate_core::base::{Guid, NumberId, Random, UserId};
use okgate_core::crm::{self, CrmConfig, Posting, Transport, WebSocketIn, WebSocketOut};
use okgate_core::hub::{self, CallerName, CrmSetup};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::{BreakReason, VersionInfo, parse_md5_hex};
use okgate_core::switchboard::{Directory, Group, HuntRule, IvrMenu, User};
use okgate_core::wire::upgrade::Format;
use okgate_harness::password::PasswordHashes;

use crate::line::VERSIONS;
use crate::methods::CALLER_NAME;

/// How many shards have links.
pub(crate) const SHARDS: usize = 2;
/// Who works here; the numbers are 101 to 105, the last one has no phone.
pub(crate) const PEOPLE: [&str; 6] = ["anna", "Boris", "вера", "gleb", "dina", "egor"];

pub(crate) fn user_of(person: usize) -> UserId {
    UserId(Guid::from_bits(0xA000 + person as u128))
}

pub(crate) fn number_of(person: usize) -> String {
    (101 + person).to_string()
}

/// A number below the bound.
pub(crate) fn pick(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

/// The settings of a day's hub; on most days there is a CRM.
pub(crate) fn hub_config(random: &mut Random) -> hub::Config {
    let crm = (pick(random, 5) > 0).then(|| crm_config(random));
    let caller_name = (pick(random, 3) > 0).then(|| caller_name(random));
    let share = [0.0, 0.0, 0.1, 0.25][pick(random, 4)];
    let delay = [0, 0, 3, 60, 700][pick(random, 5)];
    hub::Config {
        shards: 3,
        directory: directory(random),
        switchboard: hub::SwitchboardLimits {
            calls_max: 6,
            ..hub::SwitchboardLimits::default()
        },
        sessions: hub::SessionLimits {
            tabs_per_user: 5,
            ..hub::SessionLimits::default()
        },
        token: None,
        version: VersionInfo {
            dated: 160_101,
            build: "2.13.0.160101".into(),
            web_server_port: 4055,
            procedures: Vec::new(),
        },
        crm: CrmSetup { crm, caller_name },
        pbx: SimConfig {
            phones: (0..PEOPLE.len() - 1)
                .map(|it| number_of(it).into())
                .collect(),
            busy_numbers: vec!["555".into()],
            no_answer_numbers: vec!["777".into()],
            ivr_numbers: vec!["301".into()],
            reject_share: share,
            drop_share: share / 2.0,
            delay: Duration::from_millis(delay),
            seed: random.number(),
            ..SimConfig::default()
        },
        desk: hub::DeskConfig::default(),
        interface: hub::InterfaceConfig::default(),
        forms: hub::FormsConfig::default(),
    }
}

/// Who works there: six people, a group and a voice menu.
fn directory(random: &mut Random) -> Directory {
    let hashes = PasswordHashes::of("password");
    let users = PEOPLE.iter().enumerate().map(|(person, login)| {
        let number = (
            NumberId(Guid::from_bits(0xB000 + person as u128)),
            number_of(person).into(),
        );
        User {
            id: user_of(person),
            login: (*login).into(),
            name: login.to_uppercase().into(),
            numbers: (person + 1 < PEOPLE.len())
                .then_some(number)
                .into_iter()
                .collect(),
            password_md5: parse_md5_hex(&hashes.as_typed),
            password_lower_md5: parse_md5_hex(&hashes.lower_case),
            is_operator: false,
            supervises: if person == 0 {
                vec![user_of(1), user_of(2)]
            } else {
                Vec::new()
            },
            department: None,
            waiting: Duration::ZERO,
        }
    });
    Directory {
        users: users.collect(),
        departments: Vec::new(),
        break_reasons: vec![BreakReason {
            id: 1,
            name: "Lunch".into(),
        }],
        groups: vec![Group {
            number: (NumberId(Guid::from_bits(0xC001)), "201".into()),
            name: "All".into(),
            users: (0..3).map(user_of).collect(),
            rule: [HuntRule::All, HuntRule::LongestIdle, HuntRule::RoundRobin][pick(random, 3)],
            ring: Duration::from_secs(5),
            wait: Duration::from_secs(30),
            line_max: 2,
            is_queue: true,
        }],
        ivrs: vec![IvrMenu {
            number: (NumberId(Guid::from_bits(0xC002)), "301".into()),
            name: "Welcome".into(),
            then: Some((Duration::from_secs(2), "201".into())),
        }],
    }
}

/// How the CRM is linked, in any of the three ways.
pub(crate) fn crm_config(random: &mut Random) -> CrmConfig {
    let (mode, transport) = match pick(random, 5) {
        0 | 1 => (
            "ws-out",
            Transport::WebSocketOut(WebSocketOut {
                host: "crm.example:8045".to_owned(),
                path: "/oktell".to_owned(),
                version: VERSIONS[pick(random, VERSIONS.len())],
            }),
        ),
        2 | 3 => (
            "ws-in",
            Transport::WebSocketIn(WebSocketIn {
                allow_hixie: true,
                ..WebSocketIn::default()
            }),
        ),
        _ => ("http-out", Transport::Http),
    };
    let limits = crm::Limits::default();
    let format = [Format::Json, Format::Json, Format::Xml][pick(random, 3)];
    // Documents in packets are long, and a CRM that connects may choose them.
    let is_json = format == Format::Json && mode == "ws-out";
    let short_queue = if is_json { 12_000 } else { 40_000 };
    let keep_alive = [(20, 60), (5, 12)][pick(random, 2)];
    CrmConfig {
        posting: (mode == "http-out").then(|| Posting {
            target: "/crm".to_owned(),
            exchanges_max: EXCHANGES_MAX,
        }),
        format,
        limits: crm::Limits {
            queue_bytes_max: [limits.queue_bytes_max, short_queue][pick(random, 2)],
            plain_bytes_max: [limits.plain_bytes_max, 200][pick(random, 2)],
            packet_chars: [limits.packet_chars, 200][pick(random, 2)],
            method_runs_max: [limits.method_runs_max, 2][pick(random, 2)],
            users_max: [limits.users_max, limits.users_max, 3][pick(random, 3)],
            ping_after: Duration::from_secs(keep_alive.0),
            silence_max: Duration::from_secs(keep_alive.1),
            pause_max: Duration::from_secs([30, 4, 1][pick(random, 3)]),
            health: Duration::from_secs([60, 5][pick(random, 2)]),
            late_result: Duration::from_secs([30, 2][pick(random, 2)]),
            ..limits
        },
        ..CrmConfig::new(mode, transport)
    }
}

/// Messages that may be posted at a time.
pub(crate) const EXCHANGES_MAX: usize = 16;

fn caller_name(random: &mut Random) -> CallerName {
    let waits = [1, 400, 2000, 4000, 4000];
    CallerName {
        method: CALLER_NAME.into(),
        input: "number".into(),
        output: "name".into(),
        wait: Duration::from_millis(waits[pick(random, waits.len())]),
    }
}
