//! Cookies: ours stays with the proxy, others pass, large ones too.

use serde_json::json;

use super::super::chain::{Ask, Chain, passed};
use super::super::own::{NotMade, Session};
use super::super::report::{Found, Not};

pub fn kept_from_app(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let (name, ours) = (&chain.session.name, chain.session.cookie());
    let spaced = format!("a=1; \t{} \t; b=2", ours.replacen('=', " = ", 1));
    let lines = [ours.clone(), format!("a=1; {ours}; b=2"), format!("{ours};a=1"), format!("a=1; {ours}"), spaced];
    let twice = Ask::get(path).cookie("a=1").cookie(&ours);
    for ask in lines.iter().map(|line| Ask::get(path).cookie(line)).chain([twice]) {
        let reached = chain.arrives(&ask)?;
        let pairs = reached.all("cookie").flat_map(|line| line.split(';'));
        let mut names = pairs.map(|pair| pair.split('=').next().unwrap_or_default().trim());
        if names.any(|known| known == name) {
            return Err(Not::Right(format!("{name} is among its cookies")));
        }
        if let Some(other) = reached.with(&chain.session.token).first() {
            return Err(Not::Right(format!("it is in {other}")));
        }
    }
    Ok("it does not".to_owned())
}

pub fn others_arrive(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let ours = chain.session.cookie();
    for (line, wanted) in [
        (format!("a=1; {ours}; b=22"), &["a=(1)", "b=(2)"][..]),
        (format!("{ours}; a=1"), &["a=(1)"]),
        (format!("a=1; {ours}"), &["a=(1)"]),
        (format!("x{ours}; a=1; {ours}"), &["a=(1)"]),
    ] {
        let reached = chain.arrives(&Ask::get(path).cookie(&line))?;
        let got: Vec<_> = reached.all("cookie").flat_map(|line| line.split(';')).map(str::trim).collect();
        if let Some(lost) = wanted.iter().find(|pair| !got.contains(pair)) {
            let lost = lost.split('=').next().unwrap_or_default();
            return Err(Not::Right(format!("the cookie {lost} is lost beside ours")));
        }
    }
    Ok("they do".to_owned())
}

/// As large as Sealpass seals it: both its cookie and its identity headers have to fit everybody's buffers.
pub fn large_session(chain: &Chain) -> Found {
    chain.need_session()?;
    let session = largest(chain)?;
    let status = chain.status(&Ask::get(&chain.path).cookie(session.cookie()))?;
    let length = session.cookie().len();
    if passed(status) {
        return Ok(format!("{length} bytes of cookie"));
    }
    Err(Not::Right(format!("{status} for a cookie of {length} bytes")))
}

/// Finds what fits by halving.
fn largest(chain: &Chain) -> Result<Session, Not> {
    let (mut fits, mut too_large, mut best) = (0, 4_096, None);
    while too_large - fits > 64 {
        let length = usize::midpoint(fits, too_large);
        let data = json!({"data": {"padding": "x".repeat(length / 2), "and": "x".repeat(length - length / 2)}});
        match chain.own.issue_with(&chain.own.subject, &data) {
            Ok(session) => (fits, best) = (length, Some(session)),
            Err(NotMade::Refused { status: 422, .. }) => too_large = length,
            Err(error) => return Err(Not::Checked(format!("no session could be made: {error}"))),
        }
    }
    best.ok_or_else(|| Not::Checked("Sealpass seals no data".to_owned()))
}

/// Cookies are shared by a whole site. Too many are refused by one rule or another; they must never break a guard.
pub fn foreign(chain: &Chain) -> Found {
    chain.need_session()?;
    chain.need_guard()?;
    for (what, others) in [
        ("8 KB", format!("x={}", "y".repeat(8 << 10))),
        ("64 KB", format!("x={}", "y".repeat(64 << 10))),
        ("500", "a=b; ".repeat(500) + "c=d"),
        ("odd", "a; =b; c=\"; d={\"e\":1}; f=%db".to_owned()),
    ] {
        for (line, own) in [(others.clone(), false), (format!("{others}; {}", chain.session.cookie()), true)] {
            let status = chain.status(&Ask::get(&chain.path).cookie(line))?;
            if status >= 500 || (passed(status) && !own) {
                let with = if own { "with" } else { "without" };
                return Err(Not::Right(format!("{status} {with} a session beside {what} of others")));
            }
            // What every browser may have.
            if own && !passed(status) && what != "64 KB" {
                return Err(Not::Right(format!("{status} with a session beside {what} of others")));
            }
        }
    }
    Ok("judged or refused".to_owned())
}

pub fn of_app(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let answer = chain.ask(&Ask::get(path).cookie(chain.session.cookie()).with("X-Echo-Cookies: 2"))?;
    for name in ["sealpass-echo-1=", "sealpass-echo-2="] {
        if !answer.all("set-cookie").any(|line| line.starts_with(name)) {
            return Err(Not::Right("one of two is lost".to_owned()));
        }
    }
    Ok("both".to_owned())
}
