//! Rules by which calls to a user go elsewhere (protocol 6.3).

use std::sync::Arc;

use super::body::Body;
use super::fault::Fault;
use super::state::StateId;
use super::write::{FieldWriter, Fields};
use crate::base::Guid;

/// A user's redirect rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectRule {
    /// The client's own id; compared without dashes and case.
    pub id: Arc<str>,
    /// What the user calls it.
    pub caption: Arc<str>,
    /// Further words.
    pub description: Arc<str>,
    /// The lowest goes first.
    pub priority: i64,
    /// Whose calls it redirects, as the client said; the asker's own all the same.
    pub user: Option<Guid>,
    /// It takes part.
    pub is_enabled: bool,
    /// The rules of the user to whom it leads apply, too.
    pub allows_cascade: bool,
    /// It applies only in this state; in any without one.
    pub state: Option<StateId>,
    /// A number, a user id or a number id.
    pub destination: Arc<str>,
    /// It applies only while the user's `onredirect` is set.
    pub only_for_redirect_state: bool,
    /// It applies only to calls from these numbers; to all, if there is none.
    pub sources: Vec<Arc<str>>,
}

impl RedirectRule {
    /// Reads `redirectrule`.
    pub(super) fn read(rule: &Body<'_>) -> Result<Self, Fault> {
        let text = |field| -> Result<Arc<str>, Fault> {
            Ok(rule
                .text(field)?
                .map_or_else(|| "".into(), |it| Arc::from(it.trim())))
        };
        let filled = |field, expected| {
            let text = text(field)?;
            if text.is_empty() {
                return Err(Fault::parameter(field, expected));
            }
            Ok(text)
        };
        let state = match rule.number("state")? {
            None | Some(0) => None,
            Some(number) => Some(StateId::numbered(number).ok_or_else(|| {
                Fault::parameter("state", "a user state's number, or 0 for any state")
            })?),
        };
        let mut sources: Vec<Arc<str>> = Vec::new();
        // Pages that know no sources say false.
        let is_none = matches!(rule.boolean("definesources"), Ok(Some(false)));
        let listed = if is_none {
            Vec::new()
        } else {
            rule.texts("definesources")?
        };
        for listed in listed {
            let parts = listed.split([',', ';']).map(str::trim);
            sources.extend(parts.filter(|part| !part.is_empty()).map(Arc::from));
        }
        Ok(Self {
            id: filled("id", "an id of the client's choice")?,
            caption: text("caption")?,
            description: text("description")?,
            priority: rule.number("priority")?.unwrap_or(0),
            user: rule.guid("userid")?,
            is_enabled: rule.boolean("isenabled")?.unwrap_or(true),
            allows_cascade: rule.boolean("allowcascade")?.unwrap_or(false),
            state,
            destination: filled("destinationnumber", "a number, a user id or a number id")?,
            only_for_redirect_state: rule.boolean("onlyforredirectstate")?.unwrap_or(false),
            sources,
        })
    }

    /// Whether this is the rule's id, in whatever form.
    pub fn is_called(&self, id: &str) -> bool {
        let plain = |id: &str| -> String {
            let letters = id.chars().filter(|letter| *letter != '-');
            letters.flat_map(char::to_lowercase).collect()
        };
        plain(&self.id) == plain(id)
    }
}

impl Fields for RedirectRule {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.string("id", &self.id);
        writer.string("caption", &self.caption);
        writer.string("description", &self.description);
        writer.number("priority", self.priority);
        writer.guid("userid", self.user.unwrap_or(Guid::ZERO));
        writer.boolean("isenabled", self.is_enabled);
        writer.boolean("allowcascade", self.allows_cascade);
        writer.number("state", self.state.map_or(0, StateId::number));
        writer.string("destinationnumber", &self.destination);
        writer.boolean("onlyforredirectstate", self.only_for_redirect_state);
        if self.sources.is_empty() {
            writer.boolean("definesources", false);
        } else {
            writer.strings("definesources", self.sources.iter().map(AsRef::as_ref));
        }
    }
}
