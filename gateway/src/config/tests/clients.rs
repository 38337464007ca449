//! `[clients]`, its tokens and limits.

use okgate_core::base::Refused;
use okgate_core::hub::TokenAlgorithm;
use okgate_core::shard;

use super::super::schema::{self, SECTIONS};
use super::*;

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
