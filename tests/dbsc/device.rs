//! A browser with a device, and what it can be made to say: right proofs, and every wrong one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::common::{Response, Server, watched};

/// A private key.
pub struct Device(EcdsaKeyPair);

/// What a browser holds of a session.
#[derive(Clone, Debug)]
pub struct Jar {
    pub token: String,
    pub anchor: String,
    /// What the last answer asked it to sign, and for which session of its own.
    pub challenge: String,
    pub id: String,
}

impl Device {
    pub fn new() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("random");
        Self(EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).expect("just made"))
    }

    pub fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let half = |at: usize| URL_SAFE_NO_PAD.encode(&point[at..at + 32]);
        json!({"crv": "P-256", "kty": "EC", "x": half(1), "y": half(33)})
    }

    /// The proof of a registration.
    pub fn registers(&self, challenge: &str) -> String {
        self.sign(&json!({"alg": "ES256", "jwk": self.jwk(), "typ": "dbsc+jwt"}), &json!({"jti": challenge}))
    }

    /// The proof of a refresh.
    pub fn refreshes(&self, challenge: &str) -> String {
        self.sign(&json!({"alg": "ES256", "typ": "dbsc+jwt"}), &json!({"jti": challenge}))
    }

    pub fn sign(&self, head: &Value, payload: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(head), part(payload));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("random");
        let jwt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        watched::secret(&jwt);
        jwt
    }
}

impl Jar {
    /// Logs alice in.
    pub fn login(server: &Server) -> Self {
        Self::issue(server, &json!({"subject": "alice"}))
    }

    pub fn issue(server: &Server, asked: &Value) -> Self {
        let answer = server.call("/v1/sessions", asked);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let offer = answer.header("secure-session-registration").expect("an offer");
        assert_eq!(answer.json()["headers"], json!({"secure-session-registration": offer}));
        let (_, challenge) = offer.split_once("challenge=\"").expect("a challenge");
        let mut jar = Self { token: String::new(), anchor: String::new(), challenge: String::new(), id: String::new() };
        challenge.trim_end_matches('"').clone_into(&mut jar.challenge);
        jar.take(&answer);
        jar
    }

    /// Takes in what an answer sets.
    pub fn take(&mut self, answer: &Response) {
        for line in answer.all("set-cookie") {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            match name {
                "__Host-sealpass" => value.clone_into(&mut self.token),
                "__Host-sealpass-anchor" => value.clone_into(&mut self.anchor),
                other => panic!("{other}"),
            }
        }
        if let Some(challenge) = answer.header("secure-session-challenge") {
            let (text, id) = challenge.split_once("\";id=\"").expect("a challenge and an id");
            assert_eq!(id.trim_end_matches('"'), self.id);
            text.trim_start_matches('"').clone_into(&mut self.challenge);
        }
        if let Ok(told) = serde_json::from_slice::<Value>(&answer.body)
            && let Some(id) = told["session_identifier"].as_str()
        {
            id.clone_into(&mut self.id);
        }
        [&self.token, &self.anchor, &self.challenge].into_iter().filter(|text| !text.is_empty()).for_each(|text| {
            watched::secret(text);
        });
    }

    pub fn cookie(&self) -> String {
        format!("__Host-sealpass={}; __Host-sealpass-anchor={}", self.token, self.anchor)
    }

    pub fn anchor_cookie(&self) -> String {
        format!("__Host-sealpass-anchor={}", self.anchor)
    }

    /// Registers as a browser does, and takes the answer in.
    pub fn register(&mut self, server: &Server, device: &Device) {
        let answer = registration(server, &self.cookie(), &device.registers(&self.challenge));
        assert_eq!(answer.status, 200, "{answer:?}");
        self.take(&answer);
    }

    /// Asks for a challenge and takes it in.
    pub fn ask(&mut self, server: &Server) {
        let answer = refresh(server, &self.anchor_cookie(), &self.id, None);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        self.take(&answer);
    }

    /// Refreshes as a browser does, and takes the answer in.
    pub fn refresh(&mut self, server: &Server, device: &Device) {
        self.ask(server);
        let proof = device.refreshes(&self.challenge);
        let answer = refresh(server, &self.anchor_cookie(), &self.id, Some(&proof));
        assert_eq!(answer.status, 200, "{answer:?}");
        self.take(&answer);
    }
}

pub fn registration(server: &Server, cookie: &str, proof: &str) -> Response {
    let headers = [("Cookie", cookie), SAME_ORIGIN, ("Secure-Session-Response", proof)];
    server.ask("POST", "/dbsc/default/registration", &headers)
}

pub fn refresh(server: &Server, cookie: &str, id: &str, proof: Option<&str>) -> Response {
    let mut headers = vec![("Cookie", cookie), SAME_ORIGIN, ("Sec-Secure-Session-Id", id)];
    headers.extend(proof.map(|proof| ("Secure-Session-Response", proof)));
    server.ask("POST", "/dbsc/default/refresh", &headers)
}

pub const SAME_ORIGIN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
