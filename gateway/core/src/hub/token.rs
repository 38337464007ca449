//! Signed login tokens (protocol 6.1): JWT whose subject is the login.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::base::WallTime;

/// How a token may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSA with SHA-256; the key is a public key in PEM.
    Rs256,
    /// Ed25519; the key is a public key in PEM.
    EdDsa,
}

/// Checks tokens against one key.
#[derive(Clone)]
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
    lifetime_max: Option<Duration>,
}

/// The key does not fit the algorithm.
#[derive(Debug, thiserror::Error)]
#[error("the token key cannot be read: {0}")]
pub struct TokenKeyError(jsonwebtoken::errors::Error);

/// Why a token was refused; for the log, not for the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The signature, the form or the issuer is wrong.
    #[error("the token is not valid: {0}")]
    Invalid(String),
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It lives longer than the settings allow.
    #[error("the token lives longer than `lifetime_max_s` allows")]
    TooLong,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
}

impl TokenVerifier {
    /// A verifier with this key, which demands `issuer` where one is given.
    pub fn new(
        algorithm: TokenAlgorithm,
        key: &[u8],
        issuer: Option<&str>,
        lifetime_max: Option<Duration>,
    ) -> Result<Self, TokenKeyError> {
        let (key, algorithm) = match algorithm {
            TokenAlgorithm::Hs256 => (Ok(DecodingKey::from_secret(key)), Algorithm::HS256),
            TokenAlgorithm::Rs256 => (DecodingKey::from_rsa_pem(key), Algorithm::RS256),
            TokenAlgorithm::EdDsa => (DecodingKey::from_ed_pem(key), Algorithm::EdDSA),
        };
        let mut validation = Validation::new(algorithm);
        // The core holds no clock: times are compared below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        Ok(Self {
            key: key.map_err(TokenKeyError)?,
            validation,
            lifetime_max,
        })
    }

    /// The login that the token speaks for.
    pub fn subject(&self, token: &str, now: WallTime) -> Result<String, TokenFault> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| TokenFault::Invalid(error.to_string()))?
            .claims;
        let now = now.unix_seconds();
        if claims.exp <= now {
            return Err(TokenFault::Expired);
        }
        if claims.nbf.is_some_and(|from| from > now) {
            return Err(TokenFault::NotYet);
        }
        if self
            .lifetime_max
            .is_some_and(|longest| claims.exp - now > longest.as_secs())
        {
            return Err(TokenFault::TooLong);
        }
        Ok(claims.sub)
    }
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenVerifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const SECRET: &[u8] = b"a secret of the test";

    fn token(claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(
            &Header::default(),
            claims,
            &EncodingKey::from_secret(SECRET),
        )
        .expect("claims can be signed")
    }

    fn subject(claims: &serde_json::Value, at: u64) -> Result<String, TokenFault> {
        TokenVerifier::new(
            TokenAlgorithm::Hs256,
            SECRET,
            Some("crm"),
            Some(Duration::from_secs(3600)),
        )
        .expect("the key fits")
        .subject(&token(claims), WallTime::from_unix_millis(at * 1000))
    }

    #[test]
    fn a_signed_token_speaks_for_its_subject() {
        let claims = json!({"sub": "anna", "exp": 1060, "iss": "crm"});
        assert_eq!(subject(&claims, 1000), Ok("anna".to_owned()));
    }

    #[test]
    fn a_token_outside_its_time_is_refused() {
        let claims = json!({"sub": "anna", "exp": 1060, "iss": "crm", "nbf": 900});
        assert_eq!(subject(&claims, 1060), Err(TokenFault::Expired));
        assert_eq!(subject(&claims, 800), Err(TokenFault::NotYet));
        let forever = json!({"sub": "anna", "exp": 1_000_000, "iss": "crm"});
        assert_eq!(subject(&forever, 1000), Err(TokenFault::TooLong));
    }

    #[test]
    fn a_token_without_exp_or_of_another_issuer_or_key_is_refused() {
        for claims in [
            json!({"sub": "anna", "iss": "crm"}),
            json!({"sub": "anna", "exp": 1060, "iss": "other"}),
            json!({"sub": "anna", "exp": 1060}),
        ] {
            assert!(
                matches!(subject(&claims, 1000), Err(TokenFault::Invalid(_))),
                "{claims}"
            );
        }
        let other =
            TokenVerifier::new(TokenAlgorithm::Hs256, b"another", None, None).expect("fits");
        let claims = json!({"sub": "anna", "exp": 1060});
        let refused = other.subject(&token(&claims), WallTime::from_unix_millis(0));
        assert!(matches!(refused, Err(TokenFault::Invalid(_))));
    }

    #[test]
    fn a_token_that_claims_another_algorithm_is_refused() {
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIiwiZXhwIjoxMDYwfQ.";
        let verifier = TokenVerifier::new(TokenAlgorithm::Hs256, SECRET, None, None).expect("fits");
        assert!(verifier.subject(unsigned, WallTime::default()).is_err());
    }
}
