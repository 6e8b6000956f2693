//! The console: a page for operators at `/console` on the control listener, and the files that it is made of.
//!
//! It holds no data and needs no credential: whoever opens it gives one to the page, which keeps it in memory and makes
//! the calls of the control API with it, as any other client does. So there is nothing here that a browser sends by
//! itself, and nothing that another site could make it do.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::answer::close_if_more_follows;
use super::{Service, problems};

/// The paths.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/console", web::get().to(serve))
        .route("/console", web::head().to(serve))
        .route("/console/{file}", web::get().to(serve))
        .route("/console/{file}", web::head().to(serve));
}

/// A configuration without it looks as if there were no such path.
async fn serve(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let file = FILES.iter().find(|(path, ..)| service.console && *path == request.path());
    let mut response = file.map_or_else(|| problems::unknown_path().into(), |(_, kind, text)| answer(kind, text));
    close_if_more_follows(request.headers(), &mut response);
    response
}

fn answer(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponseBuilder::new(StatusCode::OK)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_SECURITY_POLICY, CSP))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CROSS_ORIGIN_OPENER_POLICY.clone(), "same-origin"))
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY.clone(), "same-origin"))
        .body(text)
}

/// Nothing but these files, no inline script or style, and no text that is taken for markup.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                   require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, kind, text.
const FILES: [(&str, &str, &str); 12] = [
    ("/console", HTML, include_str!("console/index.html")),
    ("/console/style.css", CSS, include_str!("console/style.css")),
    ("/console/icon.svg", SVG, include_str!("console/icon.svg")),
    ("/console/main.js", SCRIPT, include_str!("console/main.js")),
    ("/console/api.js", SCRIPT, include_str!("console/api.js")),
    ("/console/dom.js", SCRIPT, include_str!("console/dom.js")),
    ("/console/time.js", SCRIPT, include_str!("console/time.js")),
    ("/console/keys.js", SCRIPT, include_str!("console/keys.js")),
    ("/console/timeline.js", SCRIPT, include_str!("console/timeline.js")),
    ("/console/load.js", SCRIPT, include_str!("console/load.js")),
    ("/console/panels.js", SCRIPT, include_str!("console/panels.js")),
    ("/console/actions.js", SCRIPT, include_str!("console/actions.js")),
];

static CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
