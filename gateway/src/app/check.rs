//! `okgate check` and `okgate settings`.

use std::io::Write;
use std::path::Path;

use super::{Outcome, tls};
use crate::config::{self, LoadError, Settings};

/// Names every fault of the file, one a line as `FILE:LINE: key: reason`.
pub(super) fn check(path: &Path, out: &mut impl Write) -> Outcome {
    match config::load(path) {
        Ok(settings) => match tls::check(&settings.crm.mode) {
            faults if faults.is_empty() => {
                written(&out.write_all(summary(path, &settings).as_bytes()))
            }
            faults => faulty(path, &LoadError::Faults(faults), out),
        },
        Err(error) => faulty(path, &error, out),
    }
}

/// Prints the sample file, or the reference page.
pub(super) fn settings(markdown: bool, out: &mut impl Write) -> Outcome {
    let text = if markdown {
        config::reference_page()
    } else {
        config::sample()
    };
    written(&out.write_all(text.as_bytes()))
}

/// All that is wrong with the file, a line each.
pub(super) fn error_lines(path: &Path, error: &LoadError) -> String {
    match error {
        LoadError::Unreadable(_) => format!("{}: {error}\n", path.display()),
        LoadError::Faults(faults) => {
            let file = path.display();
            let lines: Vec<_> = faults
                .iter()
                .map(|fault| format!("{file}:{fault}\n"))
                .collect();
            lines.concat()
        }
    }
}

fn faulty(path: &Path, error: &LoadError, out: &mut impl Write) -> Outcome {
    match out.write_all(error_lines(path, error).as_bytes()) {
        Ok(()) => Outcome::Usage,
        Err(_) => Outcome::Failed,
    }
}

/// One line that all is well, behind those that warn.
fn summary(path: &Path, settings: &Settings) -> String {
    let file = path.display();
    let warnings: Vec<_> = settings
        .warnings()
        .iter()
        .map(|words| format!("{file}: warning: {words}\n"))
        .collect();
    format!(
        "{}{file}: fine ({} user(s), {} department(s), CRM mode {})\n",
        warnings.concat(),
        settings.directory.users.len(),
        settings.directory.departments.len(),
        settings.crm.mode.name()
    )
}

fn written(result: &std::io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Fine,
        // Nobody is left to be told.
        Err(_) => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> (Outcome, String) {
        let directory = tempfile::tempdir().expect("a directory for the file");
        let path = directory.path().join("okgate.toml");
        std::fs::write(&path, text).expect("a writable directory");
        let mut out = Vec::new();
        let outcome = check(&path, &mut out);
        let out = String::from_utf8(out).expect("text");
        (outcome, out.replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn a_good_file_ends_with_0_and_a_faulty_one_with_2_and_each_fault_on_a_line() {
        let good = "[crm]\nmode = \"off\"\n[[users]]\nlogin = \"anna\"\n";
        let (outcome, out) = check_text(good);
        assert_eq!(outcome.code(), 0);
        assert_eq!(
            out,
            "FILE: fine (1 user(s), 0 department(s), CRM mode off)\n"
        );

        let faulty = "[crm]\nmod = \"off\"\n[[users]]\nlogin = \"\"\n";
        let (outcome, out) = check_text(faulty);
        assert_eq!(outcome.code(), 2);
        assert_eq!(
            out,
            "FILE:1: crm.mode: is missing\n\
             FILE:2: crm.mod: unknown key; did you mean \"mode\"?\n\
             FILE:4: users[1].login: must not be empty\n"
        );
    }

    #[test]
    fn certificates_that_cannot_be_used_are_faults_with_line_and_key() {
        let crm = "[crm]\nmode = \"wss-in\"\n[tls]\ncertificate = \"/nowhere/cert.pem\"\nprivate_key = \"/nowhere/key.pem\"\n";
        let (outcome, out) = check_text(&format!("{crm}[[users]]\nlogin = \"anna\"\n"));
        assert_eq!(outcome.code(), 2);
        let [certificate, key] = &out.lines().collect::<Vec<_>>()[..] else {
            panic!("{out}");
        };
        let expected = "FILE:4: tls.certificate: /nowhere/cert.pem cannot be read: ";
        assert!(certificate.starts_with(expected), "{out}");
        let expected = "FILE:5: tls.private_key: /nowhere/key.pem cannot be read: ";
        assert!(key.starts_with(expected), "{out}");
        let crm = "[crm]\nmode = \"wss-out\"\naddress = \"a:1\"\ntrust_roots = \"okgate.toml\"\n";
        let (outcome, out) = check_text(&format!("{crm}[[users]]\nlogin = \"anna\"\n"));
        assert_eq!(outcome.code(), 2);
        let expected = "FILE:4: crm.trust_roots: FILE has no certificate in PEM form";
        assert!(out.starts_with(expected), "{out}");
    }

    #[test]
    fn what_should_not_be_overlooked_stands_before_the_summary() {
        let crm = "[crm]\nmode = \"ws-in\"\nlisten = \"0.0.0.0:4067\"\n";
        let (outcome, out) = check_text(&format!("{crm}[[users]]\nlogin = \"anna\"\n"));
        assert_eq!(outcome.code(), 0);
        let [warning, summary] = &out.lines().collect::<Vec<_>>()[..] else {
            panic!("{out}");
        };
        assert!(warning.starts_with("FILE: warning: crm.auth: "), "{out}");
        assert!(summary.ends_with("CRM mode ws-in)"), "{out}");
    }

    #[test]
    fn a_file_that_is_not_there_ends_with_2() {
        let mut out = Vec::new();
        let outcome = check(Path::new("/nowhere/okgate.toml"), &mut out);
        assert_eq!(outcome, Outcome::Usage);
        let out = String::from_utf8(out).expect("text");
        assert!(
            out.starts_with("/nowhere/okgate.toml: cannot be read:"),
            "{out}"
        );
    }
}
