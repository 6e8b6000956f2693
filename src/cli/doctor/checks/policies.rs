//! The policy is the proxy's choice: nothing in a client's path, query or headers softens it.

use super::super::chain::{Ask, Chain, passed};
use super::super::report::{Found, Not};
use super::{given, identity};

/// Each parameter that a policy knows, and each that one might hope for.
pub fn query(chain: &Chain) -> Found {
    chain.need_guard()?;
    let path = without_query(&chain.path);
    for query in QUERIES {
        let target = format!("{path}?{query}");
        let status = chain.status(&Ask::get(&target))?;
        if passed(status) {
            return Err(Not::Right(format!("{target} passes without a session")));
        }
    }
    for query in if chain.need_session().is_ok() { QUERIES } else { &[] } {
        let target = format!("{path}?{query}");
        let status = chain.status(&Ask::get(&target).cookie(chain.session.cookie()))?;
        if matches!(status, 401 | 403 | 500..) {
            return Err(Not::Right(format!("{target}: {status} with a session; Sealpass is asked with it")));
        }
    }
    for query in if role_refused(chain).is_ok() { QUERIES } else { &[] } {
        let target = format!("{}?{query}", chain.options.policy_path.as_deref().unwrap_or_default());
        let status = chain.status(&Ask::get(&target).cookie(chain.session.cookie()))?;
        if passed(status) {
            return Err(Not::Right(format!("{target} passes without the role")));
        }
    }
    Ok("as without".to_owned())
}

/// What an application makes of a path is not known here: so no spelling that it might take for a guarded one may pass.
pub fn path(chain: &Chain) -> Found {
    chain.need_guard()?;
    let mut passing = Vec::new();
    for target in spellings(without_query(&chain.path)) {
        if passed(chain.status(&Ask::get(&target))?) {
            passing.push(format!("{target} without a session"));
        }
    }
    let softer = [&chain.options.optional_path, &chain.options.logout_path];
    let softer: Vec<_> = softer.into_iter().flatten().map(|path| without_query(path)).collect();
    let beyond = |guarded| softer.iter().flat_map(move |open| beyond(open, guarded)).collect::<Vec<_>>();
    for target in beyond(without_query(&chain.path)) {
        if passed(chain.status(&Ask::get(&target))?) {
            passing.push(format!("{target} without a session"));
        }
    }
    if role_refused(chain).is_ok() {
        let guarded = without_query(chain.options.policy_path.as_deref().unwrap_or_default());
        for target in spellings(guarded).into_iter().chain(beyond(guarded)) {
            if passed(chain.status(&Ask::get(&target).cookie(chain.session.cookie()))?) {
                passing.push(format!("{target} without the role"));
            }
        }
    }
    if passing.is_empty() { Ok("none passes".to_owned()) } else { Err(Not::Right(passing.join(", "))) }
}

/// Some applications end a segment at a semicolon, take a backslash for a slash, or capitals for small letters.
pub fn lookalikes(chain: &Chain) -> Found {
    chain.need_guard()?;
    let mut passing = Vec::new();
    let open = chain.options.optional_path.as_ref().map(|path| without_query(path));
    for target in open.iter().flat_map(|open| like(open, without_query(&chain.path))) {
        if passed(chain.status(&Ask::get(&target))?) {
            passing.push(format!("{target} without a session"));
        }
    }
    if role_refused(chain).is_ok() {
        let guarded = without_query(chain.options.policy_path.as_deref().unwrap_or_default());
        let own = [format!("{guarded};x=1"), guarded.to_ascii_uppercase(), format!("/\\{}", &guarded[1..])];
        for target in own.into_iter().chain(open.iter().flat_map(|open| like(open, guarded))) {
            if passed(chain.status(&Ask::get(&target).cookie(chain.session.cookie()))?) {
                passing.push(format!("{target} without the role"));
            }
        }
    } else if open.is_none() {
        return Err(Not::Checked("give --policy-path or --optional-path".to_owned()));
    }
    if passing.is_empty() { Ok("none passes".to_owned()) } else { Err(Not::Right(passing.join(", "))) }
}

pub fn role(chain: &Chain) -> Found {
    given(chain.options.policy_path.as_ref(), "--policy-path")?;
    chain.need_session()?;
    role_refused(chain)
}

/// What a session without the role is answered there.
fn role_refused(chain: &Chain) -> Found {
    let path = given(chain.options.policy_path.as_ref(), "--policy-path")?;
    let without = chain.status(&Ask::get(path))?;
    if passed(without) {
        return Err(Not::Right(format!("{path}: {without} without a session")));
    }
    match chain.status(&Ask::get(path).cookie(chain.session.cookie()))? {
        403 => Ok("403".to_owned()),
        status if passed(status) => Err(Not::Right(format!("{path}: {status} without the role it demands"))),
        status => Err(Not::Right(format!("{path}: {status} in place of 403"))),
    }
}

pub fn csrf(chain: &Chain) -> Found {
    let path = given(chain.options.csrf_path.as_ref(), "--csrf-path")?;
    chain.need_session()?;
    let post = Ask::by("POST", path).with("Content-Length: 0").cookie(chain.session.cookie());
    match chain.status(&post)? {
        403 => {}
        status => return Err(Not::Right(format!("POST {path}: {status} without a CSRF token, in place of 403"))),
    }
    let status = chain.status(&Ask::get(path).cookie(chain.session.cookie()))?;
    if status == 403 {
        return Err(Not::Right(format!(
            "GET {path}: 403, though GET changes nothing; is the proxy in trusted_proxies?"
        )));
    }
    // A real application would act on it.
    if chain.need_echo(&Ask::get(path).cookie(chain.session.cookie())).is_err() {
        return Ok(NOT_POSTED.to_owned());
    }
    let status = chain.status(&post.with(format!("X-CSRF-Token: {}", chain.session.csrf)))?;
    if !passed(status) {
        return Err(Not::Right(format!("POST {path}: {status} with the right CSRF token")));
    }
    Ok("403".to_owned())
}

pub fn method_not_believed(chain: &Chain) -> Found {
    let csrf = chain.options.csrf_path.as_deref().filter(|_| csrf(chain).is_ok());
    let guarded = |path: &&str| chain.status(&Ask::get(*path)).is_ok_and(|status| !passed(status));
    let preflight = chain.options.preflight_path.as_deref().filter(guarded);
    if csrf.is_none() && preflight.is_none() {
        return Err(Not::Checked("give --csrf-path or --preflight-path, at which nobody gets in anyway".to_owned()));
    }
    // Which of them is read depends on what the proxy writes itself.
    for name in FORWARDED_METHOD {
        if let Some(path) = csrf {
            let post = Ask::by("POST", path).with("Content-Length: 0").cookie(chain.session.cookie());
            let status = chain.status(&post.with(format!("{name}: GET")))?;
            if !matches!(status, 400 | 403) {
                return Err(Not::Right(format!("POST {path} with {name}: GET is answered {status}")));
            }
        }
        if let Some(path) = preflight {
            let status = chain.status(&preflight_lines(Ask::get(path)).with(format!("{name}: OPTIONS")))?;
            if passed(status) {
                return Err(Not::Right(format!("GET {path} with {name}: OPTIONS passes without a session")));
            }
        }
    }
    Ok("refused".to_owned())
}

pub fn preflight(chain: &Chain) -> Found {
    chain.need_guard()?;
    let status = chain.status(&preflight_lines(Ask::by("OPTIONS", &chain.path)))?;
    let may = chain.options.preflight_path.as_deref() == Some(&chain.path);
    // Where every OPTIONS passes, that is another finding.
    if passed(status) && !may && !passed(chain.status(&Ask::by("OPTIONS", &chain.path))?) {
        return Err(Not::Right(format!("OPTIONS {}: {status} without a session", chain.path)));
    }
    let path = given(chain.options.preflight_path.as_ref(), "--preflight-path")?;
    match chain.status(&preflight_lines(Ask::by("OPTIONS", path)))? {
        status @ (300..=399 | 401 | 403 | 500..) => {
            Err(Not::Right(format!("OPTIONS {path}: {status} to a preflight, which comes without a cookie")))
        }
        status => match chain.status(&Ask::get(path).with("Origin: https://elsewhere.example"))? {
            get if passed(get) => Err(Not::Right(format!("GET {path}: {get} without a session"))),
            _ => Ok(format!("{status}")),
        },
    }
}

/// The return address is where the browser was, on a host that the proxy names: a client that names another one is not
/// believed.
pub fn page(chain: &Chain) -> Found {
    let path = given(chain.options.page_path.as_ref(), "--page-path")?;
    let evil = format!("{}.evil.example", chain.mark);
    let navigation = Ask::get(path).with("Accept: text/html").with("Sec-Fetch-Mode: navigate");
    let navigation = navigation.with("Sec-Fetch-Dest: document").with("Sec-Fetch-Site: none");
    let lines = ["X-Forwarded-Host", "X-Original-Host", "X-Forwarded-Server"].map(|name| format!("{name}: {evil}"));
    let forged = navigation.clone().with_all(lines).with(format!("Forwarded: host={evil};proto=https"));
    let forged = forged.with(format!("X-Original-URL: https://{evil}/"));
    for (ask, whose) in [(navigation, ""), (forged, ", with X-Forwarded-Host and the like of a client")] {
        let answer = chain.ask(&ask)?;
        let to = answer.header("location").unwrap_or_default();
        if !matches!(answer.status, 302 | 303) || to.is_empty() || to.contains(&chain.mark) {
            let to = if to.is_empty() { ", no Location".to_owned() } else { format!(" to {to:?}") };
            return Err(Not::Right(format!("{path}: {}{to}{whose}", answer.status)));
        }
    }
    Ok("302".to_owned())
}

pub fn optional(chain: &Chain) -> Found {
    let path = given(chain.options.optional_path.as_ref(), "--optional-path")?;
    for cookie in ["a=1".to_owned(), format!("{}=junk", chain.session.name), chain.session.cookie()] {
        let status = chain.status(&Ask::get(path).cookie(cookie))?;
        if !passed(status) {
            return Err(Not::Right(format!("{path}: {status}")));
        }
    }
    if identity::arrives(chain).is_ok()
        && let Ok(Some(reached)) = chain.reached(&Ask::get(path).cookie(chain.session.cookie()))
    {
        let valid: Vec<_> = reached.all("x-session-valid").collect();
        if valid != ["true"] {
            return Err(Not::Right(format!("{path}: X-Session-Valid: {:?} with a session", valid.join(", "))));
        }
    }
    Ok("200".to_owned())
}

fn preflight_lines(ask: Ask) -> Ask {
    ask.with("Origin: https://elsewhere.example").with("Access-Control-Request-Method: PUT")
}

/// Other ways to write a path.
fn spellings(path: &str) -> Vec<String> {
    let rest = path.trim_start_matches('/');
    let mut all = vec![format!("/{path}"), format!("/.{path}"), format!("/x/..{path}"), format!("/x/%2e%2e{path}")];
    if let Some(first) = rest.bytes().next() {
        all.push(format!("/%{first:02x}{}", &rest[1..]));
        all.extend([format!("{path}/"), format!("{path}/."), format!("{path}//"), format!("{path}/x/..")]);
    }
    for name in ["optional", "public", "open"] {
        all.push(format!("/policy/{name}/../..{path}"));
        all.push(format!("/policy/{name}/%2e%2e/%2e%2e{path}"));
    }
    all
}

/// Ways out of an open path into a guarded one.
fn beyond(open: &str, guarded: &str) -> Vec<String> {
    ["/..", "/%2e%2e", "%2f.."].iter().map(|up| format!("{}{up}{guarded}", open.trim_end_matches('/'))).collect()
}

/// The same, for applications with ideas of their own.
fn like(open: &str, guarded: &str) -> Vec<String> {
    let open = open.trim_end_matches('/');
    ["/..;", "/..%3b", "/..\\..", "/..%5c.."].iter().map(|up| format!("{open}{up}{guarded}")).collect()
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

const QUERIES: &[&str] = &[
    "page=2",
    "optional=true",
    "role=",
    "anonymous=true",
    "realm=other",
    "policy=optional",
    "stale_roles=true",
    "csrf=none",
    "max_age=999999999",
    "aal=0",
    "/../policy/optional/",
];
const NOT_POSTED: &str = "note: without a token 403; with one it was not tried, since no echo answers there";
const FORWARDED_METHOD: [&str; 3] = ["X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override"];
