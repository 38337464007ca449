//! Temporary passwords, uploads and photos (protocol 6.4-c, 6.4-d, 6.7-d, 10-i to 10-k).
//!
//! Files are kept in memory, by unguessable names of our own: what a peer calls a file
//! is only ever said back. A peer never says where something is kept. What is to
//! outlive the gateway goes out as [`FileChange`]s, for whoever can write files.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::Asker;
use crate::base::{Instant, LinkRef, Now, Random, UserId};
use crate::protocol::{PhotoLink, Secret, UserRef};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The oldest first.
    passwords: VecDeque<TempPassword>,
    /// The oldest first.
    uploads: VecDeque<Upload>,
    photos: HashMap<UserId, Photo>,
    bytes: usize,
    /// Whether somebody writes files.
    is_stored: bool,
    changes: VecDeque<FileChange>,
}

#[derive(Debug)]
struct TempPassword {
    password: Secret,
    user: UserRef,
    copy_to: Option<CopyTo>,
    until: Instant,
}

/// Who gets a copy of an upload's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyTo {
    /// This link alone.
    Link(LinkRef),
    /// The CRM.
    Crm,
}

/// The right to one upload, which a temporary password gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTicket {
    pub(in crate::hub) user: UserRef,
    pub(super) password: Secret,
    pub(super) copy_to: Option<CopyTo>,
}

/// One file of an upload.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// What the peer calls it; never a path.
    pub name: Box<str>,
    /// Its contents.
    pub bytes: Arc<[u8]>,
}

impl std::fmt::Debug for UploadedFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "UploadedFile({} bytes)", self.bytes.len())
    }
}

#[derive(Debug)]
struct Upload {
    token: Secret,
    file: UploadedFile,
    owner: UserId,
    until: Instant,
}

#[derive(Debug)]
struct Photo {
    token: Secret,
    bytes: Arc<[u8]>,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// Anything else.
    Other,
}

impl FileKind {
    /// What these contents are.
    pub fn of(bytes: &[u8]) -> Self {
        let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
        match bytes {
            _ if bytes.starts_with(b"\x89PNG\r\n\x1A\n") => Self::Png,
            _ if bytes.starts_with(b"\xFF\xD8\xFF") => Self::Jpeg,
            _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Self::Gif,
            _ if is_webp => Self::Webp,
            _ => Self::Other,
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Other => "application/octet-stream",
        }
    }
}

/// A file as it outlives the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its unguessable name: 32 hexadecimal digits.
    pub token: Secret,
    /// Whose it is.
    pub owner: UserId,
    /// The file.
    pub file: UploadedFile,
    /// When an upload ends, in seconds since 1970; a photo does not.
    pub until_unix: Option<u64>,
}

/// What is to be written or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Keep this from now on.
    Keep(StoredFile),
    /// Forget the file of this name.
    Forget(Secret),
}

/// There is no room for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Files {
    /// What was kept by an earlier gateway, as far as its users still exist and there
    /// is room and time for it; the rest is forgotten.
    pub(super) fn restore(
        &mut self,
        stored: Vec<StoredFile>,
        is_known: impl Fn(UserId) -> bool,
        (bytes_max, life): (usize, Duration),
        now: Now,
    ) {
        self.is_stored = true;
        let wall = now.wall.unix_seconds();
        for StoredFile {
            token,
            owner,
            file,
            until_unix,
        } in stored
        {
            let left = until_unix.map(|until| Duration::from_secs(until.saturating_sub(wall)));
            let is_over = left.is_some_and(|left| left.is_zero());
            let is_room = self.bytes.saturating_add(file.bytes.len()) <= bytes_max;
            let is_second = left.is_none() && self.photos.contains_key(&owner);
            if is_over || !is_room || is_second || !is_known(owner) {
                self.forget(token);
                continue;
            }
            self.bytes += file.bytes.len();
            if let Some(left) = left {
                // A life may have been longer in those settings.
                let until = now.instant + left.min(life);
                self.uploads.push_back(Upload {
                    token,
                    file,
                    owner,
                    until,
                });
            } else {
                let bytes = file.bytes;
                self.photos.insert(owner, Photo { token, bytes });
            }
        }
        let uploads = self.uploads.make_contiguous();
        uploads.sort_by_key(|upload| upload.until);
    }

    /// The next change for whoever writes files.
    pub(super) fn poll_change(&mut self) -> Option<FileChange> {
        self.changes.pop_front()
    }

    fn forget(&mut self, token: Secret) {
        if self.is_stored {
            self.changes.push_back(FileChange::Forget(token));
        }
    }

    fn store(&mut self, stored: impl FnOnce() -> StoredFile) {
        if self.is_stored {
            self.changes.push_back(FileChange::Keep(stored()));
        }
    }

    /// Gives out a password for one upload; of too many of one user the oldest ends.
    pub(super) fn give_password(
        &mut self,
        asker: Asker,
        user: UserRef,
        respond: bool,
        until: Instant,
        random: &mut Random,
    ) -> Secret {
        let password = token(random);
        let copy_to = match asker {
            Asker::Link { link, .. } => Some(CopyTo::Link(link)),
            Asker::Crm(_) => Some(CopyTo::Crm),
            Asker::Interface(_) | Asker::Nobody => None,
        };
        let copy_to = copy_to.filter(|_| respond);
        let own = |given: &TempPassword| given.user.id == user.id;
        if self.passwords.iter().filter(|given| own(given)).count() >= PASSWORDS_PER_USER
            && let Some(oldest) = self.passwords.iter().position(own)
        {
            self.passwords.remove(oldest);
        }
        self.passwords.push_back(TempPassword {
            password: password.clone(),
            user,
            copy_to,
            until,
        });
        password
    }

    /// Uses a password up.
    pub(super) fn redeem(&mut self, password: &str, now: Instant) -> Option<UploadTicket> {
        self.expire(now);
        // All are compared, so that the time says nothing of which one it is.
        let mut found = None;
        for (place, given) in self.passwords.iter().enumerate() {
            if is_same(&given.password, password) {
                found = Some(place);
            }
        }
        let given = self.passwords.remove(found?)?;
        Some(UploadTicket {
            user: given.user,
            password: given.password,
            copy_to: given.copy_to,
        })
    }

    /// Keeps a file and gives its path; of too many of one user the oldest goes.
    pub(super) fn keep(
        &mut self,
        owner: UserId,
        file: UploadedFile,
        (until, until_unix): (Instant, u64),
        (per_user, bytes_max): (usize, usize),
        random: &mut Random,
    ) -> Result<String, Full> {
        while self.uploads.iter().filter(|it| it.owner == owner).count() >= per_user.max(1) {
            let oldest = self.uploads.iter().position(|it| it.owner == owner);
            let Some(gone) = oldest.and_then(|place| self.uploads.remove(place)) else {
                break;
            };
            self.bytes -= gone.file.bytes.len();
            self.forget(gone.token);
        }
        if self.bytes.saturating_add(file.bytes.len()) > bytes_max {
            return Err(Full);
        }
        self.bytes += file.bytes.len();
        let token = token(random);
        let path = format!("{DOWNLOADS}{}/{}", token.reveal(), path_name(&file.name));
        self.store(|| StoredFile {
            token: token.clone(),
            owner,
            file: file.clone(),
            until_unix: Some(until_unix),
        });
        self.uploads.push_back(Upload {
            token,
            file,
            owner,
            until,
        });
        Ok(path)
    }

    /// A file by its token.
    pub(super) fn upload(&mut self, token: &str, now: Instant) -> Option<&UploadedFile> {
        self.expire(now);
        let mut found = None;
        for upload in &self.uploads {
            if is_same(&upload.token, token) {
                found = Some(upload);
            }
        }
        found.map(|upload| &upload.file)
    }

    /// The contents of the user's own upload of this path, however the path begins.
    pub(super) fn own_upload(
        &mut self,
        owner: UserId,
        path: &str,
        now: Instant,
    ) -> Option<Arc<[u8]>> {
        self.expire(now);
        if path.len() > PATH_BYTES_MAX {
            return None;
        }
        let parts: Vec<&str> = path.split(['/', '\\']).collect();
        let named = self.uploads.iter().filter(|upload| upload.owner == owner);
        let mut found = None;
        for upload in named {
            if parts.iter().any(|part| is_same(&upload.token, part)) {
                found = Some(Arc::clone(&upload.file.bytes));
            }
        }
        found
    }

    /// Makes these contents the user's photo.
    pub(super) fn set_photo(
        &mut self,
        user: UserId,
        bytes: Arc<[u8]>,
        bytes_max: usize,
        random: &mut Random,
    ) -> Result<(), Full> {
        let before = self.photos.get(&user).map_or(0, |photo| photo.bytes.len());
        let others = self.bytes - before;
        if others.saturating_add(bytes.len()) > bytes_max {
            return Err(Full);
        }
        self.bytes = others + bytes.len();
        let token = token(random);
        self.store(|| StoredFile {
            token: token.clone(),
            owner: user,
            file: UploadedFile {
                name: "".into(),
                bytes: Arc::clone(&bytes),
            },
            until_unix: None,
        });
        if let Some(before) = self.photos.insert(user, Photo { token, bytes }) {
            self.forget(before.token);
        }
        Ok(())
    }

    /// The contents of a photo, for who knows its token.
    pub(super) fn photo(&self, user: UserId, token: &str) -> Option<Arc<[u8]>> {
        let photo = self.photos.get(&user)?;
        is_same(&photo.token, token).then(|| Arc::clone(&photo.bytes))
    }

    /// Where a user's photo is; nothing if there is none.
    pub(super) fn photo_link(&self, user: UserId) -> Option<PhotoLink> {
        let photo = self.photos.get(&user)?;
        let link = format!("{PHOTOS}{user}/{}", photo.token.reveal());
        Some(PhotoLink {
            id: user,
            link_32: format!("{link}/32x32").into(),
            link_96: format!("{link}/96x96").into(),
            link: link.into(),
        })
    }

    /// Where all photos are, in the order of their users' ids.
    pub(super) fn photo_links(&self) -> Vec<PhotoLink> {
        let mut users: Vec<UserId> = self.photos.keys().copied().collect();
        users.sort_unstable();
        users
            .into_iter()
            .filter_map(|user| self.photo_link(user))
            .collect()
    }

    /// When the next password or upload ends. All of a kind live as long, so that the
    /// first one ends first.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let password = self.passwords.front().map(|given| given.until);
        let upload = self.uploads.front().map(|upload| upload.until);
        password.into_iter().chain(upload).min()
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self
            .passwords
            .front()
            .is_some_and(|given| given.until <= now)
        {
            self.passwords.pop_front();
        }
        while self
            .uploads
            .front()
            .is_some_and(|upload| upload.until <= now)
            && let Some(gone) = self.uploads.pop_front()
        {
            self.bytes -= gone.file.bytes.len();
            self.forget(gone.token);
        }
    }
}

fn token(random: &mut Random) -> Secret {
    Secret::new(format!("{:016x}{:016x}", random.number(), random.number()))
}

fn is_same(token: &Secret, presented: &str) -> bool {
    token.reveal().as_bytes().ct_eq(presented.as_bytes()).into()
}

/// A peer's name for a file as the last part of a path: letters, digits, dots, dashes
/// and underscores, and something at least.
fn path_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().map(|letter| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => letter,
        _ => '_',
    });
    let kept: String = kept.take(NAME_CHARACTERS_MAX).collect();
    if kept.chars().all(|letter| letter == '.') {
        return "file".to_owned();
    }
    kept
}

/// Where uploads can be read.
const DOWNLOADS: &str = "/download/";

/// Where photos can be read.
const PHOTOS: &str = "/photo/";

/// Temporary passwords of one user at a time.
const PASSWORDS_PER_USER: usize = 10;

/// A longer text is no upload's path.
const PATH_BYTES_MAX: usize = 1024;

/// The longest name in a path.
const NAME_CHARACTERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_name_never_leads_anywhere() {
        for (name, kept) in [
            ("photo.png", "photo.png"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("..", "file"),
            ("", "file"),
            ("/", "file"),
            ("имя \"x\".png", "_____x_.png"),
            ("a\r\nb%2e%2e", "a__b_2e_2e"),
        ] {
            assert_eq!(path_name(name), kept, "{name:?}");
        }
        assert_eq!(path_name(&"a".repeat(500)).len(), NAME_CHARACTERS_MAX);
    }

    #[test]
    fn contents_are_told_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1A\n..."[..], FileKind::Png),
            (b"\xFF\xD8\xFF\xE0", FileKind::Jpeg),
            (b"GIF89a", FileKind::Gif),
            (b"RIFF....WEBP", FileKind::Webp),
            (b"RIFF", FileKind::Other),
            (b"<html>", FileKind::Other),
            (b"", FileKind::Other),
        ] {
            assert_eq!(FileKind::of(bytes), kind);
        }
    }
}
