//! One call about many names, with a result for each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::http::answer::{Problem, json as json_answer};
use crate::http::answered::{AllBecame, Became, Fate};
use crate::http::patience::{Patience, Reached};
use crate::http::{Service, problems};
use crate::sessions::Pending;

/// Most names in one call.
pub const MAX_ITEMS: usize = 500;

/// Does `act` to the one name that was given, or to [`each`] of the list: to exactly one of both.
pub async fn one_or_each(
    service: &Service,
    patience: Patience,
    kind: Names,
    name: Option<&str>,
    names: Option<&[String]>,
    act: impl AsyncFn(&str) -> Result<Pending<()>, Problem>,
) -> Result<HttpResponse, Problem> {
    match (name, names) {
        (Some(name), None) => patience.acknowledged(service, act(name).await).await,
        (None, Some(names)) => each(service, patience, kind, names, act).await,
        _ => Err(problems::one_of(&format!("{} and {}", kind.one, kind.list))),
    }
}

/// What a call about one name or many calls them.
#[derive(Clone, Copy)]
pub struct Names {
    /// The field of one name.
    pub one: &'static str,
    /// The field of many.
    pub list: &'static str,
    /// What becomes of each.
    pub done: Fate,
}

/// Does `act` to each name of the list, and answers when all is kept: what became of each, in their order. The status
/// is that of the worst, and among other replicas 202 if all were done and one did not come as far as was asked for in
/// time.
async fn each(
    service: &Service,
    patience: Patience,
    kind: Names,
    names: &[String],
    act: impl AsyncFn(&str) -> Result<Pending<()>, Problem>,
) -> Result<HttpResponse, Problem> {
    check_count(kind.list, names.len())?;
    // All of them first, so that they are kept together.
    let mut begun = Vec::with_capacity(names.len());
    for name in names {
        begun.push(act(name).await);
    }
    let (mut results, mut worst, mut all) = (Vec::with_capacity(names.len()), StatusCode::OK, None::<Reached>);
    for (name, begun) in names.iter().zip(begun) {
        let reached = match begun {
            Ok(pending) => patience.reached(service, pending).await,
            Err(problem) => Err(problem),
        };
        results.push(match reached {
            Ok(reached) => {
                all = all.map_or(reached, |all| Some(reached.map_or(all, |reached| all.and(reached))));
                worst = worst.max(reached.map_or(StatusCode::OK, Reached::status));
                Became::new(kind.one, name, Ok(kind.done))
            }
            Err(problem) => {
                worst = worst.max(problem.status());
                Became::new(kind.one, name, Err(problem))
            }
        });
    }
    Ok(json_answer(worst, &AllBecame::new(all.map(|all| patience.told(all)).as_ref(), results)))
}

/// Refuses a list that is too long, whole.
pub fn check_count(list: &'static str, found: usize) -> Result<(), Problem> {
    if found > MAX_ITEMS { Err(problems::too_many(list, MAX_ITEMS, found)) } else { Ok(()) }
}
