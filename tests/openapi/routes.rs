//! Which calls there are: as the sources route them, as the description has them, as the running service knows them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::Server;
use super::common::{Connection, head};

/// Such as `("POST", "/v1/sessions")`.
type Route = (String, String);

#[test]
fn it_has_every_route_and_no_other() {
    let server = Server::plain();
    let described = described(&serde_json::from_str(&super::served(&server)).expect("JSON"));
    assert_eq!(described, routed());
    for (method, path) in described {
        let mut connection = Connection::open(server.control);
        connection.send(&head(&method, &path, &[]));
        let known = connection.answer();
        assert_eq!(known.status, 401, "{method} {path}: the listener does not know it");
    }
}

fn described(document: &Value) -> BTreeSet<Route> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("operations").keys();
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// What the sources of the listeners route. Everything is routed in one way, so that it can be found; the public
/// listener has a single function for all.
fn routed() -> BTreeSet<Route> {
    let mut sources = Vec::new();
    collect(Path::new("src/http"), &mut sources);
    let mut routes = BTreeSet::new();
    for source in sources {
        for other in ["web::resource", "web::scope", ".service(", "#[get(", "#[post("] {
            assert!(!source.contains(other), "{other}: this test would not see the route");
        }
        for call in source.split(".route(").skip(1) {
            let path = call.split('"').nth(1).expect("a path");
            let method = call.split_once("web::").expect("a method").1.split('(').next().expect("a method");
            routes.insert((method.to_uppercase(), path.to_owned()));
        }
    }
    // A page for people, and no call of the API: it needs no credential, and a client has no use for it.
    routes.retain(|(_, path)| !path.starts_with("/console"));
    routes
}

fn collect(dir: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(&path).expect("readable"));
        }
    }
}
