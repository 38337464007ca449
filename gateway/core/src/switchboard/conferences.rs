//! Conferences: what users ask of them, and who is told what (protocol 6.5, 6.6).

use std::sync::Arc;

use super::Switchboard;
use super::chain::{Chain, Competitor, Conference, ConferenceRoom, Focus, MemberId, Service};
use super::numbers::Target;
use super::requests::wrong_state;
use crate::base::{CommutationId, ConferenceId, Guid, Instant, UserId};
use crate::pbx::EndCause;
use crate::protocol::{
    Answer, CompetitorChange, CompetitorEntry, Composition, ConferenceInfo, ConferenceRequest,
    ErrorNumber, Fault, NewConference, Occurrence,
};

/// Competitors in one event; a longer list is told in parts (protocol 3.3).
const COMPETITORS_PER_EVENT: usize = 100;

impl Switchboard {
    /// A method of conferences or of supervision.
    pub fn handle_conference(
        &mut self,
        user: UserId,
        request: ConferenceRequest,
        now: Instant,
    ) -> Result<Answer, Fault> {
        let user = self.users.index(user)?;
        let is_question = matches!(
            request,
            ConferenceRequest::Info(_)
                | ConferenceRequest::Competitors(_)
                | ConferenceRequest::CanConnect
                | ConferenceRequest::HandleEvents { .. }
        );
        if !is_question {
            self.check_connected()?;
        }
        let answer = match request {
            ConferenceRequest::Info(id) => {
                let info = self.conference_info(user, id);
                info.map(|info| Answer::Conference(Box::new(info)))
            }
            ConferenceRequest::Competitors(id) => {
                let info = self.conference_info(user, id);
                info.map(|info| Answer::Competitors(info.competitors))
            }
            ConferenceRequest::CanConnect => Ok(Answer::CanConnect(self.can_connect(user))),
            ConferenceRequest::HandleEvents { conference, handle } => {
                self.handle_events(user, conference, handle, now)
            }
            ConferenceRequest::Build => self.build_conference(user, now),
            ConferenceRequest::Create(new) => self.create_conference(user, new, now),
            ConferenceRequest::Invite {
                conference,
                competitors,
            } => self.invite(user, conference, &competitors, now),
            ConferenceRequest::Connect => self.connect_held(user, now),
            ConferenceRequest::Disconnect {
                conference,
                competitor,
            } => self.disconnect_competitor(user, conference, competitor, now),
            ConferenceRequest::Exit => self.exit(user, now),
            ConferenceRequest::AttachAsGhost(whom) => self.attach_as_ghost(user, &whom, now),
            ConferenceRequest::GhostMode { conference, mode } => {
                self.set_ghost_mode(user, conference, mode, now)
            }
        };
        self.serve_lines(now);
        answer
    }

    /// The talk becomes a conference of the two.
    fn build_conference(&mut self, user: usize, now: Instant) -> Result<Answer, Fault> {
        let no_talk = || wrong_state("the user is in no talk");
        let id = ConferenceId(self.fresh_guid());
        let commutation = CommutationId(self.fresh_guid());
        let names = [self.fresh_guid(), self.fresh_guid()];
        let done = self.act(user, now, |_, chain, own| {
            let member = chain.free_to_act(own)?;
            if chain.has_conference() {
                return Err(wrong_state("the call has a conference already"));
            }
            let focus = member.current.ok_or_else(no_talk)?;
            let bond = chain.bond_of(Some(focus)).ok_or_else(no_talk)?;
            let is_phone = chain
                .other(bond, own)
                .is_some_and(|other| matches!(other.service, Service::Phone));
            if !is_phone || !bond.is_talk() || !chain.is_mutual(bond) {
                return Err(no_talk());
            }
            chain.begin_change();
            let room = room(NewConference::default(), id);
            chain.conference = Some(Box::new(Conference::new(id, commutation, room, user)));
            chain.enter_conference(own, names[0], now);
            chain.bring_in(own, focus, names[1], now);
            Ok(id)
        });
        done.unwrap_or_else(|| Err(no_talk()))
            .map(Answer::ConferenceId)
    }

    /// Every listed party is rung, the creator's own phone, too (protocol 6.6).
    fn create_conference(
        &mut self,
        user: usize,
        new: NewConference,
        now: Instant,
    ) -> Result<Answer, Fault> {
        if self.users[user].call.is_some() {
            return Err(wrong_state("the line is in a call already"));
        }
        let own = self.own_phone(user)?;
        let mut targets = self.competitors("competitors", &new.competitors)?;
        targets.retain(|target| target.user != Some(user));
        if targets.is_empty() {
            return Err(Fault::parameter("competitors", "at least one other party"));
        }
        self.check_room_for_call()?;
        let id = match new.id {
            Some(id) if self.find_conference(id).is_some() => {
                return Err(wrong_state("there is a conference of this id already"));
            }
            Some(id) => id,
            None => ConferenceId(self.fresh_guid()),
        };
        let room = self.checked_room(new, id)?;
        let mut chain = self.new_chain();
        let commutation = CommutationId(self.fresh_guid());
        chain.conference = Some(Box::new(Conference::new(id, commutation, room, user)));
        self.users[user].call = Some(chain.id);
        for target in std::iter::once(own).chain(targets) {
            self.add_competitor(&mut chain, target, now);
        }
        self.settle(chain, now);
        Ok(Answer::ConferenceId(id))
    }

    fn invite(
        &mut self,
        user: usize,
        conference: Option<ConferenceId>,
        competitors: &[Box<str>],
        now: Instant,
    ) -> Result<Answer, Fault> {
        let targets = self.competitors("competitors", competitors)?;
        let done = self.act(user, now, |board, chain, own| {
            let room = chain.own_conference(own, conference)?;
            if room.creator != user && !room.room.everyone_can_invite {
                let text = "only who made the conference may invite to it";
                return Err(Fault::new(ErrorNumber::NotAllowed, text));
            }
            for target in targets {
                board.check_free_chain(chain)?;
                board.add_competitor(chain, target, now);
            }
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(no_conference()))
    }

    /// Asks somebody in, who is not there already.
    fn add_competitor(&mut self, chain: &mut Chain, target: Target, now: Instant) {
        if chain.has_user(target.user) {
            return;
        }
        let member = chain.add_member(target.user, target.party, target.service);
        let name = self.fresh_guid();
        chain.enter_conference(member, name, now);
    }

    /// Whether there are a conference and a party of which the user holds one.
    fn can_connect(&self, user: usize) -> bool {
        let chain = self.users[user]
            .call
            .and_then(|chain| self.calls.get(chain));
        let member = chain.and_then(|chain| Some((chain, chain.member_of_user(user)?)));
        member.is_some_and(|(chain, member)| chain.connectable(member.id).is_some())
    }

    /// The party that is held comes into the conference, or the one that is heard into
    /// the conference that is held.
    fn connect_held(&mut self, user: usize, now: Instant) -> Result<Answer, Fault> {
        let nothing = || wrong_state("there is no held party to be brought into a conference");
        let name = self.fresh_guid();
        let done = self.act(user, now, |_, chain, own| {
            chain.free_to_act(own)?;
            let focus = chain.connectable(own).ok_or_else(nothing)?;
            chain.begin_change();
            chain.bring_in(own, focus, name, now);
            if let Some(member) = chain.member_mut(own) {
                member.current = Some(Focus::Conference);
                member.held = None;
            }
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    fn disconnect_competitor(
        &mut self,
        user: usize,
        conference: Option<ConferenceId>,
        competitor: Guid,
        now: Instant,
    ) -> Result<Answer, Fault> {
        let fresh = CommutationId(self.fresh_guid());
        let done = self.act(user, now, |_, chain, own| {
            let room = chain.own_conference(own, conference)?;
            let known = room.competitor(competitor);
            let known = known.and_then(|known| known.member).ok_or_else(|| {
                let text = "nobody in the conference has this competitorid";
                Fault::new(ErrorNumber::NotFound, text)
            })?;
            if room.creator != user && known != own {
                let text = "only who made the conference may send others out";
                return Err(Fault::new(ErrorNumber::NotAllowed, text));
            }
            chain.change = None;
            chain.step_out(known, fresh, now);
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(no_conference()))
    }

    fn exit(&mut self, user: usize, now: Instant) -> Result<Answer, Fault> {
        let fresh = CommutationId(self.fresh_guid());
        let done = self.act(user, now, |_, chain, own| {
            let is_supervisor = chain.supervision.is_some_and(|it| it.supervisor == own);
            if is_supervisor {
                chain.leave(own, EndCause::Normal, fresh, now);
                return Ok(Answer::Done);
            }
            chain.own_conference(own, None)?;
            chain.change = None;
            chain.step_out(own, fresh, now);
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(no_conference()))
    }

    fn handle_events(
        &mut self,
        user: usize,
        conference: Option<ConferenceId>,
        handle: bool,
        now: Instant,
    ) -> Result<Answer, Fault> {
        let done = self.act(user, now, |_, chain, own| {
            if chain.supervision.is_some_and(|it| it.supervisor == own) {
                return Ok(Answer::Done);
            }
            chain.own_conference(own, conference)?;
            if let Some(conference) = &mut chain.conference {
                conference.listeners.retain(|listener| *listener != user);
                conference.listeners.extend(handle.then_some(user));
            }
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(no_conference()))
    }

    fn conference_info(
        &self,
        user: usize,
        id: Option<ConferenceId>,
    ) -> Result<ConferenceInfo, Fault> {
        let chain = self.users[user]
            .call
            .and_then(|chain| self.calls.get(chain));
        let chain = chain.ok_or_else(no_conference)?;
        let own = chain.member_of_user(user).ok_or_else(no_conference)?.id;
        if let Some(supervision) = chain.supervision.filter(|it| it.supervisor == own) {
            let is_it = id.is_none_or(|id| id == supervision.id);
            let info = is_it.then(|| chain.hidden_info(&supervision));
            return info.ok_or_else(no_conference);
        }
        let room = chain.own_conference(own, id)?;
        Ok(ConferenceInfo {
            id: room.id,
            room: Arc::clone(&room.room.room),
            name: Arc::clone(&room.room.name),
            description: Arc::clone(&room.room.description),
            is_ghost: false,
            competitors: room.entries(),
        })
    }

    /// The conference that a user is in, for the tests.
    #[cfg(test)]
    pub(super) fn conference_of(&self, user: UserId) -> Option<ConferenceInfo> {
        let user = self.users.index(user).ok()?;
        self.conference_info(user, None).ok()
    }

    fn find_conference(&self, id: ConferenceId) -> Option<&Chain> {
        let has_it = |chain: &&Chain| chain.conference.as_ref().is_some_and(|it| it.id == id);
        self.calls.iter().find(has_it)
    }

    /// Whom a list of competitors names, each once.
    fn competitors(&self, field: &str, named: &[Box<str>]) -> Result<Vec<Target>, Fault> {
        if named.len() > self.limits.members_max / 2 {
            let expected = format!("at most {}", self.limits.members_max / 2);
            return Err(Fault::parameter(field, &expected));
        }
        let mut targets: Vec<Target> = Vec::new();
        for text in named {
            let target = self.somebody(field, text)?;
            if !matches!(target.service, Service::Phone) {
                return Err(Fault::parameter(field, "users and outside numbers"));
            }
            let number = target.party.number.clone();
            if targets.iter().all(|known| known.party.number != number) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// A user by login, or what a number or an id means.
    pub(super) fn somebody(&self, field: &str, text: &str) -> Result<Target, Fault> {
        let by_login = self.users.by_login(text);
        let by_login = by_login.and_then(|user| {
            let number = self.users[user].main_number()?;
            self.numbers.called(number, &self.users)
        });
        by_login.map_or_else(|| self.target(field, text), Ok)
    }

    fn checked_room(&self, new: NewConference, id: ConferenceId) -> Result<ConferenceRoom, Fault> {
        let max = self.limits.message_characters_max;
        for (field, text) in [
            ("room", &new.room),
            ("name", &new.name),
            ("description", &new.description),
        ] {
            if text.chars().count() > max {
                return Err(Fault::parameter(
                    field,
                    &format!("at most {max} characters"),
                ));
            }
        }
        Ok(room(new, id))
    }

    /// After a step: who asked for it is told who is in the conference, then what
    /// became of whom (protocol 6.6).
    pub(super) fn tell_conference(&mut self, chain: &mut Chain) {
        let Some(room) = &mut chain.conference else {
            return;
        };
        let news = std::mem::take(&mut room.news);
        if news.is_empty() || room.listeners.is_empty() {
            return;
        }
        let (id, entries) = (room.id, room.entries());
        let changed: Vec<_> = (news.iter())
            .filter_map(|id| entries.iter().find(|it| it.id == *id))
            .cloned()
            .collect();
        for user in room.listeners.clone() {
            for part in entries.chunks(COMPETITORS_PER_EVENT) {
                let composition = Composition {
                    conference: id,
                    competitors: part.to_vec(),
                };
                self.tell(user, Occurrence::CompositionChanged(Box::new(composition)));
            }
            for competitor in changed.clone() {
                let change = CompetitorChange {
                    conference: id,
                    competitor,
                };
                self.tell(user, Occurrence::CompetitorStateChanged(Box::new(change)));
            }
        }
    }

    /// The last have left: they are told so, and there is no conference any more.
    pub(super) fn end_conference(&mut self, chain: &mut Chain) {
        self.tell_conference(chain);
        chain.conference = None;
    }
}

impl Chain {
    /// The conference that a member is in or holds, if it is the one that is meant.
    fn own_conference(
        &self,
        own: MemberId,
        wanted: Option<ConferenceId>,
    ) -> Result<&Conference, Fault> {
        let focus = Some(Focus::Conference);
        let is_in = self
            .member(own)
            .is_some_and(|it| it.current == focus || it.held == focus);
        let conference = self.conference.as_deref().filter(|_| is_in);
        let conference = conference.filter(|it| wanted.is_none_or(|wanted| wanted == it.id));
        conference.ok_or_else(no_conference)
    }

    /// Of a conference and a talk, of which the member hears one and holds the other:
    /// the talk.
    fn connectable(&self, own: MemberId) -> Option<Focus> {
        let member = self.member(own)?;
        let (bond, other) = match (member.current?, member.held?) {
            (bond @ Focus::Bond(_), Focus::Conference)
            | (Focus::Conference, bond @ Focus::Bond(_)) => (bond, self.bond_of(Some(bond))?),
            _ => return None,
        };
        let is_phone = |it: &super::chain::Member| matches!(it.service, Service::Phone);
        let can = other.is_talk() && self.other(other, own).is_some_and(is_phone);
        can.then_some(bond)
    }

    /// A member leaves the conference: back to who was held, else the part is over.
    fn step_out(&mut self, id: MemberId, fresh: CommutationId, now: Instant) {
        let Some(member) = self.member_mut(id) else {
            return;
        };
        let ((Some(Focus::Conference), other) | (other, Some(Focus::Conference))) =
            (member.current, member.held)
        else {
            return;
        };
        if other.is_none() {
            return self.leave(id, EndCause::Normal, fresh, now);
        }
        member.current = other;
        member.held = None;
        self.exit_conference(id, EndCause::Normal);
    }
}

impl Conference {
    fn entries(&self) -> Vec<CompetitorEntry> {
        let entry = |it: &Competitor| CompetitorEntry {
            id: it.id,
            party: it.party.clone(),
            state: it.state,
            is_creator: it.user == Some(self.creator),
            is_ghost: false,
            is_ghost_major: false,
        };
        self.competitors.iter().map(entry).collect()
    }
}

/// A conference without a name is called by its id's first digits.
fn room(new: NewConference, id: ConferenceId) -> ConferenceRoom {
    let id = id.to_string();
    let or = |text: Box<str>, other: &str| -> Arc<str> {
        if text.is_empty() {
            other.into()
        } else {
            text.into()
        }
    };
    ConferenceRoom {
        room: or(new.room, &id[..8]),
        name: or(new.name, "Conference"),
        description: new.description.into(),
        everyone_can_invite: new.everyone_can_invite,
    }
}

pub(super) fn no_conference() -> Fault {
    let text = "the user is in no such conference";
    Fault::new(ErrorNumber::NotFound, text)
}
