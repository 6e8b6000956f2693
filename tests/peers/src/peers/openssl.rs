//! Two that build on OpenSSL: `josekit`'s encrypted JWT, and `fernet`.

use std::time::SystemTime;

use fernet::Fernet;
use josekit::jwe::{Dir, JweHeader};
use josekit::jwt::{self, JwtPayload, JwtPayloadValidator};
use serde_json::{Value, json};

use super::{Peer, Protects};
use crate::claims::{Claims, lifetime};

pub fn josekit(sample: &Claims) -> Peer {
    let protects = Protects { secrecy: "yes", rotation: "key id, by hand", ending: "no" };
    let encrypter = Dir.encrypter_from_bytes([7; 32]).expect("32 bytes");
    let decrypter = Dir.decrypter_from_bytes([7; 32]).expect("32 bytes");
    let mut header = JweHeader::new();
    header.set_token_type("JWT");
    header.set_content_encryption("A256GCM");
    let claims = sample.clone();
    let seal = move || {
        let Value::Object(map) = json!(claims) else { unreachable!("a struct is an object") };
        jwt::encode_with_encrypter(&JwtPayload::from_map(map).expect("as RFC 7519 has them"), &header, &encrypter)
            .expect("fits")
    };
    let open = move |text: &str| {
        let (payload, _) = jwt::decode_with_decrypter(text, &decrypter).expect("ours");
        let mut validator = JwtPayloadValidator::new();
        validator.set_base_time(SystemTime::now());
        validator.validate(&payload).expect("good");
        serde_json::from_value::<Claims>(Value::Object(payload.claims_set().clone())).expect("ours")
    };
    Peer::new("josekit dir, A256GCM", protects, sample, seal, open, |claims| claims)
}

pub fn fernet(sample: &Claims) -> Peer {
    let protects = Protects { secrecy: "yes", rotation: "tries each key", ending: "no" };
    let key = Fernet::generate_key();
    let keys = || Fernet::new(&key).expect("just made");
    let (sealing, opening, claims, ttl) = (keys(), keys(), sample.clone(), lifetime(sample).into());
    let seal = move || sealing.encrypt(claims.json().as_bytes());
    let open = move |text: &str| Claims::of_json(&opening.decrypt_with_ttl(text, ttl).expect("ours"));
    Peer::new("fernet", protects, sample, seal, open, |claims| claims)
}
