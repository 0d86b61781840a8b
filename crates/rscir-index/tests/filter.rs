//! Filters on columns, compared with a naive evaluation; filters change only the ranking.

mod common;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use common::{DIM, columns, key, take};
use proptest::prelude::*;
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, ComposedQuery, Date, EncoderSpec, UnitVector};
use rscir_index::testing::FaultyStorage;
use rscir_index::{
    Columns, DiskArchive, Filter, Int8Index, Literal, MemoryArchive, SearchOptions, search_with,
};
use rscir_weicom::WeiCom;

const DIR: &str = "/tiles.rscir";

fn memory(columns: Columns) -> MemoryArchive {
    let rows = columns.rows();
    let keys = (0..rows).map(key).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(rows, DIM, 1)).unwrap();
    archive.with_columns(columns).unwrap()
}

#[test]
fn a_filter_that_does_not_fit_says_what_it_meets() {
    let archive = memory(columns(&[(1, 2), (4, 2)]));
    let error = |filter: Filter| filter.select(&archive).unwrap_err().to_string();
    assert_eq!(
        error(Filter::eq("lable", "x")),
        "there is no column \"lable\"; present: bbox (floats), bool (bool), date (date), float (float), int (int), \
         text \"\u{df}\"/int (text)"
    );
    assert_eq!(error(Filter::eq("int", "x")), "column \"int\": expected int, got text");
    assert_eq!(error(Filter::lt("int", 0.5)), "column \"int\": expected int, got float");
    assert_eq!(error(Filter::is_in("date", ["2024-01-01"])), "column \"date\": expected date, got text");
    assert_eq!(
        error(Filter::eq("int", 1).or(Filter::eq("bbox", 1))),
        "column \"bbox\": expected floats, got int"
    );
    assert_eq!(error(Filter::intersects("float", [0.0; 4])), "column \"float\": expected float, got floats");
    assert!(error(Filter::intersects("bbox", [0.0; 4])).contains("holds 1 numbers for row 0"));
    let none = memory(Columns::new(3));
    let error = Filter::has_value("label").select(&none).unwrap_err();
    assert_eq!(error.to_string(), "there is no column \"label\"; present: none");
    assert!(Filter::lt("float", 1).select(&archive).is_ok(), "a whole number is a number");
}

#[test]
fn a_year_and_a_day_choose_times_that_are_text_in_either_form() {
    let texts = ["20201231T235959", "2021-01-01T00:00:00Z", "20210604T101010", "2022-03-01", "none"];
    let days = ["2020-12-31", "2021-01-01", "2021-06-04", "2022-03-01", "2021-07-01"];
    let days: Vec<Date> = days.iter().map(|day| day.parse().unwrap()).collect();
    let columns = Columns::new(5).with("timestamp", texts.to_vec()).unwrap().with("date", days).unwrap();
    let archive = memory(columns.with("label", vec!["sea", "20 m", "2021x", "a", "b"]).unwrap());
    for (text, rows) in [
        ("timestamp >= 2021", vec![1, 2, 3]),
        ("timestamp < 2021", vec![0]),
        ("timestamp = 2021", vec![1, 2]),
        ("timestamp between 2021-01-01 and 2021-06-04", vec![1, 2]),
        ("timestamp > 2021-01-01", vec![2, 3]),
        ("timestamp in (2020, 2022)", vec![0, 3]),
        ("date >= 2021", vec![1, 2, 3, 4]),
        ("date = 2021", vec![1, 2, 4]),
        // A value in quotes is compared as text.
        ("timestamp >= '2021'", vec![1, 2, 3, 4]),
    ] {
        let selected = Filter::parse(text).unwrap().select(&archive).unwrap();
        assert_eq!(selected.iter().collect::<Vec<_>>(), rows, "{text}");
    }
    // If no text of the column is a time, a difference of types is an error.
    for (text, got) in
        [("label = 2021", "int"), ("label >= 2021-01-01", "date"), ("label in (2021, 2022)", "int")]
    {
        let error = Filter::parse(text).unwrap().select(&archive).unwrap_err().to_string();
        assert_eq!(error, format!("column \"label\": expected text, got {got}"), "{text}");
    }
}

#[test]
fn boxes_intersect_where_they_touch() {
    let boxes = vec![vec![0.0, 0.0, 2.0, 1.0], vec![-3.0, 5.0, -1.0, 9.0], vec![0.5, 0.5, 0.5, 0.5]];
    let archive = memory(Columns::new(3).with("bbox", boxes).unwrap());
    for (bounds, rows) in [
        ([2.0, 1.0, 3.0, 3.0], vec![0]),
        ([2.1, 0.0, 3.0, 3.0], vec![]),
        ([0.0, 0.0, 1.0, 1.0], vec![0, 2]),
        ([-9.0, -9.0, 9.0, 9.0], vec![0, 1, 2]),
        ([-1.0, 4.0, 0.0, 5.0], vec![1]),
        ([f64::NAN, 0.0, 9.0, 9.0], vec![]),
    ] {
        let found = Filter::intersects("bbox", bounds).select(&archive).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), rows, "{bounds:?}");
    }
}

#[test]
fn a_filter_changes_neither_scores_nor_statistics() {
    let rows = 500;
    let labels: Vec<String> = (0..rows).map(|row| ["sea", "harbor", "field"][row % 3].into()).collect();
    let archive = memory(Columns::new(rows).with("label", labels).unwrap());
    let query = unit_rows(2, DIM, 9);
    let part = |row| UnitVector::normalize(query.row(row).to_vec()).unwrap();
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(part(0)).unwrap();
    let query = query.with_text(part(1)).unwrap();

    let moments = archive.moments().clone();
    let all = search_with(&archive, &WeiCom::default(), &query, &SearchOptions::top(rows)).unwrap();
    let harbors = Filter::eq("label", "harbor").select(&archive).unwrap();
    let expected: Vec<_> = all.iter().filter(|hit| hit.row % 3 == 1).cloned().collect();
    assert_eq!((harbors.len(), expected.len()), (167, 167));
    let is_harbor = |row| harbors.contains(row);
    let options = SearchOptions::top(rows).filter(&is_harbor);
    assert_eq!(search_with(&archive, &WeiCom::default(), &query, &options).unwrap(), expected);

    let index = Int8Index::new(&archive).unwrap();
    let bounded = |options: &SearchOptions<'_>| index.search(&WeiCom::default(), &query, options).unwrap();
    let few = SearchOptions::top(9).filter(&is_harbor);
    let all: Vec<_> = bounded(&SearchOptions::top(rows)).into_iter().filter(|hit| hit.row % 3 == 1).collect();
    assert_eq!(bounded(&few), all[..9]);
    assert_eq!(archive.moments(), &moments);
}

/// A row for the naive evaluation.
type Row = BTreeMap<&'static str, Option<Literal>>;

const NAMES: [&str; 4] = ["text", "int", "float", "date"];

fn literal(name: &'static str) -> BoxedStrategy<Literal> {
    match name {
        "text" => prop::sample::select(vec!["", "a", "b", "ba"]).prop_map(Literal::from).boxed(),
        "int" => (-2i64..3).prop_map(Literal::Int).boxed(),
        "float" => {
            prop::sample::select(vec![-1.0, -0.0, 0.0, 0.5, f64::NAN]).prop_map(Literal::Float).boxed()
        }
        _ => (-2i32..3).prop_map(|days| Literal::Date(Date::from_days(days))).boxed(),
    }
}

/// A generated filter, with its naive evaluation.
#[derive(Debug, Clone)]
enum Tree {
    /// A column, an operator, and its operands.
    Leaf(&'static str, &'static str, Vec<Literal>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

const OPERATORS: [&str; 9] = ["=", "!=", "<", "<=", ">", ">=", "between", "in", "has value"];

impl Tree {
    fn filter(&self) -> Filter {
        match self {
            Self::Leaf(name, operator, literals) => {
                let (a, b) = (literals[0].clone(), literals[1].clone());
                match *operator {
                    "=" => Filter::eq(name, a),
                    "!=" => !Filter::eq(name, a),
                    "<" => Filter::lt(name, a),
                    "<=" => Filter::le(name, a),
                    ">" => Filter::gt(name, a),
                    ">=" => Filter::ge(name, a),
                    "between" => Filter::between(name, a, b),
                    "in" => Filter::is_in(name, literals.clone()),
                    _ => Filter::has_value(name),
                }
            }
            Self::And(a, b) => a.filter().and(b.filter()),
            Self::Or(a, b) => a.filter().or(b.filter()),
            Self::Not(a) => !a.filter(),
        }
    }

    fn text(&self) -> String {
        let write = |literal: &Literal| match literal {
            Literal::Text(text) => format!("'{text}'"),
            Literal::Int(value) => value.to_string(),
            Literal::Float(value) => format!("{value:?}"),
            Literal::Bool(value) => value.to_string(),
            Literal::Date(date) => date.to_string(),
        };
        match self {
            Self::Leaf(name, operator, literals) => {
                let all: Vec<String> = literals.iter().map(write).collect();
                match *operator {
                    "between" => format!("{name} between {} and {}", all[0], all[1]),
                    "in" => format!("{name} in ({})", all.join(", ")),
                    "has value" => format!("{name} has value"),
                    _ => format!("{name}{operator}{}", all[0]),
                }
            }
            Self::And(a, b) => format!("({}) and ({})", a.text(), b.text()),
            Self::Or(a, b) => format!("({}) or ({})", a.text(), b.text()),
            Self::Not(a) => format!("not ({})", a.text()),
        }
    }

    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Leaf(name, operator, literals) => {
                let Some(value) = &row[name] else { return *operator == "!=" };
                let [a, b] = [0, 1].map(|i| compare(value, &literals[i]));
                match *operator {
                    "=" => a == Some(Ordering::Equal),
                    "!=" => a != Some(Ordering::Equal),
                    "<" => a == Some(Ordering::Less),
                    "<=" => a.is_some_and(|a| a != Ordering::Greater),
                    ">" => a == Some(Ordering::Greater),
                    ">=" => a.is_some_and(|a| a != Ordering::Less),
                    "between" => a.zip(b).is_some_and(|(a, b)| a != Ordering::Less && b != Ordering::Greater),
                    "in" => literals.iter().any(|literal| compare(value, literal) == Some(Ordering::Equal)),
                    _ => true,
                }
            }
            Self::And(a, b) => a.holds(row) && b.holds(row),
            Self::Or(a, b) => a.holds(row) || b.holds(row),
            Self::Not(a) => !a.holds(row),
        }
    }
}

fn compare(value: &Literal, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Literal::Text(a), Literal::Text(b)) => Some(a.cmp(b)),
        (Literal::Int(a), Literal::Int(b)) => Some(a.cmp(b)),
        (Literal::Float(a), Literal::Float(b)) => a.partial_cmp(b),
        (Literal::Date(a), Literal::Date(b)) => Some(a.days().cmp(&b.days())),
        other => panic!("{other:?}"),
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(NAMES.to_vec());
    let leaf = name.prop_flat_map(|name| {
        let operator = prop::sample::select(OPERATORS.to_vec());
        (Just(name), operator, prop::collection::vec(literal(name), 2..4))
    });
    leaf.prop_map(|(name, operator, literals)| Tree::Leaf(name, operator, literals)).prop_recursive(
        4,
        16,
        2,
        |inner| {
            (inner.clone(), inner, 0..3).prop_map(|(a, b, kind)| match kind {
                0 => Tree::And(a.into(), b.into()),
                1 => Tree::Or(a.into(), b.into()),
                _ => Tree::Not(a.into()),
            })
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = |name| prop::option::of(literal(name));
    let row = NAMES.map(value).prop_map(|values| NAMES.into_iter().zip(values).collect::<Row>());
    prop::collection::vec(row, 1..150)
}

fn columns_of(rows: &[Row]) -> Columns {
    macro_rules! column {
        ($name:literal, $variant:ident) => {
            rows.iter()
                .map(|row| match &row[$name] {
                    Some(Literal::$variant(value)) => Some(value.clone()),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
    }
    Columns::new(rows.len())
        .with("text", column!("text", Text))
        .and_then(|c| c.with("int", column!("int", Int)))
        .and_then(|c| c.with("float", column!("float", Float)))
        .and_then(|c| c.with("date", column!("date", Date)))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_filter_selects_what_its_naive_twin_does(rows in rows(), tree in trees()) {
        let expected: Vec<usize> = (0..rows.len()).filter(|&row| tree.holds(&rows[row])).collect();
        let archive = memory(columns_of(&rows));
        let selection = tree.filter().select(&archive).unwrap();
        prop_assert_eq!(selection.iter().collect::<Vec<_>>(), &expected[..]);
        prop_assert_eq!(selection.len(), expected.len());
        prop_assert_eq!(selection.is_empty(), expected.is_empty());
        prop_assert!(!selection.contains(rows.len()) && !selection.contains(usize::MAX));
        let text = tree.text();
        // The text of a filter cannot express NaN.
        if !text.contains("NaN") {
            prop_assert_eq!(text.parse::<Filter>().unwrap().select(&archive).unwrap(), selection, "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ a-c0-9'\"()=<>!,.\u{e9}-]{0,40}|(not |and |or |in |x=1 ){0,9}") {
        let _ = Filter::parse(&text);
    }
}

#[test]
fn a_filter_on_disk_selects_what_it_does_in_memory() {
    let storage = FaultyStorage::new();
    let mut writer = common::open_or_create(Arc::new(storage.clone()), DIR.as_ref()).unwrap();
    for step in common::eventful(300, 7) {
        take(&mut writer, &step).unwrap();
    }
    let disk = DiskArchive::open_with(Arc::new(storage), DIR).unwrap();
    let memory = memory(Columns::of_archive(&disk));
    for text in
        ["int between -50 and 60", "bool = true or date < 1973-01-01", "not float > 20 and bool has value"]
    {
        let filter = Filter::parse(text).unwrap();
        let selected = filter.select(&disk).unwrap();
        assert_eq!(selected, filter.select(&memory).unwrap(), "{text}");
        assert!(!selected.is_empty() && selected.len() < disk.len(), "{text}");
    }
}
