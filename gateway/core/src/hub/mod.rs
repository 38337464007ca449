//! The hub: the one place that owns shared state.
//!
//! In come the shards' messages, the admin interface's requests, what the CRM's
//! link receives and the time; out come [`Output`]s. The hub joins the
//! switchboard, the telephone switch and the CRM's link, and knows who is logged
//! in where. It performs no IO and holds no clock; it lives on shard 0.
//!
//! Call any `handle_*`, then [`Hub::poll_output`] until `None`.

mod accounts;
mod admin;
mod crm;
mod desk;
mod forms;
mod interface;
mod journal;
mod messages;
mod pump;
mod requests;
mod scenario;
mod sessions;
mod token;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{
    AdminTicket, ChainId, ExecutionId, Instant, LegId, Now, Random, ShardId, UserId,
};
use crate::crm::{CrmAction, CrmConfig, CrmEvent, CrmLink};
use crate::pbx::sim::{SimConfig, SimulatedPbx};
use crate::protocol::VersionInfo;
pub use crate::switchboard::Limits as SwitchboardLimits;
use crate::switchboard::{Directory, Switchboard};
use accounts::Accounts;
pub use admin::{AdminFault, AdminReply, AdminRequest, MethodRun, SimCall, SimCallRequest, Status};
use desk::Desk;
pub use desk::{
    DeskConfig, DeskLimits, DeskQuestion, DeskTold, FileChange, FileKind, NotifyRequest, Procedure,
    ProcedureSource, ProgramFailure, ProgramId, ProgramRun, RunTarget, StoredFile, UploadTicket,
    UploadedFile, UrlMethod, UrlTarget,
};
use forms::Forms;
pub use forms::{
    Condition, FormClose, FormClosed, FormCounters, FormEnd, FormLimits, FormOpened, FormOpening,
    FormRule, FormState, FormsConfig, RuleEvent, RuleFault, RuleMethod, Template,
};
use interface::Interface;
pub use interface::{
    Caller, Credentials, InterfaceAnswer, InterfaceCall, InterfaceConfig, InterfaceMethod,
    InterfaceRequest,
};
use journal::Journal;
pub use messages::{Downward, FromShard, ToShard, Upward};
pub use sessions::{Limits as SessionLimits, Sessions};
pub use token::{TokenAlgorithm, TokenFault, TokenKeyError, TokenVerifier};

/// What the hub is told by the settings.
#[derive(Debug)]
pub struct Config {
    /// How many shards there are.
    pub shards: u16,
    /// Who works here.
    pub directory: Directory,
    /// The bounds of the switchboard.
    pub switchboard: SwitchboardLimits,
    /// The bounds on sessions.
    pub sessions: SessionLimits,
    /// Checks login tokens, if the settings have a key for them.
    pub token: Option<TokenVerifier>,
    /// What `getversion` says.
    pub version: VersionInfo,
    /// The CRM's link, and what it is used for.
    pub crm: CrmSetup,
    /// The simulated telephone switch.
    pub pbx: SimConfig,
    /// What users say and ask beside calls.
    pub desk: DeskConfig,
    /// Forms, and which events open them.
    pub forms: FormsConfig,
    /// Who may use the HTTP interface, and how often its credentials may be wrong.
    pub interface: InterfaceConfig,
}

impl Default for Config {
    /// One shard, nobody who works here, and no CRM.
    fn default() -> Self {
        Self {
            shards: 1,
            directory: Directory::default(),
            switchboard: SwitchboardLimits::default(),
            sessions: SessionLimits::default(),
            token: None,
            version: VersionInfo::default(),
            crm: CrmSetup::default(),
            pbx: SimConfig::default(),
            desk: DeskConfig::default(),
            forms: FormsConfig::default(),
            interface: InterfaceConfig::default(),
        }
    }
}

/// What the settings say about the CRM; they may change while the gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrmSetup {
    /// Its link, if there is a CRM.
    pub crm: Option<CrmConfig>,
    /// Before an outside call rings, it is asked who is calling.
    pub caller_name: Option<CallerName>,
}

/// How the CRM is asked who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerName {
    /// The key of the dynamic method.
    pub method: Arc<str>,
    /// The input field that gets the caller's number.
    pub input: Arc<str>,
    /// The output field that holds the name.
    pub output: Arc<str>,
    /// The call rings after this time at the latest, with or without a name.
    pub wait: Duration,
}

/// What the hub wants done.
#[derive(Debug)]
pub enum Output {
    /// Give this to a shard.
    ToShard(ToShard),
    /// Answer a request of the admin interface.
    Admin(AdminTicket, Result<AdminReply, AdminFault>),
    /// Do this with the CRM's connection.
    Crm(CrmAction),
    /// What was to be done for the link that [`Hub::relink`] ended has been said: what follows is
    /// for the new one.
    Relinked,
    /// What the log is to say about the CRM's link.
    CrmNews(CrmEvent),
    /// Run this program, and tell its end by [`Hub::handle_program`].
    Run(ProgramRun),
    /// Keep this file for the next gateway, or forget it.
    File(FileChange),
    /// A form rule could not open its form, for the log.
    FormRefused {
        /// The rule's event.
        event: &'static str,
        /// The form's key.
        form: Arc<str>,
        /// Why.
        reason: Box<str>,
    },
    /// Every shard's last link is gone, and the CRM's is about to be closed.
    Drained,
}

/// Shared state, and who may change it how.
#[derive(Debug)]
pub struct Hub {
    shards: u16,
    accounts: Accounts,
    version: Arc<VersionInfo>,
    /// The same for who does not ask for the procedures.
    short_version: Arc<VersionInfo>,
    switchboard: Switchboard,
    pbx: SimulatedPbx,
    sessions: Sessions,
    crm: Option<CrmLink>,
    /// Who is active in the CRM, and so present without a link of their own.
    crm_users: BTreeSet<UserId>,
    caller_name: Option<CallerName>,
    desk: Desk,
    forms: Forms,
    interface: Interface,
    runs: HashMap<ExecutionId, RunOwner>,
    /// Simulated calls whose chains are asked for.
    sim_calls_wanted: Vec<(LegId, AdminTicket)>,
    journal: Journal,
    drained: Vec<ShardId>,
    random: Random,
    swept: Instant,
    events: u64,
    now: Now,
    outputs: VecDeque<Output>,
}

/// Who waits for a dynamic method's end.
#[derive(Clone, Copy, Debug)]
enum RunOwner {
    /// A request of the admin interface.
    Admin(AdminTicket),
    /// A call that is to ring with the name that the method gives.
    CallerName(ChainId),
    /// A form rule, which is found by the execution.
    FormRule,
}

impl Hub {
    /// A hub whose telephone switch is connected and whose CRM's link is about to
    /// be made.
    pub fn new(config: Config, mut random: Random, now: Now) -> Self {
        let mut hub = Self {
            shards: config.shards,
            accounts: Accounts::new(&config.directory, config.token),
            short_version: Arc::new(VersionInfo {
                procedures: Vec::new(),
                ..config.version.clone()
            }),
            version: Arc::new(config.version),
            switchboard: Switchboard::new(&config.directory, config.switchboard, random.number()),
            pbx: SimulatedPbx::new(config.pbx),
            sessions: Sessions::new(config.sessions),
            crm: config
                .crm
                .crm
                .map(|crm| CrmLink::new(crm, random.split(), now.instant)),
            crm_users: BTreeSet::new(),
            caller_name: config.crm.caller_name,
            desk: Desk::new(config.desk, &config.directory, now),
            forms: Forms::new(config.forms, random.guid()),
            interface: Interface::new(config.interface),
            runs: HashMap::new(),
            sim_calls_wanted: Vec::new(),
            journal: Journal::default(),
            drained: Vec::new(),
            random,
            swept: now.instant,
            events: 0,
            now,
            outputs: VecDeque::new(),
        };
        hub.pump();
        hub
    }

    /// Takes a shard's message.
    pub fn handle_shard(&mut self, message: FromShard, now: Now) {
        self.now = now;
        match message {
            FromShard::Link { link, what } => self.handle_link(link, what),
            FromShard::Drained(shard) => {
                self.drained.push(shard);
                if self.drained.len() == usize::from(self.shards) {
                    return self.end();
                }
            }
        }
        self.pump();
    }

    /// Takes a request of the admin interface; it is answered by exactly one
    /// [`Output::Admin`] with this ticket.
    pub fn handle_admin(&mut self, ticket: AdminTicket, request: AdminRequest, now: Now) {
        self.now = now;
        self.admin(ticket, request);
        self.pump();
    }

    /// Closes all links, spread over this time; then comes [`Output::Drained`].
    pub fn drain(&mut self, spread: Duration, now: Now) {
        self.now = now;
        let spread_ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        self.tell_all_shards(&Downward::Drain { spread_ms });
        self.pump();
    }

    /// The last tab is gone: closes the CRM's link behind it.
    fn end(&mut self) {
        if let Some(crm) = &mut self.crm {
            crm.shut_down("the gateway is going down", self.now.instant);
        }
        self.pump();
        self.outputs.push_back(Output::Drained);
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        self.switchboard.handle_timeout(now.instant);
        self.pbx.handle_timeout(now.instant);
        if let Some(crm) = &mut self.crm {
            crm.handle_timeout(now.instant);
        }
        self.desk_timeout();
        self.forms_timeout();
        if now.instant >= self.swept + SWEEP_INTERVAL {
            self.swept = now.instant;
            self.sweep_desk();
            for user in self.sessions.expire(now.instant) {
                self.user_left(user);
            }
        }
        self.pump();
    }

    /// When to call [`Hub::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let sweep = (!self.sessions.is_empty()).then_some(self.swept + SWEEP_INTERVAL);
        [
            self.switchboard.next_timeout(),
            self.pbx.next_timeout(),
            self.crm.as_ref().and_then(CrmLink::next_timeout),
            self.desk.next_timeout(),
            self.forms.next_timeout(),
            sweep,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// How often absences and expired sessions are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
