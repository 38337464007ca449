//! Group chats: who is in them, what was said, who has seen it (protocol 6.7-i to 6.7-l).
//!
//! It knows users by their ids only and tells nobody: who asks for a change gets
//! what changed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::base::{Guid, UserId};
use crate::protocol::ChatMessage;

/// All chats.
#[derive(Debug, Default)]
pub(super) struct Chats {
    by_id: HashMap<Guid, Chat>,
    /// Each user's chats, in the order in which they were made.
    of_user: HashMap<UserId, BTreeMap<u64, Guid>>,
    created: u64,
    bytes: usize,
}

/// One chat.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) name: Arc<str>,
    /// In the order in which they came; the first one owns the chat.
    members: Vec<Member>,
    /// The oldest first.
    history: VecDeque<Said>,
    /// Messages ever said.
    said: u64,
    /// Chats are listed in this order.
    created: u64,
}

#[derive(Debug)]
struct Member {
    user: UserId,
    /// The place of the newest message that the member has seen.
    viewed: u64,
}

#[derive(Debug)]
struct Said {
    place: u64,
    message: Arc<ChatMessage>,
}

impl Chats {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn create(&mut self, id: Guid, name: Arc<str>, members: &[UserId]) {
        self.created += 1;
        let chat = Chat {
            name,
            members: Vec::new(),
            history: VecDeque::new(),
            said: 0,
            created: self.created,
        };
        self.by_id.insert(id, chat);
        self.add(id, members);
    }

    /// Takes users in, to whom what was said before is not new.
    pub(super) fn add(&mut self, id: Guid, users: &[UserId]) {
        let Some(chat) = self.by_id.get_mut(&id) else {
            return;
        };
        for user in users {
            chat.add(*user);
            let own = self.of_user.entry(*user).or_default();
            own.insert(chat.created, id);
        }
    }

    /// A chat that the user is in; whoever is not in it must not learn that it exists.
    pub(super) fn of(&mut self, id: Guid, user: UserId) -> Option<&mut Chat> {
        self.by_id
            .get_mut(&id)
            .filter(|chat| chat.place_of(user).is_some())
    }

    /// How many chats the user is in.
    pub(super) fn count_of(&self, user: UserId) -> usize {
        self.of_user.get(&user).map_or(0, BTreeMap::len)
    }

    /// The chats that the user is in, in the order in which they were made.
    pub(super) fn all_of(&self, user: UserId) -> Vec<(Guid, &Chat)> {
        let own = self.of_user.get(&user).into_iter();
        let own = own.flat_map(|chats| chats.values());
        own.filter_map(|id| Some((*id, self.by_id.get(id)?)))
            .collect()
    }

    /// Puts a member out; a chat without members is gone.
    pub(super) fn remove(&mut self, id: Guid, user: UserId) {
        let Some(chat) = self.by_id.get_mut(&id) else {
            return;
        };
        chat.members.retain(|member| member.user != user);
        if let Some(own) = self.of_user.get_mut(&user) {
            own.remove(&chat.created);
            if own.is_empty() {
                self.of_user.remove(&user);
            }
        }
        if chat.members.is_empty()
            && let Some(gone) = self.by_id.remove(&id)
        {
            self.bytes -= gone.history.iter().map(Said::bytes).sum::<usize>();
        }
    }

    /// Keeps a message of its sender's chat; older ones of the same chat go for it
    /// where there is no room. Says whether there is any.
    pub(super) fn say(
        &mut self,
        message: Arc<ChatMessage>,
        count_max: usize,
        bytes_max: usize,
    ) -> bool {
        let Some(chat) = self.by_id.get_mut(&message.chat) else {
            return false;
        };
        let own: usize = chat.history.iter().map(Said::bytes).sum();
        let said = Said {
            place: chat.said + 1,
            message,
        };
        if (self.bytes - own).saturating_add(said.bytes()) > bytes_max {
            return false;
        }
        self.bytes += said.bytes();
        chat.said = said.place;
        let sender = said.message.sender.user.id;
        chat.history.push_back(said);
        chat.see(sender, chat.said);
        while self.bytes > bytes_max || chat.history.len() > count_max.max(1) {
            let Some(oldest) = chat.history.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
        true
    }
}

impl Chat {
    pub(super) fn members(&self) -> impl Iterator<Item = UserId> + '_ {
        self.members.iter().map(|member| member.user)
    }

    pub(super) fn is_owner(&self, user: UserId) -> bool {
        self.members.first().is_some_and(|owner| owner.user == user)
    }

    pub(super) fn has(&self, user: UserId) -> bool {
        self.place_of(user).is_some()
    }

    fn add(&mut self, user: UserId) {
        if !self.has(user) {
            let viewed = self.said;
            self.members.push(Member { user, viewed });
        }
    }

    /// The member has seen this message and all before it; `None` if there is no such
    /// message, else whether that is news.
    pub(super) fn view(&mut self, user: UserId, message: Guid) -> Option<bool> {
        let place = self.find(message)?.place;
        Some(self.see(user, place))
    }

    pub(super) fn unviewed(&self, user: UserId) -> usize {
        let viewed = self
            .place_of(user)
            .map_or(u64::MAX, |place| self.members[place].viewed);
        let is_new = |said: &&Said| said.place > viewed;
        self.history.iter().filter(is_new).count()
    }

    pub(super) fn last(&self) -> Option<&Arc<ChatMessage>> {
        self.history.back().map(|said| &said.message)
    }

    /// The newest messages, before this one if it is named, and as many as one answer
    /// takes; `None` if there is no
    /// such message.
    pub(super) fn messages(
        &self,
        count: usize,
        before: Option<Guid>,
    ) -> Option<Vec<Arc<ChatMessage>>> {
        let end = match before {
            None => u64::MAX,
            Some(message) => self.find(message)?.place,
        };
        let older = self.history.iter().rev().filter(|said| said.place < end);
        let mut bytes = 0;
        let fits = |said: &&Said| {
            bytes += said.bytes();
            bytes <= ANSWER_BYTES_MAX
        };
        let mut messages: Vec<_> = older
            .take(count)
            .take_while(fits)
            .map(|said| Arc::clone(&said.message))
            .collect();
        messages.reverse();
        Some(messages)
    }

    fn see(&mut self, user: UserId, place: u64) -> bool {
        let Some(index) = self.place_of(user) else {
            return false;
        };
        let viewed = &mut self.members[index].viewed;
        let is_news = place > *viewed;
        *viewed = place.max(*viewed);
        is_news
    }

    fn find(&self, message: Guid) -> Option<&Said> {
        self.history.iter().find(|said| said.message.id == message)
    }

    fn place_of(&self, user: UserId) -> Option<usize> {
        self.members.iter().position(|member| member.user == user)
    }
}

impl Said {
    fn bytes(&self) -> usize {
        self.message.text.len() + size_of::<ChatMessage>()
    }
}

/// Messages in one answer; the next older ones are asked for by another.
const ANSWER_BYTES_MAX: usize = 1 << 20;
