//! The running service over real sockets, as a stranger meets it: odd requests byte by byte, ordinary ones through an
//! ordinary client. The clock is the test's own, so nothing here waits for time to pass.
//!
//! The binary and its output are in `tests/cli.rs`.

#[path = "service/audit.rs"]
mod audit;
#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "service/console.rs"]
mod console;
#[path = "service/control.rs"]
mod control;
#[path = "service/cookies.rs"]
mod cookies;
#[path = "service/credentials.rs"]
mod credentials;
#[path = "service/csrf.rs"]
mod csrf;
#[path = "service/endings.rs"]
mod endings;
#[path = "service/explain.rs"]
mod explain;
#[path = "service/life.rs"]
mod life;
#[path = "service/login.rs"]
mod login;
#[path = "service/logout.rs"]
mod logout;
#[path = "service/preflight.rs"]
mod preflight;
#[path = "service/realms.rs"]
mod realms;
#[path = "service/requests.rs"]
mod requests;
#[path = "service/routes.rs"]
mod routes;
#[path = "service/spread.rs"]
mod spread;
#[path = "service/standing.rs"]
mod standing;
#[path = "service/transport.rs"]
mod transport;
#[path = "service/views.rs"]
mod views;
