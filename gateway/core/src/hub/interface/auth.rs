//! Who may use the HTTP interface (protocol 10-a, 10-o).

use std::collections::HashMap;
use std::net::IpAddr;

use super::UploadTicket;
use crate::base::{Instant, RateLimit, RateUse, Refused, Source, UserId};
use crate::hub::desk::NOBODY;
use crate::hub::{Downward, Hub};
use crate::protocol::{ErrorNumber, Fault, Secret, UserRef};

/// What the settings say of the interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Who has the right to it, in everybody's name.
    pub users: Vec<UserId>,
    /// How often credentials may be wrong from one address.
    pub failures: Option<RateLimit>,
}

/// What a request presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing, or nothing that can be read.
    Missing,
    /// Basic authentication.
    Basic {
        /// The login.
        login: Box<str>,
        /// The password as it was typed.
        password: Secret,
    },
    /// `temppass`: a password of `gettemphttppass`, which is used up.
    TempPassword(Secret),
}

/// In whose name a request comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) user: UserId,
    /// It may act for nobody else.
    pub(super) is_own_only: bool,
}

/// Addresses from which credentials were wrong lately.
#[derive(Debug)]
pub(super) struct Failures {
    limit: Option<RateLimit>,
    sources: HashMap<Source, RateUse>,
    /// With more entries than this, those that say nothing are taken out.
    sweep_over: usize,
}

impl Failures {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            sources: HashMap::new(),
            sweep_over: SOURCES_MIN,
        }
    }

    /// Whether one more failure would be one too many.
    fn are_too_many(&self, address: IpAddr, now: Instant) -> bool {
        let used = self.sources.get(&Source::of(address)).copied();
        match (self.limit, used) {
            // A copy: asking uses nothing up.
            (Some(limit), Some(mut used)) => !used.allows(limit, now),
            _ => false,
        }
    }

    fn note(&mut self, address: IpAddr, now: Instant) {
        let Some(limit) = self.limit else {
            return;
        };
        if self.sources.len() >= self.sweep_over {
            self.sources.retain(|_, used| !used.is_whole(now));
            self.sweep_over = SOURCES_MIN.max(2 * self.sources.len());
        }
        let used = self.sources.entry(Source::of(address)).or_default();
        let _is_within = used.allows(limit, now);
    }
}

impl Hub {
    /// In whose name a request comes; a one-use password is used up.
    pub(super) fn identify(
        &mut self,
        address: IpAddr,
        credentials: &Credentials,
    ) -> Result<(Identity, Option<UploadTicket>), Fault> {
        let now = self.now.instant;
        if *credentials == Credentials::Missing {
            return Err(unauthorized());
        }
        if self.interface.failures.are_too_many(address, now) {
            self.refuse_address(address, Refused::InterfaceFailures, None);
            let text = "wrong credentials came too often from this address: wait";
            return Err(Fault::new(ErrorNumber::TooMany, text));
        }
        let found = match credentials {
            Credentials::Missing => None,
            Credentials::Basic { login, password } => {
                let user = self.accounts.admit_plain(login, password);
                user.map(|user| (user, None))
            }
            Credentials::TempPassword(password) => {
                let ticket = self.desk.redeem(password, now);
                ticket.map(|ticket| (ticket.user.clone(), Some(ticket)))
            }
        };
        let Some((user, ticket)) = found else {
            self.interface.failures.note(address, now);
            self.refuse_address(address, Refused::InterfaceLogin, None);
            return Err(unauthorized());
        };
        let is_own_only = ticket.is_some();
        if !is_own_only && !self.interface.users.contains(&user.id) {
            self.refuse_address(address, Refused::InterfaceRight, Some(user));
            let text = "this user has no right to the HTTP interface (web.users)";
            return Err(Fault::new(ErrorNumber::NotAllowed, text));
        }
        let identity = Identity {
            user: user.id,
            is_own_only,
        };
        Ok((identity, ticket))
    }

    fn refuse_address(&mut self, address: IpAddr, reason: Refused, user: Option<UserRef>) {
        let what = Downward::RefusedAddress {
            reason,
            address,
            user,
        };
        self.tell_shard(NOBODY, what);
    }
}

fn unauthorized() -> Fault {
    let text = "the credentials are missing or wrong: Basic authentication, or temppass";
    Fault::new(ErrorNumber::NotLoggedIn, text)
}

/// Addresses that are kept in any case.
const SOURCES_MIN: usize = 256;
