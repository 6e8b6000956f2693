//! Every check there is, in the order in which they run. What one needs to mean anything is said by another one's
//! finding.

mod app;
mod cookies;
mod denials;
mod endings;
mod identity;
mod policies;
mod renewal;
mod surroundings;

use super::chain::Chain;
use super::report::{Found, Not};

/// One thing that has to hold.
pub struct Check {
    /// Its name, for good.
    pub id: &'static str,
    /// What has to hold.
    pub what: &'static str,
    pub run: fn(&Chain) -> Found,
}

const fn check(id: &'static str, what: &'static str, run: fn(&Chain) -> Found) -> Check {
    Check { id, what, run }
}

pub const CHECKS: &[Check] = &[
    check("session-passes", "a session's cookie reaches Sealpass, and passes", denials::session_passes),
    check("no-cookie-denied", "without a cookie: 401", denials::no_cookie),
    check("answers-not-shared", "no answer to one is given to another", endings::not_shared),
    check("denial-not-cached", "a denial says Cache-Control: no-store", denials::not_cached),
    check("tampered-denied", "a cookie that was tampered with is none", denials::tampered),
    check("methods-denied", "every method is judged alike", denials::methods),
    check("upgrade-denied", "a WebSocket needs a session too", denials::upgrade),
    check("announced-body", "a body that is announced and never sent holds nothing up", denials::announced_body),
    check("query-cannot-soften", "a client's query changes no decision", policies::query),
    check("path-cannot-soften", "no spelling of a path changes a decision", policies::path),
    check("path-lookalikes", "no path passes that an application may take for another", policies::lookalikes),
    check("role-demanded", "a session without the role: 403", policies::role),
    check("csrf-demanded", "what may change something needs a CSRF token", policies::csrf),
    check("method-not-believed", "a client's word on its method is not taken", policies::method_not_believed),
    check("preflight", "a CORS preflight passes where it may, and only there", policies::preflight),
    check("page-redirect", "a page sends browsers on to the login page, and nowhere else", policies::page),
    check("optional-passes", "an optional path lets everybody in, and says who it is", policies::optional),
    check("identity-arrives", "the application is told who it is", identity::arrives),
    check("identity-not-removed", "a client can't have identity headers taken out", identity::not_removed),
    check("forged-identity", "identity headers of a client don't get through", identity::forged),
    check("forged-underscores", "headers of look-alike names don't get through", identity::underscores),
    check(
        "forged-optional",
        "identity headers of a client don't get through on optional paths",
        identity::forged_optional,
    ),
    check(
        "forged-session-path",
        "identity headers of a client don't get through where sessions begin",
        identity::forged_session_path,
    ),
    check("non-ascii-subject", "a subject of any language arrives as it was sent", identity::non_ascii),
    check("cookie-kept-from-app", "the application does not get the session's cookie", cookies::kept_from_app),
    check("other-cookies-arrive", "it gets all other cookies", cookies::others_arrive),
    check("client-forwarded", "a client's X-Forwarded-… headers don't get through", app::client_forwarded),
    check("large-session", "the largest session passes", cookies::large_session),
    check("foreign-cookies", "many cookies of others break nothing", cookies::foreign),
    check("renewal-arrives", "a renewed cookie reaches the browser", renewal::arrives),
    check("renew-path", "POST /renew is answered by Sealpass, to its own pages alone", renewal::renew_path),
    check("cookie-attributes", "cookies come with the attributes that they were given", renewal::attributes),
    check("app-cookies-arrive", "cookies that the application sets reach the browser", cookies::of_app),
    check("logout-by-api", "an ending counts at once", endings::by_api),
    check("logout-by-browser", "POST /logout ends the session and clears the cookie", endings::by_browser),
    check("verify-hidden", "what the proxy asks Sealpass is not for clients", surroundings::verify_hidden),
    check("control-hidden", "the control listener is not for clients", surroundings::control_hidden),
    check("app-behind-proxy", "the application is not reachable around the proxy", surroundings::direct),
    check("tls", "the certificate is good", surroundings::tls),
    check("plain-http", "nothing is served without TLS", surroundings::plain_http),
    check("clocks", "clocks agree", surroundings::clocks),
];

/// What was given on the command line, or that it was not.
fn given<'a>(path: Option<&'a String>, option: &str) -> Result<&'a str, Not> {
    path.map(String::as_str).ok_or_else(|| Not::Checked(format!("give {option}")))
}
