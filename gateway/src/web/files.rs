//! The page's files, by path. A file that is added to `gateway/web` is added
//! here; a test compares the two.

use crate::http::StaticFile;

/// All files of the operator page.
pub(super) const FILES: &[StaticFile] = &[
    file("/app.css", CSS, include_bytes!("../../web/app.css")),
    file("/app.js", SCRIPT, include_bytes!("../../web/app.js")),
    file(
        "/callpanel.js",
        SCRIPT,
        include_bytes!("../../web/callpanel.js"),
    ),
    file(
        "/directory.js",
        SCRIPT,
        include_bytes!("../../web/directory.js"),
    ),
    file("/dom.js", SCRIPT, include_bytes!("../../web/dom.js")),
    file("/icon.svg", IMAGE, include_bytes!("../../web/icon.svg")),
    file("/index.html", HTML, include_bytes!("../../web/index.html")),
    file("/md5.js", SCRIPT, include_bytes!("../../web/md5.js")),
    file(
        "/multipart.js",
        SCRIPT,
        include_bytes!("../../web/multipart.js"),
    ),
    file(
        "/notices.js",
        SCRIPT,
        include_bytes!("../../web/notices.js"),
    ),
    file("/okgate.js", SCRIPT, include_bytes!("../../web/okgate.js")),
    file("/phone.js", SCRIPT, include_bytes!("../../web/phone.js")),
    file(
        "/presence.js",
        SCRIPT,
        include_bytes!("../../web/presence.js"),
    ),
    file(
        "/strings.js",
        SCRIPT,
        include_bytes!("../../web/strings.js"),
    ),
];

const fn file(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> StaticFile {
    StaticFile {
        path,
        content_type,
        bytes,
    }
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";
