//! One call about many names, with a result for each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::http::answer::{Problem, empty, json as json_answer};
use crate::http::call::settled;
use crate::http::problems;
use crate::sessions::Pending;

/// Most names in one call.
pub const MAX_ITEMS: usize = 500;

/// Does `act` to each name of the list, and answers when all is kept: what became of each, in their order, under `one`. The
/// status is 200 if all were done, else that of the worst.
async fn each(
    one: &'static str,
    list: &'static str,
    done: &'static str,
    names: &[String],
    act: impl Fn(&str) -> Result<Pending<()>, Problem>,
) -> Result<HttpResponse, Problem> {
    check_count(list, names.len())?;
    // All of them first, so that they are kept together.
    let begun: Vec<_> = names.iter().map(|name| act(name)).collect();
    let (mut results, mut worst) = (Vec::with_capacity(names.len()), StatusCode::OK);
    for (name, begun) in names.iter().zip(begun) {
        let mut result = Map::new();
        result.insert(one.to_owned(), name.as_str().into());
        match settled(begun).await {
            Ok(()) => drop(result.insert("result".to_owned(), done.into())),
            Err(problem) => {
                worst = worst.max(problem.status());
                result.insert("result".to_owned(), "failed".into());
                result.insert("problem".to_owned(), json!(problem));
            }
        }
        results.push(Value::Object(result));
    }
    Ok(json_answer(worst, &json!({"results": results})))
}

/// Does `act` to the one name that was given, or to [`each`] of the list: to exactly one of both.
pub async fn one_or_each(
    one: &'static str,
    list: &'static str,
    done: &'static str,
    name: Option<&str>,
    names: Option<&[String]>,
    act: impl Fn(&str) -> Result<Pending<()>, Problem>,
) -> Result<HttpResponse, Problem> {
    match (name, names) {
        (Some(name), None) => settled(act(name).map(no_content)).await,
        (None, Some(names)) => each(one, list, done, names, act).await,
        _ => Err(problems::one_of(&format!("{one} and {list}"))),
    }
}

/// Done, and nothing to say of it.
pub fn no_content(done: Pending<()>) -> Pending<HttpResponse> {
    done.map(|()| empty(StatusCode::NO_CONTENT))
}

/// Refuses a list that is too long, whole.
pub fn check_count(list: &'static str, found: usize) -> Result<(), Problem> {
    if found > MAX_ITEMS { Err(problems::too_many(list, MAX_ITEMS, found)) } else { Ok(()) }
}
