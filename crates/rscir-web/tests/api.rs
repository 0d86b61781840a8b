//! The API gives the library's answers.

mod common;

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use common::{Asked, Bytes, DIM, ROWS, Squares, archive, corner, key, png};
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Fingerprint, Precision, SinkRow, UnitVector};
use rscir_core::{TextEncoder, testing::unit_rows};
use rscir_index::{ArchiveWriter, DiskArchive, Filter, SearchOptions, search_with};
use rscir_web::{App, Options};
use rscir_weicom::{MethodSpec, Resources};
use serde_json::{Value, json};

fn text(text: &str) -> UnitVector {
    Bytes::new().encode_texts(&[text]).unwrap().vector(0)
}

/// A query of the tile of row 3, a text and one to leave out.
fn composed(archive: &dyn Archive) -> ComposedQuery {
    let query = ComposedQuery::new(archive.spec().clone());
    let query = query.and_image(archive.unit_vector(&key(3)).unwrap(), 1.0).unwrap().with_image_key(key(3));
    let query = query.and_text(text("at night"), 2.0).unwrap().and_text(text("cars"), -1.0).unwrap();
    query.with_words("at night")
}

fn parts() -> Value {
    json!([{ "key": key(3) }, { "text": "at night", "weight": 2.0 }, { "without": "cars" }])
}

#[test]
fn rankings_and_scores_are_those_of_the_library_for_every_lambda() {
    let (asked, archive) = (Asked::plain(), archive());
    let query = composed(&archive);
    for lambda in [0.0, 0.1, 0.3, 0.5, 0.77, 1.0] {
        let method = rscir_weicom::WeiCom::new(lambda).unwrap();
        let options = SearchOptions::top(60).exclude_query(true);
        let hits = search_with(&archive, &method, &query, &options).unwrap();
        let answer = asked.search(json!({ "parts": parts(), "lambda": lambda, "top": 60 }));
        let json = answer.json();
        assert_eq!(answer.rows(), hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), "{lambda}");
        for (hit, answered) in hits.iter().zip(json["hits"].as_array().unwrap()) {
            assert_eq!(answered["score"].as_f64().unwrap() as f32, hit.score);
            assert_eq!(answered["key"], hit.key.as_str());
            let similarity = answered["text"]["similarity"].as_f64().unwrap();
            assert!((similarity - f64::from(hit.text.unwrap().similarity)).abs() < 1e-6);
        }
        assert_eq!(
            (json["lambda"].as_f64(), json["matching"].as_u64()),
            (Some(lambda), Some(ROWS as u64 - 1))
        );
    }
}

#[test]
fn every_method_that_is_offered_ranks_as_in_the_library() {
    let (asked, archive) = (Asked::plain(), archive());
    let query = composed(&archive);
    let offered = asked.get("/api/archive").json()["methods"].clone();
    let offered: Vec<String> = serde_json::from_value(offered).unwrap();
    assert!(offered.len() >= 12 && !offered.contains(&"freedom".to_string()), "{offered:?}");
    for name in offered.iter().map(String::as_str).chain(["weicom:auto", "rrf:k=20", "min:norm=minmax"]) {
        let method = name.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap();
        let hits =
            search_with(&archive, &*method, &query, &SearchOptions::top(20).exclude_query(true)).unwrap();
        // Twice: from the cache as well.
        for _ in 0..2 {
            let answer = asked.search(json!({ "parts": parts(), "method": name, "top": 20 }));
            assert_eq!(answer.rows(), hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn methods_are_described_and_those_with_a_weight_take_it() {
    let asked = Asked::plain();
    let json = asked.get("/api/archive").json();
    let notes = json["method_notes"].as_array().unwrap();
    let names: Vec<&str> = notes.iter().map(|note| note["method"].as_str().unwrap()).collect();
    // Those that are offered, and the one that finds its weight.
    assert!(json["methods"].as_array().unwrap().iter().all(|name| names.contains(&name.as_str().unwrap())));
    assert!(names.contains(&"weicom:auto") && names.len() == json["methods"].as_array().unwrap().len() + 1);
    for note in notes {
        let (method, weighs) = (note["method"].as_str().unwrap(), note["lambda"].as_bool().unwrap());
        assert!(note["does"].as_str().unwrap().ends_with('.'), "{note}");
        assert_eq!(weighs, ["weicom", "conjunction", "posterior"].contains(&method), "{method}");
        let method = format!("{method}:lambda=0.9");
        let answer = asked.search(json!({ "parts": parts(), "method": method }));
        assert_eq!(answer.status.as_u16(), if weighs { 200 } else { 400 }, "{method}");
    }
}

#[test]
fn filters_bounds_and_pages_leave_the_rows_that_they_should_in_their_order() {
    let (asked, archive) = (Asked::plain(), archive());
    let filter = Filter::parse("label = sea and cloud < 0.8").unwrap();
    let is_in = |row: usize| corner(row).is_some_and(|[x, y]| (2.0..=17.0).contains(&x) && y <= 8.0);
    let options = SearchOptions::top(ROWS).matching(&filter).filter(&is_in).exclude_query(true);
    let hits =
        search_with(&archive, &rscir_weicom::WeiCom::default(), &composed(&archive), &options).unwrap();
    let expected: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
    assert!(expected.len() > 10);
    let mut rows = Vec::new();
    for offset in (0..).step_by(7).take_while(|offset| *offset < expected.len()) {
        let answer = asked.search(json!({
            "parts": parts(), "where": "label = sea and cloud < 0.8", "within": [2.0, 0.0, 17.0, 8.0], "top": 7, "offset": offset
        }));
        let json = answer.json();
        assert_eq!(json["matching"].as_u64(), Some(expected.len() as u64));
        assert_eq!(json["hits"][0]["rank"].as_u64(), Some(offset as u64 + 1));
        rows.extend(answer.rows());
    }
    assert_eq!(rows, expected);
    let none = asked.search(json!({ "parts": parts(), "where": "cloud > 2" }));
    assert_eq!((none.rows(), none.json()["matching"].as_u64()), (vec![], Some(0)));
}

#[test]
fn an_answer_says_of_each_tile_what_it_is_and_why_it_is_there() {
    let asked = Asked::plain();
    let json = asked.search(json!({ "parts": parts(), "where": "label = forest", "top": 5 })).json();
    for part in ["image", "text"] {
        let distribution = &json["distributions"][part];
        let counts: Vec<u64> = serde_json::from_value(distribution["counts"].clone()).unwrap();
        // Of the whole archive, whatever the filter.
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (64, ROWS as u64));
        for hit in json["hits"].as_array().unwrap() {
            let (similarity, cdf) =
                (hit[part]["similarity"].as_f64().unwrap(), hit[part]["cdf"].as_f64().unwrap());
            let z = (similarity - distribution["mean"].as_f64().unwrap())
                / distribution["std_dev"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&cdf) && (cdf > 0.5) == (z > 0.0), "{cdf} {z}");
        }
    }
    let hit = &json["hits"][0];
    let row = hit["row"].as_u64().unwrap() as usize;
    assert_eq!(hit["columns"]["label"], "forest");
    assert_eq!(hit["rings"].as_array().unwrap().len(), usize::from(corner(row).is_some()));
    assert_eq!(hit["picture"], format!("/api/tiles/{row}?version={}", json["version"].as_str().unwrap()));
    assert_eq!(json["notes"], json!(["Tiles that were asked with are left out: 1."]));
}

#[test]
fn one_kind_of_part_is_ranked_by_itself_and_that_is_said() {
    let (asked, archive) = (Asked::plain(), archive());
    let query = ComposedQuery::new(archive.spec().clone()).with_text(text("sea")).unwrap();
    let hits = search_with(&archive, &rscir_weicom::TextOnly, &query, &SearchOptions::top(9)).unwrap();
    let answer = asked.search(json!({ "parts": [{ "text": "sea" }], "lambda": 0.2, "top": 9 }));
    assert_eq!(answer.rows(), hits.iter().map(|hit| hit.row).collect::<Vec<_>>());
    let json = answer.json();
    assert_eq!((json["method"].as_str(), &json["lambda"]), (Some("text"), &Value::Null));
    assert!(json["notes"][0].as_str().unwrap().contains("no image to weigh"));
    assert_eq!((&json["distributions"]["image"], &json["hits"][0]["image"]), (&Value::Null, &Value::Null));
}

#[test]
fn an_image_that_was_sent_once_is_asked_with_by_its_id() {
    let asked = Asked::plain();
    let image = png(30, 20, [9, 80, 120]);
    let sent =
        asked.form(&json!({ "parts": [{ "image": "photo" }, { "text": "sea" }] }), &[("photo", &image)]);
    let json = sent.json();
    let id = json["images"][0]["id"].as_str().unwrap();
    assert_eq!(json["images"][0], json!({ "part": 0, "id": id, "width": 30, "height": 20 }));
    let again = asked.search(json!({ "parts": [{ "image": id }, { "text": "sea" }] }));
    assert_eq!(again.rows(), sent.rows());
    let shown = asked.get(&format!("/api/images/{id}"));
    assert_eq!((shown.header("content-type"), &shown.body[..3]), ("image/jpeg", &[0xff, 0xd8, 0xff][..]));
    let forgotten = asked.search(json!({ "parts": [{ "image": "0123" }] }));
    assert_eq!(forgotten.error(), ("image_forgotten".into(), Some("parts[0].image".into())));
}

#[test]
fn the_archive_is_described_for_filters() {
    let json = Asked::plain().get("/api/archive").json();
    assert_eq!((json["rows"].as_u64(), json["dim"].as_u64()), (Some(ROWS as u64), Some(DIM as u64)));
    assert_eq!(json["asks"], json!({ "images": true, "texts": true }));
    assert_eq!(json["places"], json!({ "rows": 160, "bounds": [1.0, 0.0, 19.1, 9.1] }));
    let columns = json["columns"].as_array().unwrap();
    assert_eq!(
        columns[0],
        json!({ "name": "cloud", "type": "float", "filled": 150, "min": 0.005, "max": 0.995 })
    );
    assert_eq!(columns[1]["values"][0], json!({ "value": "harbor", "rows": 67 }));
    assert_eq!(columns[1]["distinct"], 3);
    assert_eq!((&columns[2]["min"], &columns[2]["max"]), (&json!("1970-01-01"), &json!("1970-07-19")));
}

#[test]
fn a_picture_is_kept_by_browsers_until_it_changes() {
    let asked = Asked::plain();
    let version = asked.get("/api/archive").json()["version"].as_str().unwrap().to_string();
    let first = asked.get(&format!("/api/tiles/2?version={version}&size=32"));
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, "image/jpeg"));
    assert_eq!(first.header("cache-control"), "private, max-age=3600");
    let etag = first.header("etag").to_string();
    let again = |path: &str| {
        let request = Request::get(path).header("host", "localhost").header("if-none-match", &etag);
        asked.send(request.body(Body::empty()).unwrap())
    };
    let same = again("/api/tiles/2?size=32");
    assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, &etag[..]));
    assert_eq!(again("/api/tiles/2?size=64").status.as_u16(), 200);
    assert_eq!(again("/api/tiles/3?size=32").status.as_u16(), 200);
    assert_eq!(asked.get("/api/tiles/2?version=0").error().0, "archive_changed");
    assert_eq!(asked.get("/api/tiles/200").error(), ("no_such_row".into(), Some("row".into())));
    assert_eq!(asked.get("/api/tiles/2?size=4096").error(), ("bad_field".into(), Some("size".into())));
    assert_eq!(asked.get("/api/tiles/150").error().0, "no_picture");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_of_the_folder_shows_nothing() {
    assert_eq!(Asked::plain().get("/api/tiles/4").error().0, "no_picture");
}

#[test]
fn an_answer_is_exported_with_places_and_columns() {
    let asked = Asked::plain();
    let query = json!({ "parts": parts(), "top": 12 });
    let rows = asked.search(query.clone()).rows();
    let encoded: String = query.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let export = |format: &str| asked.get(&format!("/api/export?format={format}&query={encoded}"));
    let geojson = export("geojson");
    assert_eq!(geojson.header("content-disposition"), "attachment; filename=\"tiles.geojson\"");
    let features = geojson.json()["features"].clone();
    let features = features.as_array().unwrap();
    assert_eq!(features.len(), 12);
    for (feature, &row) in features.iter().zip(&rows) {
        assert_eq!(feature["properties"]["key"], key(row).as_str());
        assert_eq!(feature["geometry"].is_null(), corner(row).is_none());
    }
    let csv = String::from_utf8(export("csv").body).unwrap();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some(
            "rank,key,score,image_similarity,image_cdf,text_similarity,text_cdf,footprint,cloud,label,taken"
        )
    );
    assert_eq!(lines.count(), 12);
    let wrong = export("xlsx");
    assert_eq!(wrong.error(), ("bad_field".into(), Some("format".into())));
}

#[cfg(feature = "tables")]
#[test]
fn an_answer_is_exported_as_parquet() {
    let asked = Asked::plain();
    let query = json!({ "parts": parts(), "top": 12 });
    let encoded: String = query.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = asked.get(&format!("/api/export?format=parquet&query={encoded}"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.parquet");
    std::fs::write(&path, &answer.body).unwrap();
    let features = rscir_index::Features::read(&path).unwrap();
    let rows = asked.search(query).rows();
    assert_eq!(features.keys, rows.iter().map(|&row| key(row)).collect::<Vec<_>>());
    assert_eq!(features.embeddings.row(0), &*archive().vector(rows[0]));
}

#[test]
fn what_a_query_cannot_be_is_said_with_its_place() {
    let asked = Asked::plain();
    for (query, kind, field) in [
        (json!({ "parts": [] }), "bad_field", "parts"),
        (json!({ "parts": [{ "key": "nowhere" }] }), "no_such_key", "parts[0].key"),
        (json!({ "parts": [{ "text": "a", "key": "b" }] }), "bad_field", "parts[0]"),
        (json!({ "parts": [{ "text": "   " }] }), "bad_field", "parts[0].text"),
        (json!({ "parts": [{ "text": "a", "weight": 0 }] }), "bad_field", "parts[0].weight"),
        (json!({ "parts": [{ "text": "a", "weight": 1e-50 }] }), "bad_field", "parts[0].weight"),
        (json!({ "parts": [{ "text": "a" }, { "without": "a" }] }), "cannot_ask", "parts[1].without"),
        (json!({ "parts": [{ "text": "a" }], "lambda": 1.5 }), "bad_field", "lambda"),
        (json!({ "parts": [{ "text": "a" }], "lambda": 0.5, "method": "sum" }), "bad_field", "lambda"),
        (json!({ "parts": [{ "text": "a" }], "method": "magic" }), "bad_field", "method"),
        (json!({ "parts": [{ "text": "a" }], "method": "freedom" }), "bad_field", "method"),
        (json!({ "parts": [{ "text": "a" }], "method": "slerp-grid:999999999" }), "bad_field", "method"),
        (json!({ "parts": [{ "text": "a" }], "where": "cloud <" }), "bad_field", "where"),
        (json!({ "parts": [{ "text": "a" }], "where": "fog < 1" }), "bad_field", "where"),
        (json!({ "parts": [{ "text": "a" }], "within": [0, 0, 0] }), "bad_field", "within"),
        (json!({ "parts": [{ "text": "a" }], "within": [0, 50, 10, 40] }), "bad_field", "within"),
        (json!({ "parts": [{ "text": "a" }], "top": -1 }), "bad_field", "top"),
        (json!({ "parts": [{ "text": "a" }], "top": 1001 }), "bad_field", "top"),
        (json!({ "parts": [{ "text": "a" }], "offset": 9999 }), "bad_field", "offset"),
        (json!({ "parts": [{ "text": "a" }], "colors": 1 }), "bad_field", "colors"),
        (json!({ "parts": [{ "text": 7 }] }), "bad_field", "parts[0].text"),
    ] {
        let answer = asked.search(query.clone());
        assert_eq!(answer.error(), (kind.to_string(), Some(field.to_string())), "{query}: {answer:?}");
    }
    let lacking = asked.search(json!({ "parts": [{ "text": "a" }], "method": "sum" }));
    assert_eq!((lacking.status.as_u16(), lacking.error().0.as_str()), (422, "cannot_ask"));
}

#[test]
fn without_an_encoder_tiles_can_be_asked_with_and_texts_are_refused() {
    let asked = Asked::new(App::new(Arc::new(archive())), None);
    assert_eq!(asked.search(json!({ "parts": [{ "key": key(3) }] })).rows().len(), 50);
    let refused = asked.search(json!({ "parts": [{ "text": "sea" }] }));
    assert_eq!(refused.error(), ("cannot_ask".into(), Some("parts[0].text".into())));
    assert_eq!(
        asked.search(json!({ "parts": [{ "key": key(3) }], "within": [0, 0, 1, 1] })).error().0,
        "bad_field"
    );
    assert!(asked.get("/api/archive").json()["places"].is_null());
}

#[test]
fn what_a_writer_commits_is_asked_from_the_next_question_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing.rscir");
    let spec = EncoderSpec::unknown(DIM);
    let commit = |keys: &[&str], seed| {
        let mut writer = ArchiveWriter::open_or_create(&path, spec.clone(), Precision::F32).unwrap();
        let rows: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint::default())).collect();
        writer.commit(&rows, &unit_rows(keys.len(), DIM, seed)).unwrap();
    };
    commit(&["a", "b"], 1);
    let mut options = Options::default();
    options.refresh = std::time::Duration::ZERO;
    let app = App::growing(DiskArchive::open(&path).unwrap())
        .encoder(Arc::new(Bytes::new()))
        .places(Arc::new(Squares));
    let asked = Asked::new(app.options(options), None);
    let before = asked.search(json!({ "parts": [{ "text": "sea" }] })).json();
    commit(&["c"], 2);
    let after = asked.search(json!({ "parts": [{ "text": "sea" }] })).json();
    assert_eq!((before["rows"].as_u64(), after["rows"].as_u64()), (Some(2), Some(3)));
    assert_ne!(before["version"], after["version"]);
    let old = format!("/api/tiles/0?version={}", before["version"].as_str().unwrap());
    assert_eq!(asked.get(&old).error().0, "archive_changed");
    // What cannot be read any more is answered as it was, and that is said.
    std::fs::remove_dir_all(&path).unwrap();
    let lost = asked.search(json!({ "parts": [{ "text": "sea" }] })).json();
    assert_eq!(lost["rows"].as_u64(), Some(3));
    assert!(lost["notes"][0].as_str().unwrap().contains("cannot be read"), "{lost}");
}

#[test]
fn the_api_describes_itself() {
    let json = Asked::plain().get("/api/openapi.json").json();
    let paths: Vec<&String> = json["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        ["/api/archive", "/api/export", "/api/images/{id}", "/api/search", "/api/tiles", "/api/tiles/{row}"]
    );
    let properties = &json["components"]["schemas"]["SearchRequest"]["properties"];
    assert!(properties["where"].is_object() && properties["within"].is_object(), "{properties}");
}
