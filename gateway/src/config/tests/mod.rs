//! Tests of the settings: every kind of fault, the sample and the page.

mod clients;
mod crm;
mod forms;
mod mistakes;
mod people;
mod schema;

use std::fs;

use okgate_core::hub::{Procedure, ProcedureSource, RunTarget};
use okgate_core::protocol::ProcedureKind;

use super::*;

const USER: &str = "[[users]]\nlogin = \"anna\"\nnumber = \"101\"\n";

fn minimal() -> String {
    format!("[crm]\nmode = \"off\"\n{USER}")
}

fn read(text: &str) -> Result<Settings, Vec<Fault>> {
    parse(text, &Surroundings::default())
}

fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The faults as `LINE: key: reason` lines.
fn faults(text: &str) -> Vec<String> {
    let faults = read(text).expect_err("the file is faulty");
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn a_minimal_file_has_a_mode_and_one_user() {
    let settings = good("[crm]\nmode = \"off\"\n[[users]]\nlogin = \"Anna\"\n");
    assert_eq!(settings.crm.mode, CrmMode::Off);
    assert_eq!(
        settings.clients.listen,
        ["127.0.0.1:4066".parse().expect("an address")]
    );
    assert_eq!(settings.clients.limits.tabs_per_user, Some(20));
    assert_eq!(settings.clients.limits.users, None);
    let user = &settings.directory.users[0];
    assert_eq!((&*user.login, &*user.name), ("Anna", "Anna"));
    assert!(user.numbers.is_empty());
}

#[test]
fn procedures_have_their_answers_or_their_programs() {
    let text = minimal()
        + "[desk]\nutc_offset = \"+03:00\"\nchats_max = 0\n\
           [[procedures]]\nname = \" Rows \"\ncolumns = [\"id\", \"имя\"]\n\
           rows = [[1, \"Анна\"], [-31, true], [1.5, \"\"]]\n\
           [[procedures]]\nname = \"rows\"\nkind = \"script\"\nvalue = \"ok\"\n\
           [[procedures]]\nname = \"run\"\ncommand = [\"lookup\", \"-x\", \"a b\"]\ntimeout_s = 5\n";
    let desk = good(&text).desk;
    assert_eq!(desk.utc_offset_min, 180);
    assert_eq!(desk.limits.chats_max, usize::MAX);
    let [rows, script, run] = &desk.procedures[..] else {
        panic!("{:?}", desk.procedures);
    };
    let tables = r#"[[["id","имя"],[1,"Анна"],[-31,true],[1.5,""]]]"#;
    assert_eq!(rows.source, ProcedureSource::Dataset(tables.into()));
    assert_eq!(Procedure::check_dataset(tables), Ok(()));
    assert_eq!((&*rows.name, rows.kind), ("Rows", ProcedureKind::Procedure));
    assert_eq!(script.source, ProcedureSource::Value("ok".into()));
    let program = ProcedureSource::Program {
        target: RunTarget::Command(["lookup", "-x", "a b"].map(str::to_owned).into()),
        timeout: std::time::Duration::from_secs(5),
        output_bytes_max: 1 << 20,
    };
    assert_eq!(run.source, program);
}

#[test]
fn an_empty_file_lacks_the_mode_and_a_user() {
    assert_eq!(
        faults(""),
        [
            "1: crm.mode: is missing",
            "1: users: at least one user is needed; `okgate passwd LOGIN` prints an entry",
        ]
    );
}

#[test]
fn text_that_is_not_toml_is_named_with_its_lines() {
    let faults = read("[crm]\nmode = off\n[[users]\n").expect_err("not TOML");
    let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
    assert!(lines.contains(&2) && lines.contains(&3), "{faults:?}");
}

#[test]
fn each_single_mistake_is_one_fault_with_line_key_and_reason() {
    for (text, expected) in mistakes::TABLE {
        let file = format!("{}{text}", minimal());
        assert_eq!(faults(&file), [*expected], "{text}");
    }
}

#[test]
fn faults_of_all_sections_come_together_in_the_order_of_their_lines() {
    let text = "[gateway]\ncores = -1\n[crm]\nmode = \"ws\"\n[[users]]\nlogin = 5\n";
    assert_eq!(
        faults(text),
        [
            "2: gateway.cores: -1 is not within 0 to 1024",
            "4: crm.mode: \"ws\" is not one of \"off\", \"http-out\", \"https-out\", \"ws-out\", \"wss-out\", \"ws-in\", \"wss-in\"",
            "6: users[1].login: is a whole number, expected a text",
        ]
    );
}

#[test]
fn equal_ports_are_a_fault_of_the_later_section() {
    let text = format!(
        "{}[clients]\nlisten = [\"127.0.0.1:4055\", \"[::1]:4055\"]\n[admin]\nlisten = \"[::1]:4055\"\n",
        minimal()
    );
    assert_eq!(
        faults(&text),
        [
            "1: web.listen: port 4055 is the port of clients.listen too",
            "9: admin.listen: port 4055 is the port of clients.listen too",
        ]
    );
    let chosen_by_the_system = format!(
        "{}[clients]\nlisten = [\"127.0.0.1:0\"]\n[web]\nlisten = [\"127.0.0.1:0\"]\n",
        minimal()
    );
    good(&chosen_by_the_system);
}

#[test]
fn secrets_come_from_the_environment_or_a_file_and_never_show() {
    let directory = tempfile::tempdir().expect("a directory for the file");
    fs::write(directory.path().join("admin.token"), "0123456789abcdef\n").expect("writable");
    let mut surroundings = Surroundings {
        directory: directory.path().to_owned(),
        ..Surroundings::default()
    };
    let hash = "5ebe2294ecd0e0f08eab7690d2a6ee69".to_owned();
    surroundings.environment.insert("HASH".to_owned(), hash);
    surroundings
        .environment
        .insert("WEAK".to_owned(), "secret-and-short".to_owned());
    let text = format!(
        "{}password_md5 = \"env:HASH\"\n[admin]\nlisten = \"0.0.0.0:4056\"\ntoken_file = \"admin.token\"\n",
        minimal()
    );
    let settings = parse(&text, &surroundings).expect("a good file");
    let token = settings.admin.token.expect("the token is there");
    assert_eq!(token.reveal(), b"0123456789abcdef");
    assert_eq!(format!("{token:?}"), "Secret(…)");
    assert!(settings.directory.users[0].password_md5.is_some());

    let weak = format!(
        "{}password_md5 = \"env:WEAK\"\n[clients.token]\nalgorithm = \"HS256\"\nkey = \"env:WEAK\"\n",
        minimal()
    );
    let faults = parse(&weak, &surroundings).expect_err("both are no good");
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(!format!("{faults:?}").contains("secret-and-short"));
}
