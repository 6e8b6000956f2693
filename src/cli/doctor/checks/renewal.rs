//! Renewals: by verify, whose Set-Cookie the proxy has to relay, and by hand.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::chain::{Ask, Chain, passed};
use super::super::own::Session;
use super::super::report::{Found, Not};
use super::given;

/// A renewal can't be asked for from the outside, but when it is due follows from the session's id. So many sessions
/// are made until one's turn is soon; it is waited for, and then any request has to be answered with the next cookie.
pub fn arrives(chain: &Chain) -> Found {
    chain.need_session()?;
    let (session, wait) = soonest(chain)?;
    if wait > chain.options.wait {
        let seconds = wait.as_secs() + 1;
        return Err(Not::Checked(format!("the next renewal is due in {seconds} s; give --wait {seconds}s")));
    }
    sleep(wait + PAST);
    let begun = Instant::now();
    loop {
        let answer = chain.ask(&Ask::get(&chain.path).cookie(session.cookie()))?;
        if let Some(line) = own_cookie(&answer.headers, &session.name) {
            chain.renewed.replace(Some(line.to_owned()));
            return is_good(chain, &session, line);
        }
        if !passed(answer.status) {
            return Err(Not::Right(format!("{} when a renewal is due", answer.status)));
        }
        if begun.elapsed() > PATIENCE {
            return Err(Not::Right("no Set-Cookie came when a renewal was due".to_owned()));
        }
        sleep(PAST);
    }
}

pub fn attributes(chain: &Chain) -> Found {
    let issued = of(&chain.session.set_cookie);
    let has = |name: &str| issued.iter().any(|attribute| attribute.eq_ignore_ascii_case(name));
    let prefixed = |prefix: &str| chain.session.name.starts_with(prefix);
    if !has("Secure") || !has("HttpOnly") || !issued.iter().any(|attribute| attribute.starts_with("SameSite=")) {
        return Err(Not::Right(format!("issued with {}", issued.join("; "))));
    }
    let domain = issued.iter().any(|attribute| attribute.starts_with("Domain="));
    if prefixed("__Host-") && (domain || !has("Path=/")) || (domain && !prefixed("__Secure-")) {
        return Err(Not::Right(format!("{} with {}", chain.session.name, issued.join("; "))));
    }
    match &*chain.renewed.borrow() {
        Some(line) if of(line) == issued => Ok(issued.join("; ")),
        Some(line) => {
            Err(Not::Right(format!("issued with {}, renewed with {}", issued.join("; "), of(line).join("; "))))
        }
        None => Err(Not::Checked("they were issued right, and no renewed cookie was seen".to_owned())),
    }
}

pub fn renew_path(chain: &Chain) -> Found {
    let path = given(chain.options.renew_path.as_ref(), "--renew-path")?;
    let session = chain.fresh()?;
    let post = Ask::by("POST", path).with("Content-Length: 0").cookie(session.cookie());
    let foreign = chain.status(&post.clone().with("Origin: https://elsewhere.example"))?;
    match foreign {
        403 => {}
        status if passed(status) => return Err(Not::Right(format!("{status} to a page of another site"))),
        status => return Err(Not::Right(format!("{status} to a page of another site; does it reach Sealpass?"))),
    }
    let answer = chain.ask(&post.with("Sec-Fetch-Site: same-origin"))?;
    match own_cookie(&answer.headers, &session.name) {
        Some(line) => {
            chain.renewed.borrow_mut().get_or_insert_with(|| line.to_owned());
            is_good(chain, &session, line)
        }
        None => Err(Not::Right(format!("{}, and no cookie", answer.status))),
    }
}

/// Of many sessions the one whose renewal is due first.
fn soonest(chain: &Chain) -> Result<(Session, Duration), Not> {
    let mut best: Option<Session> = None;
    for _ in 0..MOST {
        let session = chain.fresh()?;
        let Some(wait) = session.due_in() else {
            return Err(Not::Checked("the idle limit is not told: the absolute limit comes first".to_owned()));
        };
        if best.as_ref().and_then(Session::due_in).is_none_or(|known| wait < known) {
            best = Some(session);
        }
        if wait < chain.options.wait.min(SOON) {
            break;
        }
    }
    best.and_then(|session| Some((session.clone(), session.due_in()?)))
        .ok_or_else(|| Not::Checked("no session could be made".to_owned()))
}

/// The cookie is another one, and a session all the same.
fn is_good(chain: &Chain, session: &Session, line: &str) -> Found {
    let pair = line.split(';').next().unwrap_or_default();
    if pair == session.cookie() {
        return Err(Not::Right("it is the one that was sent".to_owned()));
    }
    match chain.status(&Ask::get(&chain.path).cookie(pair))? {
        status if passed(status) || chain.need_session().is_err() => Ok("it passes".to_owned()),
        status => Err(Not::Right(format!("{status} with the renewed cookie"))),
    }
}

pub fn own_cookie<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let lines = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, line)| line.as_str()).find(|line| line.split('=').next() == Some(name))
}

/// The attributes of a Set-Cookie line, but for Max-Age, which counts from now.
fn of(line: &str) -> Vec<&str> {
    let mut attributes: Vec<_> = line.split(';').skip(1).map(str::trim).collect();
    attributes.retain(|attribute| !attribute.starts_with("Max-Age="));
    attributes.sort_unstable();
    attributes
}

/// How many sessions are made at the most to find one whose renewal is due soon.
const MOST: usize = 200;
/// Soon enough.
const SOON: Duration = Duration::from_millis(1_500);
/// What clocks and rounding may make of a boundary.
const PAST: Duration = Duration::from_millis(60);
/// How long a renewal may be late: clocks of replicas differ by a second.
const PATIENCE: Duration = Duration::from_secs(3);
