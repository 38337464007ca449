//! What members ask of group chats, and what the others are told of it.

use std::sync::Arc;

use super::chats::Chat;
use super::people::People;
use super::{Asker, Outcome, Refusal, answer, done};
use crate::base::{Guid, Refused, UserId};
use crate::hub::Hub;
use crate::protocol::{
    ChatInfo, ChatMember, ChatMessage, ChatRequest, ChatSummary, DeskAnswer, DeskEvent,
    ErrorNumber, Fault,
};

impl Hub {
    pub(super) fn serve_chat(
        &mut self,
        asker: Asker,
        user: UserId,
        request: ChatRequest,
    ) -> Outcome {
        match request {
            ChatRequest::Create { name, members } => self.create_chat(asker, user, &name, &members),
            ChatRequest::Rename { chat, name } => self.rename_chat(user, chat, &name),
            ChatRequest::AddMembers { chat, members } => {
                self.add_members(asker, user, chat, &members)
            }
            ChatRequest::RemoveMembers { chat, members } => {
                self.remove_members(asker, user, chat, &members)
            }
            ChatRequest::Leave { chat } => {
                self.chat_of(chat, user)?;
                self.take_out(chat, user, user)?;
                done()
            }
            ChatRequest::Send { chat, text } => self.say_in_chat(user, chat, text),
            ChatRequest::View { chat, message } => self.view_message(user, chat, message),
            ChatRequest::List => Ok(answer(DeskAnswer::Chats(self.chats_of(user)))?),
            ChatRequest::Messages {
                chat,
                count,
                before,
            } => {
                let found = self.chat_of(chat, user)?.messages(count, before);
                let messages = found.ok_or_else(|| no_message("beforeid"))?;
                answer(DeskAnswer::ChatMessages(messages))
            }
        }
    }

    fn create_chat(
        &mut self,
        asker: Asker,
        user: UserId,
        name: &str,
        members: &[Box<str>],
    ) -> Outcome {
        let name = chat_name(name)?;
        let limits = self.desk.config.limits;
        if self.desk.chats.len() >= limits.chats_max {
            let text = format!("there are the {} chats of desk.chats_max", limits.chats_max);
            return Err(Refusal::limit(
                Refused::ChatsMax,
                ErrorNumber::TooMany,
                text,
            ));
        }
        let mut all = vec![user];
        let named = self.all_users_named(asker, "members", members)?;
        all.extend(named.into_iter().filter(|member| *member != user));
        self.check_members(all.len())?;
        self.check_chats_of(&all)?;
        let id = self.random.guid();
        self.desk.chats.create(id, name, &all);
        let info = info(
            &self.desk.people,
            id,
            self.desk.chats.of(id, user).ok_or_else(no_chat)?,
        );
        self.tell_members(&all, DeskEvent::ChatCreated(info.clone()));
        answer(DeskAnswer::Chat(info))
    }

    fn rename_chat(&mut self, user: UserId, id: Guid, name: &str) -> Outcome {
        let name = chat_name(name)?;
        let by = self.user_reference(user)?;
        let chat = self.chat_of(id, user)?;
        chat.name = Arc::clone(&name);
        let members: Vec<UserId> = chat.members().collect();
        let chat = id;
        self.tell_members(&members, DeskEvent::ChatRenamed { chat, name, by });
        done()
    }

    /// Who is new is told of the whole chat, and then, with the others, of each who
    /// is new; who is in it already is passed over.
    fn add_members(&mut self, asker: Asker, user: UserId, id: Guid, names: &[Box<str>]) -> Outcome {
        let mut new = self.all_users_named(asker, "members", names)?;
        let chat = self.chat_of(id, user)?;
        new.retain(|member| !chat.has(*member));
        let count = chat.members().count() + new.len();
        self.check_members(count)?;
        self.check_chats_of(&new)?;
        self.desk.chats.add(id, &new);
        let chat = self.desk.chats.of(id, user).ok_or_else(no_chat)?;
        let members: Vec<UserId> = chat.members().collect();
        let info = info(&self.desk.people, id, chat);
        self.tell_members(&new, DeskEvent::ChatCreated(info));
        for member in new {
            let change = self.member_change(id, member, user)?;
            self.tell_members(&members, DeskEvent::ChatMemberAdded(change));
        }
        done()
    }

    fn remove_members(
        &mut self,
        asker: Asker,
        user: UserId,
        id: Guid,
        names: &[Box<str>],
    ) -> Outcome {
        let leaving = self.all_users_named(asker, "members", names)?;
        let chat = self.chat_of(id, user)?;
        if let Some(stranger) = leaving.iter().find(|member| !chat.has(**member)) {
            let text = format!("field `members`: the user {stranger} is not in this chat");
            return Err(Fault::new(ErrorNumber::NotFound, text).into());
        }
        if !chat.is_owner(user) && leaving.iter().any(|member| *member != user) {
            let text = "only the owner of a chat puts others out of it";
            return Err(Fault::new(ErrorNumber::NotAllowed, text).into());
        }
        for member in leaving {
            self.take_out(id, member, user)?;
        }
        done()
    }

    /// Everybody is told, also who goes out.
    fn take_out(&mut self, id: Guid, member: UserId, by: UserId) -> Result<(), Refusal> {
        let members: Vec<UserId> = match self.desk.chats.of(id, member) {
            Some(chat) => chat.members().collect(),
            None => return Ok(()),
        };
        let change = self.member_change(id, member, by)?;
        self.desk.chats.remove(id, member);
        self.tell_members(&members, DeskEvent::ChatMemberRemoved(change));
        Ok(())
    }

    fn say_in_chat(&mut self, user: UserId, id: Guid, text: Box<str>) -> Outcome {
        self.desk.check_text("text", text.len())?;
        let members: Vec<UserId> = self.chat_of(id, user)?.members().collect();
        self.check_many(user, members.len())?;
        let message = Arc::new(ChatMessage {
            chat: id,
            id: self.random.guid(),
            text,
            sender: self.desk.people.of(user)?.clone(),
            at: self.stamp(),
        });
        let limits = self.desk.config.limits;
        let (count_max, bytes_max) = (limits.chat_messages_max, limits.chat_bytes_max);
        if !self
            .desk
            .chats
            .say(Arc::clone(&message), count_max, bytes_max)
        {
            let text = "the chats hold as much as desk.chat_bytes_max allows; nothing was sent";
            return Err(Refusal::limit(
                Refused::ChatBytes,
                ErrorNumber::TooMany,
                text.to_owned(),
            ));
        }
        let (id, at) = (message.id, message.at);
        self.tell_members(&members, DeskEvent::ChatMessage(message));
        answer(DeskAnswer::ChatMessageSent { message: id, at })
    }

    fn view_message(&mut self, user: UserId, id: Guid, message: Guid) -> Outcome {
        let viewer = self.user_reference(user)?;
        let chat = self.chat_of(id, user)?;
        let news = chat.view(user, message);
        let is_news = news.ok_or_else(|| no_message("messageid"))?;
        let members: Vec<UserId> = chat.members().collect();
        if is_news {
            let what = DeskEvent::ChatViewed {
                chat: id,
                message,
                viewer,
            };
            self.tell_members(&members, what);
        }
        done()
    }

    fn chats_of(&self, user: UserId) -> Vec<ChatSummary> {
        let own = self.desk.chats.all_of(user).into_iter();
        own.map(|(id, chat)| ChatSummary {
            chat: info(&self.desk.people, id, chat),
            unviewed: chat.unviewed(user),
            last: chat.last().cloned(),
        })
        .collect()
    }

    fn chat_of(&mut self, id: Guid, user: UserId) -> Result<&mut Chat, Fault> {
        self.desk.chats.of(id, user).ok_or_else(no_chat)
    }

    fn check_members(&self, count: usize) -> Result<(), Refusal> {
        let max = self.desk.config.limits.chat_members_max;
        if count <= max {
            return Ok(());
        }
        let text = format!("a chat has at most the {max} members of desk.chat_members_max");
        Err(Refusal::limit(
            Refused::ChatMembers,
            ErrorNumber::TooMany,
            text,
        ))
    }

    fn check_chats_of(&self, users: &[UserId]) -> Result<(), Refusal> {
        let max = self.desk.config.limits.chats_per_user;
        let is_full = |user: &&UserId| self.desk.chats.count_of(**user) >= max;
        let Some(full) = users.iter().find(is_full) else {
            return Ok(());
        };
        let text = format!("the user {full} is in the {max} chats of desk.chats_per_user");
        Err(Refusal::limit(
            Refused::ChatsPerUser,
            ErrorNumber::TooMany,
            text,
        ))
    }

    fn member_change(&self, chat: Guid, member: UserId, by: UserId) -> Result<ChatMember, Fault> {
        Ok(ChatMember {
            chat,
            member: self.desk.people.of(member)?.clone(),
            by: self.user_reference(by)?,
        })
    }

    fn tell_members(&mut self, members: &[UserId], what: DeskEvent) {
        let what = Arc::new(what);
        for member in members {
            self.tell_person(*member, Arc::clone(&what));
        }
    }
}

fn info(people: &People, id: Guid, chat: &Chat) -> ChatInfo {
    let members = chat.members().filter_map(|user| people.of(user).ok());
    ChatInfo {
        id,
        name: Arc::clone(&chat.name),
        members: members.cloned().collect(),
    }
}

fn chat_name(name: &str) -> Result<Arc<str>, Fault> {
    let name = name.trim();
    if name.chars().count() > NAME_CHARACTERS_MAX {
        let expected = format!("at most {NAME_CHARACTERS_MAX} characters");
        return Err(Fault::parameter("name", &expected));
    }
    Ok(name.into())
}

/// For strangers the same as for a chat that does not exist.
fn no_chat() -> Fault {
    Fault::new(
        ErrorNumber::NotFound,
        "field `chatid`: you are in no such chat",
    )
}

fn no_message(field: &str) -> Fault {
    let text = format!("field `{field}`: the chat has no such message, or no longer");
    Fault::new(ErrorNumber::NotFound, text)
}

/// The longest name of a chat.
const NAME_CHARACTERS_MAX: usize = 200;
