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

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    struct Device(EcdsaKeyPair);

    impl Device {
        fn new() -> Self {
            let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("random");
            Self(EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).expect("just made"))
        }

        fn point(&self) -> PublicPoint {
            self.0.public_key().as_ref().try_into().expect("uncompressed")
        }

        fn jwk(&self) -> Value {
            let half = |at| URL_SAFE_NO_PAD.encode(&self.point()[at..at + 32]);
            json!({"kty": "EC", "crv": "P-256", "x": half(1), "y": half(33)})
        }

        fn sign(&self, head: &str, payload: &str) -> String {
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("random");
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    const HEAD: &str = r#"{"alg":"ES256","typ":"dbsc+jwt"}"#;
    const PAYLOAD: &str = r#"{"jti":"c"}"#;

    #[test]
    fn a_registration_brings_its_key_and_a_refresh_none() {
        let device = Device::new();
        let head = json!({"alg": "ES256", "jwk": device.jwk(), "typ": "dbsc+jwt", "more": 1}).to_string();
        let jwt = device.sign(&head, r#"{"jti":"c","iat":1}"#);
        let (proof, key) = Proof::of_registration(&jwt).expect("as a browser makes it");
        assert_eq!((proof.untrusted_challenge(), key), ("c", device.point()));
        assert!(proof.is_signed_by(&key) && !proof.is_signed_by(&Device::new().point()));
        assert_eq!(Proof::of_refresh(&jwt).map(drop), Err(ProofError::OwnKey));

        let jwt = device.sign(HEAD, PAYLOAD);
        let proof = Proof::of_refresh(&jwt).expect("as a browser makes it");
        assert!(proof.is_signed_by(&key) && !proof.is_signed_by(&Device::new().point()));
        assert_eq!(Proof::of_registration(&jwt).map(drop), Err(ProofError::NoKey));
        let (signed, _) = jwt.rsplit_once('.').expect("three parts");
        let other = device.sign(HEAD, r#"{"jti":"d"}"#);
        let moved = format!("{signed}.{}", other.rsplit_once('.').expect("three parts").1);
        assert!(!Proof::of_refresh(&moved).expect("well-formed").is_signed_by(&key));
    }

    #[test]
    fn headers_and_payloads_have_one_form() {
        let device = Device::new();
        let refused =
            |head: &str, payload: &str| Proof::of_refresh(&device.sign(head, payload)).map(drop).expect_err(head);
        for (head, why) in [
            (r#"{"alg":"none","typ":"dbsc+jwt"}"#, ProofError::Algorithm),
            (r#"{"alg":"HS256","typ":"dbsc+jwt"}"#, ProofError::Algorithm),
            (r#"{"alg":"es256","typ":"dbsc+jwt"}"#, ProofError::Algorithm),
            (r#"{"alg":"ES256","typ":"JWT"}"#, ProofError::Type),
            (r#"{"alg":"ES256","typ":"dbsc+jwt","crit":["exp"]}"#, ProofError::Critical),
            (r#"{"alg":"ES256","typ":"dbsc+jwt","crit":null}"#, ProofError::Critical),
            (r#"{"alg":"ES256","typ":"dbsc+jwt","jwk":null}"#, ProofError::NoJwt),
            (r#"{"alg":"ES256","typ":"dbsc+jwt","jwk":["EC","P-256","",""]}"#, ProofError::NoJwt),
            (r#"{"alg":"none","alg":"ES256","typ":"dbsc+jwt"}"#, ProofError::NoJwt),
            (r#"{"alg":"ES256"}"#, ProofError::NoJwt),
            (r#"{"typ":"dbsc+jwt"}"#, ProofError::NoJwt),
            (r#"["ES256","dbsc+jwt"]"#, ProofError::NoJwt),
            (r#"{"alg":"ES256","typ":"dbsc+jwt"} x"#, ProofError::NoJwt),
            ("", ProofError::NoJwt),
        ] {
            assert_eq!(refused(head, PAYLOAD), why, "{head}");
        }
        for payload in ["", "{}", r#"["c"]"#, r#"{"jti":1}"#, r#"{"jti":null}"#, r#"{"jti":"c","jti":"d"}"#, "\"c\""] {
            assert_eq!(refused(HEAD, payload), ProofError::NoJwt, "{payload}");
        }
    }

    #[test]
    fn a_jwk_is_a_public_key_on_p_256() {
        let device = Device::new();
        for (name, value) in [
            ("kty", json!("RSA")),
            ("crv", json!("P-384")),
            ("x", json!("AAAA")),
            ("y", json!("")),
            ("y", json!(URL_SAFE_NO_PAD.encode([1; 33]))),
            ("y", json!(format!("{}=", device.jwk()["y"].as_str().expect("text")))),
            ("d", json!("AAAA")),
            ("d", Value::Null),
        ] {
            let mut jwk = device.jwk();
            jwk[name] = value;
            let head = json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}).to_string();
            let refused = Proof::of_registration(&device.sign(&head, PAYLOAD)).map(drop);
            assert_eq!(refused, Err(ProofError::NoKey), "{head}");
        }
        // One that is no point of the curve fits no signature.
        let mut jwk = device.jwk();
        jwk["y"] = json!(URL_SAFE_NO_PAD.encode([1; 32]));
        let head = json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}).to_string();
        let jwt = device.sign(&head, PAYLOAD);
        let (proof, key) = Proof::of_registration(&jwt).expect("well-formed");
        assert!(!proof.is_signed_by(&key));
    }

    #[test]
    fn other_spellings_and_sizes_are_refused() {
        let jwt = Device::new().sign(HEAD, PAYLOAD);
        let (signed, signature) = jwt.rsplit_once('.').expect("three parts");
        let long = format!("{{\"jti\":\"{}\"}}", "c".repeat(MAX_PROOF));
        for (text, why) in [
            (String::new(), ProofError::NoJwt),
            (signed.to_owned(), ProofError::NoJwt),
            (format!("{signed}."), ProofError::Signature),
            (format!("{signed}.{}", &signature[..84]), ProofError::Signature),
            (format!("{signed}.{signature}AA"), ProofError::Signature),
            (format!("{signed}.{signature}=="), ProofError::NoJwt),
            (format!("{jwt}.{signature}"), ProofError::NoJwt),
            (format!(".{jwt}"), ProofError::NoJwt),
            (format!("{jwt} "), ProofError::NoJwt),
            (Device::new().sign(HEAD, &long), ProofError::TooLong),
        ] {
            assert_eq!(Proof::of_refresh(&text).map(drop), Err(why), "{text}");
        }
    }
}
