//! Owns the server that is tried: its addresses, its users and how it is linked with a CRM, read from a file or made of a
//! gateway that was started for the cases.

use std::net::SocketAddr;

use serde::Deserialize;

use super::case::Need;
use crate::admin::Admin;
use crate::error::{Error, Result};

/// A server, as its cases see it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Where tabs connect.
    pub clients: SocketAddr,
    /// Where the scenario API and the simulated switch are asked.
    #[serde(default)]
    pub admin: Option<SocketAddr>,
    /// Whether outside calls can be made there.
    #[serde(default)]
    pub simulated_switch: bool,
    /// Who may log in; a case plays with [`CREW`] of them at a time.
    pub users: Vec<Person>,
}

/// A user of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The login.
    pub login: String,
    /// The password as it is typed.
    pub password: String,
    /// The number of the user's phone.
    pub number: String,
}

impl Target {
    /// Reads a target's file.
    pub fn from_toml(text: &str) -> Result<Self> {
        let target: Self =
            toml::from_str(text).map_err(|error| Error::Usage(format!("the target: {error}")))?;
        if target.users.len() < CREW {
            return Err(Error::Usage(format!(
                "the target has {} [[users]]: a case plays with {CREW}",
                target.users.len()
            )));
        }
        if target.simulated_switch && target.admin.is_none() {
            return Err(Error::Usage(
                "the target: simulated_switch without `admin`, its address".into(),
            ));
        }
        Ok(target)
    }

    /// A client of the admin address, if there is one.
    pub(super) fn admin(&self) -> Option<Admin> {
        self.admin.map(Admin::new)
    }

    pub(super) fn has(&self, need: Need) -> bool {
        match need {
            Need::Switch => self.simulated_switch,
            Need::Scenarios => self.admin.is_some(),
        }
    }
}

/// How many users a case plays with.
pub const CREW: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_needs_a_crew_and_knows_what_it_has() {
        let user =
            |n: u8| format!("[[users]]\nlogin = \"u{n}\"\npassword = \"p\"\nnumber = \"10{n}\"\n");
        let users: String = (0..3).map(user).collect();
        let target = Target::from_toml(&format!("clients = \"127.0.0.1:4066\"\n{users}")).unwrap();
        assert!(!target.has(Need::Switch) && !target.has(Need::Scenarios));
        let few = format!("clients = \"127.0.0.1:4066\"\n{}", user(1));
        let error = Target::from_toml(&few).unwrap_err().to_string();
        assert!(error.contains("1 [[users]]"), "{error}");
        let odd = format!("clients = \"127.0.0.1:4066\"\nsimulated_switch = true\n{users}");
        assert!(Target::from_toml(&odd).is_err());
        let misspelt = format!("client = \"127.0.0.1:4066\"\n{users}");
        let error = Target::from_toml(&misspelt).unwrap_err().to_string();
        assert!(error.contains("client"), "{error}");
    }
}
