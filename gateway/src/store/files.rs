//! One file on disk for each file of the hub: a line of JSON that says whose it is and
//! for how long, and the contents behind it. Names are the hub's own tokens, and nothing
//! else is ever read or written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use okgate_core::base::UserId;
use okgate_core::hub::{FileChange, StoredFile, UploadedFile};
use okgate_core::protocol::Secret;
use serde::{Deserialize, Serialize};

/// The directory of all files.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Head {
    owner: String,
    name: String,
    until_unix: Option<u64>,
}

impl Files {
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let directory = data_dir.join(DIRECTORY);
        // The tokens are secrets.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        Ok(Self { directory })
    }

    /// All files; one that cannot be understood is left where it is, and logged.
    pub(super) fn read_all(&self) -> io::Result<Vec<StoredFile>> {
        let mut stored = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let Some(token) = name.to_str().filter(|name| is_token(name)) else {
                continue;
            };
            match self.read(token) {
                Ok(file) => stored.push(file),
                Err(error) => tracing::warn!(%error, "a file below gateway.data_dir is ignored"),
            }
        }
        Ok(stored)
    }

    fn read(&self, token: &str) -> io::Result<StoredFile> {
        let bytes = fs::read(self.directory.join(token))?;
        let wrong = |words: &'static str| io::Error::new(io::ErrorKind::InvalidData, words);
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| wrong("it has no head"))?;
        let head: Head = serde_json::from_slice(&bytes[..end])?;
        let owner = head
            .owner
            .parse()
            .map_err(|_| wrong("its owner is no id"))?;
        Ok(StoredFile {
            token: Secret::new(token),
            owner: UserId(owner),
            file: UploadedFile {
                name: head.name.into(),
                bytes: bytes[end + 1..].into(),
            },
            until_unix: head.until_unix,
        })
    }

    pub(super) fn apply(&self, change: &FileChange) -> io::Result<()> {
        match change {
            FileChange::Keep(stored) => self.write(stored),
            FileChange::Forget(token) => match fs::remove_file(self.path(token)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Written under another name first, so that a file is there whole or not at all.
    fn write(&self, stored: &StoredFile) -> io::Result<()> {
        let path = self.path(&stored.token)?;
        let unfinished = self.directory.join(UNFINISHED);
        let head = Head {
            owner: stored.owner.to_string(),
            name: stored.file.name.to_string(),
            until_unix: stored.until_unix,
        };
        let mut file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        let mut head = serde_json::to_vec(&head)?;
        head.push(b'\n');
        file.write_all(&head)?;
        file.write_all(&stored.file.bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }

    fn path(&self, token: &Secret) -> io::Result<PathBuf> {
        if !is_token(token.reveal()) {
            return Err(io::Error::other("the name is no token"));
        }
        Ok(self.directory.join(token.reveal()))
    }
}

fn is_token(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    name.len() == 32 && name.bytes().all(is_digit)
}

/// Below `gateway.data_dir`.
const DIRECTORY: &str = "files";

/// The name of a file that is not whole yet; only one is written at a time.
const UNFINISHED: &str = "unfinished";

#[cfg(test)]
mod tests {
    use okgate_core::base::Guid;

    use super::*;

    fn stored(token: &str) -> StoredFile {
        StoredFile {
            token: Secret::new(token),
            owner: UserId(Guid::from_bits(7)),
            file: UploadedFile {
                name: "я\n\"x\".png".into(),
                bytes: (*b"one\ntwo\0").into(),
            },
            until_unix: Some(5),
        }
    }

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_file_comes_back_as_it_was_until_it_is_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Files::open(directory.path()).expect("a place");
        let kept = stored(TOKEN);
        files.apply(&FileChange::Keep(kept.clone())).expect("room");
        let again = Files::open(directory.path()).expect("the same place");
        assert_eq!(again.read_all().expect("readable"), [kept]);
        for _ in 0..2 {
            let forget = FileChange::Forget(Secret::new(TOKEN));
            again.apply(&forget).expect("it may be gone already");
        }
        assert!(again.read_all().expect("readable").is_empty());
    }

    #[test]
    fn strange_files_are_left_alone_and_strange_names_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Files::open(directory.path()).expect("a place");
        let below = directory.path().join(DIRECTORY);
        for (name, contents) in [("README", "x"), (UNFINISHED, "{}\n"), (TOKEN, "no head")] {
            fs::write(below.join(name), contents).expect("room");
        }
        assert!(files.read_all().expect("readable").is_empty());
        assert!(below.join(TOKEN).is_file());
        for token in ["../../etc/passwd", "", "0123", "README", ".."] {
            let keep = FileChange::Keep(stored(token));
            assert!(files.apply(&keep).is_err(), "{token}");
            let forget = FileChange::Forget(Secret::new(token));
            assert!(files.apply(&forget).is_err(), "{token}");
        }
    }
}
