//! `okgate passwd`: from a password to a user's entry.

use std::io::{self, BufRead, IsTerminal, Write};

use okgate_core::base::Guid;
use okgate_core::protocol::{PasswordHashes, check_new_password, password_hashes};

use super::Outcome;

/// Asks for a password and prints the user's entry for the settings file.
pub(super) fn passwd(login: &str) -> Outcome {
    let entry = ask().and_then(|password| entry(login, &password, guid()));
    match entry {
        Ok(entry) => match io::stdout().lock().write_all(entry.as_bytes()) {
            Ok(()) => Outcome::Fine,
            Err(_) => Outcome::Failed,
        },
        Err(refused) => {
            eprintln!("okgate: {refused}");
            Outcome::Usage
        }
    }
}

/// Why there is no entry.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the login must not be empty")]
    EmptyLogin,
    #[error("the password must not be empty")]
    EmptyPassword,
    #[error("the two passwords are not the same")]
    NotTheSame,
    #[error("{0}")]
    Unfit(#[from] okgate_core::protocol::PasswordError),
    #[error("no password was given: {0}")]
    Input(#[from] io::Error),
}

/// Asks twice without echo on a terminal; else takes one line of the input.
fn ask() -> Result<String, Refused> {
    let input = io::stdin();
    if !input.is_terminal() {
        return first_line(&mut input.lock());
    }
    let password = rpassword::prompt_password("Password: ")?;
    check(&password)?;
    let again = rpassword::prompt_password("The same again: ")?;
    if password == again {
        Ok(password)
    } else {
        Err(Refused::NotTheSame)
    }
}

/// The first line without its end; the rest of the line belongs to the password.
fn first_line(input: &mut impl BufRead) -> Result<String, Refused> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn check(password: &str) -> Result<(), Refused> {
    if password.is_empty() {
        return Err(Refused::EmptyPassword);
    }
    Ok(check_new_password(password)?)
}

/// The `[[users]]` entry with both hashes.
fn entry(login: &str, password: &str, id: Guid) -> Result<String, Refused> {
    if login.is_empty() {
        return Err(Refused::EmptyLogin);
    }
    check(password)?;
    let PasswordHashes {
        as_typed,
        lower_cased,
    } = password_hashes(password)?;
    // A TOML basic string escapes what the value's own form escapes.
    let login = toml::Value::String(login.to_owned());
    Ok(format!(
        "[[users]]\n\
         login = {login}\n\
         id = \"{id}\"\n\
         password_md5 = \"{}\"\n\
         password_lower_md5 = \"{}\"\n",
        hexadecimal(as_typed),
        hexadecimal(lower_cased)
    ))
}

fn hexadecimal(hash: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(hash))
}

fn guid() -> Guid {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system has randomness");
    Guid::random(u128::from_be_bytes(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Surroundings};

    #[test]
    fn the_entry_is_one_that_the_settings_take() {
        let entry = entry("an\"na", "Secret", Guid::random(1)).expect("a fit password");
        let text = format!("[crm]\nmode = \"off\"\n{entry}");
        let settings = config::parse(&text, &Surroundings::default()).expect("a good file");
        let user = &settings.directory.users[0];
        assert_eq!(&*user.login, "an\"na");
        assert_eq!(user.id.0, Guid::random(1));
        let hashes = password_hashes("Secret").expect("a fit password");
        assert_eq!(user.password_md5, Some(hashes.as_typed));
        assert_eq!(user.password_lower_md5, Some(hashes.lower_cased));
    }

    #[test]
    fn the_hashes_are_those_of_the_bytes_that_libraries_hash() {
        // printf 'Secret' | md5sum; printf 'secret' | md5sum
        let entry = entry("anna", "Secret", Guid::random(1)).expect("a fit password");
        assert!(
            entry.contains("password_md5 = \"1e6947ac7fb3a9529a9726eb692c8cc5\""),
            "{entry}"
        );
        assert!(
            entry.contains("password_lower_md5 = \"5ebe2294ecd0e0f08eab7690d2a6ee69\""),
            "{entry}"
        );
    }

    #[test]
    fn passwords_that_clients_would_hash_differently_are_refused() {
        for (password, words) in [("naïve", "ï"), ("", "empty"), ("пароль€", "€")] {
            let refused = entry("anna", password, Guid::random(1)).expect_err(password);
            assert!(refused.to_string().contains(words), "{refused}");
        }
        entry("anna", "Пароль-Ё1", Guid::random(1)).expect("Russian letters are fit");
    }

    #[test]
    fn from_a_pipe_one_line_is_the_password() {
        let mut input = "pass word \r\nsecond\n".as_bytes();
        assert_eq!(first_line(&mut input).expect("text"), "pass word ");
        assert_eq!(first_line(&mut "".as_bytes()).expect("text"), "");
        first_line(&mut [0xFF, b'\n'].as_slice()).expect_err("no UTF-8");
    }
}
