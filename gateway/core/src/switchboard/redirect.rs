//! Users' redirect rules (protocol 6.3): kept here, and followed when a user's phone
//! would be rung.

use std::sync::Arc;

use super::Switchboard;
use super::chain::{Chain, MemberId, Service};
use super::numbers::Target;
use crate::base::UserId;
use crate::protocol::{ErrorNumber, Fault, RedirectRule};

/// So many rules follow each other at most: then the call goes where it is.
const CASCADE_MAX: usize = 8;

impl Switchboard {
    /// `getredirectrules`: in the order in which they are tried.
    pub fn redirect_rules(&self, user: UserId) -> Result<Arc<[RedirectRule]>, Fault> {
        Ok(Arc::clone(&self.users.of(user)?.redirect_rules))
    }

    /// `saveredirectrules`: adds a rule, or replaces the one of the same id.
    pub fn save_redirect_rule(
        &mut self,
        user: UserId,
        mut rule: RedirectRule,
    ) -> Result<(), Fault> {
        let index = self.users.index(user)?;
        rule.user = Some(user.0);
        self.check_rule(&rule)?;
        let target = self.target("destinationnumber", &rule.destination)?;
        if target.user == Some(index) {
            let expected = "somebody else's number: this one is the user's own";
            return Err(Fault::parameter("destinationnumber", expected));
        }
        let record = &mut self.users[index];
        let kept = record
            .redirect_rules
            .iter()
            .filter(|it| !it.is_called(&rule.id));
        let mut rules: Vec<_> = kept.cloned().collect();
        if rules.len() >= self.limits.redirect_rules_max {
            let text = "there are as many redirect rules as there may be";
            return Err(Fault::new(ErrorNumber::TooMany, text));
        }
        rules.push(rule);
        rules.sort_by_key(|rule| rule.priority);
        record.redirect_rules = rules.into();
        Ok(())
    }

    /// `deleteredirectrules`: those that there are.
    pub fn delete_redirect_rules(&mut self, user: UserId, ids: &[Box<str>]) -> Result<(), Fault> {
        let index = self.users.index(user)?;
        let record = &mut self.users[index];
        let is_meant = |rule: &&RedirectRule| !ids.iter().any(|id| rule.is_called(id));
        record.redirect_rules = record
            .redirect_rules
            .iter()
            .filter(is_meant)
            .cloned()
            .collect();
        Ok(())
    }

    fn check_rule(&self, rule: &RedirectRule) -> Result<(), Fault> {
        let words_max = self.limits.message_characters_max;
        let texts = [
            ("id", &rule.id, self.limits.number_characters_max),
            ("caption", &rule.caption, words_max),
            ("description", &rule.description, words_max),
        ];
        for (field, text, max) in texts {
            if text.chars().count() > max {
                return Err(Fault::parameter(
                    field,
                    &format!("at most {max} characters"),
                ));
            }
        }
        let sources_max = self.limits.redirect_rules_max;
        let is_long = |it: &Arc<str>| it.chars().count() > self.limits.number_characters_max;
        if rule.sources.len() > sources_max || rule.sources.iter().any(is_long) {
            let expected = format!("at most {sources_max} numbers");
            return Err(Fault::parameter("definesources", &expected));
        }
        Ok(())
    }

    /// Whether a rule may send calls to this user elsewhere: then the user's own phone
    /// decides nothing.
    pub(super) fn is_redirected(&self, user: usize) -> bool {
        let record = &self.users[user];
        let applies = |rule: &RedirectRule| rule.applies(record, None);
        record.redirect_rules.iter().any(applies)
    }

    /// Sends a call to where the redirect rules of whom it would ring say. Rules that
    /// lead in a circle, or into the call itself, end where they were first met.
    pub(super) fn redirect(&self, chain: &mut Chain, id: MemberId) {
        let Some((member, mut user)) = chain.member(id).and_then(|it| Some((it, it.user?))) else {
            return;
        };
        let is_own_phone = self.users[user].call == Some(chain.id);
        if is_own_phone || matches!(member.service, Service::Candidate) {
            return;
        }
        let bond = chain.bond_of(member.current);
        let caller = bond.and_then(|bond| chain.other(bond, id));
        let source = caller.and_then(|caller| caller.party.number.clone());
        let mut met = vec![user];
        let mut found: Option<Target> = None;
        while met.len() <= CASCADE_MAX {
            let record = &self.users[user];
            let mut rules = record.redirect_rules.iter();
            let Some(rule) = rules.find(|rule| rule.applies(record, source.as_deref())) else {
                break;
            };
            let Ok(target) = self.target("destinationnumber", &rule.destination) else {
                break;
            };
            let is_taken = target
                .user
                .is_some_and(|next| met.contains(&next) || chain.member_of_user(next).is_some());
            if is_taken {
                break;
            }
            let next = target.user.filter(|_| rule.allows_cascade);
            found = Some(target);
            match next {
                Some(next) => {
                    met.push(next);
                    user = next;
                }
                None => break,
            }
        }
        if let (Some(target), Some(member)) = (found, chain.member_mut(id)) {
            member.user = target.user;
            member.party = target.party;
            member.service = target.service;
        }
    }
}

impl RedirectRule {
    /// Whether the rule applies to a call now; without a source, to some call.
    fn applies(&self, user: &super::users::UserRecord, source: Option<&str>) -> bool {
        let is_from = |source: &str| self.sources.iter().any(|it| **it == *source);
        self.is_enabled
            && (!self.only_for_redirect_state || user.shown.on_redirect)
            && self.state.is_none_or(|state| state == user.shown.id)
            && (self.sources.is_empty() || source.is_none_or(is_from))
    }
}
