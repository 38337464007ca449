//! What users say and ask beside calls (protocol 5-e, 6.3-e, 6.4-c, 6.7, 7-n to 7-s).
//!
//! In come typed requests in users' names (from a link or from the CRM), what the
//! admin and web addresses ask, the ends of programs and the time; out go answers,
//! events, [`ProgramRun`]s and [`FileChange`]s. All of it is kept in memory, each part
//! within a bound of [`DeskLimits`]. It touches no file and runs no program.

mod chat_requests;
mod chats;
mod dataset;
mod files;
mod http;
mod kept;
mod passwords;
mod people;
mod procedures;
mod talk;

use std::collections::HashMap;
use std::time::Duration;

use super::{Downward, Hub, Output};
use crate::base::{
    AdminTicket, Instant, LinkId, LinkRef, Now, RateLimit, RateUse, Refused, RequestId, ShardId,
    UserId,
};
use crate::crm::CrmToken;
use crate::protocol::{
    Answer, DeskAnswer, DeskRequest, ErrorNumber, EventSet, Fault, Reply, Secret, UserRef,
};
use crate::switchboard::Directory;
use chats::Chats;
use files::Files;
pub use files::{FileChange, FileKind, StoredFile, UploadTicket, UploadedFile};
pub use http::{DeskQuestion, DeskTold, NotifyRequest};
use kept::Kept;
use people::People;
use procedures::Programs;
pub use procedures::{
    Procedure, ProcedureSource, ProgramFailure, ProgramId, ProgramRun, RunTarget, UrlMethod,
    UrlTarget,
};

/// What the settings say of all this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskConfig {
    /// The bounds.
    pub limits: DeskLimits,
    /// What may be run; names are unique within a kind without regard to case.
    pub procedures: Vec<Procedure>,
    /// Local time of `dt`, in minutes east of Greenwich.
    pub utc_offset_min: i32,
    /// Whether there is an HTTP interface for uploads and photos.
    pub has_web: bool,
    /// The files that an earlier gateway kept, if somebody takes [`Output::File`]s and
    /// keeps them for the next one.
    pub stored: Option<Vec<StoredFile>>,
}

/// The bounds of [`DeskConfig`]; `usize::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskLimits {
    /// Bytes of one text, notification or event parameter.
    pub text_bytes_max: usize,
    /// Users that one message may name.
    pub recipients_max: usize,
    /// Custom events to everybody that one user may trigger.
    pub broadcasts: Option<RateLimit>,
    /// Texts and notifications kept for one absent user; the oldest goes first.
    pub kept_per_user: usize,
    /// The same in bytes.
    pub kept_bytes_per_user: usize,
    /// Bytes of all texts and notifications that are kept.
    pub kept_bytes_max: usize,
    /// Group chats at a time.
    pub chats_max: usize,
    /// Group chats that one user is in.
    pub chats_per_user: usize,
    /// Members of one chat.
    pub chat_members_max: usize,
    /// Messages of one chat that are kept; the oldest goes first.
    pub chat_messages_max: usize,
    /// Bytes of all chats' messages.
    pub chat_bytes_max: usize,
    /// Programs that run at a time.
    pub programs_max: usize,
    /// Bytes of one uploaded file.
    pub upload_bytes_max: usize,
    /// Uploaded files that are kept of one user; the oldest goes first.
    pub uploads_per_user: usize,
    /// Bytes of all uploaded files and photos.
    pub files_bytes_max: usize,
    /// How long an upload is kept.
    pub upload_life: Duration,
    /// How long a temporary password lives.
    pub temp_password_life: Duration,
}

impl Default for DeskLimits {
    fn default() -> Self {
        Self {
            text_bytes_max: 16 << 10,
            recipients_max: 1000,
            broadcasts: RateLimit::new(5, 20),
            kept_per_user: 100,
            kept_bytes_per_user: 64 << 10,
            kept_bytes_max: 32 << 20,
            chats_max: 1000,
            chats_per_user: 100,
            chat_members_max: 200,
            chat_messages_max: 200,
            chat_bytes_max: 32 << 20,
            programs_max: 8,
            upload_bytes_max: 8 << 20,
            uploads_per_user: 20,
            files_bytes_max: 64 << 20,
            upload_life: Duration::from_secs(24 * 3600),
            temp_password_life: Duration::from_secs(300),
        }
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct Desk {
    config: DeskConfig,
    people: People,
    kept: Kept,
    broadcasts: HashMap<UserId, RateUse>,
    chats: Chats,
    programs: Programs,
    files: Files,
}

/// Who asked, and how to answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A link.
    Link {
        /// The link.
        link: LinkRef,
        /// The shard's number for it.
        request: RequestId,
    },
    /// The CRM, in a user's name.
    Crm(CrmToken),
    /// The HTTP interface.
    Interface(AdminTicket),
    /// Who asked waits for no answer.
    Nobody,
}

/// What a request comes to: an answer, or none yet.
type Outcome = Result<Option<Answer>, Refusal>;

/// Why a request failed, and which limit it met, if any.
#[derive(Debug)]
struct Refusal {
    fault: Fault,
    limit: Option<Refused>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, limit: None }
    }
}

impl Refusal {
    fn limit(limit: Refused, number: ErrorNumber, text: String) -> Self {
        Self {
            fault: Fault::new(number, text),
            limit: Some(limit),
        }
    }
}

impl Desk {
    pub(super) fn new(mut config: DeskConfig, directory: &Directory, now: Now) -> Self {
        let people = People::new(directory);
        let mut files = Files::default();
        if let Some(stored) = config.stored.take() {
            let is_known = |user| people.reference(user).is_some();
            let bounds = (config.limits.files_bytes_max, config.limits.upload_life);
            files.restore(stored, is_known, bounds, now);
        }
        Self {
            people,
            kept: Kept::default(),
            broadcasts: HashMap::new(),
            chats: Chats::default(),
            programs: Programs::new(&config.procedures),
            files,
            config,
        }
    }

    /// When [`Hub::desk_timeout`] has something to do next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let next = [self.programs.next_deadline(), self.files.next_expiry()];
        next.into_iter().flatten().min()
    }

    /// The user of this id or login.
    pub(super) fn find_user(&self, name: &str) -> Option<UserId> {
        self.people.find(name)
    }

    /// Uses a one-use password up, if it is one.
    pub(super) fn redeem(&mut self, password: &Secret, now: Instant) -> Option<UploadTicket> {
        self.files.redeem(password.reveal(), now)
    }

    /// Refuses a text that is too long.
    fn check_text(&self, field: &str, bytes: usize) -> Result<(), Refusal> {
        let max = self.config.limits.text_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        let text = format!(
            "field `{field}`: {bytes} bytes are more than the {max} of desk.text_bytes_max"
        );
        Err(Refusal::limit(
            Refused::TextTooLong,
            ErrorNumber::TooBig,
            text,
        ))
    }
}

impl Hub {
    /// Serves a request that is not about calls: it is answered now or later, once.
    pub(super) fn serve_desk(&mut self, asker: Asker, user: UserId, what: DeskRequest) {
        match self.desk_outcome(asker, user, what) {
            Ok(None) => {}
            Ok(Some(answer)) => self.answer_asker(asker, Ok(answer)),
            Err(refusal) => {
                if let Some(limit) = refusal.limit {
                    self.count_refusal(asker, user, limit);
                }
                self.answer_asker(asker, Err(refusal.fault));
            }
        }
    }

    fn desk_outcome(&mut self, asker: Asker, user: UserId, what: DeskRequest) -> Outcome {
        match what {
            DeskRequest::CustomEvent(event) => self.trigger_event(asker, user, event),
            DeskRequest::SendText { text, recipients } => {
                self.send_text(asker, user, text, &recipients)
            }
            DeskRequest::Chat(request) => self.serve_chat(asker, user, request),
            DeskRequest::Run(run) => self.run_procedure(asker, user, &run),
            DeskRequest::TempPassword { respond } => self.temp_password(asker, user, respond),
            DeskRequest::Photo { user: whose } => self.user_photo(asker, user, whose.as_deref()),
            DeskRequest::SetPhoto { path } => self.set_photo(user, &path),
            DeskRequest::ChangePassword(change) => {
                self.accounts.change_password(user, &change)?;
                done()
            }
        }
    }

    pub(super) fn answer_asker(&mut self, asker: Asker, reply: Reply) {
        match asker {
            Asker::Link { link, request } => self.reply(link, request, reply),
            Asker::Crm(token) => {
                if let Some(crm) = &mut self.crm {
                    crm.answer(token, &reply, self.now.instant);
                }
            }
            Asker::Interface(ticket) => self.end_interface(ticket, reply),
            Asker::Nobody => {}
        }
    }

    /// Lets a shard count a limit that was met.
    fn count_refusal(&mut self, asker: Asker, user: UserId, reason: Refused) {
        let link = match asker {
            Asker::Link { link, .. } => link,
            Asker::Crm(_) | Asker::Interface(_) | Asker::Nobody => NOBODY,
        };
        if let Ok(user) = self.switchboard.user_reference(user) {
            self.tell_shard(link, Downward::Refused { link, reason, user });
        }
    }

    /// A link subscribed, or no longer does: what was kept for its user follows.
    pub(super) fn link_listens(&mut self, link: LinkRef, user: UserId, events: EventSet) {
        let before = self.sessions.hears_now(link, user, events);
        self.deliver_kept(user);
        if let Some(before) = before {
            self.link_listens_to_forms(link, user, before, events);
        }
    }

    /// Acts on every deadline that has passed.
    pub(super) fn desk_timeout(&mut self) {
        self.expire_programs();
        self.desk.files.expire(self.now.instant);
    }

    /// Forgets what no longer says anything, now and then.
    pub(super) fn sweep_desk(&mut self) {
        let now = self.now.instant;
        self.desk.broadcasts.retain(|_, used| !used.is_whole(now));
    }

    /// Gives out what is to be written or removed.
    pub(super) fn store_files(&mut self) {
        while let Some(change) = self.desk.files.poll_change() {
            self.outputs.push_back(Output::File(change));
        }
    }

    fn user_reference(&self, user: UserId) -> Result<UserRef, Fault> {
        self.switchboard.user_reference(user)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a request")]
fn done() -> Outcome {
    Ok(Some(Answer::Done))
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a request")]
fn answer(answer: DeskAnswer) -> Outcome {
    Ok(Some(Answer::Desk(Box::new(answer))))
}

/// A link that never is: limits that no link met are counted with it.
pub(super) const NOBODY: LinkRef = LinkRef {
    shard: ShardId(0),
    link: LinkId {
        slot: u32::MAX,
        generation: u32::MAX,
    },
};
