//! Who waits where: what users and CRMs are told of the lines of groups
//! (protocol 6.5-n, 6.5-af, 10-f). Nothing is changed here.

use std::sync::Arc;

use super::Switchboard;
use super::chain::{Chain, MemberId};
use crate::base::UserId;
use crate::protocol::{Fault, NumberKind, Party, QueueEntry, QueuedCaller};

impl Switchboard {
    /// `getcurrentqueue`: the callers who wait for this user and do not ring there: those
    /// who arrived and are not routed yet, then those in the lines of the user's groups.
    pub fn current_queue(&self, user: UserId) -> Result<Vec<QueuedCaller>, Fault> {
        let index = self.users.index(user)?;
        let own = self.users[index].waiting.iter().filter_map(|chain| {
            let chain = self.calls.get(*chain)?;
            queued(chain, chain.first_bond()?.caller, None)
        });
        let mut queue: Vec<_> = own.collect();
        for group in self.users[index]
            .groups
            .iter()
            .map(|group| &self.groups[*group])
        {
            queue.extend(group.line.iter().filter_map(|(chain, id)| {
                let chain = self.calls.get(*chain)?;
                let bond = chain.bond_of(chain.member(*id)?.current)?;
                let rings_here = self.users[index].call == Some(chain.id);
                let entry = queued(chain, bond.caller, group.number.as_ref())?;
                (!rings_here).then_some(entry)
            }));
        }
        Ok(queue)
    }

    /// All groups with their lines, or those whose calls ring this user (protocol 10-f).
    pub fn queues(&self, of: Option<UserId>) -> Result<Vec<QueueEntry>, Fault> {
        let of = of.map(|user| self.users.index(user)).transpose()?;
        let groups = self.groups.iter().enumerate();
        let wanted = groups
            .filter(|(place, _)| of.is_none_or(|user| self.users[user].groups.contains(place)));
        let entries = wanted.filter_map(|(_, group)| {
            let number = group.number.as_ref()?;
            let entry = self.numbers.service_entry(number)?;
            let callers = group.line.iter().filter_map(|(chain, id)| {
                let chain = self.calls.get(*chain)?;
                let bond = chain.bond_of(chain.member(*id)?.current)?;
                queued(chain, bond.caller, Some(number))
            });
            let is_free = |user: &&usize| self.users[**user].may_ring(false);
            Some(QueueEntry {
                number: Arc::clone(number),
                name: Arc::clone(&entry.caption),
                is_queue: entry.kind == NumberKind::Queue,
                users: group.users.len(),
                free: group.users.iter().filter(is_free).count(),
                callers: callers.collect(),
            })
        });
        Ok(entries.collect())
    }
}

/// A caller of a chain as one who waits.
fn queued(chain: &Chain, caller: MemberId, queue: Option<&Arc<str>>) -> Option<QueuedCaller> {
    let party: Party = chain.member(caller)?.party.clone();
    let (chain, queue) = (chain.id, queue.map(Arc::clone));
    Some(QueuedCaller {
        chain,
        party,
        queue,
    })
}
