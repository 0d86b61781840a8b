//! Pages of answers: what they show, and what nothing that others named can do to them.

use rscir_core::RgbView;
use rscir_page::{Backdrop, Page, Picture, Ring, Tile};

/// What must never reach the page as it is.
const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&\u{1b}[2J\u{202e}gpj";

fn picture(shade: u8) -> Picture {
    let pixels = vec![shade; 8 * 8 * 3];
    Picture::new(RgbView::new(8, 8, &pixels).unwrap()).unwrap()
}

fn square(west: f64, south: f64) -> Ring {
    let (east, north) = (west + 0.01, south + 0.01);
    vec![[west, north], [west, south], [east, south], [east, north], [west, north]]
}

fn tile(i: usize) -> Tile {
    let value = i as f32 / 10.0;
    Tile::new(format!("a.tif#xywh={i},0,8,8"), 1.0 - value)
        .measure("image", value)
        .measure("text", 0.5)
        .fact("datetime", "2020-08-31")
        .picture(picture(i as u8))
        .place(vec![square(i as f64 / 50.0, 46.0)])
}

#[test]
fn a_page_shows_what_was_asked_and_every_tile_in_order() {
    let html = Page::new("This, but with water")
        .image("river.jpg", Some(picture(9)))
        .text("with water")
        .note("Ranked by WeiCom.")
        .tile(tile(0))
        .tile(tile(1))
        .to_html();
    let places = [
        "This, but with water</h1>",
        "alt=\"Query image river.jpg\"",
        "“with water”",
        "Ranked by WeiCom.",
        "<svg viewBox",
        "href=\"#tile1\"",
        "<li id=\"tile1\">",
        "a.tif#xywh=0,0,8,8</span></h3>",
        "1.0000",
        "46.00500° N, 0.00500° E",
        "2020-08-31",
        "<li id=\"tile2\">",
    ];
    let body = html.split_once("<body>").unwrap().1;
    places.iter().fold(body, |rest, part| {
        rest.split_once(part).unwrap_or_else(|| panic!("no {part:?} in its place in {body}")).1
    });
}

#[test]
fn names_with_markup_are_shown_as_text() {
    let hostile = Tile::new(ATTACK, 1.0)
        .measure(ATTACK, 0.5)
        .fact(ATTACK, ATTACK)
        .picture(picture(1))
        .place(vec![square(0.0, 0.0)]);
    let html = Page::new(ATTACK).image(ATTACK, None).text(ATTACK).note(ATTACK).tile(hostile).to_html();
    assert!(
        !html.contains("<script") && !html.contains("<img src=x") && !html.contains("onerror='"),
        "{html}"
    );
    assert!(!html.contains(['\u{1b}', '\u{202e}']), "{html}");
    // Every quote of an attack in an attribute is escaped: tags end where the page ends them.
    assert_eq!(html.matches("&quot;&gt;&lt;script&gt;alert(1)").count(), html.matches("alert(1)").count());
    assert_eq!(html.matches("alert(1)").count(), 12);
}

#[test]
fn a_page_asks_nobody_for_anything_and_runs_nothing() {
    let html = Page::new("a")
        .tile(tile(0))
        .backdrop(Backdrop::new(picture(2), [0.0, 46.1], [0.1, 46.1], [0.0, 46.0]))
        .to_html();
    assert!(html.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\""));
    for word in ["http:", "https:", "<script", "url(", "@import", "<iframe", "<object", "srcset"] {
        assert!(!html.contains(word), "{word}");
    }
    let addresses = html.split("src=\"").skip(1).chain(html.split("href=\"").skip(1));
    for address in addresses {
        assert!(address.starts_with("data:") || address.starts_with('#'), "{}", &address[..30]);
    }
}

#[test]
fn every_link_leads_to_a_part_of_the_page() {
    let html = (0..40).fold(Page::new("a"), |page, i| page.tile(tile(i))).to_html();
    let mut links = 0;
    for link in html.split("href=\"#").skip(1) {
        let name = link.split('"').next().unwrap();
        assert_eq!(html.matches(&format!("id=\"{name}\"")).count(), 1, "{name}");
        links += 1;
    }
    assert_eq!(links, 80);
    assert!(html.contains("Numbers are ranks, written for the first 30."));
}

#[test]
fn tiles_without_a_place_have_no_map() {
    let html = Page::new("a")
        .tile(Tile::new("a.jpg", 0.5).picture(picture(1)))
        .area(vec![square(0.0, 0.0)])
        .to_html();
    assert!(!html.contains("<section class=\"where\"") && !html.contains("class=\"place\""));
    let html = Page::new("a").tile(tile(0)).tile(Tile::new("a.jpg", 0.5)).to_html();
    assert!(html.contains("1 of the 2 tiles have no place."));
    assert!(html.contains("<div class=\"missing\">no picture</div>"));
}

#[test]
fn a_border_of_many_places_does_not_make_the_page_large() {
    let circle = |i: usize| {
        let (sin, cos) = (i as f64 / 50_000.0 * std::f64::consts::TAU).sin_cos();
        [0.005 + 0.004 * cos, 46.005 + 0.004 * sin]
    };
    let border: Ring = (0..=50_000).map(circle).collect();
    let page = Page::new("a").tile(tile(0));
    let added = page.clone().area(vec![border]).to_html().len() - page.to_html().len();
    assert!((1_000..30_000).contains(&added), "{added} bytes");
}

#[test]
fn pictures_beyond_the_limit_are_left_out_and_counted() {
    let size = picture(0).jpeg().len();
    let page = (0..4).fold(Page::new("a"), |page, i| page.tile(tile(i)));
    assert!(!page.to_html().contains("left out"));
    let html = page.picture_bytes(2 * size + size / 2).to_html();
    assert_eq!(html.matches("<img ").count(), 2);
    assert!(html.contains("2 pictures are left out"));
}

#[test]
fn an_empty_answer_and_numbers_that_are_none_are_said() {
    assert!(Page::new("a").to_html().contains("No tile found"));
    let html = Page::new("a").tile(Tile::new("a", f32::NAN)).tile(Tile::new("b", 0.25)).to_html();
    assert!(html.contains("not a number") && html.contains("0.2500"));
    assert!(!html.contains("NaN"), "{html}");
}

#[test]
fn the_same_page_gives_the_same_bytes_and_replaces_a_file_whole() {
    let page = Page::new("a").tile(tile(0)).tile(tile(3));
    assert_eq!(page.to_html(), page.clone().to_html());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, "old").unwrap();
    page.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page.to_html());
    let error = page.write(folder.path().join("none/page.html")).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}
