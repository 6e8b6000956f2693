//! Biscuit: a signed set of facts, judged by a logic program; so that who has one can read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use biscuit_auth::macros::{authorizer, biscuit};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair};

use super::{Peer, Protects};
use crate::claims::Claims;

pub fn peer(sample: &Claims) -> Peer {
    let protects = Protects { secrecy: "no", rotation: "key id, by hand", ending: "your own list of ids" };
    let root = KeyPair::new();
    let (public, claims) = (root.public(), sample.clone());
    let (iat, exp) = (moment(sample.iat), moment(sample.exp));
    let seal = move || {
        let Claims { sub, roles, amr, jti, .. } = claims.clone();
        let [first, second] = <[String; 2]>::try_from(roles).expect("two");
        let [amr] = <[String; 1]>::try_from(amr).expect("one");
        let token = biscuit!(
            r#"user({sub}); role({first}); role({second}); amr({amr}); session({jti}, {iat}, {exp});
               check if time($now), $now < {exp};"#
        );
        token.build(&root).expect("ours").to_base64().expect("fits")
    };
    // By default a millisecond of the wall's clock, which is over whenever another program has the core.
    let limits = AuthorizerLimits { max_time: Duration::from_secs(10), ..AuthorizerLimits::default() };
    let open = move |text: &str| {
        let token = Biscuit::from_base64(text, public).expect("ours");
        let judged = authorizer!(r#"allow if user($user);"#).time().set_limits(limits.clone()).build(&token);
        let mut judged = judged.expect("ours");
        judged.authorize().expect("good");
        let texts = |found: Vec<(String,)>| found.into_iter().map(|(text,)| text).collect::<Vec<_>>();
        let mut roles = texts(judged.query("text($it) <- role($it)").expect("texts"));
        roles.sort_by(|a, b| b.cmp(a)); // facts have no order
        let amr = texts(judged.query("text($it) <- amr($it)").expect("texts"));
        let (sub,): (String,) = judged.query_exactly_one("text($it) <- user($it)").expect("one");
        let session = judged.query_exactly_one("text($id, $iat, $exp) <- session($id, $iat, $exp)");
        let (jti, iat, exp): (String, SystemTime, SystemTime) = session.expect("one");
        Claims { sub, roles, amr, jti, iat: seconds(iat), exp: seconds(exp) }
    };
    Peer::new("biscuit-auth", protects, sample, seal, open, |claims| claims)
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().expect("of our time"))
}

fn seconds(moment: SystemTime) -> i64 {
    moment.duration_since(UNIX_EPOCH).expect("of our time").as_secs().try_into().expect("of our time")
}
