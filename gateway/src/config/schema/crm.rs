//! `[crm]`, `[crm.caller_name]` and `[tls]`: the one CRM server, and our own certificate.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

const LINKED: &[&str] = &[
    "http-out",
    "https-out",
    "ws-out",
    "wss-out",
    "ws-in",
    "wss-in",
];
const OUTGOING: &[&str] = &["http-out", "https-out", "ws-out", "wss-out"];
const HTTP: &[&str] = &["http-out", "https-out"];
const WEB_SOCKET: &[&str] = &["ws-out", "wss-out", "ws-in", "wss-in"];
const WEB_SOCKET_OUT: &[&str] = &["ws-out", "wss-out"];
const WEB_SOCKET_IN: &[&str] = &["ws-in", "wss-in"];
const TLS_OUT: &[&str] = &["https-out", "wss-out"];
const TLS_IN: &[&str] = &["wss-in"];

pub(super) static CRM: Section = Section {
    name: "crm",
    repeated: false,
    about: "The one CRM server.",
    planned: &[],
    keys: &[
        Key::new(
            "mode",
            choice(
                &[
                    "off",
                    "http-out",
                    "https-out",
                    "ws-out",
                    "wss-out",
                    "ws-in",
                    "wss-in",
                ],
                &[],
            ),
            Fallback::Required,
            "How the CRM is linked: not at all, by HTTP requests of the gateway, by a WebSocket that the gateway opens and restores, or by one that the CRM opens; https and wss are with TLS.",
        )
        .like("\"off\""),
        Key::new(
            "url",
            Kind::Url,
            Fallback::Absent("required in modes http-out and https-out"),
            "Where the CRM takes requests; https:// in mode https-out, http:// in mode http-out.",
        )
        .like("\"http://crm.example/oktell\"")
        .only_in(HTTP),
        Key::new(
            "method_url",
            Kind::Url,
            Fallback::Absent("such methods cannot be run"),
            "Where methods are posted to that the CRM declares with connectiontype \"http\" (in the HTTP modes all are, to url). An https:// one must be trusted by the system, in mode wss-out by trust_roots.",
        )
        .like("\"http://crm.example/oktell\"")
        .only_in(WEB_SOCKET),
        Key::new(
            "address",
            Kind::HostAndPort,
            Fallback::Absent("required in modes ws-out and wss-out"),
            "Where the CRM listens.",
        )
        .like("\"crm.example:8045\"")
        .only_in(WEB_SOCKET_OUT),
        Key::new(
            "path",
            Kind::Text,
            Fallback::Text("/"),
            "The path of the WebSocket request.",
        )
        .only_in(WEB_SOCKET_OUT),
        Key::new(
            "websocket_version",
            Kind::NumberChoice {
                numbers: &[13, 8, 7, 0],
                planned: &[],
            },
            Fallback::Integer(13),
            "The WebSocket version to ask for: 13 is RFC 6455, 8 and 7 are the drafts before it, 0 is the oldest one (hixie-76).",
        )
        .only_in(WEB_SOCKET_OUT),
        Key::new(
            "listen",
            Kind::Address,
            Fallback::Text("127.0.0.1:4067"),
            "Where the CRM connects: a port that nothing else has.",
        )
        .only_in(WEB_SOCKET_IN),
        Key::new(
            "auth",
            choice(&["none", "basic", "digest"], &[]),
            Fallback::Text("none"),
            "How the CRM shows that it knows the credentials; many WebSocket libraries cannot, and then the address must be one that nobody else reaches.",
        )
        .only_in(WEB_SOCKET_IN),
        Key::new(
            "nonce_lifetime_s",
            integer(1, 86_400),
            Fallback::Integer(300),
            "How long a nonce of auth \"digest\" may be used; an older one is answered with a fresh one.",
        )
        .only_in(WEB_SOCKET_IN),
        Key::new(
            "allow_hixie",
            Kind::Boolean,
            Fallback::Boolean(false),
            "Whether a CRM may connect with WebSocket version 0 (hixie-76), which has neither ping nor close.",
        )
        .only_in(&["ws-in"]),
        Key::new(
            "credentials",
            Kind::Credentials,
            Fallback::Absent("none"),
            "Login and password: ours at the CRM in outgoing modes, the CRM's at the gateway in incoming ones; best from the environment.",
        )
        .like("\"env:OKGATE_CRM_CREDENTIALS\"")
        .only_in(LINKED),
        Key::new(
            "credentials_file",
            Kind::File,
            Fallback::Absent("none"),
            "The file with login:password instead; spaces around them are ignored.",
        )
        .like("\"crm.credentials\"")
        .only_in(LINKED),
        Key::new(
            "format",
            choice(&["json", "xml"], &[]),
            Fallback::Text("json"),
            "The format of messages; in incoming modes the CRM chooses it.",
        )
        .only_in(OUTGOING),
        Key::new(
            "trust_roots",
            Kind::Roots,
            Fallback::Text("system"),
            "Which authorities the CRM's certificate may come from; a self-signed certificate is trusted by naming its own file.",
        )
        .only_in(TLS_OUT),
        Key::new(
            "client_certificate",
            Kind::File,
            Fallback::Absent("none is shown"),
            "Our certificate with its chain (PEM), for a CRM that asks for one.",
        )
        .like("\"client.pem\"")
        .only_in(TLS_OUT),
        Key::new(
            "client_key",
            Kind::File,
            Fallback::Absent("none; client_certificate needs it"),
            "Its private key (PEM), without a passphrase.",
        )
        .like("\"client.key\"")
        .only_in(TLS_OUT),
        Key::new(
            "client_roots",
            Kind::File,
            Fallback::Absent("the CRM need not show a certificate"),
            "The authorities (PEM) one of which the CRM's certificate must come from.",
        )
        .like("\"crm-roots.pem\"")
        .only_in(TLS_IN),
        Key::new(
            "message_bytes_max",
            limit(4096, 1 << 30),
            Fallback::Integer(16 << 20),
            "The greatest message from the CRM, catalogues included; a longer one closes the link with 1009, in the HTTP modes it is a failure. 0 means none.",
        )
        .only_in(LINKED),
        Key::new(
            "queue_bytes_max",
            limit(4096, 1 << 30),
            Fallback::Integer(16 << 20),
            "What may wait to be sent to the CRM while it reads slowly; beyond it the link is closed and made again. 0 means none.",
        )
        .only_in(WEB_SOCKET),
        Key::new(
            "method_runs_max",
            limit(1, 1_000_000),
            Fallback::Integer(10_000),
            "Dynamic methods that may wait for the CRM's result at a time; one more fails at once. 0 means none.",
        )
        .only_in(LINKED),
        Key::new(
            "answer_timeout_ms",
            integer(100, 600_000),
            Fallback::Integer(30_000),
            "How long the CRM's answer to an HTTP request is waited for, to its last byte.",
        )
        .only_in(LINKED),
        Key::new(
            "exchanges_max",
            integer(1, 1024),
            Fallback::Integer(16),
            "HTTP requests to the CRM at a time, and so connections; further ones wait for their turn.",
        )
        .only_in(LINKED),
        Key::new(
            "refresh_s",
            integer(10, 86_400),
            Fallback::Integer(600),
            "How often the CRM is asked anew who it is and which methods and forms it has.",
        )
        .only_in(HTTP),
    ],
};

pub(super) static CALLER_NAME: Section = Section {
    name: "crm.caller_name",
    repeated: false,
    about: "Before an outside call rings, the CRM is asked for the caller's name with one of\nits dynamic methods. Without this section it is not asked.",
    planned: &[],
    keys: &[
        Key::new(
            "method",
            Kind::Text,
            Fallback::Required,
            "The key of the dynamic method.",
        )
        .like("\"getcallername\""),
        Key::new(
            "input",
            Kind::Text,
            Fallback::Text("callerid"),
            "The input parameter that gets the caller's number.",
        ),
        Key::new(
            "output",
            Kind::Text,
            Fallback::Text("name"),
            "The output parameter that holds the name.",
        ),
        Key::new(
            "wait_ms",
            integer(1, 10_000),
            Fallback::Integer(300),
            "A call rings after this time at the latest, with or without a name: nobody waits for a slow CRM.",
        ),
    ],
};

pub(super) static TLS: Section = Section {
    name: "tls",
    repeated: false,
    about: "The certificate that the gateway itself shows.",
    planned: &["certificates"],
    keys: &[
        Key::new(
            "certificate",
            Kind::File,
            Fallback::Absent("required in mode wss-in"),
            "The certificate with its chain (PEM), the certificate itself first.",
        )
        .like("\"cert.pem\"")
        .only_in(TLS_IN),
        Key::new(
            "private_key",
            Kind::File,
            Fallback::Absent("required in mode wss-in"),
            "Its private key (PEM: PKCS#8, PKCS#1 or SEC1), without a passphrase.",
        )
        .like("\"key.pem\"")
        .only_in(TLS_IN),
    ],
};
