//! Authorities and certificates, made anew by each test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// An authority with a directory for its files.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// The authority's own certificate, as PEM.
    pub(crate) roots: PathBuf,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Now,
    NoMore,
    NotYet,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the files");
        let mut params = params(&[], Holds::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let roots = directory.path().join("roots.pem");
        fs::write(&roots, certificate.pem()).expect("a writable directory");
        Self {
            issuer: Issuer::new(params, key),
            directory,
            roots,
        }
    }

    /// Where files of the test may stand.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for these names and addresses.
    pub(crate) fn issue(&self, file: &str, names: &[&str], holds: Holds) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(names, holds).signed_by(&key, &self.issuer);
        let certificate = certificate.expect("a certificate").pem();
        self.write(file, &certificate, &key)
    }

    /// A certificate that is for writing mail only.
    pub(crate) fn issue_for_mail(&self, file: &str, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(names, Holds::Now);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        let certificate = params.signed_by(&key, &self.issuer);
        self.write(file, &certificate.expect("a certificate").pem(), &key)
    }

    /// A certificate that its own key has signed.
    pub(crate) fn self_signed(&self, file: &str, names: &[&str], is_authority: bool) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(names, Holds::Now);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        self.write(file, &certificate, &key)
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a writable directory");
        path
    }

    fn write(&self, file: &str, certificate: &str, key: &KeyPair) -> Identity {
        Identity {
            certificate: self.file(&format!("{file}.pem"), certificate),
            key: self.file(&format!("{file}.key"), &key.serialize_pem()),
        }
    }
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file")
}

fn params(names: &[&str], holds: Holds) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    let years = match holds {
        Holds::Now => (2020, 2120),
        Holds::NoMore => (2020, 2021),
        Holds::NotYet => (2119, 2120),
    };
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}
