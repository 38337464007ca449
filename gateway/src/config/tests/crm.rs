//! `[crm]` and `[tls]` in every mode.

use std::time::Duration;

use okgate_core::wire::upgrade::{Format, Version};

use super::*;

/// The mode of a file that begins with these lines.
fn mode(text: &str) -> CrmMode {
    good(&format!("{text}{USER}")).crm.mode
}

fn mode_faults(text: &str) -> Vec<String> {
    faults(&format!("{text}{USER}"))
}

#[test]
fn the_crm_keys_must_fit_the_mode() {
    let off = "[crm]\nmode = \"off\"\naddress = \"a:1\"\nurl = \"http://a\"\n";
    assert_eq!(
        mode_faults(off),
        [
            "3: crm.address: does not fit mode \"off\"; it belongs to ws-out, wss-out",
            "4: crm.url: does not fit mode \"off\"; it belongs to http-out, https-out",
        ]
    );
    assert_eq!(
        mode_faults("[crm]\nmode = \"ws-out\"\n"),
        ["1: crm.address: is missing; mode \"ws-out\" needs it"]
    );
    let plain = "[crm]\nmode = \"ws-in\"\nformat = \"xml\"\nclient_roots = \"a\"\n[tls]\ncertificate = \"b\"\n";
    assert_eq!(
        mode_faults(plain),
        [
            "3: crm.format: does not fit mode \"ws-in\"; it belongs to http-out, https-out, ws-out, wss-out",
            "4: crm.client_roots: does not fit mode \"ws-in\"; it belongs to wss-in",
            "6: tls.certificate: does not fit mode \"ws-in\"; it belongs to wss-in",
        ]
    );
    assert_eq!(
        mode_faults("[crm]\nmode = \"off\"\n[crm.caller_name]\nmethod = \"who\"\n"),
        ["4: crm.caller_name.method: no CRM is linked in mode \"off\""]
    );
}

#[test]
fn each_key_of_the_crm_is_a_fault_in_the_modes_that_it_does_not_fit() {
    let modes = [
        "off",
        "http-out",
        "https-out",
        "ws-out",
        "wss-out",
        "ws-in",
        "wss-in",
    ];
    let crm = super::super::schema::SECTIONS;
    let crm = crm.iter().find(|section| section.name == "crm");
    let keys = crm.expect("the section").keys;
    for (mode, key) in modes
        .iter()
        .flat_map(|mode| keys.iter().map(move |key| (mode, key)))
    {
        if key.name == "mode" || key.modes.contains(mode) {
            continue;
        }
        let (name, value) = (key.name, key.sample_value());
        let faults = mode_faults(&format!("[crm]\nmode = \"{mode}\"\n{name} = {value}\n"));
        let expected = format!("3: crm.{name}: does not fit mode {mode:?}");
        assert!(
            faults.iter().any(|it| it.starts_with(&expected)),
            "{faults:?}"
        );
    }
}

#[test]
fn a_web_socket_out_is_read_whole() {
    let text = format!(
        "[crm]\nmode = \"ws-out\"\naddress = \"[::1]:8045\"\npath = \"/oktell\"\nwebsocket_version = 8\n\
         [crm.caller_name]\nmethod = \"who\"\n{USER}"
    );
    let crm = good(&text).crm;
    let CrmMode::WebSocketOut(link) = &crm.mode else {
        panic!("{crm:?}");
    };
    assert_eq!(crm.mode.name(), "ws-out");
    assert_eq!(link.address(), "[::1]:8045");
    let version = Version::V8;
    assert_eq!((link.path.as_str(), link.version), ("/oktell", version));
    assert_eq!((link.format, &link.tls), (Format::Json, &None));
    assert_eq!(
        (link.message_bytes, &link.credentials),
        (Some(16 << 20), &None)
    );
    let caller_name = crm.caller_name.expect("the section is there");
    assert_eq!(
        (&*caller_name.input, &*caller_name.output),
        ("callerid", "name")
    );
    assert_eq!(caller_name.wait.as_millis(), 300);
}

#[test]
fn a_web_socket_out_with_tls_knows_whom_it_trusts_and_what_it_shows() {
    let text = "[crm]\nmode = \"wss-out\"\naddress = \"crm.example:443\"\nwebsocket_version = 0\nformat = \"xml\"\n\
                trust_roots = \"/etc/roots.pem\"\nclient_certificate = \"/etc/own.pem\"\nclient_key = \"/etc/own.key\"\n";
    let mode = mode(text);
    assert_eq!(mode.name(), "wss-out");
    let CrmMode::WebSocketOut(link) = mode else {
        panic!("{mode:?}");
    };
    assert_eq!((link.version, link.format), (Version::V0, Format::Xml));
    let tls = link.tls.expect("TLS");
    assert_eq!(tls.name.to_str(), "crm.example");
    let TrustRoots::File(roots) = tls.roots else {
        panic!("{:?}", tls.roots);
    };
    assert_eq!(
        (roots.path.to_str(), roots.line),
        (Some("/etc/roots.pem"), 6)
    );
    assert_eq!(
        roots.fault("is bad").to_string(),
        "6: crm.trust_roots: is bad"
    );
    let (certificate, key) = tls.client_certificate.expect("a certificate");
    assert_eq!(
        (certificate.key, key.key),
        ("crm.client_certificate", "crm.client_key")
    );

    let half = "[crm]\nmode = \"wss-out\"\naddress = \"a..b:1\"\nclient_key = \"own.key\"\n";
    assert_eq!(
        mode_faults(half),
        [
            "1: crm.client_certificate: is missing; client_key needs it",
            "3: crm.address: \"a..b\" is no name that a certificate could be for",
        ]
    );
}

#[test]
fn http_links_are_read_whole() {
    let text = "[crm]\nmode = \"http-out\"\nurl = \"http://crm.example:8080/oktell?x=1\"\ncredentials = \"okgate:a:b\"\n\
                format = \"xml\"\nexchanges_max = 4\n";
    let http = mode(text);
    assert_eq!(http.name(), "http-out");
    let CrmMode::Http(link) = http else {
        panic!("{http:?}");
    };
    assert_eq!(
        (link.url.host.as_str(), link.url.port),
        ("crm.example", 8080)
    );
    assert_eq!(link.url.path_and_query, "/oktell?x=1");
    assert_eq!(link.url.host_header(), "crm.example:8080");
    assert_eq!((link.format, link.url.tls), (Format::Xml, None));
    let credentials = link.credentials.expect("credentials");
    assert_eq!(credentials.login, "okgate");
    assert_eq!(credentials.password.reveal(), b"a:b");
    assert_eq!(
        (link.url.exchanges, link.refresh),
        (4, Duration::from_secs(600))
    );
    assert_eq!(link.url.answer_timeout, Duration::from_secs(30));

    let https = mode("[crm]\nmode = \"https-out\"\nurl = \"https://[::1]\"\n");
    assert_eq!(https.name(), "https-out");
    let CrmMode::Http(link) = https else {
        panic!("{https:?}");
    };
    assert_eq!((link.url.host.as_str(), link.url.port), ("::1", 443));
    assert_eq!(
        (link.url.path_and_query.as_str(), link.url.host_header()),
        ("/", "[::1]".to_owned())
    );
    let tls = link.url.tls.expect("TLS");
    assert_eq!(
        (tls.name.to_str(), tls.roots),
        ("::1".into(), TrustRoots::System)
    );
}

#[test]
fn methods_may_be_posted_beside_a_websocket() {
    let text = "[crm]\nmode = \"wss-out\"\naddress = \"crm.example:8045\"\n\
                method_url = \"https://other.example/oktell\"\nexchanges_max = 3\n";
    let CrmMode::WebSocketOut(link) = mode(text) else {
        panic!("{text}");
    };
    let url = link.method_url.expect("a url");
    assert_eq!(
        (url.host.as_str(), url.port, url.exchanges),
        ("other.example", 443, 3)
    );
    let tls = url.tls.expect("TLS");
    assert_eq!(
        (tls.name.to_str(), tls.roots),
        ("other.example".into(), TrustRoots::System)
    );
    let text = "[crm]\nmode = \"ws-in\"\nmethod_url = \"http://crm.example/\"\n";
    let CrmMode::WebSocketIn(link) = mode(text) else {
        panic!("{text}");
    };
    assert!(link.method_url.is_some_and(|url| url.tls.is_none()));
    let faults = mode_faults("[crm]\nmode = \"ws-in\"\nmethod_url = \"crm.example\"\n");
    assert!(faults[0].starts_with("3: crm.method_url: "), "{faults:?}");
}

#[test]
fn urls_that_cannot_be_asked_are_told_with_what_is_wrong() {
    for (mode, url, words) in [
        (
            "http-out",
            "https://crm.example/",
            "mode \"http-out\" needs http://, such as \"http://crm.example/oktell\"",
        ),
        (
            "https-out",
            "http://crm.example/",
            "mode \"https-out\" needs https://",
        ),
        (
            "http-out",
            "ftp://crm.example/",
            "it must begin with http:// or https://",
        ),
        ("http-out", "crm.example/oktell", "invalid format"),
        (
            "http-out",
            "/oktell",
            "it must begin with a scheme and a host",
        ),
        (
            "http-out",
            "http://crm.example:0/",
            "the port must be within 1 to 65535",
        ),
        (
            "http-out",
            "http://crm.example/a#b",
            "a part behind # is never sent",
        ),
        (
            "http-out",
            "http://crm.example/a b",
            "invalid uri character",
        ),
        (
            "https-out",
            "https://a..b/",
            "\"a..b\" is no name that a certificate could be for",
        ),
    ] {
        let faults = mode_faults(&format!("[crm]\nmode = \"{mode}\"\nurl = \"{url}\"\n"));
        let [fault] = &faults[..] else {
            panic!("{url}: {faults:?}");
        };
        assert!(
            fault.starts_with("3: crm.url: ") && fault.contains(words),
            "{fault}"
        );
    }
    let secret =
        mode_faults("[crm]\nmode = \"http-out\"\nurl = \"http://me:secret@crm.example/\"\n");
    assert_eq!(
        secret,
        ["3: crm.url: has an @: login and password belong into crm.credentials"]
    );
}

#[test]
fn a_link_that_the_crm_opens_is_read_whole() {
    let text = "[crm]\nmode = \"ws-in\"\nauth = \"digest\"\ncredentials = \"crm:secret\"\nallow_hixie = true\nnonce_lifetime_s = 60\n";
    let plain = mode(text);
    assert_eq!(plain.name(), "ws-in");
    assert!(!format!("{plain:?}").contains("secret"), "{plain:?}");
    let CrmMode::WebSocketIn(link) = plain else {
        panic!("{plain:?}");
    };
    assert_eq!(link.listen.to_string(), "127.0.0.1:4067");
    assert!(link.allow_hixie && link.tls.is_none());
    let CrmAuth::Digest { nonce_lifetime, .. } = link.auth else {
        panic!("{:?}", link.auth);
    };
    assert_eq!(nonce_lifetime, Duration::from_secs(60));

    let text = "[crm]\nmode = \"wss-in\"\nclient_roots = \"/etc/crm.pem\"\n[tls]\ncertificate = \"/etc/a.pem\"\nprivate_key = \"/etc/a.key\"\n";
    let secure = mode(text);
    assert_eq!(secure.name(), "wss-in");
    let CrmMode::WebSocketIn(link) = secure else {
        panic!("{secure:?}");
    };
    assert_eq!(link.auth, CrmAuth::None);
    let tls = link.tls.expect("TLS");
    assert_eq!((tls.certificate.line, tls.private_key.line), (5, 6));
    assert_eq!(tls.certificate.key, "tls.certificate");
    assert!(tls.client_roots.is_some());

    assert_eq!(
        mode_faults("[crm]\nmode = \"wss-in\"\nallow_hixie = true\n"),
        [
            "1: tls.certificate: is missing; mode \"wss-in\" needs it",
            "1: tls.private_key: is missing; mode \"wss-in\" needs it",
            "3: crm.allow_hixie: does not fit mode \"wss-in\"; it belongs to ws-in",
        ]
    );
}

#[test]
fn credentials_and_auth_must_fit_each_other() {
    let incoming = |keys: &str| mode_faults(&format!("[crm]\nmode = \"ws-in\"\n{keys}\n"));
    for (keys, expected) in [
        (
            "auth = \"basic\"",
            "3: crm.auth: \"basic\" needs credentials or credentials_file",
        ),
        (
            "auth = \"digest\"",
            "3: crm.auth: \"digest\" needs credentials or credentials_file",
        ),
        (
            "credentials = \"a:b\"",
            "3: crm.credentials: nobody is asked for them with auth \"none\"",
        ),
        (
            "nonce_lifetime_s = 9",
            "3: crm.nonce_lifetime_s: does not fit auth \"none\"; it belongs to \"digest\"",
        ),
        (
            "auth = \"basic\"\ncredentials = \"secret\"",
            "4: crm.credentials: is not login:password: the colon is missing",
        ),
        (
            "auth = \"basic\"\ncredentials = \"env:NOT_SET\"",
            "4: crm.credentials: the environment variable NOT_SET is not set or is empty",
        ),
        (
            "auth = \"basic\"\ncredentials_file = \"/nowhere/x\"",
            "4: crm.credentials_file: /nowhere/x cannot be read: No such file or directory (os error 2)",
        ),
        (
            "auth = \"ntlm\"",
            "3: crm.auth: \"ntlm\" is not one of \"none\", \"basic\", \"digest\"",
        ),
    ] {
        assert_eq!(incoming(keys), [expected]);
    }
}

#[test]
fn credentials_may_stand_in_a_file_or_in_the_environment() {
    let directory = tempfile::tempdir().expect("a directory for the file");
    fs::write(
        directory.path().join("crm.credentials"),
        "okgate:from file\n",
    )
    .expect("writable");
    let environment = [("CRM".to_owned(), "okgate:from environment".to_owned())];
    let surroundings = Surroundings {
        directory: directory.path().to_owned(),
        environment: environment.into(),
    };
    for (line, password) in [
        ("credentials_file = \"crm.credentials\"", "from file"),
        ("credentials = \"env:CRM\"", "from environment"),
    ] {
        let text = format!("[crm]\nmode = \"ws-out\"\naddress = \"a:1\"\n{line}\n{USER}");
        let CrmMode::WebSocketOut(link) = parse(&text, &surroundings).expect("good").crm.mode
        else {
            panic!("{text}");
        };
        let credentials = link.credentials.expect("credentials");
        assert_eq!(credentials.password.reveal(), password.as_bytes());
    }
}

// protocol 2-k
#[test]
fn the_port_of_the_crm_differs_from_every_other_one() {
    let taken = |text: &str| mode_faults(&format!("[crm]\nmode = {text}\n"));
    assert_eq!(
        taken("\"ws-in\"\nlisten = \"127.0.0.1:4055\""),
        ["3: crm.listen: port 4055 is the port of web.listen too"]
    );
    assert_eq!(
        taken("\"ws-in\"\n[clients]\nlisten = [\"127.0.0.1:4067\"]"),
        ["1: crm.listen: port 4067 is the port of clients.listen too"]
    );
    // Nobody listens there in an outgoing mode.
    mode("[crm]\nmode = \"off\"\n[clients]\nlisten = [\"127.0.0.1:4067\"]\n");
}

// protocol 2.2-n
#[test]
fn an_open_port_for_the_crm_that_asks_for_nothing_is_warned_of() {
    let warnings =
        |keys: &str| good(&format!("[crm]\nmode = \"ws-in\"\n{keys}\n{USER}")).warnings();
    let [open] = &warnings("listen = \"0.0.0.0:4067\"")[..] else {
        panic!("one warning");
    };
    assert!(
        open.starts_with("crm.auth: \"none\" on 0.0.0.0:4067"),
        "{open}"
    );
    for calm in [
        "listen = \"127.0.0.1:4067\"",
        "listen = \"0.0.0.0:4067\"\nauth = \"basic\"\ncredentials = \"a:b\"",
    ] {
        assert!(warnings(calm).is_empty(), "{calm}");
    }
}
