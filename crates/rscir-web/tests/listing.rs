//! Tiles are listed before anything is asked.

mod common;

use common::{Asked, ROWS, corner, key};
use serde_json::{Value, json};

fn rows(answer: &Value) -> Vec<usize> {
    answer["tiles"].as_array().unwrap().iter().map(|tile| tile["row"].as_u64().unwrap() as usize).collect()
}

#[test]
fn tiles_are_spread_evenly_over_the_rows_that_are_left() {
    let asked = Asked::plain();
    let all = asked.get("/api/tiles?top=4").json();
    assert_eq!(rows(&all), [0, ROWS / 4, ROWS / 2, 3 * ROWS / 4]);
    assert_eq!((&all["rows"], &all["matching"]), (&json!(ROWS), &json!(ROWS)));

    let left: Vec<usize> = (0..ROWS)
        .filter(|&row| corner(row).is_some_and(|[x, y]| (2.0..=17.0).contains(&x) && y <= 8.0))
        .collect();
    let within = asked.get("/api/tiles?within=2.5,-1,17.5,8.5&top=1000").json();
    let search = json!({ "parts": [{ "text": "sea" }], "within": [2.5, -1.0, 17.5, 8.5], "top": 1000 });
    let mut found = asked.search(search).rows();
    found.sort_unstable();
    assert!(!left.is_empty() && rows(&within) == found, "{left:?}\n{within}");
    let few = rows(&asked.get("/api/tiles?within=2.5,-1,17.5,8.5&top=3").json());
    assert_eq!(few, [0, 1, 2].map(|i| found[i * found.len() / 3]));

    let seas = asked.get("/api/tiles?where=label%20%3D%20sea&top=1000").json();
    let tiles = seas["tiles"].as_array().unwrap();
    assert!(!tiles.is_empty() && tiles.iter().all(|tile| tile["columns"]["label"] == "sea"));
    assert_eq!(seas["matching"], tiles.len());
    assert_eq!(rows(&asked.get("/api/tiles?top=0").json()), [0; 0]);
}

#[test]
fn a_tile_is_found_by_its_key() {
    let asked = Asked::plain();
    let encoded: String = key(7).bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = asked.get(&format!("/api/tiles?key={encoded}")).json();
    assert_eq!(rows(&answer), [7]);
    assert_eq!(answer["tiles"][0]["key"], key(7));
    let hit = &asked.search(json!({ "parts": [{ "text": "sea" }], "top": 1000 })).json()["hits"];
    let hit = hit.as_array().unwrap().iter().find(|hit| hit["row"] == 7).unwrap().clone();
    for field in ["picture", "columns", "rings"] {
        assert_eq!(answer["tiles"][0][field], hit[field], "{field}");
    }
}

#[test]
fn a_listing_that_makes_no_sense_is_refused_with_its_place() {
    let asked = Asked::plain();
    for (address, kind, field) in [
        ("/api/tiles?key=nothing", "no_such_key", Some("key")),
        ("/api/tiles?within=1,2,3", "bad_field", Some("within")),
        ("/api/tiles?within=1,2,3,NaN", "bad_field", Some("within")),
        ("/api/tiles?within=0,9,1,8", "bad_field", Some("within")),
        ("/api/tiles?where=label%20%3D", "bad_field", Some("where")),
        ("/api/tiles?where=no_such%20%3D%201", "bad_field", Some("where")),
        ("/api/tiles?top=1001", "bad_field", Some("top")),
        ("/api/tiles?top=-1", "bad_request", None),
        ("/api/tiles?path=/etc/passwd", "bad_request", None),
    ] {
        let answer = asked.get(address);
        assert_eq!(answer.error(), (kind.into(), field.map(String::from)), "{address}");
    }
}
