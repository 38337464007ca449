//! TLS between the runtime's own two sides and with OpenSSL: what is accepted, and what is said
//! of what is not.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use okgate::runtime::{
    AcceptorSettings, Connection, ConnectorSettings, Listener, Roots, ServerName, Stream,
    TlsAcceptor, TlsConnector, TlsError, TlsFile, TlsSettingsError, spawn,
};
use support::certificates::{Authority, Holds, Identity, text};
use support::{beside_a_ring, free_listener};

const IN_TIME: Duration = Duration::from_secs(10);

fn connector(roots: &Path, own: Option<&Identity>) -> TlsConnector {
    let settings = ConnectorSettings {
        roots: Roots::File(roots.to_owned()),
        client_certificate: own.map(|own| (own.certificate.clone(), own.key.clone())),
    };
    TlsConnector::new(&settings).expect("good files")
}

fn acceptor(own: &Identity, client_roots: Option<&Path>) -> TlsAcceptor {
    let settings = AcceptorSettings {
        certificate: own.certificate.clone(),
        private_key: own.key.clone(),
        client_roots: client_roots.map(Path::to_owned),
    };
    TlsAcceptor::new(&settings).expect("good files")
}

async fn connect(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &str,
    within: Duration,
) -> Result<Connection, TlsError> {
    let stream = Stream::connect(address, IN_TIME).await.expect("a port");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    connector.connect(stream, &name, within).await
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) -> Result<Connection, TlsError> {
    let listener = Listener::new(listener).expect("a socket");
    let stream = listener.accept().await.expect("a connection");
    acceptor.accept(stream, IN_TIME).await
}

/// What a client that asks for this name says of the server's certificate.
fn complaint(roots: &Path, server: &Identity, name: &'static str) -> String {
    let (connector, acceptor) = (connector(roots, None), acceptor(server, None));
    let (listener, address) = free_listener();
    let (ours, theirs) = beside_a_ring(move |_| async move {
        let (sender, receiver) = async_channel::bounded(1);
        spawn(async move {
            let refused = accept(listener, acceptor).await.err();
            let words = refused.map(|error| error.to_string());
            sender.send(words).await.expect("the test waits");
        })
        .detach();
        let ours = connect(&connector, address, name, IN_TIME).await;
        let ours = ours.expect_err("a bad certificate").to_string();
        (ours, receiver.recv().await.expect("an end"))
    });
    let theirs = theirs.expect("the server is told");
    assert!(theirs.starts_with("the other side refuses: "), "{theirs}");
    ours
}

#[test]
fn each_fault_of_a_servers_certificate_is_told_in_words_of_its_own() {
    let (authority, other) = (Authority::new(), Authority::named("Another"));
    let names = ["crm.example", "127.0.0.1"];
    let roots = &authority.roots;
    let say = |identity: &Identity, name| complaint(roots, identity, name);

    let expired = say(&authority.issue("a", &names, Holds::NoMore), "crm.example");
    assert!(
        expired.starts_with("the server's certificate has expired "),
        "{expired}"
    );
    assert!(expired.contains(" days ago"), "{expired}");
    let early = say(&authority.issue("b", &names, Holds::NotYet), "crm.example");
    assert!(early.contains("is not valid yet, but in "), "{early}");
    let valid = authority.issue("c", &names, Holds::Now);
    assert_eq!(
        say(&valid, "other.example"),
        "the server's certificate is not for \"other.example\" but for \"crm.example\", \"127.0.0.1\": ask for the CRM by one of these, or have a certificate made for that one"
    );
    let address = say(&valid, "127.0.0.2");
    assert!(
        address.contains("is not for \"127.0.0.2\" but for"),
        "{address}"
    );
    let nameless = say(&authority.issue("d", &[], Holds::Now), "crm.example");
    assert!(nameless.contains("is for no name at all"), "{nameless}");
    let unknown = say(&other.issue("e", &names, Holds::Now), "crm.example");
    assert!(
        unknown.contains("not trusted here") && unknown.contains("crm.trust_roots"),
        "{unknown}"
    );
    let again = Authority::new();
    let namesake = say(&again.issue("f", &names, Holds::Now), "crm.example");
    assert!(namesake.contains("has the same name"), "{namesake}");
    let own = say(&authority.self_signed("f", &names, false), "crm.example");
    assert!(
        own.contains("signed with its own key") && own.contains("crm.trust_roots"),
        "{own}"
    );
    let own = say(&authority.self_signed("g", &names, true), "crm.example");
    assert!(
        own.contains("marked as an authority's") && own.contains("crm.trust_roots"),
        "{own}"
    );
    let mail = say(&authority.issue_for_mail("h", &names), "crm.example");
    assert!(mail.contains("is not for a server"), "{mail}");
}

#[test]
fn a_self_signed_certificate_that_is_named_as_trusted_is_accepted() {
    let authority = Authority::new();
    for is_authority in [false, true] {
        let own = authority.self_signed("own", &["crm.example"], is_authority);
        let received = talk(
            connector(&own.certificate, None),
            acceptor(&own, None),
            "crm.example",
        );
        assert_eq!(received, 8 << 20);
    }
}

#[test]
fn a_named_certificate_that_is_marked_as_an_authoritys_must_still_be_for_the_server() {
    let authority = Authority::new();
    let own = authority.self_signed("own", &["crm.example"], true);
    let another = authority.self_signed("other", &["crm.example"], true);
    let words = complaint(&own.certificate, &own, "other.example");
    assert!(words.contains("is not for \"other.example\""), "{words}");
    let words = complaint(&another.certificate, &own, "crm.example");
    assert!(words.contains("crm.trust_roots"), "{words}");
}

#[test]
fn both_halves_of_a_connection_with_tls_work_at_once_by_name_and_by_address() {
    let authority = Authority::new();
    let server = authority.issue("server", &["crm.example", "127.0.0.1"], Holds::Now);
    for name in ["crm.example", "127.0.0.1"] {
        let connector = connector(&authority.roots, None);
        assert_eq!(talk(connector, acceptor(&server, None), name), 8 << 20);
    }
}

/// Sends 8 MiB to a server that sends them back, and says how many came.
fn talk(connector: TlsConnector, acceptor: TlsAcceptor, name: &'static str) -> usize {
    let (listener, address) = free_listener();
    beside_a_ring(move |_| async move {
        spawn(async move {
            let (mut reader, mut writer) = accept(listener, acceptor).await.expect("TLS").split();
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = reader.read(&mut buffer).await.expect("bytes, then an end");
                if count == 0 {
                    return writer.shutdown().await.expect("an end");
                }
                writer.write_all(&buffer[..count]).await.expect("a send");
            }
        })
        .detach();
        let connection = connect(&connector, address, name, IN_TIME)
            .await
            .expect("TLS");
        assert!(connection.is_tls() && connection.peer() == address);
        let (mut reader, mut writer) = connection.split();
        spawn(async move {
            writer.write_all(&vec![7; 8 << 20]).await.expect("a send");
            writer.shutdown().await.expect("a half-close");
        })
        .detach();
        let (mut buffer, mut received) = (vec![0; 64 << 10], 0);
        loop {
            match reader.read(&mut buffer).await.expect("bytes, then an end") {
                0 => return received,
                count => received += count,
            }
        }
    })
}

#[test]
fn a_server_may_ask_for_a_certificate_and_says_what_it_misses() {
    let (authority, other) = (Authority::new(), Authority::named("Another"));
    let server = authority.issue("server", &["crm.example"], Holds::Now);
    let client = authority.issue("client", &["okgate.example"], Holds::Now);
    let stranger = other.issue("client", &["okgate.example"], Holds::Now);
    let ask = |own: Option<&Identity>| {
        let connector = connector(&authority.roots, own);
        let acceptor = acceptor(&server, Some(&authority.roots));
        let (listener, address) = free_listener();
        beside_a_ring(move |_| async move {
            let (sender, receiver) = async_channel::bounded(1);
            spawn(async move {
                let end = match accept(listener, acceptor).await {
                    Ok(mut connection) => {
                        connection.write_all(b"hello").await.expect("a send");
                        connection.shutdown().await.expect("an end");
                        String::new()
                    }
                    Err(error) => error.to_string(),
                };
                sender.send(end).await.expect("the test waits");
            })
            .detach();
            let mut connection = connect(&connector, address, "crm.example", IN_TIME)
                .await
                .expect("TLS 1.3 tells the client later");
            let mut buffer = [0; 16];
            let read = connection.read(&mut buffer).await;
            let read = read.map_err(|error| error.to_string());
            (read, receiver.recv().await.expect("an end"))
        })
    };
    assert_eq!(ask(Some(&client)), (Ok(5), String::new()));
    let (ours, theirs) = ask(None);
    let ours = ours.expect_err("no certificate");
    assert!(
        ours.contains("set crm.client_certificate and crm.client_key"),
        "{ours}"
    );
    assert!(theirs.contains("crm.client_roots"), "{theirs}");
    let (ours, theirs) = ask(Some(&stranger));
    let ours = ours.expect_err("an unknown authority");
    assert!(ours.contains("does not trust our certificate"), "{ours}");
    assert!(
        theirs.starts_with("the client's certificate comes from an authority"),
        "{theirs}"
    );
    assert!(theirs.contains("crm.client_roots"), "{theirs}");
}

/// What comes of connecting to a port where this thread does what it likes.
fn connect_to(
    peer: impl FnOnce(std::net::TcpStream) + Send + 'static,
    within: Duration,
) -> TlsError {
    let authority = Authority::new();
    let connector = connector(&authority.roots, None);
    let (listener, address) = free_listener();
    let peer = thread::spawn(move || peer(listener.accept().expect("a connection").0));
    let error = beside_a_ring(move |_| async move {
        let connection = connect(&connector, address, "crm.example", within).await;
        connection.expect_err("no TLS")
    });
    peer.join().expect("a peer that ends well");
    error
}

#[test]
fn a_peer_without_tls_a_silent_and_a_closing_one_are_told_apart() {
    let plain = connect_to(
        |mut stream| {
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).expect("a hello");
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .expect("a send");
            let _rest = stream.read_to_end(&mut Vec::new());
        },
        IN_TIME,
    );
    assert!(matches!(plain, TlsError::NotTls), "{plain:?}");
    let silent = connect_to(
        |mut stream| {
            let _all = stream.read_to_end(&mut Vec::new());
        },
        Duration::from_millis(100),
    );
    assert!(matches!(silent, TlsError::TimedOut(_)), "{silent:?}");
    assert!(silent.to_string().contains("within 100 ms"), "{silent}");
    let closing = connect_to(drop, IN_TIME);
    assert!(matches!(closing, TlsError::Closed), "{closing:?}");
}

#[test]
fn a_client_without_tls_is_told_apart_too() {
    let authority = Authority::new();
    let server = acceptor(&authority.issue("a", &["crm.example"], Holds::Now), None);
    let (listener, address) = free_listener();
    let client = thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("a send");
        let _all = stream.read_to_end(&mut Vec::new());
    });
    let error =
        beside_a_ring(move |_| async move { accept(listener, server).await.expect_err("no TLS") });
    assert!(matches!(error, TlsError::NotTls), "{error:?}");
    client.join().expect("the client");
}

#[test]
fn an_end_that_is_not_said_is_an_error_and_not_the_end() {
    let authority = Authority::new();
    let server = acceptor(&authority.issue("a", &["crm.example"], Holds::Now), None);
    let connector = connector(&authority.roots, None);
    let (listener, address) = free_listener();
    let error = beside_a_ring(move |_| async move {
        spawn(async move {
            let mut connection = accept(listener, server).await.expect("TLS");
            connection.write_all(b"half").await.expect("a send");
        })
        .detach();
        let connection = connect(&connector, address, "crm.example", IN_TIME).await;
        let mut connection = connection.expect("TLS");
        let mut buffer = [0; 16];
        assert_eq!(connection.read(&mut buffer).await.expect("bytes"), 4);
        connection.read(&mut buffer).await.expect_err("a cut")
    });
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");
}

/// OpenSSL's test server, which sends back each line turned round.
struct OpenSsl {
    child: Child,
    address: SocketAddr,
}

impl OpenSsl {
    fn start(identity: &Identity, options: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-naccept",
            "1",
            "-rev",
        ]);
        command
            .arg("-cert")
            .arg(&identity.certificate)
            .arg("-key")
            .arg(&identity.key);
        command
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("openssl");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut lines = lines.map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
        // What it says later must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("its address"),
        }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn openssl_servers_of_both_versions_are_understood_and_older_ones_refused() {
    let authority = Authority::new();
    let server = authority.issue("server", &["crm.example"], Holds::Now);
    let connector = connector(&authority.roots, None);
    let ask = |options: &[&str]| {
        let (server, connector) = (OpenSsl::start(&server, options), connector.clone());
        let address = server.address;
        beside_a_ring(move |_| async move {
            let mut connection = connect(&connector, address, "crm.example", IN_TIME).await?;
            connection.write_all(b"abc\n").await.map_err(TlsError::Io)?;
            let mut buffer = [0; 4];
            let mut count = 0;
            while count < buffer.len() {
                count += connection
                    .read(&mut buffer[count..])
                    .await
                    .map_err(TlsError::Io)?;
            }
            Ok::<_, TlsError>(buffer)
        })
    };
    for options in [
        &["-tls1_3"][..],
        &["-tls1_2"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ] {
        assert_eq!(&ask(options).expect("TLS"), b"cba\n", "{options:?}");
    }
    let old = ask(&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]).expect_err("too old");
    assert!(matches!(old, TlsError::NothingInCommon(_)), "{old:?}");
    let weak = ask(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]).expect_err("no GCM");
    assert!(weak.to_string().contains("cipher in common"), "{weak}");
}

#[test]
fn openssl_servers_that_ask_for_a_certificate_get_it_or_the_setting_is_named() {
    let authority = Authority::new();
    let server = authority.issue("server", &["crm.example"], Holds::Now);
    let own = authority.issue("own", &["okgate.example"], Holds::Now);
    for version in ["-tls1_2", "-tls1_3"] {
        let ask = |own: Option<&Identity>| {
            let roots = path(&authority.roots);
            let options = [
                version,
                "-Verify",
                "1",
                "-verify_return_error",
                "-CAfile",
                roots,
            ];
            let (server, connector) = (
                OpenSsl::start(&server, &options),
                connector(&authority.roots, own),
            );
            let (address, has_own) = (server.address, own.is_some());
            beside_a_ring(move |_| async move {
                let connection = connect(&connector, address, "crm.example", IN_TIME).await;
                let mut connection = connection.map_err(|error| error.to_string())?;
                let mut buffer = [0; 4];
                if has_own {
                    let sent = connection.write_all(b"abc\n").await;
                    sent.map_err(|error| error.to_string())?;
                }
                let read = connection.read(&mut buffer).await;
                read.map(drop).map_err(|error| error.to_string())
            })
        };
        assert_eq!(ask(Some(&own)), Ok(()), "{version}");
        let refused = ask(None).expect_err(version);
        assert!(
            refused.contains("crm.client_certificate"),
            "{version}: {refused}"
        );
    }
}

#[test]
fn openssl_clients_are_served_with_keys_of_every_form() {
    let authority = Authority::new();
    let sec1 = authority.issue("sec1", &["crm.example"], Holds::Now);
    openssl(&["ec", "-in", path(&sec1.key), "-out", path(&sec1.key)]);
    assert!(text(&sec1.key).contains("BEGIN EC PRIVATE KEY"));
    let pkcs8 = authority.issue("pkcs8", &["crm.example"], Holds::Now);
    assert!(text(&pkcs8.key).contains("BEGIN PRIVATE KEY"));
    let pkcs1 = rsa(&authority, "pkcs1");
    openssl(&[
        "rsa",
        "-traditional",
        "-in",
        path(&pkcs1.key),
        "-out",
        path(&pkcs1.key),
    ]);
    assert!(text(&pkcs1.key).contains("BEGIN RSA PRIVATE KEY"));
    for (identity, roots) in [
        (&sec1, &authority.roots),
        (&pkcs8, &authority.roots),
        (&pkcs1, &pkcs1.certificate),
    ] {
        for version in ["-tls1_2", "-tls1_3"] {
            let cipher = served_to_openssl(identity, roots, version);
            assert!(
                cipher.contains("AES_128_GCM") || cipher.contains("AES128-GCM"),
                "{cipher}"
            );
        }
    }
}

/// Serves one OpenSSL client and says which cipher it got.
fn served_to_openssl(identity: &Identity, roots: &Path, version: &str) -> String {
    let acceptor = acceptor(identity, None);
    let (listener, address) = free_listener();
    let client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-no_ign_eof",
            "-brief",
            "-verify_return_error",
        ])
        .args([
            "-servername",
            "crm.example",
            "-verify_hostname",
            "crm.example",
            version,
        ])
        .args(["-connect", &address.to_string(), "-CAfile", path(roots)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    beside_a_ring(move |_| async move {
        let mut connection = accept(listener, acceptor).await.expect("TLS");
        connection.write_all(b"hello\n").await.expect("a send");
        connection.shutdown().await.expect("an end");
    });
    let output = client.wait_with_output().expect("its end");
    assert_eq!(output.stdout, b"hello\n", "{output:?}");
    let words = String::from_utf8(output.stderr).expect("text");
    let cipher = words.lines().find(|line| line.starts_with("Ciphersuite: "));
    cipher.unwrap_or_else(|| panic!("{words}")).to_owned()
}

/// The sentence about an acceptor's files.
fn refused(certificate: &Path, private_key: &Path) -> (TlsFile, String) {
    let settings = AcceptorSettings {
        certificate: certificate.to_owned(),
        private_key: private_key.to_owned(),
        client_roots: None,
    };
    let error: TlsSettingsError = TlsAcceptor::new(&settings).expect_err("bad files");
    (error.file, error.to_string())
}

#[test]
fn every_fault_of_a_certificates_file_is_one_sentence_that_names_it() {
    let authority = Authority::new();
    let good = authority.issue("good", &["crm.example"], Holds::Now);
    let words = authority.file("words.pem", "no PEM at all");
    let cut = authority.file("cut.pem", &text(&good.certificate)[..200]);
    let table = [
        (
            PathBuf::from("/nowhere/x.pem"),
            "x.pem cannot be read: No such file",
        ),
        (authority.file("empty.pem", " \n"), "empty.pem is empty"),
        (words.clone(), "words.pem has no certificate in PEM form"),
        (cut, "cut.pem is no good PEM file: a section does not end"),
    ];
    for (certificate, words) in table {
        let (file, sentence) = refused(&certificate, &good.key);
        assert!(sentence.contains(words), "{sentence}");
        assert_eq!(file, TlsFile::Certificate, "{sentence}");
    }
    let settings = ConnectorSettings {
        roots: Roots::File(words),
        client_certificate: None,
    };
    let error = TlsConnector::new(&settings).expect_err("no roots");
    assert_eq!(error.file, TlsFile::Roots);
    assert!(
        error.to_string().contains("words.pem has no certificate"),
        "{error}"
    );
}

#[test]
fn every_fault_of_a_keys_file_is_one_sentence_that_names_it_and_no_secret() {
    let authority = Authority::new();
    let good = authority.issue("good", &["crm.example"], Holds::Now);
    let other = authority.issue("other", &["crm.example"], Holds::Now);
    let (encrypted, old) = (authority.path("encrypted.key"), authority.path("old.key"));
    let command = ["pkcs8", "-topk8", "-passout", "pass:secret", "-in"];
    openssl(&[&command[..], &[path(&good.key), "-out", path(&encrypted)]].concat());
    let rsa = rsa(&authority, "rsa");
    let command = ["rsa", "-traditional", "-aes128", "-passout", "pass:secret"];
    openssl(&[&command[..], &["-in", path(&rsa.key), "-out", path(&old)]].concat());
    let missing = PathBuf::from("/nowhere/x.key");
    for (key, words) in [
        (&missing, "/nowhere/x.key cannot be read"),
        (&good.certificate, "good.pem has no private key in PEM form"),
        (&encrypted, "encrypted.key is encrypted with a passphrase"),
        (&old, "old.key is encrypted with a passphrase"),
        (
            &other.key,
            "other.key does not belong to the first certificate in",
        ),
    ] {
        let (file, sentence) = refused(&good.certificate, key);
        assert!(sentence.contains(words), "{sentence}");
        assert_eq!(file, TlsFile::PrivateKey, "{sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}

#[test]
fn the_system_has_authorities_that_are_trusted() {
    let settings = ConnectorSettings {
        roots: Roots::System,
        client_certificate: None,
    };
    TlsConnector::new(&settings).expect("the package ca-certificates");
}

/// A certificate with an RSA key that it has signed itself.
fn rsa(authority: &Authority, name: &str) -> Identity {
    let identity = Identity {
        certificate: authority.path(&format!("{name}.pem")),
        key: authority.path(&format!("{name}.key")),
    };
    let request = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ];
    let names = [
        "-subj",
        "/CN=crm",
        "-addext",
        "subjectAltName=DNS:crm.example",
    ];
    let files = [
        "-keyout",
        path(&identity.key),
        "-out",
        path(&identity.certificate),
    ];
    openssl(&[&request[..], &names, &files].concat());
    identity
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.expect("openssl is installed with ca-certificates");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}
