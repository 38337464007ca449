//! The web address: the operator page, whose files are part of the program.
//!
//! Uploads, downloads and photos are served here, too (protocol 10-i to 10-k), and so
//! is the HTTP interface for CRMs (protocol 10-a to 10-g).
//!
//! In comes a request; out comes the whole answer. The page's files need nothing
//! else: the page itself connects to the gateway like any other tab. The rest is
//! questions to the hub, over a channel, so that this runs on whatever executor
//! serves the address. What a peer sends is never used as a path.

mod desk;
mod files;
mod form;
mod interface;

use std::net::IpAddr;

use async_channel::{Sender, TrySendError};
use bytes::Bytes;
use hyper::body::Body;
use hyper::{Method, Request, StatusCode};
use okgate_core::hub::{AdminFault, AdminReply, AdminRequest};
use serde::Serialize;

pub use interface::{Interface, Proxies};

use crate::http::{Answer, Files, JSON, allow, answer, for_method, plain, secure_page};

/// The operator page as it is served.
#[derive(Debug)]
pub struct Site {
    files: Files,
    config: Bytes,
    desk: Option<desk::Desk>,
    interface: Option<Interface>,
}

impl Site {
    /// The page of a gateway whose tabs connect to these ports of its host.
    pub fn new(websocket_port: u16, websocket_tls_port: Option<u16>) -> Self {
        let config = PageConfig {
            websocket_port,
            websocket_tls_port,
        };
        let config = serde_json::to_vec(&config).expect("numbers have a JSON form");
        Self {
            files: Files::new(files::FILES),
            config: config.into(),
            desk: None,
            interface: None,
        }
    }

    /// The same, with uploads of so many bytes, downloads and photos behind this
    /// channel to the hub.
    #[must_use]
    pub fn with_hub(self, hub: Sender<HubQuestion>, upload_bytes_max: usize) -> Self {
        let desk = Some(desk::Desk::new(hub, upload_bytes_max));
        Self { desk, ..self }
    }

    /// The same, with the HTTP interface.
    #[must_use]
    pub fn with_interface(self, interface: Interface) -> Self {
        let interface = Some(interface);
        Self { interface, ..self }
    }
}

/// A question to the hub and the way back: exactly one answer is sent, and nobody may
/// be left to take it.
pub type HubQuestion = (AdminRequest, Sender<Result<AdminReply, AdminFault>>);

/// Asks the hub, which answers in time or is said to be busy or gone.
async fn ask(hub: &Sender<HubQuestion>, request: AdminRequest) -> Result<AdminReply, AdminFault> {
    let (reply_sender, reply) = async_channel::bounded(1);
    let gone = || desk::fault(503, "the gateway is going down");
    hub.try_send((request, reply_sender))
        .map_err(|error| match error {
            TrySendError::Full(_) => desk::fault(503, "too many requests wait"),
            TrySendError::Closed(_) => gone(),
        })?;
    reply.recv().await.unwrap_or_else(|_| Err(gone()))
}

/// Answers one request that came from this address, whatever it is for.
pub async fn serve<B>(request: Request<B>, peer: IpAddr, site: &Site) -> Answer
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if let Some(interface) = &site.interface
        && let Some(called) = interface::called(request.uri().path())
    {
        let method = request.method().clone();
        let mut found = interface::answer(request, peer, called, interface).await;
        secure_page(&mut found, CONTENT_POLICY);
        return for_method(found, &method);
    }
    let Some(desk) = site
        .desk
        .as_ref()
        .filter(|_| desk::is_for(request.uri().path()))
    else {
        return handle(&request, site);
    };
    let method = request.method().clone();
    let mut found = desk::answer(request, desk).await;
    secure_page(&mut found, CONTENT_POLICY);
    for_method(found, &method)
}

/// The answer to a request that took too long.
pub fn too_slow() -> Answer {
    let mut answer = plain(StatusCode::REQUEST_TIMEOUT, "This took too long.\n");
    secure_page(&mut answer, CONTENT_POLICY);
    answer
}

/// Answers one request for a file of the page.
pub fn handle<B>(request: &Request<B>, site: &Site) -> Answer {
    let mut found = find(request, site);
    secure_page(&mut found, CONTENT_POLICY);
    for_method(found, request.method())
}

fn find<B>(request: &Request<B>, site: &Site) -> Answer {
    let path = match request.uri().path() {
        "/" => "/index.html",
        path => path,
    };
    let found = match path {
        CONFIG_PATH => Some(answer(StatusCode::OK, JSON, site.config.clone())),
        _ => site.files.serve(path, request.headers()),
    };
    match (found, request.method()) {
        (None, _) => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        (Some(found), &Method::GET | &Method::HEAD) => found,
        (Some(_), _) => {
            let text = "This can only be read.\n";
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, text);
            allow(&mut refused, &[Method::GET, Method::HEAD]);
            refused
        }
    }
}

/// What the page must know and cannot guess.
#[derive(Serialize)]
struct PageConfig {
    websocket_port: u16,
    websocket_tls_port: Option<u16>,
}

const CONFIG_PATH: &str = "/config.json";

const CONTENT_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
    img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};
    use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};

    use super::*;

    fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
        let builder = Request::builder().method(method).uri(path);
        builder.body(Empty::new()).expect("a well-formed request")
    }

    fn ask(method: &str, path: &str) -> Answer {
        handle(&request(method, path), &Site::new(4066, None))
    }

    fn text_of(answer: Answer) -> String {
        let body = futures_lite::future::block_on(answer.into_body().collect());
        let bytes = body.expect("a body in memory").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn the_page_is_served_with_headers_that_protect_its_reader() {
        let page = ask("GET", "/");
        assert_eq!(page.status(), StatusCode::OK);
        let header = |name: &str| page.headers()[name].to_str().expect("text");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'self'; connect-src 'self' ws: wss:"));
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(text_of(page).contains("<html"));
    }

    #[test]
    fn every_file_has_a_content_type_of_its_kind_and_something_in_it() {
        for file in files::FILES {
            let found = ask("GET", file.path);
            assert_eq!(found.status(), StatusCode::OK, "{}", file.path);
            let content_type = found.headers()[CONTENT_TYPE].to_str().expect("text");
            let kind = file.path.rsplit('.').next().expect("an ending");
            let fits = match kind {
                "html" => "text/html",
                "css" => "text/css",
                "js" => "text/javascript",
                "svg" => "image/svg+xml",
                other => panic!("{other}: which content type?"),
            };
            assert!(content_type.starts_with(fits), "{}", file.path);
            assert!(!file.bytes.is_empty(), "{}", file.path);
        }
    }

    #[test]
    fn all_files_of_the_page_are_in_the_program() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        for entry in std::fs::read_dir(directory).expect("the page's files") {
            let name = entry.expect("an entry").file_name();
            let path = format!("/{}", name.to_string_lossy());
            let is_served = files::FILES.iter().any(|file| file.path == path);
            // package.json only tells node what the scripts are.
            assert!(is_served || path == "/package.json", "{path} is not served");
        }
    }

    #[test]
    fn a_copy_that_is_still_good_is_not_sent_again() {
        let tag = ask("GET", "/okgate.js").headers()[ETAG].clone();
        let mut again = request("GET", "/okgate.js");
        let value = format!("\"other\", W/{}", tag.to_str().expect("text"));
        again
            .headers_mut()
            .insert(IF_NONE_MATCH, value.parse().expect("a header's value"));
        let unchanged = handle(&again, &Site::new(4066, None));
        assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(unchanged.headers()[ETAG], tag);
        assert_eq!(text_of(unchanged), "");
    }

    #[test]
    fn head_gets_the_length_without_the_body() {
        let length = ask("GET", "/app.js").into_body().size_hint_exact();
        let head = ask("HEAD", "/app.js");
        assert_eq!(head.headers()[CONTENT_LENGTH], length.to_string());
        assert_eq!(text_of(head), "");
    }

    #[test]
    fn what_is_not_there_is_404_and_what_cannot_be_written_405() {
        assert_eq!(ask("GET", "/../Cargo.toml").status(), StatusCode::NOT_FOUND);
        assert_eq!(ask("POST", "/nothing").status(), StatusCode::NOT_FOUND);
        let refused = ask("POST", "/index.html");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "GET, HEAD");
    }

    #[test]
    fn the_page_learns_the_ports_from_its_own_address() {
        let config = ask("GET", "/config.json");
        assert_eq!(config.headers()[CONTENT_TYPE], "application/json");
        let expected = r#"{"websocket_port":4066,"websocket_tls_port":null}"#;
        assert_eq!(text_of(config), expected);
        let site = Site::new(80, Some(443));
        let config = handle(&request("GET", "/config.json?fresh"), &site);
        let expected = r#"{"websocket_port":80,"websocket_tls_port":443}"#;
        assert_eq!(text_of(config), expected);
    }

    trait SizeHintExact {
        fn size_hint_exact(&self) -> u64;
    }

    impl<B: hyper::body::Body> SizeHintExact for B {
        fn size_hint_exact(&self) -> u64 {
            self.size_hint().exact().expect("a body in memory")
        }
    }
}
