//! One call about many names, with a result for each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::http::answer::{Problem, json as json_answer};
use crate::http::call::settled;
use crate::http::problems;
use crate::sessions::Pending;

/// Most names in one call.
pub const MAX_ITEMS: usize = 500;

/// Does `act` to each name of the list, and answers when all is kept: what became of each, in their order, under `one`. The
/// status is 200 if all were done, else that of the worst.
pub async fn each(
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

/// Refuses a list that is too long, whole.
pub fn check_count(list: &'static str, found: usize) -> Result<(), Problem> {
    if found > MAX_ITEMS { Err(problems::too_many(list, MAX_ITEMS, found)) } else { Ok(()) }
}
