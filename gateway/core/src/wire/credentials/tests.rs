use std::time::Duration;

use base64_simd::STANDARD;
use proptest::prelude::*;

use super::digest::{Algorithm, Exchange};
use super::header::Scheme as Said;
use super::*;
use crate::base::{Instant, Random};

const REALM: &str = "okgate \"CRM\"";
const TARGET: &str = "/oktell?a=1";

fn mufasa() -> Login {
    Login::new("Муфаса", "Circle: of \"Life\"")
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(1_000_000 * (1000 + seconds))
}

/// A listener, a peer, and the time between them.
struct World {
    server: Authenticator,
    client: ClientCredentials,
    tries: Tries,
    random: Random,
    now: Instant,
}

impl World {
    fn new(scheme: Scheme, login: Login) -> Self {
        let mut random = Random::from_number(7);
        Self {
            server: Authenticator::new(scheme, REALM, mufasa(), &mut random),
            client: ClientCredentials::new(login),
            tries: Tries::default(),
            random,
            now: at(0),
        }
    }

    fn check(&mut self, authorization: Option<&str>) -> Result<(), Denied> {
        self.server
            .check("GET", TARGET, authorization, self.now, &mut self.random)
    }

    fn reason(&mut self, authorization: Option<&str>) -> Denial {
        self.check(authorization).expect_err("denied").reason
    }

    fn header(&mut self) -> String {
        self.client
            .header(&mut self.tries, "GET", TARGET, &mut self.random)
    }

    fn answer(&mut self, challenges: &[String]) -> Result<String, ClientError> {
        let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
        self.client.answer(
            &mut self.tries,
            &challenges,
            "GET",
            TARGET,
            &mut self.random,
        )
    }

    /// What the client says to these challenges in its first answer.
    fn fresh_answer(&mut self) -> String {
        self.tries = Tries::default();
        let denied = self.check(None).expect_err("asked for");
        self.answer(&denied.challenges).expect("answered")
    }
}

#[test]
fn the_examples_of_the_rfcs_have_their_responses() {
    let mut exchange = Exchange {
        realm: "http-auth@example.org",
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        method: "GET",
        uri: "/dir/index.html",
        auth: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
    };
    let login = Login::new("Mufasa", "Circle of Life");
    // RFC 7616, 3.9.1.
    assert_eq!(
        Algorithm::Md5.response(&login, &exchange),
        "8ca523f5e9506fed4657c9700eebdbec"
    );
    assert_eq!(
        Algorithm::Sha256.response(&login, &exchange),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
    // RFC 2617, 3.5.
    exchange.realm = "testrealm@host.com";
    exchange.nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    exchange.auth = Some(("00000001", "0a4f113b"));
    let login = Login::new("Mufasa", "Circle Of Life");
    assert_eq!(
        Algorithm::Md5.response(&login, &exchange),
        "6629fae49393a05397450978507c4ef1"
    );
    // RFC 2069, 2.4, with the erratum to its response.
    exchange.auth = None;
    let login = Login::new("Mufasa", "CircleOfLife");
    assert_eq!(
        Algorithm::Md5.response(&login, &exchange),
        "1949323746fe6a43ef61f9606e7febea"
    );
}

#[test]
fn nobody_is_asked_where_nothing_is_asked_for() {
    let mut world = World::new(Scheme::None, mufasa());
    assert_eq!(world.check(None), Ok(()));
    assert_eq!(world.check(Some("whatever")), Ok(()));
}

// protocol 2.2-l and 2.2-m
#[test]
fn basic_lets_in_who_knows_login_and_password() {
    let mut world = World::new(Scheme::Basic, mufasa());
    let header = world.header();
    assert_eq!(world.check(Some(&header)), Ok(()));
    assert_eq!(
        world.check(Some(&header.replace("Basic", "bAsIc "))),
        Ok(())
    );
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode_to_string(pair));
    for (header, reason) in [
        (basic("муфаса:Circle: of \"Life\""), Denial::Login),
        (basic("Муфаса:circle: of \"Life\""), Denial::Password),
        (basic("Муфаса:"), Denial::Password),
        (
            basic("Муфаса"),
            Denial::Malformed("no colon behind the login"),
        ),
        (
            "Basic %".to_owned(),
            Denial::Malformed("no comma between parameters"),
        ),
        ("Basic".to_owned(), Denial::Malformed("no base64")),
        ("Basic a".to_owned(), Denial::Malformed("not base64")),
        ("Basic /w==".to_owned(), Denial::Malformed("not UTF-8")),
        (
            "Basic a=, Basic b=".to_owned(),
            Denial::Malformed("not one scheme"),
        ),
        (String::new(), Denial::Malformed("not one scheme")),
        ("Bearer abc".to_owned(), Denial::OtherScheme),
    ] {
        let found = world.reason(Some(&header));
        if header == "Basic %" {
            assert!(matches!(found, Denial::Malformed(_)));
        } else {
            assert_eq!(found, reason, "{header}");
        }
    }
    let denied = world.check(None).expect_err("no credentials");
    assert_eq!(denied.reason, Denial::Missing);
    assert_eq!(
        denied.challenges,
        [r#"Basic realm="okgate \"CRM\"", charset="UTF-8""#]
    );
    let mut answer = Vec::new();
    denied.write_response(&mut answer);
    insta::assert_snapshot!(String::from_utf8(answer).expect("UTF-8").replace('\r', ""), @r#"
    HTTP/1.1 401 Unauthorized
    WWW-Authenticate: Basic realm="okgate \"CRM\"", charset="UTF-8"
    Content-Type: text/plain; charset=utf-8
    Content-Length: 35
    Connection: close

    login and password are needed here
    "#);
}

// protocol 2.2-m
#[test]
fn digest_offers_both_hashes_with_one_fresh_nonce() {
    let mut world = World::new(Scheme::Digest, mufasa());
    let first = world.check(None).expect_err("no credentials").challenges;
    let [strong, weak] = &first[..] else {
        panic!("two challenges, not {first:?}");
    };
    assert_eq!(strong.replace("SHA-256", "MD5"), *weak);
    let is_digit = |character: char| character.is_ascii_digit() || matches!(character, 'a'..='f');
    let (start, nonce) = strong.split_once("nonce=\"").expect("a nonce");
    let (nonce, end) = nonce.split_once('"').expect("its end");
    assert!(nonce.len() == 64 && nonce.chars().all(is_digit), "{nonce}");
    insta::assert_snapshot!(format!("{start}nonce=\"…\"{end}"), @r#"Digest realm="okgate \"CRM\"", qop="auth", nonce="…", charset="UTF-8", userhash=false, algorithm=SHA-256"#);
    assert_ne!(
        world.check(None).expect_err("no credentials").challenges,
        first
    );
}

#[test]
fn digest_lets_in_who_knows_login_and_password_with_either_hash() {
    let mut world = World::new(Scheme::Digest, mufasa());
    let header = world.fresh_answer();
    assert!(header.ends_with("algorithm=SHA-256"));
    assert_eq!(world.check(Some(&header)), Ok(()));
    // The same nonce goes on, with growing counts.
    world.tries = Tries::default();
    for count in 2..20 {
        let header = world.header();
        assert!(header.contains(&format!("nc={count:08x}")));
        assert_eq!(world.check(Some(&header)), Ok(()));
    }
    let mut world = World::new(Scheme::Digest, mufasa());
    let weak = world.check(None).expect_err("asked").challenges.remove(1);
    let header = world
        .answer(&[weak.replace(", algorithm=MD5", "")])
        .expect("MD5");
    assert_eq!(
        world.check(Some(&header.replace(", algorithm=MD5", ""))),
        Ok(())
    );
}

#[test]
fn digest_says_why_it_lets_nobody_else_in() {
    let others = [
        Login::new("муфаса", "Circle: of \"Life\""),
        Login::new("Муфаса", "circle"),
    ];
    for (login, reason) in others.into_iter().zip([Denial::Login, Denial::Password]) {
        let mut world = World::new(Scheme::Digest, login);
        let header = world.fresh_answer();
        assert_eq!(world.reason(Some(&header)), reason);
    }
    let mut world = World::new(Scheme::Digest, mufasa());
    let header = world.fresh_answer();
    for (from, to, reason) in [
        ("okgate", "other", Denial::Realm),
        ("/oktell", "/other", Denial::Target),
        ("response=\"", "response=\"0", Denial::Password),
        ("qop=auth", "qop=auth-int", Denial::NotOffered("qop")),
        ("qop=auth, ", "", Denial::Malformed("no qop")),
        ("SHA-256", "SHA-512-256", Denial::NotOffered("algorithm")),
        ("SHA-256", "SHA-256-sess", Denial::NotOffered("algorithm")),
        ("SHA-256", "MD5", Denial::Password),
        (
            "nc=00000001",
            "nc=1",
            Denial::Malformed("nc is not eight digits"),
        ),
        (
            "nc=00000001",
            "nc=+0000001",
            Denial::Malformed("nc is not eight digits"),
        ),
        ("nc=00000001", "nc=00000002", Denial::Password),
        (
            "nc=00000001",
            "userhash=true, nc=00000001",
            Denial::NotOffered("userhash"),
        ),
        (
            "nc=00000001",
            "nc=00000001, nc=00000001",
            Denial::Malformed("a parameter that is repeated"),
        ),
        ("username=", "user=", Denial::Malformed("no username")),
        ("cnonce=", "other=", Denial::Malformed("no cnonce")),
        ("Digest ", "Basic ", Denial::OtherScheme),
        (
            "algorithm=",
            "\"",
            Denial::Malformed("a quoted text without its end"),
        ),
    ] {
        assert!(header.contains(from), "{header}");
        let changed = header.replacen(from, to, 1);
        let found = world.reason(Some(&changed));
        match (found, reason) {
            (Denial::Malformed(_), Denial::Malformed(_)) => {}
            _ => assert_eq!(found, reason, "{changed}"),
        }
    }
    // None of that has used the nonce up; of another method it is no proof.
    let other = world
        .server
        .check("POST", TARGET, Some(&header), world.now, &mut world.random);
    assert_eq!(other.expect_err("GET").reason, Denial::Password);
    assert_eq!(world.check(Some(&header)), Ok(()));
}

// protocol 2.2-p
#[test]
fn what_was_said_once_is_not_good_again() {
    let mut world = World::new(Scheme::Digest, mufasa());
    let first = world.fresh_answer();
    let second = world.header();
    assert_eq!(world.check(Some(&second)), Ok(()));
    for header in [&second, &first] {
        let denied = world.check(Some(header)).expect_err("said before");
        assert_eq!(denied.reason, Denial::Replayed);
        assert!(denied.challenges.iter().all(|it| it.contains("stale=true")));
    }
    let third = world.header();
    assert_eq!(world.check(Some(&third)), Ok(()));
}

// protocol 2.2-p
#[test]
fn an_old_nonce_is_called_stale_and_a_fresh_one_goes_on_without_a_question() {
    let mut world = World::new(Scheme::Digest, mufasa());
    let header = world.fresh_answer();
    assert_eq!(world.check(Some(&header)), Ok(()));
    world.tries = Tries::default();
    world.now = world.now + NONCE_LIFETIME;
    let header = world.header();
    let denied = world.check(Some(&header)).expect_err("too old");
    assert_eq!(denied.reason, Denial::Stale);
    let header = world.answer(&denied.challenges).expect("the fresh nonce");
    assert_eq!(world.check(Some(&header)), Ok(()));
    // A gateway that started anew knows nothing of the nonce, and says the same.
    world.tries = Tries::default();
    world.random = Random::from_number(8);
    world.server = Authenticator::new(Scheme::Digest, REALM, mufasa(), &mut world.random);
    let header = world.header();
    assert_eq!(world.reason(Some(&header)), Denial::Stale);
    // Who does not know the password is not told what becomes of a nonce.
    let wrong = header.replace("response=\"", "response=\"0");
    let denied = world.check(Some(&wrong)).expect_err("wrong");
    assert_eq!(denied.reason, Denial::Password);
    assert!(!denied.challenges[0].contains("stale"));
}

#[test]
fn a_bounded_number_of_nonces_is_remembered_and_none_that_was_forgotten_is_good_again() {
    let mut world = World::new(Scheme::Digest, mufasa());
    let mut headers = Vec::new();
    for _ in 0..1500 {
        world.now = world.now + Duration::from_millis(1);
        world.client = ClientCredentials::new(mufasa());
        let header = world.fresh_answer();
        assert_eq!(world.check(Some(&header)), Ok(()));
        headers.push(header);
    }
    let reasons: Vec<_> = headers.iter().map(|it| world.reason(Some(it))).collect();
    assert_eq!(
        (reasons[0], reasons[1499]),
        (Denial::Stale, Denial::Replayed)
    );
    let known = reasons.iter().filter(|it| **it == Denial::Replayed).count();
    assert_eq!(known, 1024);
    // Questions without credentials use nothing up.
    world.tries = Tries::default();
    let header = world.fresh_answer();
    (0..5000).for_each(|_| drop(world.check(None)));
    assert_eq!(world.check(Some(&header)), Ok(()));
}

// protocol 2.2-q
#[test]
fn a_client_takes_the_strongest_challenge_that_it_knows() {
    let digest = |algorithm: &str| {
        format!(r#"Digest realm="r", nonce="n", qop="auth-int, auth"{algorithm}"#)
    };
    let (sha, md5) = (digest(", algorithm=SHA-256"), digest(""));
    let basic = "Basic realm=\"r\"".to_owned();
    let negotiate = "Negotiate".to_owned();
    for (challenges, start, end) in [
        (
            vec![format!("{basic}, {md5}, Negotiate, {sha}")],
            "Digest ",
            "=SHA-256",
        ),
        (
            vec![
                md5.clone(),
                basic.clone(),
                digest(", algorithm=SHA-512-256"),
            ],
            "Digest ",
            "=MD5",
        ),
        (vec![negotiate.clone(), basic.clone()], "Basic ", ""),
        (
            vec![digest(", algorithm=MD5-sess"), basic.clone()],
            "Basic ",
            "",
        ),
        (
            vec![r#"Digest realm="r", nonce="n""#.to_owned()],
            "Digest ",
            "=MD5",
        ),
    ] {
        let mut world = World::new(Scheme::Digest, mufasa());
        let header = world.answer(&challenges).expect("understood");
        assert!(
            header.starts_with(start) && header.ends_with(end),
            "{header}"
        );
        assert!(world.header().starts_with(start), "{challenges:?}");
    }
    for challenges in [
        vec![],
        vec![negotiate],
        vec![r#"Digest realm="r", nonce="n", qop="auth-int""#.to_owned()],
    ] {
        let mut world = World::new(Scheme::Digest, mufasa());
        assert_eq!(world.answer(&challenges), Err(ClientError::NoneSupported));
    }
    let mut world = World::new(Scheme::Digest, mufasa());
    assert!(matches!(
        world.answer(&["=\"".to_owned()]),
        Err(ClientError::Malformed(_))
    ));
}

// protocol 2.1-k, 2.2-o and 2.2-q
#[test]
fn a_challenge_that_is_repeated_means_wrong_credentials() {
    let basic = ["Basic realm=\"r\"".to_owned()];
    let digest = |more: &str| {
        [format!(
            r#"Digest realm="r", nonce="n", qop="auth", opaque="o"{more}"#
        )]
    };
    let mut world = World::new(Scheme::Digest, mufasa());
    // Basic was said up front already.
    world.header();
    assert_eq!(world.answer(&basic), Err(ClientError::WrongCredentials));
    let header = world.answer(&digest("")).expect("the first");
    assert!(header.contains("opaque=\"o\""));
    assert_eq!(
        world.answer(&digest("")),
        Err(ClientError::WrongCredentials)
    );
    // The next request begins anew.
    world.tries = Tries::default();
    assert!(world.header().starts_with("Basic "));
    assert!(world.answer(&digest("")).is_ok());
    assert!(world.answer(&digest(", stale=TRUE")).is_ok());
    assert_eq!(
        world.answer(&digest(", stale=true")),
        Err(ClientError::AlwaysStale)
    );
    // Each request may be asked again.
    for _ in 0..3 {
        world.tries = Tries::default();
        assert!(world.answer(&digest("")).is_ok());
    }
}

#[test]
fn passwords_are_not_shown() {
    let world = World::new(Scheme::Digest, mufasa());
    let shown = format!("{:?} {:?} {:?}", world.server, world.client, mufasa());
    assert!(
        shown.contains("Муфаса") && !shown.contains("Circle"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn any_header_is_read_or_refused(value in ".{0,200}") {
        let mut world = World::new(Scheme::Digest, mufasa());
        prop_assert!(world.check(Some(&value)).is_err());
        let _challenge = world.answer(std::slice::from_ref(&value));
        world.server = Authenticator::new(Scheme::Basic, REALM, mufasa(), &mut world.random);
        prop_assert!(world.check(Some(&value)).is_err());
    }

    #[test]
    fn almost_any_header_is_read_or_refused(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "Digest ", "Basic ", "realm=", "nonce=", "qop=auth", ",", " ", "\"", "\\", "=", "abc", "x=\"y\"", "ж",
        ]), 0..20),
    ) {
        let value = pieces.concat();
        if let Ok(schemes) = Said::read_all(&value) {
            prop_assert!(schemes.iter().all(|scheme| !scheme.name.is_empty()));
        }
        let mut world = World::new(Scheme::Digest, mufasa());
        let _challenge = world.answer(&[value]);
    }

    #[test]
    fn any_login_and_password_prove_themselves(login in "[^:\0-\x1F\x7F]{0,12}", password in "[^\0-\x1F\x7F]{0,12}") {
        let login = Login::new(&login, &password);
        for scheme in [Scheme::Basic, Scheme::Digest] {
            let mut world = World::new(scheme, login.clone());
            world.server = Authenticator::new(scheme, REALM, login.clone(), &mut world.random);
            let header = world.fresh_answer();
            prop_assert_eq!(world.check(Some(&header)), Ok(()));
        }
    }
}
