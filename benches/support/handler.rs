//! A bare handler of actix-web that answers with the headers of a verify answer, made beforehand: what HTTP itself costs.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};

/// Lets it answer every request.
pub fn routes(app: &mut web::ServiceConfig) {
    app.app_data(web::Data::new(headers())).default_service(web::to(answer));
}

fn headers() -> Vec<(HeaderName, HeaderValue)> {
    let headers = [
        ("cache-control", "no-store"),
        ("x-session-valid", "true"),
        ("x-session-subject", "alice.smith"),
        ("x-session-id", "NJ0Zy-RXYqvoVWlYaDlAaw"),
        ("x-session-roles", "editor,billing"),
        ("x-session-auth-time", "1795636628"),
        ("x-session-started", "1795636628"),
        ("x-session-amr", "pwd"),
        ("x-session-aal", ""),
        ("x-session-expires", "1795679828"),
        ("x-session-fresh", "true"),
        ("x-session-anonymous", "false"),
        ("x-session-realm", "default"),
        ("x-session-data", ""),
        ("x-session-reason", ""),
        ("x-session-csrf", ""),
    ];
    headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).to_vec()
}

async fn answer(headers: web::Data<Vec<(HeaderName, HeaderValue)>>) -> HttpResponse {
    let mut response = HttpResponse::new(actix_web::http::StatusCode::OK);
    for (name, value) in headers.iter() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
