//! JSON Web Tokens by `jsonwebtoken`: signed, so that who has one can read it.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{Peer, Protects};
use crate::claims::Claims;

pub fn hs256(sample: &Claims) -> Peer {
    let keys = (EncodingKey::from_secret(&[7; 32]), DecodingKey::from_secret(&[7; 32]));
    peer("jsonwebtoken HS256", sample, Algorithm::HS256, keys)
}

pub fn eddsa(sample: &Claims) -> Peer {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("just made");
    let keys = (EncodingKey::from_ed_der(document.as_ref()), DecodingKey::from_ed_der(pair.public_key().as_ref()));
    peer("jsonwebtoken EdDSA", sample, Algorithm::EdDSA, keys)
}

fn peer(name: &'static str, sample: &Claims, algorithm: Algorithm, keys: (EncodingKey, DecodingKey)) -> Peer {
    let protects = Protects { secrecy: "no", rotation: "key id, by hand", ending: "no" };
    let (claims, header, validation) = (sample.clone(), Header::new(algorithm), Validation::new(algorithm));
    let (sealing, opening) = keys;
    let seal = move || encode(&header, &claims, &sealing).expect("fits");
    let open = move |text: &str| decode::<Claims>(text, &opening, &validation).expect("ours").claims;
    Peer::new(name, protects, sample, seal, open, |claims| claims)
}
