//! PASETO v4.local, by two crates.

use pasetors::claims::{Claims as PasetoClaims, ClaimsValidationRules};
use pasetors::keys::{Generate as _, SymmetricKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::V4;
use pasetors::{Local, local};
use rusty_paseto::prelude as rusty;
use serde::Deserialize;
use serde_json::Value;

use super::{Peer, Protects};
use crate::claims::{Claims, rfc3339, seconds};

pub const PASETORS: &str = "pasetors v4.local";
const PROTECTS: Protects = Protects { secrecy: "yes", rotation: "key id, by hand", ending: "no" };

/// As PASETO spells them: times are texts.
#[derive(Deserialize)]
struct Spelt {
    sub: String,
    roles: Vec<String>,
    amr: Vec<String>,
    jti: String,
    iat: String,
    exp: String,
}

impl Spelt {
    fn claims(self) -> Claims {
        let Self { sub, roles, amr, jti, iat, exp } = self;
        Claims { sub, roles, amr, jti, iat: seconds(&iat), exp: seconds(&exp) }
    }
}

pub fn pasetors(sample: &Claims) -> Peer {
    let key = SymmetricKey::<V4>::generate().expect("random bytes");
    let (opening, claims) = (key.clone(), sample.clone());
    let (iat, exp) = (rfc3339(sample.iat), rfc3339(sample.exp));
    let seal = move || {
        let mut sealed = PasetoClaims::new().expect("a clock");
        sealed.subject(&claims.sub).expect("a text");
        sealed.token_identifier(&claims.jti).expect("a text");
        sealed.issued_at(&iat).expect("a time");
        sealed.not_before(&iat).expect("a time");
        sealed.expiration(&exp).expect("a time");
        sealed.add_additional("roles", claims.roles.as_slice()).expect("no registered claim");
        sealed.add_additional("amr", claims.amr.as_slice()).expect("no registered claim");
        local::encrypt(&key, &sealed, None, None).expect("fits")
    };
    let rules = ClaimsValidationRules::new();
    let open = move |text: &str| {
        let untrusted = UntrustedToken::<Local, V4>::try_from(text).expect("ours");
        let trusted = local::decrypt(&opening, &untrusted, &rules, None, None).expect("ours");
        let claims = trusted.payload_claims().expect("claims");
        let text = |name| claims.get_claim(name).and_then(Value::as_str).expect("a text").to_owned();
        let texts = |name| {
            let list = claims.get_claim(name).and_then(Value::as_array).expect("a list");
            list.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
        };
        Spelt {
            sub: text("sub"),
            roles: texts("roles"),
            amr: texts("amr"),
            jti: text("jti"),
            iat: text("iat"),
            exp: text("exp"),
        }
    };
    Peer::new(PASETORS, PROTECTS, sample, seal, open, Spelt::claims)
}

pub fn rusty_paseto(sample: &Claims) -> Peer {
    type Key = rusty::PasetoSymmetricKey<rusty::V4, rusty::Local>;
    let key = || Key::from(rusty::Key::<32>::from([7; 32]));
    let (sealing, opening, claims) = (key(), key(), sample.clone());
    let (iat, exp) = (rfc3339(sample.iat), rfc3339(sample.exp));
    let seal = move || {
        rusty::PasetoBuilder::<rusty::V4, rusty::Local>::default()
            .set_claim(rusty::SubjectClaim::from(claims.sub.as_str()))
            .set_claim(rusty::TokenIdentifierClaim::from(claims.jti.as_str()))
            .set_claim(rusty::IssuedAtClaim::try_from(iat.as_str()).expect("a time"))
            .set_claim(rusty::NotBeforeClaim::try_from(iat.as_str()).expect("a time"))
            .set_claim(rusty::ExpirationClaim::try_from(exp.as_str()).expect("a time"))
            .set_claim(rusty::CustomClaim::try_from(("roles", claims.roles.clone())).expect("not reserved"))
            .set_claim(rusty::CustomClaim::try_from(("amr", claims.amr.clone())).expect("not reserved"))
            .build(&sealing)
            .expect("fits")
    };
    let open = move |text: &str| {
        let mut parser = rusty::PasetoParser::<rusty::V4, rusty::Local>::default();
        parser.parse_into::<Spelt>(text, &opening).expect("ours")
    };
    Peer::new("rusty_paseto v4.local", PROTECTS, sample, seal, open, Spelt::claims)
}
