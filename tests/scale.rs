//! What replicas cost each other, as many as there may be: the real protocol over the real merging of facts, with
//! simulated links and clocks. It makes the tables of `src/manual/scale.md`, and holds the page against what it makes.
//!
//! `cargo test --test scale` looks at the lines that are quickly made. All of them are made by
//! `SEALPASS_SCALE=print cargo test --release --test scale -- --nocapture`, and written into the page with `write` in
//! place of `print`.

#[path = "scale/late.rs"]
mod late;
#[path = "scale/page.rs"]
mod page;
#[path = "scale/paper.rs"]
mod paper;
#[path = "scale/steady.rs"]
mod steady;
#[path = "scale/store.rs"]
mod store;
#[path = "scale/traffic.rs"]
mod traffic;
#[path = "scale/world.rs"]
mod world;

use std::fs;
use std::sync::Mutex;

use page::{Row, Table, tables};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/scale.md");

#[test]
fn the_page_says_what_the_simulation_does() {
    let page = fs::read_to_string(PAGE).expect("the page");
    match std::env::var("SEALPASS_SCALE").as_deref() {
        Ok("print") => drop(made(false)),
        Ok("write") => {
            let written = made(false).iter().fold(page, |page, (table, rows)| table.written(&page, rows));
            fs::write(PAGE, written).expect("writable");
        }
        _ => made(true).iter().for_each(|(table, rows)| hold(table, &table.read(&page), rows)),
    }
}

/// Each of the made lines is in the page, and says nearly the same.
fn hold(table: &Table, page: &[Row], made: &[Row]) {
    for row in made {
        let there = page.iter().find(|other| other.what == row.what);
        let there = there.unwrap_or_else(|| panic!("{}: no line of {:?}", table.name, row.what));
        assert_eq!(there.figures.len(), row.figures.len(), "{}: {:?}", table.name, row.what);
        for (said, is) in there.figures.iter().zip(&row.figures) {
            let near = (said - is).abs() <= SLACK * is.abs() + LEAST;
            assert!(near, "{}: {:?} says {said}, and {is} is made; write the page anew", table.name, row.what);
        }
    }
}

/// All tables, those that take longest first.
fn made(quickly: bool) -> Vec<(Table, Vec<Row>)> {
    let tables = Mutex::new(tables().into_iter().enumerate().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, table)) = next(&tables) {
            let rows: Vec<_> = table.rows(quickly).collect();
            println!("{}\n{}", table.name, table.text(&rows));
            done.lock().expect("no panics with it").push((at, table, rows));
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let mut done = done.into_inner().expect("no panics with it");
    done.sort_by_key(|(at, ..)| *at);
    done.into_iter().map(|(_, table, rows)| (table, rows)).collect()
}

fn next(tables: &Mutex<Vec<(usize, Table)>>) -> Option<(usize, Table)> {
    let mut tables = tables.lock().expect("no panics with it");
    if tables.is_empty() { None } else { Some(tables.remove(0)) }
}

/// How far a figure of the page may be off: by so much of it, and by what its spelling leaves out.
const SLACK: f64 = 0.1;
const LEAST: f64 = 0.05;
