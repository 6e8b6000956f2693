//! Endings count at once, caches or not.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::chain::{Ask, Chain, passed};
use super::super::own::Session;
use super::super::report::{Found, Not};
use super::given;

pub fn by_api(chain: &Chain) -> Found {
    chain.need_session()?;
    chain.need_guard()?;
    let session = warmed(chain)?;
    chain.own.end(&session).map_err(|error| Not::Checked(format!("it could not be ended: {error}")))?;
    is_over(chain, &session)
}

pub fn by_browser(chain: &Chain) -> Found {
    let path = given(chain.options.logout_path.as_ref(), "--logout-path")?;
    chain.need_session()?;
    chain.need_guard()?;
    let session = warmed(chain)?;
    let post = Ask::by("POST", path).with("Content-Length: 0").cookie(session.cookie());
    match chain.status(&post.clone().with("Origin: https://elsewhere.example"))? {
        403 => {}
        status if passed(status) => return Err(Not::Right(format!("{status} to a page of another site"))),
        status => return Err(Not::Right(format!("{status} to a page of another site; does it reach Sealpass?"))),
    }
    let status = chain.status(&Ask::get(&chain.path).cookie(session.cookie()))?;
    if !passed(status) {
        return Err(Not::Right(format!("{status}: another site logged it out")));
    }
    let answer = chain.ask(&post.with("Sec-Fetch-Site: same-origin"))?;
    if answer.status != 204 {
        return Err(Not::Right(format!("{} in place of 204", answer.status)));
    }
    let cleared = super::renewal::own_cookie(&answer.headers, &session.name);
    if !cleared.is_some_and(|line| line.contains("Max-Age=0")) {
        return Err(Not::Right("the cookie is not cleared: Set-Cookie is lost".to_owned()));
    }
    is_over(chain, &session)
}

/// What is cached under a path alone is found here: a page of one would be seen by all, or a denial of one be
/// everybody's.
pub fn not_shared(chain: &Chain) -> Found {
    chain.need_session()?;
    chain.need_guard()?;
    let (with, without) = (Ask::get(&chain.path).cookie(chain.session.cookie()), Ask::get(&chain.path));
    for _ in 0..3 {
        let status = chain.status(&with)?;
        if !passed(status) {
            return Err(Not::Right(format!("{status} with a session, after a denial without one")));
        }
        let status = chain.status(&without)?;
        if passed(status) {
            return Err(Not::Right(format!("{status} without a session, after one with a session")));
        }
    }
    Ok("each by itself".to_owned())
}

/// A session that was used, so that whatever caches has it.
fn warmed(chain: &Chain) -> Result<Session, Not> {
    let session = chain.fresh()?;
    for _ in 0..3 {
        let status = chain.status(&Ask::get(&chain.path).cookie(session.cookie()))?;
        if !passed(status) {
            return Err(Not::Right(format!("{status} before it was ended")));
        }
    }
    Ok(session)
}

/// Denied within the bound, and from then on: with several replicas, by each of them.
fn is_over(chain: &Chain, session: &Session) -> Found {
    let begun = Instant::now();
    let ask = Ask::get(&chain.path).cookie(session.cookie());
    while passed(chain.status(&ask)?) {
        if begun.elapsed() > BOUND {
            return Err(Not::Right(format!("it still passes {} s later", begun.elapsed().as_secs())));
        }
        sleep(STEP);
    }
    let late = begun.elapsed();
    for _ in 0..5 {
        let status = chain.status(&ask)?;
        if passed(status) && begun.elapsed() > BOUND {
            return Err(Not::Right("it passes again".to_owned()));
        }
        if !chain.is_denial(status) && !passed(status) {
            return Err(Not::Right(format!("{status} with a session that was ended")));
        }
    }
    Ok(format!("denied within {} ms", late.as_millis()))
}

/// The longest that any replica may go on.
const BOUND: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(200);
