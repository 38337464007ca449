//! Who may connect, counted over all shards: connections of the process, and
//! connections and handshakes of an address (protocol 9-m and 9-n).
//!
//! The shards share one [`Admission`]. It is asked when a connection comes, when a
//! trusted proxy says for whom, and when a connection is gone; no message touches it.
//! The connections of the process are one atomic number. Addresses stand in a table
//! that is divided by their hash into parts with a lock each, held for one look-up, so
//! that shards seldom meet; without a limit per address there is no table. An exact
//! count was chosen over one per shard since the system deals connections out to the
//! shards by hash: a limit per shard would be met by chance, somewhere between the
//! limit and as many times it as there are shards.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Limits;
use crate::base::{Instant, RateLimit, RateUse, Refused, Source};

/// What all shards of a process know of its connections.
#[derive(Debug)]
pub struct Admission {
    links_max: usize,
    links: AtomicUsize,
    addresses: Option<Addresses>,
}

/// An address and how many connections it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddressLinks {
    /// The address; of IPv6 the first of its /64 network.
    pub address: IpAddr,
    /// Connections at the moment.
    pub links: u32,
}

impl Admission {
    /// No connection yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            links_max: limits.links_max,
            links: AtomicUsize::new(0),
            addresses: Addresses::new(limits),
        }
    }

    /// A connection came: counts it, or says that there are as many as allowed.
    pub(super) fn admit(&self) -> Result<(), Refused> {
        let before = self.links.fetch_add(1, Ordering::Relaxed);
        if before < self.links_max {
            return Ok(());
        }
        self.release();
        Err(Refused::LinksMax)
    }

    /// A counted connection is gone.
    pub(super) fn release(&self) {
        self.links.fetch_sub(1, Ordering::Relaxed);
    }

    /// A handshake came from this address: counts it with its connection, or says which
    /// limit it would be over.
    pub(super) fn admit_address(&self, address: IpAddr, now: Instant) -> Result<(), Refused> {
        let addresses = self.addresses.as_ref();
        addresses.map_or(Ok(()), |addresses| addresses.admit(address, now))
    }

    /// A connection that was counted for this address is gone.
    pub(super) fn release_address(&self, address: IpAddr) {
        if let Some(addresses) = &self.addresses {
            addresses.release(address);
        }
    }

    /// Connections of the process.
    pub fn links(&self) -> usize {
        self.links.load(Ordering::Relaxed)
    }

    /// Addresses that are known: those with connections, and some that had one lately.
    /// Zero without a limit per address.
    pub fn addresses(&self) -> usize {
        let parts = self.addresses.iter().flat_map(|it| &it.parts);
        parts.map(|part| lock(part).entries.len()).sum()
    }

    /// The addresses with the most connections, at most so many, the busiest first.
    pub fn busiest(&self, count: usize) -> Vec<AddressLinks> {
        let mut busiest = Vec::new();
        for part in self.addresses.iter().flat_map(|it| &it.parts) {
            let part = lock(part);
            let alive = part.entries.iter().filter(|(_, entry)| entry.links > 0);
            busiest.extend(alive.map(|(source, entry)| AddressLinks {
                address: source.address(),
                links: entry.links,
            }));
            drop(part);
            busiest.sort_by_key(|it| (std::cmp::Reverse(it.links), it.address));
            busiest.truncate(count);
        }
        busiest
    }
}

/// The addresses, divided into parts.
#[derive(Debug)]
struct Addresses {
    links_max: u32,
    handshakes: Option<RateLimit>,
    hasher: RandomState,
    parts: Vec<Mutex<Part>>,
}

#[derive(Debug, Default)]
struct Part {
    entries: HashMap<Source, Entry>,
    /// With more entries than this, those that say nothing are taken out.
    sweep_over: usize,
}

#[derive(Debug, Default)]
struct Entry {
    links: u32,
    handshakes: RateUse,
}

impl Addresses {
    fn new(limits: &Limits) -> Option<Self> {
        let is_limited = limits.links_per_address < u32::MAX;
        (is_limited || limits.handshakes_per_address.is_some()).then(|| Self {
            links_max: limits.links_per_address,
            handshakes: limits.handshakes_per_address,
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
        })
    }

    fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Refused> {
        let source = Source::of(address);
        let mut part = self.part(source);
        part.make_room(now);
        let entry = part.entries.entry(source).or_default();
        let is_within = |limit| entry.handshakes.allows(limit, now);
        if !self.handshakes.is_none_or(is_within) {
            return Err(Refused::HandshakesOfAddress);
        }
        if entry.links >= self.links_max {
            return Err(Refused::LinksOfAddress);
        }
        entry.links += 1;
        Ok(())
    }

    fn release(&self, address: IpAddr) {
        let source = Source::of(address);
        let mut part = self.part(source);
        if let Some(entry) = part.entries.get_mut(&source) {
            entry.links -= 1;
            if entry.links == 0 && self.handshakes.is_none() {
                part.entries.remove(&source);
            }
        }
    }

    fn part(&self, source: Source) -> MutexGuard<'_, Part> {
        let hash = usize::try_from(self.hasher.hash_one(source) % PARTS as u64);
        lock(&self.parts[hash.expect("it is less than the number of parts")])
    }
}

impl Part {
    /// Takes out what is as good as not there, once there are twice as many entries as
    /// were left the last time: what is kept are links that are alive and addresses
    /// whose burst is not whole again, at most twice as many, and [`KEPT_MIN`].
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < self.sweep_over.max(KEPT_MIN) {
            return;
        }
        self.entries
            .retain(|_, entry| entry.links > 0 || !entry.handshakes.is_whole(now));
        self.sweep_over = 2 * self.entries.len();
        self.entries.shrink_to(self.sweep_over.max(KEPT_MIN));
    }
}

/// A panic under the lock leaves nothing half-written that would matter.
fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parts of the table: many more than shards, so that two seldom want the same.
const PARTS: usize = 64;

/// Entries that a part keeps in any case.
const KEPT_MIN: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admission(links_per_address: u32, handshakes: Option<RateLimit>) -> Admission {
        Admission::new(&Limits {
            links_max: 3,
            links_per_address,
            handshakes_per_address: handshakes,
            ..Limits::default()
        })
    }

    fn v4(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    const START: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn links_are_counted_up_to_the_limit_and_refused_ones_leave_no_trace() {
        let admission = admission(u32::MAX, None);
        for _ in 0..3 {
            assert_eq!(admission.admit(), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(admission.admit(), Err(Refused::LinksMax));
        }
        admission.release();
        assert_eq!(admission.admit(), Ok(()));
        assert_eq!(admission.links(), 3);
    }

    // protocol 9-m
    #[test]
    fn each_address_has_its_own_count_of_links() {
        let admission = admission(2, None);
        for _ in 0..2 {
            assert_eq!(admission.admit_address(v4(1), START), Ok(()));
        }
        let refused = Err(Refused::LinksOfAddress);
        assert_eq!(admission.admit_address(v4(1), START), refused);
        assert_eq!(admission.admit_address(v4(2), START), Ok(()));
        admission.release_address(v4(1));
        assert_eq!(admission.admit_address(v4(1), START), Ok(()));
        assert_eq!(admission.admit_address(v4(1), START), refused);
        let busiest = admission.busiest(1);
        let (address, links) = (v4(1), 2);
        assert_eq!(busiest, [AddressLinks { address, links }]);
    }

    // protocol 9-n
    #[test]
    fn each_address_has_its_own_rate_of_handshakes() {
        let admission = admission(u32::MAX, RateLimit::new(1, 2));
        let refused = Err(Refused::HandshakesOfAddress);
        for expected in [Ok(()), Ok(()), refused, refused] {
            assert_eq!(admission.admit_address(v4(1), START), expected);
            admission.release_address(v4(9));
        }
        assert_eq!(admission.admit_address(v4(2), START), Ok(()));
        let later = START + Duration::from_secs(1);
        assert_eq!(admission.admit_address(v4(1), later), Ok(()));
        assert_eq!(admission.admit_address(v4(1), later), refused);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let admission = admission(1, None);
        let at = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(admission.admit_address(at("2001:db8::1"), START), Ok(()));
        let refused = Err(Refused::LinksOfAddress);
        let same = at("2001:db8::ffff:0:0:1");
        assert_eq!(admission.admit_address(same, START), refused);
        assert_eq!(
            admission.admit_address(at("2001:db8:0:1::1"), START),
            Ok(())
        );
        admission.release_address(same);
        assert_eq!(admission.admit_address(same, START), Ok(()));
    }

    #[test]
    fn an_address_without_links_is_forgotten() {
        let admission = admission(1, None);
        for number in 0..100_000 {
            assert_eq!(admission.admit_address(v4(number), START), Ok(()));
            admission.release_address(v4(number));
        }
        assert_eq!(admission.addresses(), 0);
    }

    #[test]
    fn the_table_is_bounded_by_links_alive_and_addresses_of_late() {
        let admission = admission(1, RateLimit::new(10, 10));
        let mut now = START;
        for number in 0..1000 {
            assert_eq!(admission.admit_address(v4(number), now), Ok(()));
        }
        // A thousand links stay; a flood of others passes, 100 of them within each 100 ms,
        // which is how long one handshake is remembered.
        for number in 1000..200_000 {
            now = now + Duration::from_millis(1);
            assert_eq!(admission.admit_address(v4(number), now), Ok(()));
            admission.release_address(v4(number));
            if number % 10_000 == 0 {
                let known = admission.addresses();
                let bound = 2 * (1000 + 100) + PARTS * (KEPT_MIN + 1);
                assert!((1000..bound).contains(&known), "{known} of {bound}");
            }
        }
        let refused = Err(Refused::LinksOfAddress);
        assert_eq!(admission.admit_address(v4(0), now), refused);
    }

    #[test]
    fn without_a_limit_per_address_there_is_no_table() {
        let admission = admission(u32::MAX, None);
        assert_eq!(admission.admit_address(v4(1), START), Ok(()));
        admission.release_address(v4(1));
        assert!(admission.addresses.is_none() && admission.busiest(9).is_empty());
    }
}
