//! `[[groups]]` and `[[voice_menus]]` into the directory.

use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::NumberId;
use okgate_core::switchboard::{Group, HuntRule, IvrMenu};

use super::file::File;
use super::people::People;
use super::view::{Located, View};

/// Users of a group.
const USERS_MAX: usize = 100;

/// Reads all groups; faults are noted, faulty entries are left out.
pub(super) fn groups(file: &File<'_>, people: &mut People) -> Vec<Group> {
    let views = file.views("groups");
    let read = views.iter().filter_map(|view| group(view, people));
    read.collect()
}

/// Reads all voice menus; faults are noted, faulty entries are left out.
pub(super) fn voice_menus(file: &File<'_>, people: &mut People) -> Vec<IvrMenu> {
    let views = file.views("voice_menus");
    let read = views.iter().filter_map(|view| voice_menu(view, people));
    read.collect()
}

fn group(view: &View<'_>, people: &mut People) -> Option<Group> {
    let logins = view.texts("users");
    let rule = match view.choice("rule") {
        Some("longest_idle") => HuntRule::LongestIdle,
        Some("round_robin") => HuntRule::RoundRobin,
        _ => HuntRule::All,
    };
    let is_queue = view.choice("kind") == Some("queue");
    let ring = Duration::from_secs(view.integer("ring_s"));
    let wait = view.limit_seconds("wait_s").unwrap_or_default();
    let line_max = usize::try_from(view.integer("line_max")).unwrap_or(usize::MAX);
    let (number, name) = number_and_name(view, people)?;
    if logins.len() > USERS_MAX {
        view.fault("users", format!("a group has at most {USERS_MAX} users"));
    }
    let mut users = Vec::new();
    for login in &logins {
        let Some(id) = people.user_id(view, "users", login) else {
            continue;
        };
        if users.contains(&id) {
            view.fault_at(
                login.at,
                "users",
                format!("{:?} is there twice", login.value),
            );
        } else {
            users.push(id);
        }
    }
    Some(Group {
        number,
        name,
        users,
        rule,
        ring,
        wait,
        line_max,
        is_queue,
    })
}

fn voice_menu(view: &View<'_>, people: &mut People) -> Option<IvrMenu> {
    let after = view.milliseconds("then_after_ms");
    let then = view.text("then");
    if let Some(then) = then.as_ref().filter(|then| !people.has_number(then)) {
        let reason = format!("{then:?} is no number of a user or a group");
        view.fault("then", reason);
    }
    let (number, name) = number_and_name(view, people)?;
    Some(IvrMenu {
        number,
        name,
        then: then.map(|then| (after, then.into())),
    })
}

type Number = (NumberId, Arc<str>);

fn number_and_name(view: &View<'_>, people: &mut People) -> Option<(Number, Arc<str>)> {
    let (value, name) = (view.text("number"), view.text("name"));
    let at = view.position("number");
    let number = people.number(view, "number", Located { value: value?, at })?;
    let name = name.map_or_else(|| Arc::clone(&number.1), Arc::from);
    Some((number, name))
}
