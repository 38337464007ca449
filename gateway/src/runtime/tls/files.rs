//! Certificates and keys from PEM files, each fault a sentence that names the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

/// Which of the files that TLS is set up from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The authorities that the other side's certificate must come from.
    Roots,
    /// Our own certificate, with its chain.
    Certificate,
    /// The key of our own certificate.
    PrivateKey,
}

/// Why TLS cannot be set up. The sentence names the file; the caller adds the setting that
/// names it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TlsSettingsError {
    /// Which file is at fault.
    pub file: TlsFile,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{0} is empty")]
    Empty(PathBuf),
    #[error("{0} is longer than {max} MiB", max = FILE_BYTES_MAX >> 20)]
    TooLong(PathBuf),
    #[error("{path} is no good PEM file: {words}")]
    Pem { path: PathBuf, words: String },
    #[error("{0} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    #[error("{0} has no private key in PEM form (PKCS#8, PKCS#1 or SEC1)")]
    NoKey(PathBuf),
    #[error(
        "the key in {0} is encrypted with a passphrase: write it without one, with `openssl pkey -in KEY -out NEW`"
    )]
    Encrypted(PathBuf),
    #[error(
        "the key in {path} cannot be used: {words}; it must be an RSA key of 2048 bits or more, an elliptic one (P-256, P-384, P-521) or Ed25519"
    )]
    Key { path: PathBuf, words: String },
    #[error("a certificate in {path} cannot be used: {words}")]
    Certificate { path: PathBuf, words: String },
    #[error("the key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error(
        "this system has no trusted authorities ({0}): install the package ca-certificates, or name a PEM file"
    )]
    NoSystemRoots(String),
}

impl TlsSettingsError {
    fn new(file: TlsFile, reason: Reason) -> Self {
        Self { file, reason }
    }

    /// An authority's certificate that nothing can be checked against.
    pub(super) fn roots(path: &Path, words: &impl ToString) -> Self {
        let (path, words) = (path.to_owned(), words.to_string());
        Self::new(TlsFile::Roots, Reason::Certificate { path, words })
    }
}

/// The authorities in this file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsSettingsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path, TlsFile::Roots)? {
        let added = store.add(certificate);
        added.map_err(|error| TlsSettingsError::roots(path, &error))?;
    }
    Ok(store)
}

/// The certificates in this file themselves.
pub(super) fn named(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    certificates(path, TlsFile::Roots)
}

/// The authorities that the system trusts.
pub(super) fn system_roots() -> Result<RootCertStore, TlsSettingsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Some systems carry certificates that nobody can use: they help nobody, and harm nobody.
    let (added, _ignored) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        let words = found.errors.first();
        let words = words.map_or_else(|| "none found".to_owned(), ToString::to_string);
        let reason = Reason::NoSystemRoots(words);
        return Err(TlsSettingsError::new(TlsFile::Roots, reason));
    }
    Ok(store)
}

/// Everything that is wrong with these files.
pub(super) fn faults(
    roots_path: Option<&Path>,
    own: Option<(&Path, &Path)>,
    provider: &CryptoProvider,
) -> Vec<TlsSettingsError> {
    let mut faults = Vec::new();
    faults.extend(roots_path.and_then(|path| roots(path).err()));
    if let Some((certificate, key)) = own {
        let chain = certificates(certificate, TlsFile::Certificate);
        let private = loaded_key(key, provider);
        match (chain, private) {
            (Ok(chain), Ok(private)) => {
                faults.extend(matching(chain, private, certificate, key).err());
            }
            (chain, private) => faults.extend(chain.err().into_iter().chain(private.err())),
        }
    }
    faults
}

/// A certificate with its chain and its key, which must belong together.
pub(super) fn identity(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsSettingsError> {
    let chain = certificates(certificate, TlsFile::Certificate)?;
    matching(chain, loaded_key(key, provider)?, certificate, key)
}

fn loaded_key(
    path: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, TlsSettingsError> {
    let loaded = provider.key_provider.load_private_key(private_key(path)?);
    loaded.map_err(|error| {
        let (path, words) = (path.to_owned(), plain(&error));
        TlsSettingsError::new(TlsFile::PrivateKey, Reason::Key { path, words })
    })
}

fn matching(
    chain: Vec<CertificateDer<'static>>,
    private: Arc<dyn SigningKey>,
    certificate: &Path,
    key: &Path,
) -> Result<Arc<CertifiedKey>, TlsSettingsError> {
    let identity = CertifiedKey::new(chain, private);
    match identity.keys_match() {
        // A key that does not tell its public half cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(identity))
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            let (certificate, key) = (certificate.to_owned(), key.to_owned());
            let reason = Reason::Mismatch { certificate, key };
            Err(TlsSettingsError::new(TlsFile::PrivateKey, reason))
        }
        Err(error) => {
            let (path, words) = (certificate.to_owned(), plain(&error));
            let reason = Reason::Certificate { path, words };
            Err(TlsSettingsError::new(TlsFile::Certificate, reason))
        }
    }
}

fn certificates(
    path: &Path,
    file: TlsFile,
) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    let bytes = contents(path, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| TlsSettingsError::new(file, pem_fault(path, &error)))?;
    if found.is_empty() {
        let reason = Reason::NoCertificate(path.to_owned());
        return Err(TlsSettingsError::new(file, reason));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsSettingsError> {
    let file = TlsFile::PrivateKey;
    let bytes = contents(path, file)?;
    if ENCRYPTED.iter().any(|mark| contains(&bytes, mark)) {
        let reason = Reason::Encrypted(path.to_owned());
        return Err(TlsSettingsError::new(file, reason));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => Reason::NoKey(path.to_owned()),
            other => pem_fault(path, &other),
        };
        TlsSettingsError::new(file, reason)
    })
}

fn contents(path: &Path, file: TlsFile) -> Result<Vec<u8>, TlsSettingsError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let opened = File::open(path)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let reason = match read() {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Reason::Empty(path.to_owned()),
        Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => Reason::TooLong(path.to_owned()),
        Ok(bytes) => return Ok(bytes),
        Err(error) => Reason::Unreadable {
            path: path.to_owned(),
            error,
        },
    };
    Err(TlsSettingsError::new(file, reason))
}

/// The words never quote the file: a key could stand in them.
fn pem_fault(path: &Path, error: &pem::Error) -> Reason {
    let words = match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be understood",
    };
    Reason::Pem {
        path: path.to_owned(),
        words: words.to_owned(),
    }
}

/// What rustls says, without the word for its kind of error.
fn plain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::General(words) => words.clone(),
        rustls::Error::InvalidCertificate(fault) => format!("{fault:?}"),
        other => other.to_string(),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// How a key that needs a passphrase looks, in PKCS#8 and in the older forms.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// A bundle of all the world's authorities has less than a tenth of it.
const FILE_BYTES_MAX: u64 = 4 << 20;
