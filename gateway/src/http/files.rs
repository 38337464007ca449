//! Files that are part of the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};

use super::{Answer, answer};

/// One file of the program.
#[derive(Clone, Copy, Debug)]
pub struct StaticFile {
    /// Its path on the address, with the leading slash.
    pub path: &'static str,
    /// Its content type.
    pub content_type: &'static str,
    /// Its contents.
    pub bytes: &'static [u8],
}

/// A set of files, each with its tag.
#[derive(Debug)]
pub struct Files(Vec<(StaticFile, HeaderValue)>);

impl Files {
    /// Works out the files' tags.
    pub fn new(files: &[StaticFile]) -> Self {
        let tagged = files.iter().map(|file| (*file, tag(file.bytes)));
        Self(tagged.collect())
    }

    /// The file of this path, or that the asker's copy is still good. Copies
    /// may be kept but are asked for again each time, so that a new version of
    /// the program shows its new pages at once.
    pub fn serve(&self, path: &str, headers: &HeaderMap) -> Option<Answer> {
        let (file, tag) = self.0.iter().find(|(file, _)| file.path == path)?;
        let mut found = if has_copy(headers, tag) {
            let mut unchanged = answer(StatusCode::NOT_MODIFIED, file.content_type, Bytes::new());
            unchanged.headers_mut().remove(CONTENT_TYPE);
            unchanged
        } else {
            answer(StatusCode::OK, file.content_type, file.bytes)
        };
        let headers = found.headers_mut();
        headers.insert(ETAG, tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(found)
    }
}

fn tag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let text = format!("\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&text).expect("hexadecimal digits in quotes are a header's value")
}

/// Whether `If-None-Match` names this tag (RFC 9110 §13.1.2: weak comparison).
fn has_copy(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut named = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    named.any(|entry| {
        let entry = entry.trim_ascii();
        entry == b"*" || entry.strip_prefix(b"W/").unwrap_or(entry) == tag
    })
}
