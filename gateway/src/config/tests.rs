//! Tests of the settings: every kind of fault, the sample and the page.

use std::fs;

use okgate_core::base::Refused;
use okgate_core::hub::{Procedure, ProcedureSource, TokenAlgorithm};
use okgate_core::protocol::ProcedureKind;
use okgate_core::shard;
use okgate_core::wire::upgrade::Version;

use super::schema::{Fallback, SECTIONS};
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
        command: ["lookup", "-x", "a b"].map(str::to_owned).into(),
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
    for (text, expected) in single_mistakes::TABLE {
        let file = format!("{}{text}", minimal());
        assert_eq!(faults(&file), [*expected], "{text}");
    }
}

#[test]
fn faults_of_all_sections_come_together_in_the_order_of_their_lines() {
    let text = "[gateway]\ncores = -1\n[crm]\nmode = \"ws-in\"\n[[users]]\nlogin = 5\n";
    assert_eq!(
        faults(text),
        [
            "2: gateway.cores: -1 is not within 0 to 1024",
            "4: crm.mode: \"ws-in\" is not supported by this version",
            "6: users[1].login: is a whole number, expected a text",
        ]
    );
}

#[test]
fn the_crm_keys_must_fit_the_mode() {
    let off = format!("[crm]\nmode = \"off\"\naddress = \"a:1\"\nurl = \"http://a\"\n{USER}");
    assert_eq!(
        faults(&off),
        [
            "3: crm.address: does not fit mode \"off\"; it belongs to ws-out",
            "4: crm.url: not supported by this version",
        ]
    );
    let without_address = format!("[crm]\nmode = \"ws-out\"\n{USER}");
    assert_eq!(
        faults(&without_address),
        ["1: crm.address: is missing; mode \"ws-out\" needs it"]
    );
    let asking_nobody =
        format!("[crm]\nmode = \"off\"\n[crm.caller_name]\nmethod = \"who\"\n{USER}");
    assert_eq!(
        faults(&asking_nobody),
        ["4: crm.caller_name.method: no CRM is linked in mode \"off\""]
    );
}

#[test]
fn an_outgoing_link_is_read_whole() {
    let text = format!(
        "[crm]\nmode = \"ws-out\"\naddress = \"[::1]:8045\"\npath = \"/oktell\"\nwebsocket_version = 8\n\
         [crm.caller_name]\nmethod = \"who\"\n{USER}"
    );
    let crm = good(&text).crm;
    let CrmMode::WsOut(link) = &crm.mode else {
        panic!("{crm:?}");
    };
    assert_eq!(link.address(), "[::1]:8045");
    assert_eq!((link.path.as_str(), link.version), ("/oktell", Version::V8));
    assert_eq!(link.message_bytes, Some(16 << 20));
    let caller_name = crm.caller_name.expect("the section is there");
    assert_eq!(
        (&*caller_name.input, &*caller_name.output),
        ("callerid", "name")
    );
    assert_eq!(caller_name.wait.as_millis(), 300);
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
fn people_are_unique_and_known() {
    let text = "\
[crm]
mode = \"off\"
[[users]]
login = \"anna\"
number = \"101\"
numbers = [\"102\", \"101\"]
supervises = [\"boriss\", \"anna\", \"boris\", \"Boris\"]
[[users]]
login = \"ANNA\"
number = \"102\"
[[users]]
login = \"boris\"
id = \"00000000-0000-0000-0000-000000000000\"
numbers = [\"200\"]
[[departments]]
name = \"Sales\"
users = [\"anna\", \"carl\"]
[[departments]]
name = \"Sales\"
id = \"5F1B3B0E-6A53-4F0C-9A7E-0F2F3A1D7C01\"
users = [\"anna\"]
[[break_reasons]]
id = 1
name = \"Lunch\"
[[break_reasons]]
id = 1
name = \"Tea\"
";
    assert_eq!(
        faults(text),
        [
            "6: users[1].numbers: number \"101\" is there twice",
            "7: users[1].supervises: \"Boris\" is there twice",
            "7: users[1].supervises: a user cannot supervise themselves",
            "7: users[1].supervises: unknown user \"boriss\"; did you mean \"boris\"?",
            "8: users[2].id: is the same as that of \"anna\"",
            "9: users[2].login: \"ANNA\" is there twice: \"anna\"",
            "10: users[2].number: number \"102\" is there twice",
            "13: users[3].id: must not be all zeros, which means \"none\"",
            "14: users[3].numbers: needs a main number: number",
            "17: departments[1].users: unknown user \"carl\"",
            "19: departments[2].name: is the same as that of \"Sales\"",
            "21: departments[2].users: \"anna\" is in a department already",
            "26: break_reasons[2].id: is the same as that of \"Lunch\"",
        ]
    );
}

#[test]
fn the_directory_holds_what_the_file_says() {
    let text = "\
[crm]
mode = \"off\"
[[users]]
login = \"Anna\"
id = \"5F1B3B0E-6A53-4F0C-9A7E-0F2F3A1D7C01\"
name = \"Anna Ivanova\"
number = \"101\"
numbers = [\"102\"]
password_md5 = \"5EBE2294ecd0e0f08eab7690d2a6ee69\"
operator = true
supervises = [\"boris\"]
[[users]]
login = \"boris\"
[[departments]]
name = \"Sales\"
users = [\"ANNA\"]
[[break_reasons]]
id = 2
name = \"Tea\"
";
    let directory = good(text).directory;
    let [anna, boris] = &directory.users[..] else {
        panic!("{directory:?}");
    };
    assert_eq!(anna.id.to_string(), "5f1b3b0e-6a53-4f0c-9a7e-0f2f3a1d7c01");
    let numbers: Vec<_> = anna
        .numbers
        .iter()
        .map(|(id, text)| (*id, &**text))
        .collect();
    assert_eq!(
        numbers,
        [(number_id("101"), "101"), (number_id("102"), "102")]
    );
    assert_eq!(anna.password_md5.map(|hash| hash[0]), Some(0x5e));
    assert_eq!(anna.password_lower_md5, None);
    assert!(anna.is_operator && !boris.is_operator);
    assert_eq!(anna.supervises, [boris.id]);
    assert_eq!(boris.id, user_id("Boris"));
    assert_eq!(anna.department, Some(department_id("Sales")));
    assert_eq!(boris.department, None);
    assert_eq!(directory.break_reasons[0].id, 2);
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

#[test]
fn the_kept_algorithms_take_a_public_key_as_pem() {
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let text = |algorithm: &str| {
        format!(
            "{}[clients.token]\nalgorithm = \"{algorithm}\"\nkey = '''{key}'''\nissuer = \"crm\"\n",
            minimal()
        )
    };
    let token = good(&text("EdDSA"))
        .clients
        .token
        .expect("the section is there");
    assert_eq!(token.algorithm, TokenAlgorithm::EdDsa);
    assert_eq!(token.issuer.as_deref(), Some("crm"));
    let faults = faults(&text("RS256"));
    assert!(
        faults[0].starts_with("8: clients.token.key: the token key cannot be read"),
        "{faults:?}"
    );
}

#[test]
fn origins_are_kept_as_browsers_write_them() {
    let text = format!(
        "{}[clients]\norigins = [\"HTTPS://Crm.Example:443\", \"http://[::1]:8080\"]\n",
        minimal()
    );
    assert_eq!(
        good(&text).clients.origins,
        ["https://crm.example", "http://[::1]:8080"]
    );
}

#[test]
fn proxies_are_addresses_and_networks() {
    let text = |proxies: &str| format!("{}[clients]\ntrusted_proxies = [{proxies}]\n", minimal());
    let proxies = good(&text(r#""127.0.0.1", "10.0.0.0/8", "fd00::/8""#));
    let proxies = proxies.clients.trusted_proxies;
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]);
    for wrong in ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "10.0.0.0/"] {
        let faults = faults(&text(&format!("\"{wrong}\"")));
        let expected = format!("{wrong:?} is neither an IP address nor a network");
        assert!(faults[0].contains(&expected), "{faults:?}");
    }
}

#[test]
fn every_refusal_that_goes_by_a_setting_names_one_that_is_there() {
    let settings = Refused::ALL.iter().filter_map(|reason| setting_of(*reason));
    let mut count = 0;
    for setting in settings {
        let (section, key) = setting.rsplit_once('.').expect("section and key");
        let section = SECTIONS.iter().find(|known| known.name == section);
        let key = section.and_then(|section| section.key(key));
        assert!(key.is_some(), "{setting}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn a_limit_of_zero_means_none() {
    let keys = SECTIONS[1].keys.iter();
    let limits = keys.filter(|key| matches!(key.kind, schema::Kind::Limit { .. }));
    let lines = limits.map(|key| format!("{} = 0\n", key.name));
    let text = format!("{}[clients]\n{}", minimal(), lines.collect::<String>());
    let limits = good(&text).clients.limits;
    let none = ClientLimits {
        connections: None,
        connections_per_address: None,
        handshakes_per_address_per_second: None,
        handshakes_per_address_burst: None,
        users: None,
        tabs_per_user: None,
        handshake_bytes: None,
        handshake: None,
        unauthenticated: None,
        login_held_bytes: None,
        formatless: None,
        formatless_messages: None,
        frame_bytes: None,
        message_bytes: None,
        messages_per_second: None,
        messages_burst: None,
        messages_refused: None,
        queue_bytes: None,
        long_answer_bytes: None,
        multipart_over_bytes: None,
        idle_sessions_per_user: None,
        session_life: None,
        silence_ping: None,
        silence_close: None,
        closing: None,
    };
    assert_eq!(limits, none);
}

#[test]
fn the_limits_without_any_key_are_those_of_the_core() {
    let settings = good(&minimal());
    let (ours, cores) = (settings.shard_config(), shard::Config::default());
    assert_eq!(format!("{ours:?}"), format!("{cores:?}"));
    assert_eq!(
        settings.clients.session_limits(),
        okgate_core::hub::SessionLimits::default()
    );
}

#[test]
fn the_sample_is_a_good_file_and_has_every_key() {
    let sample = sample();
    good(&sample);
    let mut rest = sample.as_str();
    for section in SECTIONS {
        for key in section.keys {
            let assignment = format!("{} = {}\n", key.name, key.sample_value());
            let place = rest.find(&assignment);
            let place = place.unwrap_or_else(|| panic!("{}.{}", section.name, key.name));
            rest = &rest[place + assignment.len()..];
        }
    }
}

#[test]
fn the_sample_with_every_default_written_out_means_the_same() {
    let written_out = |line: &str| {
        let (name, value) = line.strip_prefix('#')?.split_once(" = ")?;
        let key = SECTIONS.iter().find_map(|section| section.key(name))?;
        let is_default = !matches!(key.default, Fallback::Required | Fallback::Absent(_));
        (is_default && key.modes.is_empty() && key.default.toml() == value)
            .then(|| format!("{name} = {value}"))
    };
    let (mut text, mut is_optional) = (String::new(), false);
    for line in sample().lines() {
        if line.starts_with('[') || line.starts_with("#[") {
            is_optional = line.starts_with('#');
        }
        let kept = (!line.starts_with('#')).then(|| line.to_owned());
        match kept.or_else(|| written_out(line)) {
            Some(line) if !is_optional => text.extend([&line, "\n"]),
            _ => {}
        }
    }
    assert!(text.contains("drain_s = 20\n"), "{text}");
    assert_eq!(good(&text), good(&sample()), "{text}");
}

#[test]
fn the_reference_page_in_the_repository_is_the_one_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SETTINGS.md");
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == reference_page(),
        "run `okgate settings --markdown > gateway/SETTINGS.md`"
    );
}

#[test]
fn every_default_and_example_is_a_value_that_the_key_takes() {
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        let value = key.sample_value();
        assert!(!value.is_empty(), "{}", key.name);
        assert!(
            toml::de::DeValue::parse(&value).is_ok(),
            "{} = {value}",
            key.name
        );
        assert!(key.reason.ends_with('.'), "{}: a sentence", key.name);
    }
}

mod single_mistakes {
    /// What follows the minimal file, which ends on line 5, and its one fault.
    pub(super) const TABLE: &[(&str, &str)] = &[
        (
            "[gatway]\n",
            "6: gatway: unknown section; did you mean \"gateway\"?",
        ),
        ("[tls]\n", "6: tls: not supported by this version"),
        (
            "[[procedures]]\nname = \"a\"\n",
            "7: procedures[1].name: exactly one of command, columns (with rows) and value is needed",
        ),
        (
            "[[procedures]]\nname = \"a\"\nkind = \"script\"\ncolumns = [\"x\"]\n",
            "9: procedures[1].columns: a script answers with one value: value",
        ),
        (
            "[[procedures]]\nname = \"a\"\nvalue = \"x\"\n",
            "8: procedures[1].value: a procedure answers with tables: columns and rows",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncolumns = [\"x\"]\nrows = [[1, 2]]\n",
            "9: procedures[1].rows: a row has 2 values, not 1",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncolumns = [\"x\"]\nrows = [[{}]]\n",
            "9: procedures[1].rows: a value is no text, number, true or false",
        ),
        (
            "[[procedures]]\nname = \"a\"\nrows = [[1]]\n",
            "6: procedures[1].columns: is missing; rows need it",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncommand = []\n",
            "8: procedures[1].command: the program is missing",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncommand = [\"/no/such/program\"]\n",
            "8: procedures[1].command: /no/such/program is no file",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncommand = [\"true\"]\ntimeout_s = 0\n",
            "9: procedures[1].timeout_s: 0 is not within 1 to 3600",
        ),
        (
            "[[procedures]]\nname = \"a\"\ncommand = [\"true\"]\n[[procedures]]\nname = \"A\"\ncommand = [\"true\"]\n",
            "10: procedures[2].name: \"A\" is there twice",
        ),
        (
            "[desk]\nutc_offset = \"3\"\n",
            "7: desk.utc_offset: \"3\" is not \"+HH:MM\" or \"-HH:MM\" within 14 hours",
        ),
        (
            "[desk]\ntext_bytes_max = 0\n",
            "7: desk.text_bytes_max: 0 is not within 256 to 32768",
        ),
        (
            "[gateway]\nlogg = \"info\"\n",
            "7: gateway.logg: unknown key; did you mean \"log\"?",
        ),
        (
            "[gateway]\ndata_dir = \"/dev/null\"\n",
            "7: gateway.data_dir: /dev/null is no directory",
        ),
        (
            "[gateway]\nlog = 1\n",
            "7: gateway.log: is a whole number, expected a text",
        ),
        (
            "[gateway]\nlog_format = \"xml\"\n",
            "7: gateway.log_format: \"xml\" is not one of \"text\", \"json\"",
        ),
        (
            "[gateway]\ncores = 2000\n",
            "7: gateway.cores: 2000 is not within 0 to 1024",
        ),
        (
            "[gateway]\ncores = \"2\"\n",
            "7: gateway.cores: is a text, expected a whole number",
        ),
        (
            "[gateway]\ndrain_s = 1.5\n",
            "7: gateway.drain_s: is a number with a point, expected a whole number",
        ),
        (
            "[clients]\nlisten = []\n",
            "7: clients.listen: at least one address is needed",
        ),
        (
            "[clients]\nlisten = [\"nonsense\"]\n",
            "7: clients.listen: \"nonsense\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
        ),
        (
            "[clients]\nlisten = \"127.0.0.1:4066\"\n",
            "7: clients.listen: is a text, expected a list of texts",
        ),
        (
            "[clients]\nlisten = [\n  \"127.0.0.1:4066\",\n  \"localhost:1\"]\n",
            "9: clients.listen: \"localhost:1\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
        ),
        (
            "[clients]\nlisten = [\"127.0.0.1:4066\",\n\"127.0.0.1:4066\"]\n",
            "8: clients.listen: 127.0.0.1:4066 is there twice",
        ),
        (
            "[clients]\norigins = [\"https://crm.example/\"]\n",
            "7: clients.origins: \"https://crm.example/\" is not an origin: scheme://host or scheme://host:port, without a path",
        ),
        (
            "[clients]\norigins = [7]\n",
            "7: clients.origins: an entry is a whole number, expected a text",
        ),
        (
            "[clients]\nrequire_tls = true\n",
            "7: clients.require_tls: not supported by this version",
        ),
        (
            "[clients]\nframe_bytes_max = 5\n",
            "7: clients.frame_bytes_max: 5 is not within 0 (none), or 125 to 1073741824",
        ),
        (
            "[clients]\nmessages_burst = 100\n",
            "7: clients.messages_burst: 100 is less than messages_per_s (200)",
        ),
        (
            "[clients]\nsilence_close_s = 20\n",
            "7: clients.silence_close_s: 20 is not more than silence_ping_s (20): links would be closed before they are asked",
        ),
        (
            "[clients.token]\nalgorithm = \"HS256\"\n",
            "6: clients.token.key_file: is missing (or key)",
        ),
        (
            "[clients.token]\nalgorithm = \"HS256\"\nkey_file = \"/nowhere/key\"\n",
            "8: clients.token.key_file: /nowhere/key cannot be read: No such file or directory (os error 2)",
        ),
        (
            "[clients.token]\nalgorithm = \"HS256\"\nkey = \"env:NOT_SET\"\n",
            "8: clients.token.key: the environment variable NOT_SET is not set or is empty",
        ),
        (
            "[clients.token]\nalgorithm = \"HS256\"\nkey = \"short\"\n",
            "8: clients.token.key: HS256 needs a key of at least 32 bytes",
        ),
        (
            "[clients.token]\nalgorithm = \"hs256\"\nkey = \"0123456789abcdef0123456789abcdef\"\n",
            "7: clients.token.algorithm: \"hs256\" is not one of \"HS256\", \"RS256\", \"EdDSA\"; did you mean \"HS256\"?",
        ),
        (
            "[admin]\nlisten = \"4056\"\n",
            "7: admin.listen: \"4056\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:4056\"\n",
            "7: admin.listen: 0.0.0.0:4056 can be reached from other machines: that needs token_file or token",
        ),
        (
            "[admin]\ntoken = \"short\"\n",
            "7: admin.token: the token is shorter than 16 characters",
        ),
        (
            "[web]\nusers = [\"anna\"]\n",
            "7: web.users: not supported by this version",
        ),
        (
            "[pbx]\ndriver = \"asterisk\"\n",
            "7: pbx.driver: \"asterisk\" is not supported by this version",
        ),
        (
            "[pbx.sim]\nreject_share = 1.5\n",
            "7: pbx.sim.reject_share: 1.5 is not within 0.0 to 1.0",
        ),
        (
            "[pbx.sim]\nreject_share = nan\n",
            "7: pbx.sim.reject_share: nan is not within 0.0 to 1.0",
        ),
        (
            "[pbx.sim]\nreject_share = \"0\"\n",
            "7: pbx.sim.reject_share: is a text, expected a number",
        ),
        ("[pbx.sims]\nseed = 1\n", "6: pbx.sims: unknown key"),
        (
            "operator = \"yes\"\n",
            "6: users[1].operator: is a text, expected true or false",
        ),
        (
            "id = \"101\"\n",
            "6: users[1].id: \"101\" is not a GUID: expected 32 hexadecimal digits as 8-4-4-4-12",
        ),
        (
            "password_md5 = \"secret\"\n",
            "6: users[1].password_md5: is not 32 hexadecimal digits; `okgate passwd LOGIN` prints an entry",
        ),
        (
            "password_lower_md5 = \"+ebe2294ecd0e0f08eab7690d2a6ee69\"\n",
            "6: users[1].password_lower_md5: is not 32 hexadecimal digits; `okgate passwd LOGIN` prints an entry",
        ),
        (
            "numbers = [\"1 2\"]\n",
            "6: users[1].numbers: \"1 2\" is no number: up to 64 digits, letters, +, *, #, . and -",
        ),
        ("[[users]]\nname = \"B\"\n", "6: users[2].login: is missing"),
        (
            "[[departments]]\nusers = []\n",
            "6: departments[1].name: is missing",
        ),
        (
            "[[break_reasons]]\nid = 0\nname = \"Tea\"\n",
            "7: break_reasons[1].id: 0 is not within 1 to 2147483647",
        ),
        (
            "[[break_reasons]]\nname = \"Tea\"\n",
            "6: break_reasons[1].id: is missing",
        ),
    ];
}
