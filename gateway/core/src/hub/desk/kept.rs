//! Texts and notifications for users who are not there to get them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::base::UserId;
use crate::protocol::{DeskEvent, EventKind};

/// What is kept, by user, in the order in which it was said.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_user: HashMap<UserId, Mail>,
    bytes: usize,
}

/// What is kept for one user.
#[derive(Debug, Default)]
struct Mail {
    waiting: VecDeque<Arc<DeskEvent>>,
    bytes: usize,
}

impl Kept {
    /// Whether so many bytes more stay within the bound.
    pub(super) const fn has_room(&self, bytes: usize, bytes_max: usize) -> bool {
        self.bytes.saturating_add(bytes) <= bytes_max
    }

    /// Keeps one more; says whether the oldest of the user's had to go for it: there
    /// may be so many, and so many bytes of them.
    pub(super) fn keep(
        &mut self,
        user: UserId,
        what: Arc<DeskEvent>,
        (count_max, bytes_max): (usize, usize),
    ) -> bool {
        let mail = self.by_user.entry(user).or_default();
        let before = mail.bytes;
        mail.bytes += what.bytes();
        mail.waiting.push_back(what);
        let mut is_over = false;
        // The newest stays in any case.
        while mail.waiting.len() > 1
            && (mail.waiting.len() > count_max || mail.bytes > bytes_max)
            && let Some(oldest) = mail.waiting.pop_front()
        {
            mail.bytes -= oldest.bytes();
            is_over = true;
        }
        self.bytes = self.bytes - before + mail.bytes;
        is_over
    }

    /// Takes out what of the user's is wanted now.
    pub(super) fn take(
        &mut self,
        user: UserId,
        is_wanted: impl Fn(EventKind) -> bool,
    ) -> Vec<Arc<DeskEvent>> {
        let Some(mail) = self.by_user.remove(&user) else {
            return Vec::new();
        };
        let waiting = mail.waiting.into_iter();
        let (wanted, others): (Vec<_>, Vec<_>) = waiting.partition(|what| is_wanted(what.kind()));
        let bytes = wanted.iter().map(|what| what.bytes()).sum::<usize>();
        self.bytes -= bytes;
        if !others.is_empty() {
            let mail = Mail {
                waiting: others.into(),
                bytes: mail.bytes - bytes,
            };
            self.by_user.insert(user, mail);
        }
        wanted
    }
}
