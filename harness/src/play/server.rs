//! Owns the server of a run: started by the harness, or one that runs already; and what its process uses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::gateway::{Gateway, Settings, User, program_from_environment};
use crate::process::Usage;
use crate::scenario::{Scenario, Server, Start, Target, Users};

/// The server that is loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) address: SocketAddr,
    /// For simulated calls.
    pub(super) admin: Option<Admin>,
    process: Option<u32>,
    gateway: Option<Gateway>,
}

impl Loaded {
    /// Starts it, or looks where it runs. `harness` is this program's file.
    pub(super) async fn find(scenario: &Scenario, harness: &Path) -> Result<Self> {
        match &scenario.server {
            Server::Runs(target) => Self::running(target),
            Server::Started(start) => Self::start(start, &scenario.play.users, harness).await,
        }
    }

    fn running(target: &Target) -> Result<Self> {
        let mut admin = target.admin.map(Admin::new);
        if let (Some(known), Some(file)) = (&admin, &target.admin_token_file) {
            let token = std::fs::read_to_string(file)
                .map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?;
            admin = Some(known.clone().token(token.trim()));
        }
        if let Some(process) = target.pid {
            let missing = |error| Error::Usage(format!("target.pid {process}: {error}"));
            Usage::of(process).map_err(missing)?;
        }
        Ok(Self {
            address: target.address,
            admin,
            process: target.pid,
            gateway: None,
        })
    }

    async fn start(start: &Start, users: &Users, harness: &Path) -> Result<Self> {
        let program = program(start, harness)?;
        let mut settings = Settings::new().without_load_limits();
        for (key, value) in leaves("", &start.settings) {
            settings = settings.set(&key, value);
        }
        for place in 0..users.count {
            let user = User::new(&users.login(place)).password(&users.password);
            let number = users.first_number + place;
            settings = settings.user(user.number(&number.to_string()));
        }
        let gateway = Gateway::start_program(program, settings).await?;
        Ok(Self {
            address: gateway.clients(),
            admin: Some(gateway.admin()),
            process: gateway.process_id(),
            gateway: Some(gateway),
        })
    }

    /// What its process uses now; an error once it has ended. `None` if it is not known.
    pub(super) fn usage(&self) -> Result<Option<Usage>> {
        let used = self.process.map(Usage::of).transpose();
        used.map_err(|error| match &self.gateway {
            Some(gateway) => gateway.failure("it has ended while it was loaded"),
            None => error,
        })
    }

    /// Ends it, if the harness started it.
    pub(super) async fn stop(self) -> Result<()> {
        match self.gateway {
            Some(gateway) => gateway.stop().await,
            None => Ok(()),
        }
    }
}

/// The gateway's program: that of the scenario, that of the environment, or the one beside this program.
fn program(start: &Start, harness: &Path) -> Result<PathBuf> {
    let program = match &start.program {
        Some(program) => program.clone(),
        None if std::env::var_os("OKGATE_BIN").is_some() => program_from_environment()?,
        None => harness.with_file_name("okgate"),
    };
    let whole = std::path::absolute(&program);
    match whole {
        Ok(whole) if whole.is_file() => Ok(whole),
        _ => Err(Error::Usage(format!(
            "there is no gateway's program {}: name one by gateway.program, by --gateway or in OKGATE_BIN, or name a server that runs by [target] or --target",
            program.display()
        ))),
    }
}

/// Every value of nested tables with its dotted key.
fn leaves(above: &str, table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        let key = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            toml::Value::Table(inner) => all.extend(leaves(&key, inner)),
            value => all.push((key, value.clone())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_settings_become_dotted_keys() {
        let table: toml::Table = "a.b.c = 1\n[a.d]\ne = [2]".parse().unwrap();
        let keys: Vec<String> = leaves("", &table).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a.b.c", "a.d.e"]);
    }

    #[test]
    fn a_missing_program_is_said_with_the_ways_to_name_one() {
        let start = Start {
            program: Some("/nowhere/okgate".into()),
            ..Start::default()
        };
        let error = program(&start, Path::new("/bin/x"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/okgate") && error.contains("--target"),
            "{error}"
        );
    }
}
