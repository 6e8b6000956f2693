//! `/v1/cluster`: operators look at the fleet as this replica sees it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::answer::{close_if_more_follows, json};
use super::super::call::authenticate;
use super::super::credentials::Scope;
use super::super::{Service, problems};

/// Whatever state it is in, it tells.
pub async fn report(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let mut response = match authenticate(&service, &request) {
        Ok(grant) if grant.has(Scope::Admin) => json(StatusCode::OK, &service.report()),
        Ok(_) => problems::scope(Scope::Admin).into(),
        Err(response) => response,
    };
    close_if_more_follows(request.headers(), &mut response);
    response
}
