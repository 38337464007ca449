//! Who may log in, and with what (protocol 6.1).

use std::collections::HashMap;

use subtle::{Choice, ConstantTimeEq};

use super::sessions::Sessions;
use super::token::TokenVerifier;
use crate::base::{Now, SessionId, UserId};
use crate::protocol::{
    ErrorNumber, Fault, LoginRequest, Secret, UserRef, parse_md5_hex, password_hashes,
};
use crate::switchboard::Directory;

/// The logins of the settings with their password hashes.
#[derive(Debug)]
pub(super) struct Accounts {
    by_login: HashMap<String, Account>,
    by_id: HashMap<UserId, UserRef>,
    token: Option<TokenVerifier>,
}

struct Account {
    user: UserRef,
    password: Option<[u8; 16]>,
    password_lower: Option<[u8; 16]>,
}

/// Who a login turned out to be.
#[derive(Debug)]
pub(super) struct Admitted {
    /// As the settings spell the login.
    pub(super) user: UserRef,
    /// The session to go on with; `None` begins a new one.
    pub(super) session: Option<SessionId>,
}

impl Accounts {
    pub(super) fn new(directory: &Directory, token: Option<TokenVerifier>) -> Self {
        let user_of = |user: &crate::switchboard::User| UserRef {
            id: user.id,
            login: user.login.clone(),
        };
        let account = |user: &crate::switchboard::User| Account {
            user: user_of(user),
            password: user.password_md5,
            password_lower: user.password_lower_md5,
        };
        let users = directory.users.iter();
        Self {
            by_login: users
                .clone()
                .map(|user| (user.login.to_lowercase(), account(user)))
                .collect(),
            by_id: users.map(|user| (user.id, user_of(user))).collect(),
            token,
        }
    }

    /// The user of this login, in any case.
    pub(super) fn by_login(&self, login: &str) -> Option<&UserRef> {
        let account = self.by_login.get(&login.to_lowercase())?;
        Some(&account.user)
    }

    /// Decides on a login: a session is tried first, then a token, then passwords.
    pub(super) fn admit(
        &self,
        login: &LoginRequest,
        sessions: &Sessions,
        now: Now,
    ) -> Result<Admitted, Fault> {
        let mut refused = wrong_login();
        if let Some(session) = login.session {
            match self.admit_session(login, session, sessions, now) {
                Ok(admitted) => return Ok(admitted),
                Err(fault) => refused = fault,
            }
        }
        let by_token = login
            .token
            .as_ref()
            .map(|token| self.admit_token(login, token, now));
        match by_token {
            Some(Ok(admitted)) => return Ok(admitted),
            Some(Err(fault)) if login.session.is_none() => refused = fault,
            _ => {}
        }
        if login.password.is_some() || login.password_lower.is_some() {
            return self.admit_password(login);
        }
        Err(refused)
    }

    fn admit_session(
        &self,
        login: &LoginRequest,
        session: SessionId,
        sessions: &Sessions,
        now: Now,
    ) -> Result<Admitted, Fault> {
        let user = sessions.user_of(session, now.instant);
        let user = user.and_then(|user| self.by_id.get(&user)).ok_or_else(|| {
            Fault::new(
                ErrorNumber::NotLoggedIn,
                "Bad request. Session does not exist",
            )
        })?;
        if !is_named(login, user) {
            return Err(Fault::new(
                ErrorNumber::NotAllowed,
                "Bad request. Invalid session user",
            ));
        }
        Ok(Admitted {
            user: user.clone(),
            session: Some(session),
        })
    }

    fn admit_token(
        &self,
        login: &LoginRequest,
        token: &Secret,
        now: Now,
    ) -> Result<Admitted, Fault> {
        let verifier = self.token.as_ref().ok_or_else(wrong_login)?;
        let subject = verifier
            .subject(token.reveal(), now.wall)
            .map_err(|_| wrong_login())?;
        let user = self.by_login(&subject).ok_or_else(wrong_login)?;
        if !is_named(login, user) {
            return Err(wrong_login());
        }
        Ok(Admitted {
            user: user.clone(),
            session: None,
        })
    }

    /// The user of this login whose password, as it was typed, this is; in any case of
    /// its letters only if no more is known of it.
    pub(super) fn admit_plain(&self, login: &str, password: &Secret) -> Option<UserRef> {
        let hashes = password_hashes(password.reveal()).ok();
        let account = self.by_login.get(&login.to_lowercase());
        let is_exact = account.is_some_and(|account| account.password.is_some());
        let lower = hashes.filter(|_| !is_exact);
        let hex = |bits: [u8; 16]| Secret::new(format!("{:032x}", u128::from_be_bytes(bits)));
        let request = LoginRequest {
            login: Some(login.into()),
            password: hashes.map(|hashes| hex(hashes.as_typed)),
            password_lower: lower.map(|hashes| hex(hashes.lower_cased)),
            ..LoginRequest::default()
        };
        Some(self.admit_password(&request).ok()?.user)
    }

    /// Whether this is the MD5 of the user's password as typed.
    pub(super) fn has_password(&self, user: UserId, as_typed: &Secret) -> bool {
        let stored = self.account(user).and_then(|account| account.password);
        is_same(Some(as_typed), stored).into()
    }

    /// Gives the user another password; without `lower` that kind of hash is cleared.
    pub(super) fn set_password(
        &mut self,
        user: UserId,
        as_typed: [u8; 16],
        lower: Option<[u8; 16]>,
    ) {
        let login = self.by_id.get(&user).map(|user| user.login.to_lowercase());
        if let Some(account) = login.and_then(|login| self.by_login.get_mut(&login)) {
            account.password = Some(as_typed);
            account.password_lower = lower;
        }
    }

    fn account(&self, user: UserId) -> Option<&Account> {
        let user = self.by_id.get(&user)?;
        self.by_login.get(&user.login.to_lowercase())
    }

    /// Compares in constant time, for a login that does not exist too.
    fn admit_password(&self, login: &LoginRequest) -> Result<Admitted, Fault> {
        let name = login.login.as_deref().unwrap_or_default().to_lowercase();
        let account = self.by_login.get(&name);
        let (typed, lower) = account.map_or((None, None), |account| {
            (account.password, account.password_lower)
        });
        let is_right =
            is_same(login.password.as_ref(), typed) | is_same(login.password_lower.as_ref(), lower);
        match account {
            Some(account) if bool::from(is_right) => Ok(Admitted {
                user: account.user.clone(),
                session: None,
            }),
            _ => Err(wrong_login()),
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Account").field(&self.user).finish()
    }
}

/// Libraries compare this text.
fn wrong_login() -> Fault {
    Fault::new(ErrorNumber::NotLoggedIn, "Wrong login/pass combination")
}

/// Whether the login that is named, if one is, is this user's.
fn is_named(login: &LoginRequest, user: &UserRef) -> bool {
    let named = login.login.as_deref();
    named.is_none_or(|named| user.is_called(named))
}

fn is_same(presented: Option<&Secret>, stored: Option<[u8; 16]>) -> Choice {
    let presented = presented.and_then(|hash| parse_md5_hex(hash.reveal()));
    let is_there = presented.is_some() & stored.is_some();
    let equal = presented
        .unwrap_or_default()
        .ct_eq(&stored.unwrap_or([0xFF; 16]));
    equal & Choice::from(u8::from(is_there))
}
