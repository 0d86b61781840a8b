use rscir_core::{Embeddings, EncoderSpec, Method};
use rscir_index::MemoryArchive;
use rscir_weicom::{ImageOnly, Sum, TextOnly, WeiCom};

use super::*;
use crate::{
    Bootstrap, Convention, EvaluateOptions, Interval, Query, QueryGroup, QueryVectors, Rounding, Table,
    evaluate,
};

/// What must never reach the page as it is.
const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&";

/// Everything a user names is named badly: keys, texts, groups.
struct Run {
    archive: MemoryArchive,
    queries: QuerySet,
    vectors: QueryVectors,
}

impl Run {
    fn new() -> Self {
        let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.9, 0.4, 0.8, 0.6, 0.0, 1.0]).unwrap();
        let keys = ["a.jpg".to_string(), format!("{ATTACK}/b.jpg"), "c.jpg".into(), "d.jpg".into()];
        let archive = MemoryArchive::new(EncoderSpec::unknown(2), keys.into(), rows).unwrap();
        let query = |image, relevant| Query { image, text: 0, relevant };
        let group = |name: &str, queries| QueryGroup { name: name.into(), queries, gallery: None };
        let queries = QuerySet {
            images: vec!["a.jpg".into(), format!("{ATTACK}/b.jpg").into()],
            texts: vec![ATTACK.into()],
            relevant: vec![vec![2], vec![1, 3]],
            groups: vec![group(ATTACK, vec![query(0, 0), query(1, 1)]), group("empty", Vec::new())],
        };
        let texts = Embeddings::normalize(2, vec![0.0, 1.0]).unwrap();
        let vectors = QueryVectors::from_archive(&queries, &archive, &queries.texts, &texts).unwrap();
        Self { archive, queries, vectors }
    }

    fn evaluation(&self, methods: &[&dyn Method], top: usize) -> Evaluation {
        let options = EvaluateOptions::default().top(top);
        evaluate(&self.archive, &self.queries, &self.vectors, methods, options).unwrap()
    }

    fn sweep(&self) -> Evaluation {
        let weicoms = [0.0, 0.5, 1.0].map(|lambda| WeiCom::new(lambda).unwrap());
        let mut methods: Vec<&dyn Method> = vec![&ImageOnly, &TextOnly, &Sum];
        methods.extend(weicoms.iter().map(|weicom| weicom as &dyn Method));
        self.evaluation(&methods, 3)
    }

    fn page<'a>(&'a self, evaluation: &'a Evaluation) -> HtmlReport<'a> {
        HtmlReport::new(ATTACK, &self.archive, &self.queries, evaluation).unwrap().note(ATTACK)
    }
}

fn jpeg(bytes: usize) -> Option<TileData> {
    let mut file = vec![0xff, 0xd8, 0xff];
    file.resize(bytes, 0);
    TileData::sniff(file)
}

#[test]
fn what_users_name_is_escaped() {
    let run = Run::new();
    let evaluation = run.sweep();
    for tiles in [&(|_: &str| jpeg(9)) as &dyn TileSource, &(|_: &str| None::<TileData>)] {
        let html = run.page(&evaluation).tiles(tiles).to_html();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("onerror='"));
        // Title, heading and note; the group in the table, the curve and the queries; the text and the keys of tiles.
        let escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&amp;";
        assert!(html.matches(escaped).count() > 10);
    }
    let labeled = Evaluation { methods: vec![ATTACK.into(); 6], ..evaluation };
    assert!(!run.page(&labeled).to_html().contains("<script"), "a method's label too");
}

#[test]
fn no_character_is_obeyed_by_a_browser_or_a_terminal() {
    let run = Run::new();
    let evaluation = run.sweep();
    let page = run.page(&evaluation);
    let page = page.note("a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}gnp.b");
    let html = page.to_html();
    assert!(html.contains("a\u{fffd}]0;x"));
    assert!(html.contains(r"\u{202e}gnp.b"));
    let obeyed = html.chars().find(|c| rscir_core::is_unprintable(*c) && *c != '\n');
    assert_eq!(obeyed, None);
}

#[test]
fn every_element_is_closed_and_nothing_is_fetched() {
    let run = Run::new();
    let evaluation = run.sweep();
    let html = run.page(&evaluation).tiles(&|_: &str| jpeg(9)).to_html();
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("));
    let mut open: Vec<&str> = Vec::new();
    for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closes what is open");
        } else if !tag.ends_with('/') && !["!DOCTYPE", "meta", "link"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn a_tile_is_embedded_once_and_shown_where_it_ranks() {
    let run = Run::new();
    let evaluation = run.sweep();
    let asked = std::cell::RefCell::new(Vec::new());
    let tiles = |key: &str| {
        asked.borrow_mut().push(key.to_string());
        jpeg(9)
    };
    let html = run.page(&evaluation).tiles(&tiles).to_html();
    let mut distinct = asked.borrow().clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), asked.borrow().len(), "each is asked for once");
    assert_eq!(html.matches("<image id=").count(), distinct.len());
    // Best and worst query: the query tile, and three rankings of three.
    assert_eq!(html.matches("<use href=").count(), 2 * (1 + 3 * 3));
    for used in html.split("<use href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(html.contains(&format!("<image id=\"{used}\"")), "{used} is there");
    }
    assert_eq!(html, run.page(&evaluation).tiles(&tiles).to_html(), "the same bytes");
}

#[test]
fn hits_are_marked_in_words_too() {
    let run = Run::new();
    let evaluation = run.evaluation(&[&ImageOnly, &TextOnly, &WeiCom::default()], 3);
    let html = run.page(&evaluation).examples(1).to_html();
    let relevant = html.matches(", relevant\"").count();
    assert_eq!(html.matches("<li class=\"hit\">").count(), relevant);
    let hits: usize = evaluation.groups[0]
        .queries
        .iter()
        .zip([vec![2], vec![1, 3]])
        .map(|(outcomes, relevant)| {
            outcomes.iter().flat_map(|o| &o.top).filter(|scored| relevant.contains(&scored.row)).count()
        })
        .sum();
    assert_eq!(relevant, hits);
    assert!(html.contains("1: a.jpg, the query tile"));
}

#[test]
fn the_page_stays_within_its_budget() {
    let run = Run::new();
    let evaluation = run.sweep();
    let tiles = |_: &str| jpeg(3000);
    let page = |bytes| run.page(&evaluation).tiles(&tiles).tile_bytes(bytes).to_html();
    assert_eq!(page(6000).matches("<image id=").count(), 2);
    assert_eq!(page(5999).matches("<image id=").count(), 1);
    assert_eq!(page(0).matches("<image id=").count(), 0);
    assert!(page(0).contains("class=\"tile missing\""), "their keys stand in for them");
}

#[test]
fn the_best_of_a_column_is_bold_and_a_sweep_is_folded() {
    let run = Run::new();
    let evaluation = run.sweep();
    let html = run.page(&evaluation).to_html();
    let table = html.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    assert_eq!(table.matches("<th scope=\"row\">").count(), 4, "image, text, sum, WeiCom at 0.5");
    let figures = Table::of(&evaluation, Rounding::None);
    let best = figures.rows.iter().map(|row| row.average.map).fold(0.0, f64::max);
    assert!(table.contains(&format!("<strong>{best:.2}</strong>")));
    assert!(html.contains("id=\"lambda\"") && html.contains("weicom(lambda=1.0)"));
    let without = run.evaluation(&[&ImageOnly, &TextOnly, &WeiCom::default()], 3);
    assert!(!run.page(&without).to_html().contains("id=\"lambda\""), "one lambda is no curve");
}

#[test]
fn intervals_stand_below_their_figures() {
    let run = Run::new();
    let evaluation = run.sweep();
    let bootstrap = Bootstrap::default().resamples(50);
    let intervals = Intervals::of(&evaluation, Convention::Standard, bootstrap).unwrap();
    let html = run.page(&evaluation).intervals(&intervals).unwrap().to_html();
    for Interval { estimate, low, high } in [intervals.rows[2].groups[0], intervals.rows[2].average] {
        let bounds = format!("<small>[{low:.1}, {high:.1}]</small>");
        let cell =
            [format!("<td>{estimate:.2}{bounds}"), format!("<td><strong>{estimate:.2}</strong>{bounds}")];
        assert!(cell.iter().any(|cell| html.contains(cell)), "{cell:?}");
    }
    assert!(html.contains("its 95 % interval by 50 resamples"));
    let fewer = run.evaluation(&[&ImageOnly], 3);
    let error = run.page(&fewer).intervals(&intervals).err().unwrap().to_string();
    assert_eq!(error, "methods of the intervals: expected length 1, got 6");
}

#[test]
fn the_composition_can_be_chosen() {
    let run = Run::new();
    let evaluation = run.sweep();
    let html = run.page(&evaluation).composition("sum").unwrap().to_html();
    assert!(html.contains("<h4>sum <span>"));
    let error = run.page(&evaluation).composition("product").err().unwrap().to_string();
    assert_eq!(
        error,
        "the page's composition is product, but must be the label of one of the evaluated methods"
    );
}

#[test]
fn an_evaluation_without_rankings_or_methods_is_tables() {
    let run = Run::new();
    let options = EvaluateOptions::default();
    let plain = evaluate(&run.archive, &run.queries, &run.vectors, &[&Sum], options).unwrap();
    let html = run.page(&plain).to_html();
    assert!(html.contains("id=\"methods\"") && !html.contains("id=\"queries\""));
    assert!(run.page(&run.evaluation(&[], 3)).to_html().ends_with("</html>\n"));
}

#[test]
fn of_hundreds_of_groups_the_first_are_shown() {
    let mut run = Run::new();
    let group = run.queries.groups.remove(0);
    run.queries.groups =
        (0..300).map(|g| QueryGroup { name: format!("instance {g}"), ..group.clone() }).collect();
    let html = run.page(&run.sweep()).to_html();
    assert!(html.contains(">instance 299<"), "the table has all");
    assert_eq!(html.matches("<article>").count(), 2 * GROUPS);
    assert_eq!(html.matches("<g class=\"line").count(), 2 * (GROUPS + 1), "in the plot and the legend");
}

#[test]
fn an_evaluation_of_something_else_is_refused() {
    let run = Run::new();
    let evaluation = run.sweep();
    let mut fewer = run.queries.clone();
    fewer.groups[0].queries.pop();
    assert!(HtmlReport::new("", &run.archive, &fewer, &evaluation).is_err());
    let mut beyond = evaluation.clone();
    beyond.groups[0].queries[0][0].top[0].row = 4;
    let error = HtmlReport::new("", &run.archive, &run.queries, &beyond).err().unwrap();
    assert!(matches!(error, Error::BadIndex { index: 4, len: 4, .. }));
    let mut ragged = evaluation;
    ragged.groups[0].queries[0].pop();
    assert!(HtmlReport::new("", &run.archive, &run.queries, &ragged).is_err());
}

#[test]
fn files_are_known_by_their_first_bytes() {
    assert!(TileData::sniff(b"II*\0".to_vec()).is_none(), "browsers do not show TIFF");
    assert!(TileData::sniff(b"<svg onload=".to_vec()).is_none());
    assert!(TileData::sniff(Vec::new()).is_none());
    assert!(TileData::sniff(b"\x89PNG\r\n".to_vec()).is_some());
}
