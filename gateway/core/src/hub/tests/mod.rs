//! The hub with its switchboard and the simulated switch; the test plays the
//! shards and the admin interface.

mod calls;
mod crm;
mod desk;
mod form_rules;
mod forms;
mod interface;
mod logins;
mod relink;
mod tab_runs;

use std::sync::Arc;
use std::time::Duration;

use super::{
    AdminFault, AdminReply, AdminRequest, Config, Downward, FileChange, FromShard, Hub, Output,
    ProgramRun, TokenAlgorithm, TokenVerifier, Upward,
};
use crate::base::{
    AdminTicket, Guid, Instant, LinkId, LinkRef, Now, NumberId, Random, RequestId, ShardId, UserId,
    WallTime,
};
use crate::pbx::sim::SimConfig;
use crate::protocol::{Answer, Fault};
use crate::protocol::{
    Event, LoginAnswer, LoginRequest, Reply, Secret, UserRequest, password_hashes,
};
use crate::switchboard::{Directory, User};

/// A hub, the time, and what the hub said to the shards.
struct World {
    hub: Hub,
    now: Now,
    told: Vec<(ShardId, Downward)>,
    admin: Vec<Result<AdminReply, AdminFault>>,
    is_drained: bool,
    /// What was to be done for the CRM's link, in its order with the links' ends.
    crm: Vec<Output>,
    runs: Vec<ProgramRun>,
    files: Vec<FileChange>,
    refused_forms: Vec<Box<str>>,
}

fn user(index: u128, login: &str, number: &str) -> User {
    let hashes = password_hashes(&format!("Secret of {login}")).expect("a plain password");
    User {
        id: UserId(Guid::from_bits(index)),
        login: login.into(),
        name: login.to_uppercase().into(),
        numbers: vec![(NumberId(Guid::from_bits(index + 100)), number.into())],
        password_md5: Some(hashes.as_typed),
        password_lower_md5: Some(hashes.lower_cased),
        is_operator: true,
        supervises: Vec::new(),
        department: None,
        waiting: Duration::ZERO,
    }
}

fn hex(hash: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(hash);
    format!("{bits:032x}")
}

fn link(slot: u32) -> LinkRef {
    let link = LinkId {
        slot,
        generation: 0,
    };
    LinkRef {
        shard: ShardId(u16::try_from(slot % 2).expect("0 or 1")),
        link,
    }
}

fn password(login: &str) -> LoginRequest {
    let hashes = password_hashes(&format!("Secret of {login}")).expect("a plain password");
    let hex = hex(hashes.as_typed);
    LoginRequest {
        login: Some(login.into()),
        password: Some(Secret::new(hex)),
        ..LoginRequest::default()
    }
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose settings differ in something.
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = Directory {
            users: vec![user(1, "Anna", "101"), user(2, "boris", "102")],
            ..Directory::default()
        };
        let token = TokenVerifier::new(TokenAlgorithm::Hs256, b"key", None, None);
        let mut config = Config {
            shards: 2,
            directory,
            token: Some(token.expect("any key fits HS256")),
            pbx: SimConfig {
                phones: vec!["101".into(), "102".into()],
                ..SimConfig::default()
            },
            ..Config::default()
        };
        change(&mut config);
        let now = Now {
            instant: Instant::from_micros(1_000_000),
            wall: WallTime::from_unix_millis(1_000_000_000),
        };
        let mut world = Self {
            hub: Hub::new(config, Random::from_number(1), now),
            now,
            told: Vec::new(),
            admin: Vec::new(),
            is_drained: false,
            crm: Vec::new(),
            runs: Vec::new(),
            files: Vec::new(),
            refused_forms: Vec::new(),
        };
        world.settle();
        world.told.clear();
        world
    }

    fn settle(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::ToShard(message) => self.told.push((message.shard, message.what)),
                Output::Admin(_, reply) => self.admin.push(reply),
                Output::Crm(_) | Output::CrmNews(_) | Output::Relinked => self.crm.push(output),
                Output::FormRefused { reason, .. } => self.refused_forms.push(reason),
                Output::Run(run) => self.runs.push(run),
                Output::File(change) => self.files.push(change),
                Output::Drained => self.is_drained = true,
            }
        }
    }

    fn say(&mut self, link: LinkRef, what: Upward) {
        self.hub
            .handle_shard(FromShard::Link { link, what }, self.now);
        self.settle();
    }

    /// The reply to what was said last; other messages stay.
    fn reply(&mut self) -> Reply {
        let is_reply = |(_, what): &(ShardId, Downward)| matches!(what, Downward::Reply { .. });
        let place = self.told.iter().position(is_reply).expect("a reply");
        match self.told.remove(place).1 {
            Downward::Reply { reply, .. } => reply,
            other => panic!("no reply, but {other:?}"),
        }
    }

    fn log_in(&mut self, slot: u32, login: LoginRequest) -> Result<LoginAnswer, Fault> {
        let (request, login) = (RequestId(0), Box::new(login));
        self.say(link(slot), Upward::Login { request, login });
        match self.reply()? {
            Answer::Login(answer) => Ok(answer),
            other => panic!("no login, but {other:?}"),
        }
    }

    fn ask(&mut self, slot: u32, user: u128, what: UserRequest) -> Reply {
        let (request, user) = (RequestId(7), UserId(Guid::from_bits(user)));
        self.say(
            link(slot),
            Upward::Request {
                request,
                user,
                what,
            },
        );
        self.reply()
    }

    fn admin(&mut self, request: AdminRequest) -> Result<AdminReply, AdminFault> {
        self.hub.handle_admin(AdminTicket(1), request, self.now);
        self.settle();
        self.admin.pop().expect("the admin interface is answered")
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        while let Some(next) = self.hub.next_timeout().filter(|next| *next <= end) {
            self.now.instant = self.now.instant.max(next);
            self.hub.handle_timeout(self.now);
            self.settle();
        }
        self.now.instant = end;
    }

    /// The events of a user that a shard was told, since the last look.
    fn events(&mut self, shard: u16) -> Vec<Arc<Event>> {
        let told = std::mem::take(&mut self.told).into_iter();
        told.filter_map(|(to, what)| match what {
            Downward::Event(event) if to == ShardId(shard) => Some(event),
            _ => None,
        })
        .collect()
    }
}
