//! The page in a browser: what a person sees, clicks and types.
//!
//! `cargo test --release -p rscir-web --test browser -- --ignored`

#[path = "browser/demo.rs"]
mod demo;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/ground.rs"]
mod ground;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use demo::{Demo, data, demo};
use driver::{Browser, DESK, Look, PHONE};
use ground::Ground;
use rscir_core::{Archive, ComposedQuery, Method};
use rscir_index::{SearchOptions, search_with};
use rscir_web::{App, Basemap, Options};
use rscir_weicom::{MethodSpec, Resources, WeiCom};
use serde_json::{Value, json};

/// Tiles that the page asks for at once.
const SHOWN: usize = 48;

/// The keys of a keyboard, as the standard of browsers' drivers numbers them.
const HOME: &str = "\u{e011}";
const END: &str = "\u{e010}";
const PAGE_UP: &str = "\u{e00e}";
const PAGE_DOWN: &str = "\u{e00f}";
const RIGHT: &str = "\u{e014}";
const DOWN: &str = "\u{e015}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Moves of the slider that are measured.
const MOVES: usize = 20;

/// The version of the checker of accessibility.
const AXE: &str = "4.14.1";

/// One browser at a time: they would take the time from each other that is measured.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The library's ranking for a tile and words, without the tile.
fn ranking(demo: &Demo, key: &str, text: &str, lambda: f64) -> Vec<String> {
    ranking_by(&WeiCom::new(lambda).unwrap(), demo, key, text)
}

/// Ranks by another method.
fn ranking_by(method: &dyn Method, demo: &Demo, key: &str, text: &str) -> Vec<String> {
    let query = ComposedQuery::builder(&*demo.encoder).tile(&*demo.archive, key).unwrap().text(text).unwrap();
    let is_other = |row: usize| demo.archive.key(row) != key;
    let options = SearchOptions::top(SHOWN).filter(&is_other);
    let hits = search_with(&*demo.archive, method, &query.build().unwrap(), &options).unwrap();
    hits.into_iter().map(|hit| hit.key).collect()
}

fn keys(browser: &Browser) -> Vec<String> {
    browser.texts("#shown .key")
}

fn open_demo(look: Look, query: &str) -> (Browser, &'static Demo) {
    let demo = demo();
    let browser = Browser::start(look);
    browser.open(&format!("{}{query}", demo.url));
    browser.until("document.querySelectorAll('#shown li').length > 0");
    (browser, demo)
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn the_slider_ranks_as_the_library_does() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "");
    let tile = keys(&browser)[5].clone();
    browser.click("#shown li:nth-child(6) .open");
    browser.until("document.querySelector('#asked-name').textContent");
    browser.press("#text", "runway");
    browser.until_equal(&ranking(demo, &tile, "runway", 0.5), keys);
    browser.press("#lambda", HOME);
    browser.until_equal(&ranking(demo, &tile, "runway", 0.0), keys);
    browser.press("#lambda", &PAGE_UP.repeat(5));
    browser.until_equal(&ranking(demo, &tile, "runway", 0.5), keys);
    browser.press("#lambda", END);
    let by_words = ranking(demo, &tile, "runway", 1.0);
    browser.until_equal(&by_words, keys);
    assert!(by_words[0].contains("runway"), "{by_words:?}");
    browser.assert_well_behaved(&demo.url);

    // All three beside each other, by the numbers on their tiles.
    browser.click("#aside");
    browser.until("document.querySelectorAll('.aside ol').length === 3");
    let rankings = [0.0, 1.0, 1.0].map(|lambda| ranking(demo, &tile, "runway", lambda)[..24].to_vec());
    browser.until_equal(&rankings, |browser| {
        [1, 2, 3].map(|column| {
            let titles = format!(
                "return [...document.querySelectorAll('.aside section:nth-child({column}) .open')].map((n) => n.title)"
            );
            serde_json::from_value(browser.script(&titles)).unwrap()
        })
    });
    browser.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn a_method_that_is_chosen_ranks_as_the_library_does() {
    const TILE: &str = "runway/runway04.jpg";
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, &format!("?text=beach&key={}", TILE.replace('/', "%2F")));
    let by = |text: &str| {
        let method = text.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap();
        ranking_by(&*method, demo, TILE, "beach")
    };
    let bars = |browser: &Browser| -> Vec<String> {
        browser
            .texts("#shown .card")
            .into_iter()
            .map(|card| card.chars().skip_while(char::is_ascii_digit).collect())
            .collect()
    };
    let is = |expression: &str| browser.script(&format!("return {expression}"));
    browser.until_equal(&by("weicom"), keys);
    let before = bars(&browser);
    assert!(browser.texts("#method option").iter().any(|text| text.starts_with("rrf: Adds up ")));

    // By the keyboard, as a list is.
    browser.press("#method", "rrf");
    browser.until_equal(&by("rrf"), keys);
    browser.until("document.querySelector('#status').textContent.startsWith('Ranked by rrf(k=60) among')");
    assert!(browser.address().contains("&method=rrf"), "{}", browser.address());
    assert_eq!(is("document.querySelector('#lambda').disabled"), true);
    assert_eq!(browser.texts("#lambda-value"), ["rrf has no weight to set"]);
    // A tile's bars are its own, whatever ranks it.
    let after = bars(&browser);
    let same = after.iter().filter(|bar| before.contains(bar)).count();
    let both = by("rrf").iter().filter(|key| by("weicom").contains(key)).count();
    assert_eq!(same, both);
    browser.click("#shown li:nth-child(1) .open");
    browser.until("document.querySelector('#why').open");
    let why = browser.texts("#why .sum").remove(0);
    assert!(why.contains("by rrf(k=60). Adds up the reciprocals"), "{why}");
    browser.press("#why .close", ESCAPE);
    // The three that stand side by side are the image's, the method's and the words'.
    browser.click("#aside");
    browser.until("document.querySelectorAll('.aside ol').length === 3");
    let rankings = ["weicom:0", "rrf", "weicom:1"].map(|method| by(method)[..24].to_vec());
    browser.until_equal(&rankings, |browser| {
        [1, 2, 3].map(|column| {
            let titles = format!(
                "return [...document.querySelectorAll('.aside section:nth-child({column}) .open')].map((n) => n.title)"
            );
            serde_json::from_value(browser.script(&titles)).unwrap()
        })
    });
    browser.click("#aside");
    browser.assert_well_behaved(&demo.url);

    // Someone else opens the address, and one with parameters of its own.
    let other = Browser::start(PHONE);
    other.open(&browser.address());
    other.until_equal(&by("rrf"), keys);
    assert_eq!(other.script("return document.querySelector('#method').value"), "rrf");
    other.open(&format!("{}?text=beach&key=runway%2Frunway04.jpg&method=rrf:k=1,image=3", demo.url));
    other.until_equal(&by("rrf:k=1,image=3"), keys);
    assert_eq!(other.script("return document.querySelector('#method').value"), "rrf:k=1,image=3");
    other.assert_well_behaved(&demo.url);

    // Two steps back are those of the rankings side by side, the third is that of the method.
    (0..3).for_each(|_| browser.back());
    browser.until_equal(&by("weicom"), keys);
    assert_eq!(is("document.querySelector('#method').value"), "weicom");
    assert_eq!(is("document.querySelector('#lambda').disabled"), false);
    // A weight that a method finds is told, and one that it takes is the slider's.
    browser.press("#method", "weicom:auto");
    browser.until_equal(&by("weicom:auto"), keys);
    browser.until("/^found: \\d+ % image/.test(document.querySelector('#lambda-value').textContent)");
    browser.press("#method", DOWN);
    browser.until_equal(&by("conjunction:lambda=0.5"), keys);
    browser.press("#lambda", END);
    browser.until_equal(&by("conjunction:lambda=1"), keys);
    browser.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn the_back_button_and_a_shared_address_bring_a_question_back() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "?text=beach");
    browser.until("document.querySelector('#status').textContent.startsWith('Ranked by')");
    let by_words = keys(&browser);
    let tile = by_words[2].clone();
    browser.click("#shown li:nth-child(3) [data-action=ask]");
    browser.until_equal(&ranking(demo, &tile, "beach", 0.5), keys);
    browser.press("#lambda", END);
    browser.until_equal(&ranking(demo, &tile, "beach", 1.0), keys);
    let shared = browser.address();
    browser.back();
    browser.until_equal(&ranking(demo, &tile, "beach", 0.5), keys);
    browser.back();
    browser.until_equal(&by_words, keys);
    assert_eq!(browser.script("return document.querySelector('#text').value"), "beach");
    browser.assert_well_behaved(&demo.url);

    // Someone else opens it.
    let other = Browser::start(DESK);
    other.open(&shared);
    other.until_equal(&ranking(demo, &tile, "beach", 1.0), keys);
    assert_eq!(other.texts("#asked-name"), [tile]);
    other.until("document.querySelector('#asked-picture').naturalWidth > 0");
    other.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn an_image_is_asked_with_and_its_address_can_be_shared() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "");
    let image = data().join("benchmark/images/river/river10.jpg");
    browser.press("#file", &image.canonicalize().unwrap().display().to_string());
    browser.until("location.search.includes('image=')");
    browser.until("document.querySelector('#shown .rank')?.textContent === '1'");
    let found = keys(&browser);
    let name = image.file_name().unwrap().to_str().unwrap();
    assert!(found[0].ends_with(name), "the image is in the archive, too: {found:?}");
    browser.assert_well_behaved(&demo.url);

    let other = Browser::start(PHONE);
    other.open(&browser.address());
    other.until_equal(&found, keys);
    other.until("document.querySelector('#asked-picture').naturalWidth > 0");
    other.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn what_cannot_be_answered_is_said_in_words() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "?text=river");
    browser.until("document.querySelector('#status').textContent.startsWith('Ranked by')");
    let before = keys(&browser);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.png");
    std::fs::write(&file, "Dear archive").unwrap();
    browser.press("#file", &file.display().to_string());
    browser.until("!document.querySelector('#ask-error').hidden");
    assert!(!browser.texts("#ask-error")[0].is_empty());
    assert_eq!(keys(&browser), before, "the answer stays");
    assert_eq!(browser.script("return document.querySelector('#text').value"), "river");
    // The next question is answered.
    browser.press("#text", " banks");
    browser.until("document.querySelector('#ask-error').hidden");

    // Nothing passes.
    browser.open(&format!("{}?text=river&where=cloud+%3E+7", demo.url));
    browser.until("!document.querySelector('#message').hidden");
    assert!(browser.texts("#message")[0].contains("filters"), "{}", browser.text());
    // A condition that is none.
    browser.open(&format!("{}?text=river&where=cloud+%3E", demo.url));
    browser.until("document.querySelector('#free-error')?.hidden === false");
    // A tile that is not there.
    browser.open(&format!("{}?key=no+such+tile", demo.url));
    browser.until("!document.querySelector('#ask-error').hidden");
    assert!(browser.texts("#ask-error")[0].contains("no such tile"), "{}", browser.text());
    // The browser itself tells of answers that are refusals, and of nothing else.
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|line| line.contains("/api/") && line.contains("status of 4")),
        "{complaints:?}"
    );
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn filters_and_the_map_narrow_the_tiles_down() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "?text=boats");
    browser.click("#filter-section summary");
    browser.click("#filters input[value=harbor]");
    browser.until(
        "[...document.querySelectorAll('#shown .key')].every((n) => n.textContent.startsWith('harbor/'))",
    );
    browser.press("#filters [data-column=cloud][data-bound=max]", &format!("0.4{ENTER}"));
    let harbors = |row: &usize| demo.archive.key(*row).starts_with("harbor/");
    let clear = (0..demo.archive.len()).filter(harbors).filter(|row| row % 10 <= 4).count();
    assert!(clear > 3);
    browser.until_equal(&clear, |browser| keys(browser).len());
    browser.click("#clear-filters");
    browser.until_equal(&SHOWN, |browser| keys(browser).len());

    // The keyboard zooms in on a part of the map, and searches there.
    browser.press("#map svg", "++");
    let view = "#map .map-row button:nth-child(2)";
    browser.click(view);
    browser.until("location.search.includes('within=')");
    browser.until("/among \\d+ of 630/.test(document.querySelector('#status').textContent)");
    browser.click("#map .map-row button:nth-child(3)");
    browser.until("!location.search.includes('within=')");

    // So does a box that is drawn.
    browser.click("#map .map-row button:nth-child(1)");
    let frame = browser
        .script("const { x, y } = document.querySelector('#map svg').getBoundingClientRect(); return [x, y]");
    let mouse = |kind: &str, dx: f64, dy: f64| {
        let (x, y) = (frame[0].as_f64().unwrap() + dx, frame[1].as_f64().unwrap() + dy);
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
        browser.devtools("Input.dispatchMouseEvent", event);
    };
    mouse("mousePressed", 60.0, 60.0);
    mouse("mouseMoved", 120.0, 100.0);
    mouse("mouseMoved", 160.0, 130.0);
    mouse("mouseReleased", 160.0, 130.0);
    browser.until("location.search.includes('within=')");
    browser.until("/among \\d+ of 630/.test(document.querySelector('#status').textContent)");
    browser.until("document.querySelectorAll('#shown li').length > 0");
    browser.assert_well_behaved(&demo.url);
}

/// Returns where a point of the Earth is on a tile layer: the column and row of its tile, with what is left of the tile before the point.
fn on_layer([longitude, latitude]: [f64; 2], level: u32) -> [f64; 2] {
    let tiles = f64::from(1 << level);
    // OGC 17-083r4, annex D: the tile matrix set WebMercatorQuad.
    let north = latitude.to_radians().tan().asinh() / std::f64::consts::PI;
    [(longitude / 360.0 + 0.5) * tiles, (1.0 - north) / 2.0 * tiles]
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn a_base_map_lies_under_the_footprints_and_nobody_else_is_asked() {
    let _turn = turn();
    let (ground, stranger) = (Ground::start(), Ground::start());
    let map = Basemap::new(format!("{}/ground/{{z}}/{{x}}/{{y}}.png", ground.origin)).unwrap();
    let demo = demo();
    let url = demo::serve(demo.app().options(Options::default().basemap(map)));
    let browser = Browser::start(DESK);
    browser.open(&format!("{url}?text=boats"));
    browser.until("document.querySelectorAll('#map image').length > 0");
    browser.until("document.querySelectorAll('#map .place').length > 0");
    let shown = browser.texts("#map .place title").len();
    assert_eq!(shown, SHOWN, "all tiles of the answer have a place");
    // What was asked for is what the map shows.
    browser.until_equal(&true, |browser| {
        let addresses =
            "return [...document.querySelectorAll('#map image')].map((image) => image.getAttribute('href'))";
        let addresses: Vec<String> = serde_json::from_value(browser.script(addresses)).unwrap();
        let asked = ground.asked();
        addresses.iter().all(|url| asked.iter().any(|path| url.strip_prefix(&ground.origin) == Some(path)))
    });
    // The best tile lies on the ground where it lies on the Earth, and on top of it.
    let key = keys(&browser)[0].clone();
    let [[west, south], [east, north]] = demo::corners(demo.archive.find(&key).unwrap());
    let found = browser.script(&format!(
        "const place = [...document.querySelectorAll('#map .place')].find((place) => place.dataset.key === {key:?}); \
         const box = (node) => {{ const {{ left, top, width, height }} = node.getBoundingClientRect(); return [left, top, width, height] }}; \
         const images = [...document.querySelectorAll('#map image')]; \
         const isUnder = images.every((image) => image.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING); \
         return [isUnder, box(place.querySelector('path:last-of-type')), images.map((image) => [image.getAttribute('href'), box(image)])]"
    ));
    /// Left, top, width and height.
    type Frame = [f64; 4];
    type Found = (bool, Frame, Vec<(String, Frame)>);
    let (is_under, footprint, images): Found = serde_json::from_value(found).unwrap();
    assert!(is_under);
    for (corner, [x, y]) in [
        ([west, north], [footprint[0], footprint[1]]),
        ([east, south], [footprint[0] + footprint[2], footprint[1] + footprint[3]]),
    ] {
        let (address, image) = &images[0];
        let numbers: Vec<u32> = address
            .trim_end_matches(".png")
            .rsplit('/')
            .take(3)
            .map(|number| number.parse().unwrap())
            .collect();
        let [row, column, level] = numbers[..] else { panic!("{address}") };
        let [at_column, at_row] = on_layer(corner, level);
        // Half a pixel of the image is its overlap with the next.
        let side = image[2] - 0.5;
        let expected =
            [image[0] + (at_column - f64::from(column)) * side, image[1] + (at_row - f64::from(row)) * side];
        assert!(
            (expected[0] - x).abs() < 1.5 && (expected[1] - y).abs() < 1.5,
            "{expected:?} is at {x}, {y}"
        );
    }
    browser.assert_well_behaved_with(&url, &[&ground.origin]);
    let asked = ground.asked();
    assert!(asked.iter().all(|path| path.starts_with("/ground/")), "{asked:?}");

    // The policy lets pictures of this origin through, and of no other.
    let load = |origin: &str| {
        browser.wait_for_script(&format!(
            "new Promise((done) => {{ const image = new Image(); image.onload = () => done('loaded'); \
             image.onerror = () => done('refused'); image.src = '{origin}/ground/0/0/0.png' }})"
        ))
    };
    assert_eq!((load(&ground.origin), load(&stranger.origin)), (json!("loaded"), json!("refused")));
    assert_eq!(stranger.asked(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn a_tile_says_why_it_is_there_and_is_judged() {
    let _turn = turn();
    let (browser, demo) = open_demo(DESK, "?text=forest");
    browser.until("document.querySelector('#status').textContent.startsWith('Ranked by')");
    let liked = keys(&browser)[1].clone();
    browser.click("#shown li:nth-child(2) [data-action=more]");
    browser.until("document.querySelectorAll('#judged .liked').length === 1");
    browser.until("document.querySelectorAll('#shown .fill').length > 0");
    browser.until_equal(&false, |browser| keys(browser).contains(&liked));
    let disliked = keys(&browser)[0].clone();
    browser.click("#shown li:nth-child(1) [data-action=less]");
    browser.until_equal(&false, |browser| keys(browser).contains(&disliked));
    // Tiles whose order is still on its way are replaced, maybe under the pointer.
    browser.until("!document.querySelector('#results').hasAttribute('aria-busy')");
    browser.click("#shown li:nth-child(3) .open");
    browser.until(
        "document.querySelector('#why').open && document.querySelectorAll('#why .distribution').length === 2",
    );
    let third = keys(&browser)[2].clone();
    assert_eq!(browser.texts("#why .name"), [third]);
    // The marks are where the similarities are.
    assert!(browser.texts("#why .sum")[0].contains("= a score of"), "{}", browser.text());
    browser.press("#why .close", RIGHT);
    browser.until("document.querySelector('#why-title').textContent.includes('4')");
    browser.press("#why .close", ESCAPE);
    browser.until("!document.querySelector('#why').open");
    // Forgotten again.
    browser.click("#judged .disliked button");
    browser.until("document.querySelectorAll('#judged li').length === 1");
    browser.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn a_keyboard_alone_asks_with_a_tile() {
    let _turn = turn();
    let (browser, demo) = open_demo(PHONE, "");
    let tile = keys(&browser)[0].clone();
    browser.press("#shown li:first-child .open", ENTER);
    browser.until_equal(&vec![tile.clone()], |browser| browser.texts("#asked-name"));
    browser.press("#text", &format!("trees{ENTER}"));
    browser.until_equal(&ranking(demo, &tile, "trees", 0.5), keys);
    // The keyboard stays with the tile while the order changes.
    browser.script("document.querySelector('#shown li:nth-child(1) .open').focus()");
    let focused = "document.activeElement.closest('.card')?.querySelector('.key').textContent";
    let before = browser.script(&format!("return {focused}"));
    browser.script(
        "const slider = document.querySelector('#lambda'); slider.value = 0.45; \
         slider.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.until_equal(&ranking(demo, &tile, "trees", 0.45), keys);
    assert_eq!(browser.script(&format!("return {focused}")), before);
    browser.assert_well_behaved(&demo.url);
}

#[test]
#[ignore = "needs Chromium and its driver"]
fn keys_and_words_with_markup_are_shown_as_text() {
    let _turn = turn();
    let hostile = [
        "<img src=x onerror=\"window.broken=1\">.png",
        "</script><script>window.broken=1</script>",
        "a\u{202e}gnp.\u{7}\u{1b}[2J",
    ];
    let url = demo::serve(App::new(Arc::new(demo::named(&hostile))));
    let browser = Browser::start(DESK);
    browser.open(&url);
    browser.until("document.querySelectorAll('#shown .key').length === 3");
    assert_eq!(keys(&browser), [hostile[0], hostile[1], "a\\u{202e}gnp.\\u{7}\\u{1b}[2J"]);
    browser.click("#shown li:nth-child(1) .open");
    browser.until_equal(&vec![hostile[0].to_string()], |browser| browser.texts("#asked-name"));
    browser.until("document.querySelector('#shown .rank')?.textContent === '1'");
    browser.click("#shown li:nth-child(1) .open");
    browser.until("document.querySelector('#why').open");
    assert_eq!(
        browser
            .script("return [window.broken ?? 0, document.querySelectorAll('main img, main script').length]"),
        json!([0, 0])
    );
    browser.assert_well_behaved(&url);
}

#[test]
#[ignore = "needs Chromium and its driver, and a machine that is at leisure"]
fn the_slider_shows_a_new_order_within_50_ms() {
    let _turn = turn();
    let (browser, _) = open_demo(DESK, "?text=beach&key=runway%2Frunway04.jpg");
    let median = time_of_a_move(&browser);
    assert!(median < 50.0, "{median} ms");
}

#[test]
#[ignore = "needs Chromium and its driver, and a machine that is at leisure"]
fn the_slider_shows_a_new_order_of_a_million_rows_within_150_ms() {
    let _turn = turn();
    // A query that is kept costs the same whatever the width.
    let archive = demo::large(1_000_000, 16);
    let encoder = demo::Letters(archive.spec().clone());
    let url = demo::serve(App::new(Arc::new(archive)).encoder(Arc::new(encoder)));
    let browser = Browser::start(DESK);
    browser.open(&format!("{url}?text=beach&key=7.png"));
    let median = time_of_a_move(&browser);
    assert!(median < 150.0, "{median} ms");
}

/// The median time from an event of the slider until the new order has been painted, in ms.
#[expect(clippy::print_stdout, reason = "times are read, too")]
fn time_of_a_move(browser: &Browser) -> f64 {
    browser.until("document.querySelector('#status').textContent.startsWith('Ranked by')");
    for i in 0..MOVES {
        browser.press("#lambda", if i % 2 == 0 { PAGE_UP } else { PAGE_DOWN });
        browser.until(&format!("performance.getEntriesByName('slider').length > {i}"));
    }
    let times = |name: &str| {
        let times = format!("return performance.getEntriesByName({name:?}).map((entry) => entry.duration)");
        let mut times: Vec<f64> = serde_json::from_value(browser.script(&times)).unwrap();
        times.sort_by(f64::total_cmp);
        times
    };
    let shown = times("slider");
    println!(
        "from the event, in ms, until the answer has come: {:.1?}, until after paint: {shown:.1?}",
        times("answer")
    );
    shown[shown.len() / 2]
}

#[test]
#[ignore = "needs Chromium, its driver and npm"]
fn the_page_keeps_the_rules_of_accessibility() {
    let _turn = turn();
    let axe = std::fs::read_to_string(axe()).unwrap();
    for look in [DESK, Look { is_dark: true, ..DESK }, PHONE] {
        let (browser, demo) = open_demo(look, "");
        let check = |what: &str| {
            // What moves is half seen.
            browser.wait_for_script(
                "Promise.all(document.getAnimations().map((animation) => animation.finished))",
            );
            browser.script(&format!("if (!window.axe) {{ {axe} }}"));
            let found = browser.wait_for_script("axe.run({ resultTypes: ['violations'] })");
            let serious = |violation: &&Value| {
                ["serious", "critical"].contains(&violation["impact"].as_str().unwrap_or("serious"))
            };
            let violations = found["violations"].as_array().unwrap_or_else(|| panic!("{found}"));
            let told = |violation: &Value| {
                let nodes: Vec<&Value> =
                    violation["nodes"].as_array().unwrap().iter().map(|node| &node["html"]).take(3).collect();
                format!("{}: {} {nodes:?}", violation["id"], violation["help"])
            };
            let serious: Vec<String> = violations.iter().filter(serious).map(told).collect();
            assert!(serious.is_empty(), "{what}: {serious:#?}");
        };
        check("at the start");
        browser.open(&format!(
            "{}?text=beach&key=runway%2Frunway04.jpg&more=beach%2Fbeach04.jpg&is.class=beach",
            demo.url
        ));
        browser.until("document.querySelectorAll('#shown .fill').length > 0");
        browser.script("for (const details of document.querySelectorAll('details')) details.open = true");
        check("with an answer, a map and filters");
        browser.script("document.querySelector('#shown .open').click()");
        browser.until("document.querySelector('#why').open");
        check("with the reasons of a tile");
        browser.script("document.querySelector('#why').close()");
        browser.script("document.querySelector('#aside').click()");
        browser.until("document.querySelectorAll('.aside ol').length === 3");
        check("with three rankings");
        browser.open(&format!("{}?text=beach&where=cloud+%3E", demo.url));
        browser.until("document.querySelector('#free-error')?.hidden === false");
        check("with a mistake");
    }
}

/// The checker's script, which npm fetches once.
fn axe() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-{AXE}"));
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        std::fs::create_dir_all(&folder).unwrap();
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(format!("axe-core@{AXE}"))
            .status();
        assert!(npm.expect("npm is installed").success(), "npm fetches axe-core");
    }
    script
}
