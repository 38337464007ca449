//! Conferences and supervision: what is asked, what is shown (protocol 6.5).

use std::sync::Arc;

use super::line::Party;
use super::write::{FieldWriter, Fields};
use crate::base::{ConferenceId, Guid};

/// A method of conferences and of supervision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceRequest {
    /// `buildconferencefromcommutation`: the talk becomes a conference.
    Build,
    /// `createnewconference`.
    Create(NewConference),
    /// `invitetoconference`.
    Invite {
        /// The conference; the asker's own if absent.
        conference: Option<ConferenceId>,
        /// Numbers, user ids, number ids or logins.
        competitors: Vec<Box<str>>,
    },
    /// `checkcanconnecttogathertoconference`: may the held party be brought in?
    CanConnect,
    /// `connecttogathertoconference`: the held party is brought in.
    Connect,
    /// `getconferenceinfo`; `None` for `false`.
    Info(Option<ConferenceId>),
    /// `getconferencecompetitors`.
    Competitors(Option<ConferenceId>),
    /// `confdisconnectcompetitor`.
    Disconnect {
        /// The conference.
        conference: Option<ConferenceId>,
        /// The competitor's own id.
        competitor: Guid,
    },
    /// `exitconference`.
    Exit,
    /// `confhandleevent`.
    HandleEvents {
        /// The conference.
        conference: Option<ConferenceId>,
        /// Whether the asker wants to be told.
        handle: bool,
    },
    /// `attachasghost`: a number, a user id, a number id or a login.
    AttachAsGhost(Box<str>),
    /// `confsetghostmode`.
    GhostMode {
        /// The hidden conference.
        conference: Option<ConferenceId>,
        /// What the supervisor does from now on.
        mode: GhostMode,
    },
}

/// `conference` and `competitors` of `createnewconference`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewConference {
    /// The creator's own id for it; a fresh one if absent.
    pub id: Option<ConferenceId>,
    /// `room`.
    pub room: Box<str>,
    /// `name`.
    pub name: Box<str>,
    /// `description`.
    pub description: Box<str>,
    /// `everyonecaninvite`.
    pub everyone_can_invite: bool,
    /// Who is to be rung.
    pub competitors: Vec<Box<str>>,
}

/// `ghostmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GhostMode {
    /// `monitor`: listens.
    #[default]
    Monitor,
    /// `help`: the supervised alone hears the supervisor.
    Help,
    /// `conference`: both hear the supervisor.
    Conference,
}

/// `confstatestr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompetitorState {
    /// Rings.
    Inviting,
    /// Is there.
    Connected,
    /// Was there.
    Exited,
    /// Was busy.
    MisInviteBusy,
    /// Did not answer.
    MisInviteNotRespond,
    /// Cannot be reached.
    MisInviteTimeout,
    /// The conference ended before.
    MisInviteStop,
    /// The switch failed.
    MisInviteAbort,
    /// Refused.
    MisInviteRefuse,
}

impl CompetitorState {
    /// The text on the wire.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Inviting => "Inviting",
            Self::Connected => "Connected",
            Self::Exited => "Exited",
            Self::MisInviteBusy => "MisInviteBusy",
            Self::MisInviteNotRespond => "MisInviteNotRespond",
            Self::MisInviteTimeout => "MisInviteTimeout",
            Self::MisInviteStop => "MisInviteStop",
            Self::MisInviteAbort => "MisInviteAbort",
            Self::MisInviteRefuse => "MisInviteRefuse",
        }
    }
}

/// One row of a list of competitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompetitorEntry {
    /// `competitorid`.
    pub id: Guid,
    /// Who.
    pub party: Party,
    /// `confstatestr`.
    pub state: CompetitorState,
    /// `iscreator`.
    pub is_creator: bool,
    /// `isghost`.
    pub is_ghost: bool,
    /// `isghostmajor`: this one is supervised.
    pub is_ghost_major: bool,
}

impl Fields for CompetitorEntry {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("competitorid", self.id);
        if let Some(user) = &self.party.user {
            writer.guid("userid", user.id.0);
            writer.string("userlogin", &user.login);
        }
        writer.optional("username", self.party.name.as_deref());
        writer.string("number", self.party.number.as_deref().unwrap_or(""));
        writer.string("confstatestr", self.state.text());
        writer.boolean("iscreator", self.is_creator);
        writer.boolean("isdirector", self.is_creator);
        writer.boolean("isghost", self.is_ghost);
        writer.boolean("isghostmajor", self.is_ghost_major);
        writer.boolean("ishidden", self.is_ghost && !self.is_ghost_major);
        writer.boolean("isextline", self.party.is_outside);
    }
}

/// A conference as `getconferenceinfo` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// `id`.
    pub id: ConferenceId,
    /// `room`.
    pub room: Arc<str>,
    /// `name`.
    pub name: Arc<str>,
    /// `description`.
    pub description: Arc<str>,
    /// `isghost`: it is a supervisor's.
    pub is_ghost: bool,
    /// Everybody in it, the asker included.
    pub competitors: Vec<CompetitorEntry>,
}

impl Fields for ConferenceInfo {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.object("conference", |writer| {
            writer.guid("id", self.id.0);
            writer.string("room", &self.room);
            writer.string("name", &self.name);
            writer.string("description", &self.description);
            writer.boolean("isghost", self.is_ghost);
        });
        writer.objects("competitors", &self.competitors, |writer, it| {
            it.write(writer);
        });
    }
}
