//! `/v1/keys`: operators look at the ring and rotate, postpone, revoke, destroy, replace.
//!
//! Keys are every realm's, so these calls need a credential with the scope `admin` and all realms.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;

use super::answer::{Problem, close_if_more_follows, json};
use super::call::{authenticate, call_if};
use super::credentials::{Grant, Scope};
use super::{Service, problems};
use crate::clock::Timestamp;
use crate::custody::{
    AskedOfKey, AskedPostpone, AskedReplace, AskedRotate, Custodian, CustodyError, Patience, Receipt, Task,
};

/// The paths.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/v1/keys", web::get().to(report))
        .route("/v1/keys/rotate", web::post().to(rotate))
        .route("/v1/keys/postpone", web::post().to(postpone))
        .route("/v1/keys/revoke", web::post().to(revoke))
        .route("/v1/keys/destroy", web::post().to(destroy))
        .route("/v1/keys/replace-ring", web::post().to(replace));
}

async fn report(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let mut response = match authenticate(&service, &request).map(|grant| operator(&grant)) {
        Ok(Ok(())) => match in_custody(&service, |custodian| custodian.report()).await {
            Ok(report) => json(StatusCode::OK, &report),
            Err(problem) => problem.into(),
        },
        Ok(Err(problem)) => problem.into(),
        Err(response) => response,
    };
    close_if_more_follows(request.headers(), &mut response);
    response
}

async fn rotate(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    ordered(&service, &request, body, |asked: AskedRotate| Ok((asked.task(), asked.dry_run, asked.patience()))).await
}

async fn postpone(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    ordered(&service, &request, body, |asked: AskedPostpone| {
        let until = Timestamp::parse_rfc3339(&asked.until);
        let until = until.ok_or_else(|| problems::unusable("until", "is not a time as RFC 3339 spells it"))?;
        Ok((Task::postpone(until), asked.dry_run, asked.patience()))
    })
    .await
}

async fn revoke(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    ordered(&service, &request, body, |asked: AskedOfKey| {
        if asked.force {
            return Err(problems::unusable("force", "is not for revoking, which ends sessions anyway"));
        }
        Ok((Task::revoke(&asked.key).ok_or_else(no_key_id)?, asked.dry_run, asked.patience()))
    })
    .await
}

async fn destroy(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    ordered(&service, &request, body, |asked: AskedOfKey| {
        Ok((Task::destroy(&asked.key, asked.force).ok_or_else(no_key_id)?, asked.dry_run, asked.patience()))
    })
    .await
}

async fn replace(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    ordered(&service, &request, body, |asked: AskedReplace| Ok((Task::ReplaceRing, asked.dry_run, asked.patience())))
        .await
}

/// What to do, whether only to say what that would come to, and how long to wait for other replicas unless that is too
/// long.
type Ordered = (Task, bool, Option<Patience>);

async fn ordered<T: DeserializeOwned>(
    service: &Service,
    request: &HttpRequest,
    body: web::Payload,
    task: impl FnOnce(T) -> Result<Ordered, Problem>,
) -> HttpResponse {
    call_if(operator, MAX_BODY, service, request, body, async |grant: &Grant, asked: T| {
        let (task, dry_run, patience) = task(asked)?;
        let patience = patience.ok_or_else(|| problems::unusable("timeout_ms", "is over 30,000, the most there is"))?;
        carry_out(service, grant, task, dry_run, patience).await
    })
    .await
}

async fn carry_out(
    service: &Service,
    grant: &Grant,
    task: Task,
    dry_run: bool,
    patience: Patience,
) -> Result<HttpResponse, Problem> {
    let receipt = in_custody(service, move |custodian| custodian.carry_out_among(task, dry_run, patience)).await?;
    if receipt.changed && !dry_run {
        let Receipt { outcome, key, .. } = &receipt;
        tracing::warn!(%outcome, %key, by = %grant.name, "the key ring was changed");
    }
    let under_way = receipt.among.is_some_and(|among| !among.reached);
    Ok(json(if under_way { StatusCode::ACCEPTED } else { StatusCode::OK }, &receipt))
}

/// Files are read and written there: away from the threads that answer requests.
async fn in_custody<T: Send + 'static>(
    service: &Service,
    then: impl FnOnce(&dyn Custodian) -> Result<T, CustodyError> + Send + 'static,
) -> Result<T, Problem> {
    let custodian = Arc::clone(&service.custodian);
    let done = web::block(move || then(&*custodian)).await;
    done.map_err(|_| problems::of_custody(&CustodyError::Unavailable("the service is stopping".to_owned())))?
        .map_err(|error| problems::of_custody(&error))
}

fn operator(grant: &Grant) -> Result<(), Problem> {
    match (grant.has(Scope::Admin), grant.covers_all()) {
        (false, _) => Err(problems::scope(Scope::Admin)),
        (_, false) => Err(problems::all_realms()),
        _ => Ok(()),
    }
}

fn no_key_id() -> Problem {
    problems::unusable("key", "is not a key id, which has 8 hexadecimal digits")
}

/// Largest body of a call.
const MAX_BODY: usize = 4 << 10;
