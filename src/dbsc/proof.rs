//! The proof that a browser has the private key: a JWT, of which exactly one form is taken.
//!
//! Nothing in a JWT chooses how it is checked: the algorithm is ES256 and the key is the session's. At registration alone
//! there is no key yet, and the proof brings it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess};
use serde::{Deserialize, de::value::MapAccessDeserializer};

use crate::secret::verify_es256;

/// A point on P-256, uncompressed (SEC 1, section 2.3.3). Whether it is on the curve shows when a signature is checked.
pub type PublicPoint = [u8; 65];

/// A proof as it was read. Nothing of it is authentic before [`Proof::is_signed_by`] says so.
pub struct Proof<'j> {
    signed: &'j [u8],
    signature: [u8; 64],
    key: Option<PublicPoint>,
    challenge: String,
}

/// Why a text is no proof. For logs and metrics; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Longer than any browser's.
    #[error("longer than {MAX_PROOF} bytes")]
    TooLong,
    /// Not three parts of unpadded base64url with a JSON object in each of the first two.
    #[error("not a JWT in compact form")]
    NoJwt,
    /// `none`, a secret of ours, another curve: whoever may choose can choose what needs no key.
    #[error("alg is not ES256")]
    Algorithm,
    /// A JWT that somebody signed for something else.
    #[error("typ is not dbsc+jwt")]
    Type,
    /// It demands that something is understood, and nothing is (RFC 7515, section 4.1.11).
    #[error("it has a crit header")]
    Critical,
    /// At registration.
    #[error("no jwk, or not a public key on P-256")]
    NoKey,
    /// Behind registration the key is the session's, whatever a proof says.
    #[error("it brings a jwk, which only registration does")]
    OwnKey,
    /// Not 64 bytes.
    #[error("the signature does not have 64 bytes")]
    Signature,
}

impl ProofError {
    /// A short, stable name for metrics and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "proof_too_long",
            Self::NoJwt => "no_jwt",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Critical => "critical",
            Self::NoKey => "no_key",
            Self::OwnKey => "own_key",
            Self::Signature => "signature_length",
        }
    }
}

impl<'j> Proof<'j> {
    /// Reads the proof of a registration, and the key that it brings.
    ///
    /// # Errors
    /// [`ProofError`] for all but the one form there is.
    pub fn of_registration(jwt: &'j str) -> Result<(Self, PublicPoint), ProofError> {
        let proof = Self::parse(jwt)?;
        let key = proof.key.ok_or(ProofError::NoKey)?;
        Ok((proof, key))
    }

    /// Reads the proof of a refresh, which brings no key.
    ///
    /// # Errors
    /// [`ProofError`] for all but the one form there is.
    pub fn of_refresh(jwt: &'j str) -> Result<Self, ProofError> {
        let proof = Self::parse(jwt)?;
        if proof.key.is_some() { Err(ProofError::OwnKey) } else { Ok(proof) }
    }

    /// What it answers (its `jti`).
    pub fn untrusted_challenge(&self) -> &str {
        &self.challenge
    }

    /// Whether the holder of this key signed it.
    pub fn is_signed_by(&self, key: &PublicPoint) -> bool {
        verify_es256(key, self.signed, &self.signature)
    }

    fn parse(jwt: &'j str) -> Result<Self, ProofError> {
        if jwt.len() > MAX_PROOF {
            return Err(ProofError::TooLong);
        }
        let (signed, signature) = jwt.rsplit_once('.').ok_or(ProofError::NoJwt)?;
        let (head, payload) = signed.split_once('.').ok_or(ProofError::NoJwt)?; // a third dot is no base64url
        let (head, payload): (Head, Payload) = (object(head)?, object(payload)?);
        if head.alg != "ES256" {
            return Err(ProofError::Algorithm);
        }
        if head.typ != "dbsc+jwt" {
            return Err(ProofError::Type);
        }
        if head.crit.is_some() {
            return Err(ProofError::Critical);
        }
        let key = head.jwk.map(|Object(jwk)| jwk.point().ok_or(ProofError::NoKey)).transpose()?;
        let signature = decode(signature)?.try_into().map_err(|_| ProofError::Signature)?;
        Ok(Self { signed: signed.as_bytes(), signature, key, challenge: payload.jti })
    }
}

impl fmt::Debug for Proof<'_> {
    /// It can be replayed for a moment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(redacted)")
    }
}

/// What counts of a header. Other members do not matter (RFC 7515, section 4), and none stands twice.
#[derive(Deserialize)]
struct Head {
    alg: String,
    typ: String,
    #[serde(default, deserialize_with = "present")]
    jwk: Option<Object<Jwk>>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Payload {
    jti: String,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    #[serde(default, deserialize_with = "present")]
    d: Option<de::IgnoredAny>,
}

impl Jwk {
    /// RFC 7518, section 6.2.1: both coordinates with all their 32 bytes. A private key in the open is nobody's.
    fn point(&self) -> Option<PublicPoint> {
        if self.kty != "EC" || self.crv != "P-256" || self.d.is_some() {
            return None;
        }
        let half = |text: &str| <[u8; 32]>::try_from(decode(text).ok()?).ok();
        let (x, y) = (half(&self.x)?, half(&self.y)?);
        let mut point = [UNCOMPRESSED; 65];
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        Some(point)
    }
}

/// A JSON object: by itself serde would take a list too, for the members in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        from.deserialize_map(Members(std::marker::PhantomData)).map(Self)
    }
}

/// A member that stands there, were it `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn object<T: DeserializeOwned>(part: &str) -> Result<T, ProofError> {
    let Object(read) = serde_json::from_slice(&decode(part)?).map_err(|_| ProofError::NoJwt)?;
    Ok(read)
}

/// One spelling: no padding, no other alphabet, no stray bits at the end.
fn decode(part: &str) -> Result<Vec<u8>, ProofError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| ProofError::NoJwt)
}

/// Longest proof: a browser's has about 300 bytes beside its challenge.
pub const MAX_PROOF: usize = 2_048;

/// How such a point begins.
const UNCOMPRESSED: u8 = 4;
