//! From the parsed text to [`Settings`]: one function a section.

use okgate_core::base::RateLimit;
use okgate_core::hub::{InterfaceConfig, TokenAlgorithm};
use okgate_core::switchboard::{Directory, User};
use okgate_core::wire::forwarded::ForwardedHeader;
use toml::de::DeTable;

use super::document::Document;
use super::file::File;
use super::settings::{
    AdminSettings, ClientLimits, ClientSettings, GatewaySettings, LogFormat, PbxSettings, Settings,
    SimSettings, TokenSettings, WebSettings,
};
use super::view::{Located, View};
use super::{check, crm, desk, forms, people};

/// Reads all sections, so that every fault is noted; `None` only after one.
pub(super) fn settings<'d>(document: &'d Document<'d>, root: &'d DeTable<'d>) -> Option<Settings> {
    let file = File::new(document, root);
    let gateway_view = file.view("gateway");
    let gateway = gateway(&gateway_view);
    let clients_view = file.view("clients");
    let clients = clients(&clients_view, &file);
    let crm_view = file.view("crm");
    let crm = crm::crm(&file, &crm_view);
    let web_view = file.view("web");
    let admin_view = file.view("admin");
    let admin = admin(&admin_view);
    let pbx = pbx(&file);
    let directory = people::directory(&file);
    let web = web(&web_view, &directory);
    let desk = desk::desk(&file);
    let forms = forms::forms(&file, file.view("crm").limit_size("method_runs_max"));
    let mut listening = vec![
        ("clients.listen", &clients_view),
        ("web.listen", &web_view),
        ("admin.listen", &admin_view),
    ];
    if crm::is_incoming(&crm_view) {
        listening.push(("crm.listen", &crm_view));
    }
    check::ports(&listening);
    Some(Settings {
        gateway,
        clients,
        crm: crm?,
        web,
        admin: admin?,
        pbx,
        directory,
        forms,
        desk,
    })
}

fn gateway(view: &View<'_>) -> GatewaySettings {
    let log = view.text("log").unwrap_or_default();
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&log) {
        view.fault("log", format!("{log:?} is not a log filter: {error}"));
    }
    let data_dir = view.file("data_dir");
    if let Some(path) = data_dir.as_ref().filter(|path| path.exists())
        && !path.is_dir()
    {
        view.fault("data_dir", format!("{} is no directory", path.display()));
    }
    GatewaySettings {
        data_dir,
        cores: view.limit_size("cores"),
        log,
        log_format: match view.choice("log_format") {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        },
        drain: std::time::Duration::from_secs(view.integer("drain_s")),
        number_states_interval: view.milliseconds("number_states_interval_ms"),
    }
}

fn clients(view: &View<'_>, file: &File<'_>) -> ClientSettings {
    let listen = check::values(view.addresses("listen"));
    if view.is_empty_list("listen") {
        view.fault("listen", "at least one address is needed");
    }
    let limits = ClientLimits {
        connections: view.limit_size("connections_max"),
        connections_per_address: view.limit_count("connections_per_address"),
        handshakes_per_address_per_second: view.limit_count("handshakes_per_address_per_s"),
        handshakes_per_address_burst: view.limit_count("handshakes_per_address_burst"),
        users: view.limit_size("users_max"),
        tabs_per_user: view.limit_size("tabs_per_user"),
        handshake_bytes: view.limit_size("handshake_bytes_max"),
        handshake: view.limit_seconds("handshake_s"),
        unauthenticated: view.limit_seconds("unauthenticated_s"),
        login_held_bytes: view.limit_size("login_held_bytes_max"),
        formatless: view.limit_seconds("formatless_s"),
        formatless_messages: view.limit_count("formatless_messages_max"),
        frame_bytes: view.limit_size("frame_bytes_max"),
        message_bytes: view.limit_size("message_bytes_max"),
        messages_per_second: view.limit_count("messages_per_s"),
        messages_burst: view.limit_count("messages_burst"),
        messages_refused: view.limit_count("messages_refused_max"),
        queue_bytes: view.limit_size("queue_bytes_max"),
        long_answer_bytes: view.limit_size("long_answer_bytes_max"),
        multipart_over_bytes: view.limit_size("multipart_over_bytes"),
        idle_sessions_per_user: view.limit_size("idle_sessions_per_user"),
        session_life: view.limit_seconds("session_life_max_s"),
        silence_ping: view.limit_seconds("silence_ping_s"),
        silence_close: view.limit_seconds("silence_close_s"),
        closing: view.limit_seconds("closing_s"),
    };
    check::client_limits(view, &limits);
    ClientSettings {
        listen,
        origins: check::origins(view),
        trusted_proxies: view.networks("trusted_proxies"),
        forwarded_header: match view.choice("forwarded_header") {
            Some("forwarded") => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::XForwardedFor,
        },
        backlog: u16::try_from(view.integer("backlog")).unwrap_or(u16::MAX),
        limits,
        token: file.has("clients.token").then(|| token(file)).flatten(),
    }
}

fn token(file: &File<'_>) -> Option<TokenSettings> {
    let view = file.view("clients.token");
    let algorithm = view.choice("algorithm").map(|word| match word {
        "RS256" => TokenAlgorithm::Rs256,
        "EdDSA" => TokenAlgorithm::EdDsa,
        _ => TokenAlgorithm::Hs256,
    });
    let key = check::one_secret(&view, "key", "key_file");
    if key.is_none() && !view.has("key") && !view.has("key_file") {
        view.fault("key_file", "is missing (or key)");
    }
    let issuer = view.text("issuer");
    let lifetime_max = view.limit_seconds("lifetime_max_s");
    let token = TokenSettings {
        algorithm: algorithm?,
        key: key?,
        issuer,
        lifetime_max,
    };
    check::token_key(&view, &token);
    Some(token)
}

fn admin(view: &View<'_>) -> Option<AdminSettings> {
    let listen = view.address("listen");
    let token = check::one_secret(view, "token", "token_file");
    if let Some(token) = &token
        && token.reveal().len() < check::ADMIN_TOKEN_BYTES_MIN
    {
        let key = if view.has("token") {
            "token"
        } else {
            "token_file"
        };
        let reason = format!(
            "the token is shorter than {} characters",
            check::ADMIN_TOKEN_BYTES_MIN
        );
        view.fault(key, reason);
    }
    let listen = listen?;
    let wants_token = view.has("token") || view.has("token_file");
    if !listen.value.ip().is_loopback() && !wants_token {
        let reason = format!(
            "{} can be reached from other machines: that needs token_file or token",
            listen.value
        );
        view.fault("listen", reason);
    }
    Some(AdminSettings {
        listen: listen.value,
        token,
    })
}

fn web(view: &View<'_>, directory: &Directory) -> WebSettings {
    let mut users = Vec::new();
    for Located { value: login, at } in view.texts("users") {
        let mut all = directory.users.iter();
        let called = |user: &&User| user.login.to_lowercase() == login.to_lowercase();
        match all.find(called) {
            Some(user) => users.push(user.id),
            None => view.fault_at(at, "users", format!("no user has the login {login:?}")),
        }
    }
    let failures = view.limit_count("failures_per_address_per_s");
    WebSettings {
        listen: check::values(view.addresses("listen")),
        interface: InterfaceConfig {
            users,
            failures: failures.and_then(|rate| RateLimit::new(rate, rate * FAILURES_BURST)),
        },
        form_bytes: usize::try_from(view.integer("form_bytes_max")).unwrap_or(usize::MAX),
    }
}

fn pbx(file: &File<'_>) -> PbxSettings {
    file.view("pbx").choice("driver");
    let view = file.view("pbx.sim");
    PbxSettings::Sim(SimSettings {
        answer_after: view.milliseconds("answer_after_ms"),
        ring_timeout: view.milliseconds("ring_timeout_ms"),
        busy_numbers: check::values(view.texts("busy_numbers")),
        no_answer_numbers: check::values(view.texts("no_answer_numbers")),
        seed: view.integer("seed"),
        reject_share: view.share("reject_share"),
        delay: view.milliseconds("delay_ms"),
    })
}

/// How many wrong credentials may come at once, in seconds of their rate.
const FAILURES_BURST: u32 = 10;
