//! What counts as one address when peers are counted.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets
/// (protocol 9-m).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Where this address belongs to.
    pub fn of(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK_MASK).into(),
        })
    }

    /// The address, or the first one of the network.
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

/// The first 64 bits.
const NETWORK_MASK: u128 = !(u64::MAX as u128);
