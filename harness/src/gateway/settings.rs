//! Owns the settings file that tests start the gateway with: a builder over the TOML keys of the gateway.
//!
//! Users, departments and the CRM's section come in, the text of the file goes out. Any key can be set, also ones that
//! this builder does not know.

use std::net::SocketAddr;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::password::PasswordHashes;

/// The password of users that were not given one.
pub const DEFAULT_PASSWORD: &str = "password";

/// A gateway's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    table: Table,
    user_count: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// No users, no CRM, the simulated PBX, a short drain.
    pub fn new() -> Self {
        let settings = Self {
            table: Table::new(),
            user_count: 0,
        };
        settings
            .set("gateway.drain_s", 1)
            .set("crm.mode", "off")
            .set("pbx.driver", "sim")
    }

    /// Those of a text like a settings file's, whose users are counted on.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table: Table = text
            .parse()
            .map_err(|error| Error::Malformed(format!("the settings: {error}")))?;
        let users = table.get("users").and_then(Value::as_array);
        Ok(Self {
            user_count: users.map_or(0, Vec::len),
            table,
        })
    }

    /// Sets any key, given with its sections: `"clients.tabs_per_user"`. Sections on the way are made.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (sections, name) = match key.rsplit_once('.') {
            Some((sections, name)) => (sections.split('.').collect(), name),
            None => (Vec::new(), key),
        };
        let mut table = &mut self.table;
        for section in sections {
            let entry = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            table = entry.as_table_mut().expect("it was just made one");
        }
        table.insert(name.to_owned(), value.into());
        self
    }

    /// Appends an entry to an array of tables, e.g. `[[form_rules]]`.
    #[must_use]
    pub fn push(mut self, array: &str, entry: Table) -> Self {
        let entries = self
            .table
            .entry(array)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(entries) = entries {
            entries.push(Value::Table(entry));
        }
        self
    }

    /// Adds `user1` to `user<count>` with the numbers 101, 102 … and [`DEFAULT_PASSWORD`].
    #[must_use]
    pub fn users(self, count: usize) -> Self {
        (1..=count).fold(self, |settings, number| {
            settings.user(User::new(&format!("user{number}")))
        })
    }

    /// Adds a user. What it was not given: the number is 100 plus its place, the id is made from its place.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user_count += 1;
        let place = self.user_count;
        let hashes = PasswordHashes::of(user.password.as_deref().unwrap_or(DEFAULT_PASSWORD));
        let mut entry = Table::new();
        let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
        put("id", user.id.unwrap_or_else(|| user_id(place)).into());
        put(
            "name",
            user.name.unwrap_or_else(|| user.login.clone()).into(),
        );
        put("login", user.login.into());
        let number = user.number.unwrap_or_else(|| (100 + place).to_string());
        put("number", number.into());
        put("password_md5", hashes.as_typed.into());
        put("password_lower_md5", hashes.lower_case.into());
        if user.is_operator {
            put("operator", true.into());
        }
        if !user.supervises.is_empty() {
            put("supervises", user.supervises.into());
        }
        self.push("users", entry)
    }

    /// Adds a department with these logins.
    #[must_use]
    pub fn department(self, name: &str, logins: &[&str]) -> Self {
        let place = self
            .table
            .get("departments")
            .map_or(0, |array| array.as_array().map_or(0, Vec::len));
        let mut entry = Table::new();
        let id = format!("00000000-0000-4000-9000-{:012}", place + 1);
        entry.insert("id".into(), id.into());
        entry.insert("name".into(), name.into());
        entry.insert("users".into(), logins.to_vec().into());
        self.push("departments", entry)
    }

    /// Adds a reason for breaks.
    #[must_use]
    pub fn break_reason(self, id: i64, name: &str) -> Self {
        let mut entry = Table::new();
        entry.insert("id".into(), id.into());
        entry.insert("name".into(), name.into());
        self.push("break_reasons", entry)
    }

    /// Listens on these addresses.
    #[must_use]
    pub fn listen(self, clients: SocketAddr, web: SocketAddr, admin: SocketAddr) -> Self {
        let list = |address: SocketAddr| Value::Array(vec![address.to_string().into()]);
        self.set("clients.listen", list(clients))
            .set("web.listen", list(web))
            .set("admin.listen", admin.to_string())
    }

    /// Lifts the limits that a load would meet: messages per second and tabs per user.
    #[must_use]
    pub fn without_load_limits(self) -> Self {
        self.set("clients.messages_per_s", 0)
            .set("clients.messages_burst", 0)
            .set("clients.tabs_per_user", 0)
    }

    /// Links a CRM by `ws-out` with JSON.
    #[must_use]
    pub fn crm_ws_out(self, address: SocketAddr) -> Self {
        self.set("crm.mode", "ws-out")
            .set("crm.address", address.to_string())
            .set("crm.format", "json")
    }

    /// Looks callers' names up by this dynamic method, waiting so long at most.
    #[must_use]
    pub fn caller_name(self, method: &str, wait_ms: i64) -> Self {
        self.set("crm.caller_name.method", method)
            .set("crm.caller_name.wait_ms", wait_ms)
    }

    /// The value of a key, if it is set.
    pub fn value(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.table.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// The text of the settings file.
    pub fn to_toml(&self) -> String {
        self.table.to_string()
    }
}

/// A user of the settings.
#[derive(Debug, Clone)]
pub struct User {
    login: String,
    id: Option<String>,
    name: Option<String>,
    number: Option<String>,
    password: Option<String>,
    is_operator: bool,
    supervises: Vec<String>,
}

impl User {
    /// A user with this login; the rest as [`Settings::user`] says.
    pub fn new(login: &str) -> Self {
        Self {
            login: login.to_owned(),
            id: None,
            name: None,
            number: None,
            password: None,
            is_operator: false,
            supervises: Vec::new(),
        }
    }

    /// Sets the id, a GUID.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Sets the name that others see.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Sets the main number.
    #[must_use]
    pub fn number(mut self, number: &str) -> Self {
        self.number = Some(number.to_owned());
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Makes the user a call-centre operator.
    #[must_use]
    pub fn operator(mut self) -> Self {
        self.is_operator = true;
        self
    }

    /// Lets the user supervise these logins.
    #[must_use]
    pub fn supervises(mut self, logins: &[&str]) -> Self {
        self.supervises = logins.iter().map(|login| (*login).to_owned()).collect();
        self
    }
}

/// The id of the user at this place (from 1) when it was not given one.
pub fn user_id(place: usize) -> String {
    format!("00000000-0000-4000-8000-{place:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_departments_and_the_crm_become_toml_that_reads_back() {
        let settings = Settings::new()
            .users(2)
            .user(
                User::new("иван")
                    .name("Иван \"П\"")
                    .number("300")
                    .operator()
                    .supervises(&["user1"]),
            )
            .department("Sales", &["user1", "user2"])
            .break_reason(1, "Lunch")
            .crm_ws_out("127.0.0.1:8045".parse().unwrap())
            .caller_name("callername", 500)
            .set("clients.tabs_per_user", 3);
        let table: Table = settings.to_toml().parse().unwrap();
        assert_eq!(table["users"][1]["login"].as_str(), Some("user2"));
        assert_eq!(table["users"][1]["number"].as_str(), Some("102"));
        assert_eq!(table["users"][2]["name"].as_str(), Some("Иван \"П\""));
        assert_eq!(table["users"][2]["supervises"][0].as_str(), Some("user1"));
        assert_eq!(table["departments"][0]["users"][1].as_str(), Some("user2"));
        assert_eq!(table["break_reasons"][0]["id"].as_integer(), Some(1));
        assert_eq!(
            table["crm"]["caller_name"]["wait_ms"].as_integer(),
            Some(500)
        );
        assert_eq!(table["crm"]["mode"].as_str(), Some("ws-out"));
        assert_eq!(table["clients"]["tabs_per_user"].as_integer(), Some(3));
        assert_eq!(
            table["users"][0]["password_md5"].as_str(),
            Some("5f4dcc3b5aa765d61d8327deb882cf99")
        );
    }
}
