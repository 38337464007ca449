//! The page's files, by path. A file that is added to `gateway/web` is added
//! here; a test compares the two.

use crate::http::StaticFile;

/// All files of the operator page.
pub(super) const FILES: &[StaticFile] = &[
    file("/app.js", SCRIPT, include_bytes!("../../web/app.js")),
    file("/base.css", CSS, include_bytes!("../../web/base.css")),
    file(
        "/callactions.js",
        SCRIPT,
        include_bytes!("../../web/callactions.js"),
    ),
    file(
        "/callpanel.js",
        SCRIPT,
        include_bytes!("../../web/callpanel.js"),
    ),
    file("/chat.js", SCRIPT, include_bytes!("../../web/chat.js")),
    file(
        "/commands.js",
        SCRIPT,
        include_bytes!("../../web/commands.js"),
    ),
    file(
        "/conference.js",
        SCRIPT,
        include_bytes!("../../web/conference.js"),
    ),
    file(
        "/conferencepanel.js",
        SCRIPT,
        include_bytes!("../../web/conferencepanel.js"),
    ),
    file("/desk.css", CSS, include_bytes!("../../web/desk.css")),
    file("/dial.js", SCRIPT, include_bytes!("../../web/dial.js")),
    file("/dialog.js", SCRIPT, include_bytes!("../../web/dialog.js")),
    file(
        "/directory.js",
        SCRIPT,
        include_bytes!("../../web/directory.js"),
    ),
    file("/dom.js", SCRIPT, include_bytes!("../../web/dom.js")),
    file("/events.js", SCRIPT, include_bytes!("../../web/events.js")),
    file(
        "/example.html",
        HTML,
        include_bytes!("../../web/example.html"),
    ),
    file(
        "/example.js",
        SCRIPT,
        include_bytes!("../../web/example.js"),
    ),
    file("/forms.css", CSS, include_bytes!("../../web/forms.css")),
    file("/forms.js", SCRIPT, include_bytes!("../../web/forms.js")),
    file(
        "/history.js",
        SCRIPT,
        include_bytes!("../../web/history.js"),
    ),
    file("/icon.svg", IMAGE, include_bytes!("../../web/icon.svg")),
    file("/index.html", HTML, include_bytes!("../../web/index.html")),
    file("/link.js", SCRIPT, include_bytes!("../../web/link.js")),
    file("/md5.js", SCRIPT, include_bytes!("../../web/md5.js")),
    file("/menu.js", SCRIPT, include_bytes!("../../web/menu.js")),
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
    file("/panels.css", CSS, include_bytes!("../../web/panels.css")),
    file("/people.js", SCRIPT, include_bytes!("../../web/people.js")),
    file(
        "/personmenu.js",
        SCRIPT,
        include_bytes!("../../web/personmenu.js"),
    ),
    file("/phone.js", SCRIPT, include_bytes!("../../web/phone.js")),
    file(
        "/phonefollower.js",
        SCRIPT,
        include_bytes!("../../web/phonefollower.js"),
    ),
    file("/photo.js", SCRIPT, include_bytes!("../../web/photo.js")),
    file(
        "/presence.js",
        SCRIPT,
        include_bytes!("../../web/presence.js"),
    ),
    file("/queue.js", SCRIPT, include_bytes!("../../web/queue.js")),
    file(
        "/redirect.js",
        SCRIPT,
        include_bytes!("../../web/redirect.js"),
    ),
    file(
        "/session.js",
        SCRIPT,
        include_bytes!("../../web/session.js"),
    ),
    file(
        "/settings.js",
        SCRIPT,
        include_bytes!("../../web/settings.js"),
    ),
    file("/store.js", SCRIPT, include_bytes!("../../web/store.js")),
    file(
        "/strings-en.js",
        SCRIPT,
        include_bytes!("../../web/strings-en.js"),
    ),
    file(
        "/strings-ru.js",
        SCRIPT,
        include_bytes!("../../web/strings-ru.js"),
    ),
    file(
        "/strings.js",
        SCRIPT,
        include_bytes!("../../web/strings.js"),
    ),
    file("/tabs.js", SCRIPT, include_bytes!("../../web/tabs.js")),
    file("/theme.js", SCRIPT, include_bytes!("../../web/theme.js")),
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
