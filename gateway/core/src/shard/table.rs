//! The shard's links by id.

use crate::base::LinkId;

/// Slots that are used again with a new generation, so that an id that outlived
/// its link finds nothing.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> LinkId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            u32::try_from(self.slots.len() - 1).expect("descriptors are far fewer than 2^32")
        });
        let entry = &mut self.slots[slot as usize];
        entry.value = Some(value);
        LinkId {
            slot,
            generation: entry.generation,
        }
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        (slot.generation == id.generation).then_some(slot.value.as_mut())?
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(value)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.ids_from(0)
    }

    /// The ids whose slot is this one or a later one, in the order of slots.
    pub(super) fn ids_from(&self, slot: u32) -> impl Iterator<Item = LinkId> + '_ {
        (0..)
            .zip(&self.slots)
            .skip(slot as usize)
            .filter_map(|(slot, entry)| {
                entry.value.as_ref().map(|_| LinkId {
                    slot,
                    generation: entry.generation,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_outlived_its_link_finds_nothing() {
        let mut table = Table::new();
        let old = table.insert("old");
        assert_eq!(table.remove(old), Some("old"));
        let new = table.insert("new");
        assert_eq!(new.slot, old.slot);
        assert_eq!(table.get_mut(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!(table.get_mut(new), Some(&mut "new"));
        assert_eq!(table.len(), 1);
    }
}
