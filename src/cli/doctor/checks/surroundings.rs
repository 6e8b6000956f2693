//! What is around the chain: other ways in, TLS, clocks.

use std::net::SocketAddr;
use std::time::Duration;

use sealpass::clock::{Clock as _, SystemClock, Timestamp};
use sealpass::http::identity_headers;
use url::Url;

use super::super::chain::{Ask, Chain, passed};
use super::super::own::http_date;
use super::super::report::{Found, Not};
use super::super::wire::{NoAnswer, Wire};

/// An answer of verify to a client tells it more than it should know, and lets it try tokens out.
pub fn verify_hidden(chain: &Chain) -> Found {
    for path in ["/verify/", "/verify", "/policy/default/", "/resolve"] {
        let answer = chain.ask(&Ask::get(path).cookie(chain.session.cookie()))?;
        let told = ["x-session-valid", "x-authgear-session-valid"].iter().any(|name| answer.header(name).is_some());
        if told && passed(answer.status) {
            return Err(Not::Right(format!("{path} is answered by Sealpass")));
        }
    }
    Ok("it is not".to_owned())
}

/// The credential is not shown to whoever answers there.
pub fn control_hidden(chain: &Chain) -> Found {
    for path in ["/v1/cluster", "/v1/keys", "/metrics"] {
        let answer = chain.ask(&Ask::get(path).cookie(chain.session.cookie()))?;
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("urn:problem-type:sealpass:") || text.contains("sealpass_verify_decisions") {
            return Err(Not::Right(format!("{path} is answered by the control listener")));
        }
    }
    Ok("it is not".to_owned())
}

/// Who reaches the application directly says who it is itself.
pub fn direct(chain: &Chain) -> Found {
    let Some(url) = &chain.options.direct else { return Err(Not::Checked("give --direct".to_owned())) };
    let wire = Wire::new(url, None, chain.options.tls.clone(), chain.wire.timeout());
    let forged = identity_headers(sealpass::config::Preset::Sealpass).map(|name| match name {
        "x-session-valid" => format!("{name}: true"),
        _ => format!("{name}: forged"),
    });
    for ask in [Ask::get(url.path()), Ask::get(url.path()).with_all(forged)] {
        match wire.send(ask.head(&wire.host)) {
            Err(NoAnswer::Refused) => {}
            // A wrong name or address looks the same as one that is well shut off.
            Err(why) => return Err(Not::Checked(format!("{url}: {why}"))),
            Ok(answer) if matches!(answer.status, 401 | 403) => {}
            Ok(answer) => return Err(Not::Right(format!("{url} answers {}", answer.status))),
        }
    }
    Ok("it is not".to_owned())
}

pub fn tls(chain: &Chain) -> Found {
    let url = &chain.options.through;
    if url.scheme() == "http" {
        let here = chain.options.connect.map_or_else(|| is_loopback(url), |address| address.ip().is_loopback());
        return if here {
            Err(Not::Checked("plain HTTP, on loopback".to_owned()))
        } else {
            Err(Not::Right("plain HTTP: whoever is on the way reads every session".to_owned()))
        };
    }
    if let Some(why) = &chain.distrust {
        // What webpki says of a certificate that `openssl req -x509` makes unless it is told otherwise.
        let own_ca = why.contains("CaUsedAsEndEntity");
        return Err(Not::Right(if own_ca { CA_AS_SERVER.to_owned() } else { why.clone() }));
    }
    if chain.options.insecure {
        return Err(Not::Checked("--insecure".to_owned()));
    }
    let answer = chain.ask(&Ask::get(&chain.path))?;
    let hsts = answer.header("strict-transport-security");
    Ok(hsts.map_or_else(|| NO_HSTS.to_owned(), |line| format!("Strict-Transport-Security: {line}")))
}

pub fn plain_http(chain: &Chain) -> Found {
    let through = &chain.options.through;
    let plain = match &chain.options.plain_http {
        Some(url) => url.clone(),
        None if through.scheme() == "http" => {
            return Err(Not::Checked("--through is plain HTTP itself".to_owned()));
        }
        None if through.port().is_some() || chain.options.connect.is_some() => {
            return Err(Not::Checked("--through is not at the usual port; give --plain-http".to_owned()));
        }
        None => {
            let mut url = through.clone();
            let _ = url.set_scheme("http");
            url
        }
    };
    // Who has to be told where the name leads for TLS has to be told here too.
    let same = chain.options.connect.filter(|_| plain.host() == through.host());
    let to = same.zip(plain.port_or_known_default()).map(|(address, port)| SocketAddr::new(address.ip(), port));
    let wire = Wire::new(&plain, to, chain.options.tls.clone(), chain.wire.timeout());
    match wire.send(Ask::get(&chain.path).head(&wire.host)) {
        Err(why @ NoAnswer::Refused) => Ok(why.to_string()),
        Err(why) => Err(Not::Checked(format!("{plain}: {why}"))),
        Ok(answer) if passed(answer.status) => Err(Not::Right(format!("{plain} answers {}", answer.status))),
        Ok(answer) if (300..400).contains(&answer.status) => match answer.header("location") {
            Some(to) if to.starts_with("https://") => Ok(format!("on to {to}")),
            to => Err(Not::Right(format!("{plain} leads to {}", to.unwrap_or("nowhere")))),
        },
        Ok(answer) => Ok(format!("{}", answer.status)),
    }
}

/// Dates in answers have a resolution of a second.
pub fn clocks(chain: &Chain) -> Found {
    let mut seen = Vec::new();
    let own = chain.own.date().map(|(date, at)| (date, SystemClock.now().minus(at.elapsed())));
    let proxy = chain.ask(&Ask::get(&chain.path))?;
    let proxy = proxy.header("date").and_then(http_date).map(|date| (date, SystemClock.now()));
    for (who, pair) in [("Sealpass", own), ("the proxy", proxy)] {
        let Some((theirs, ours)) = pair else { continue };
        let apart = apart(theirs, ours);
        if apart > TOLERANCE {
            let way = if theirs > ours { "ahead of" } else { "behind" };
            seen.push(format!("{who} is {} s {way} the clock here", apart.as_secs()));
        }
    }
    match own {
        _ if !seen.is_empty() => Err(Not::Right(seen.join(", "))),
        None => Err(Not::Checked("no Date came".to_owned())),
        Some(_) => Ok("within a second or two".to_owned()),
    }
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

const NO_HSTS: &str = "note: no Strict-Transport-Security is sent, with which browsers never come without TLS";
const CA_AS_SERVER: &str = "the server's certificate says of itself that it is a CA's, which clients refuse; make it with \
                            basicConstraints=critical,CA:FALSE (openssl req -x509 -addext)";
/// A second of resolution, and one that clocks may differ by.
const TOLERANCE: Duration = Duration::from_millis(2_500);
