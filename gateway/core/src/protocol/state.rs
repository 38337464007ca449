//! The state of a user and of a number (protocol 6.3).

use std::sync::Arc;

use super::write::FieldWriter;

/// The state ids of protocol 6.3, for users and numbers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum StateId {
    /// Not logged in anywhere.
    #[default]
    Disconnected,
    /// Ready.
    Ready,
    /// On a break (call centre).
    Lunch,
    /// Do not disturb.
    DoNotDisturb,
    /// In a call, from the first ring on, or busy by choice.
    FullBusy,
    /// Logged in, no phone.
    WithoutPhone,
}

impl StateId {
    /// The number on the wire.
    pub const fn number(self) -> i64 {
        match self {
            Self::Disconnected => 0,
            Self::Ready => 1,
            Self::Lunch => 2,
            Self::DoNotDisturb => 3,
            Self::FullBusy => 5,
            Self::WithoutPhone => 7,
        }
    }

    /// `userstatestr` / `statestr`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Disconnected => "usDisconnected",
            Self::Ready => "usReady",
            Self::Lunch => "usLunch",
            Self::DoNotDisturb => "usDND",
            Self::FullBusy => "usFullbusy",
            Self::WithoutPhone => "usWOphone",
        }
    }

    /// The state with this number.
    pub const fn numbered(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Disconnected),
            7 => Some(Self::WithoutPhone),
            _ => Self::settable(number),
        }
    }

    /// The state that a client may set with this number, if it may.
    pub const fn settable(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Ready),
            2 => Some(Self::Lunch),
            3 => Some(Self::DoNotDisturb),
            5 => Some(Self::FullBusy),
            _ => None,
        }
    }
}

/// What `getuserstate`, `setuserstate` and `userstatechanged` say of a user,
/// without the user's own id and login.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserState {
    /// The effective state: [`StateId::FullBusy`] during a call, whatever was set.
    pub id: StateId,
    /// Serves the call centre.
    pub on_call_center: bool,
    /// In the call centre's manual mode.
    pub on_cc_manual: bool,
    /// A break was chosen; true at once, also during a call.
    pub on_lunch: bool,
    /// Redirect rules are active.
    pub on_redirect: bool,
    /// Works on a call-centre task.
    pub on_task: bool,
    /// The break's reason; `None` (sent as null) outside a break.
    pub lunch_reason: Option<i64>,
    /// The user's own words for the break.
    pub lunch_message: Option<Arc<str>>,
}

impl UserState {
    /// Writes the state fields of protocol 6.3.
    pub fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.number("userstateid", self.id.number());
        writer.number("userstate", self.id.number());
        writer.string("userstatestr", self.id.text());
        writer.boolean("oncallcenter", self.on_call_center);
        writer.boolean("onccmanual", self.on_cc_manual);
        writer.boolean("onlunch", self.on_lunch);
        writer.boolean("onredirect", self.on_redirect);
        writer.boolean("ontask", self.on_task);
        match self.lunch_reason {
            Some(reason) => writer.number("lunchreasonid", reason),
            None => writer.null("lunchreasonid"),
        }
        if let Some(message) = &self.lunch_message {
            writer.string("lunchreasonmsg", message);
        }
    }
}
