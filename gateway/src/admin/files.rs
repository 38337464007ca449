//! The status page's files.

use crate::http::StaticFile;

/// All files of the status page.
pub(super) const FILES: &[StaticFile] = &[
    StaticFile {
        path: "/index.html",
        content_type: "text/html; charset=utf-8",
        bytes: include_bytes!("page/index.html"),
    },
    StaticFile {
        path: "/status.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("page/status.css"),
    },
    StaticFile {
        path: "/status.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("page/status.js"),
    },
];
