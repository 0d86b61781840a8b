#![deny(clippy::indexing_slicing)]

use std::str::FromStr;

use rscir_core::Date;

use super::{Comparison, Filter, Literal};
use crate::{Error, Result};

/// Largest depth of nested parentheses and `not`, because each level takes stack of the thread.
const MAX_DEPTH: usize = 64;

/// Characters that end a word.
const PUNCTUATION: &str = "()=<>!,\"'";

impl Filter {
    /// Reads a filter from text:
    ///
    /// | text | [`Filter`] |
    /// |---|---|
    /// | `label = harbor`, `cloud < 0.2`, also `<=`, `>`, `>=` | [`Filter::eq`], [`Filter::lt`], ... |
    /// | `label != harbor` | the negation of `=`: rows without a value pass, too |
    /// | `label in (harbor, 'storage tank')` | [`Filter::is_in`] |
    /// | `date between 2024-01-01 and 2024-12-31` | [`Filter::between`] |
    /// | `bbox intersects (4.0, 51.8, 4.2, 52.0)` | [`Filter::intersects`] |
    /// | `label has value` | [`Filter::has_value`] |
    /// | `a = 1 and b = 2 or not (c = 3)` | `and` binds closer than `or`, `not` closer than both |
    ///
    /// Quoted text, in single or double quotes, is always text or the name of a column. A word without quotes is
    /// a truth value (`true`, `false`), a whole number (`7`), a number (`0.2`) or a day (`2024-01-01`) if it has
    /// that form, and text otherwise.
    ///
    /// # Errors
    /// [`Error::FilterSyntax`] with the byte at which reading stopped, what was expected there and what was
    /// found.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0 };
        let filter = parser.any(0)?;
        if parser.rest().is_empty() { Ok(filter) } else { Err(parser.error("and, or, or the end")) }
    }
}

impl FromStr for Filter {
    type Err = Error;

    /// Reads a filter, as [`Filter::parse`] does.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Result<Filter> {
        let mut filter = self.all(depth)?;
        while self.take_word("or") {
            filter = filter.or(self.all(depth)?);
        }
        Ok(filter)
    }

    fn all(&mut self, depth: usize) -> Result<Filter> {
        let mut filter = self.term(depth)?;
        while self.take_word("and") {
            filter = filter.and(self.term(depth)?);
        }
        Ok(filter)
    }

    fn term(&mut self, depth: usize) -> Result<Filter> {
        if depth == MAX_DEPTH {
            return Err(self.error("at most 64 nested levels"));
        }
        if self.take_word("not") {
            return Ok(!self.term(depth + 1)?);
        }
        if self.take("(") {
            let filter = self.any(depth + 1)?;
            self.expect(")")?;
            return Ok(filter);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter> {
        let (column, _) = self.token("the name of a column")?;
        if self.take_word("in") {
            return Ok(Filter::is_in(column, self.list(Self::literal)?));
        }
        if self.take_word("between") {
            let least = self.literal()?;
            if !self.take_word("and") {
                return Err(self.error("and"));
            }
            return Ok(Filter::between(column, least, self.literal()?));
        }
        if self.take_word("intersects") {
            let at = self.at;
            let bounds = self.list(Self::number)?;
            let wrong = |_| Error::FilterSyntax {
                at,
                expected: "4 numbers in parentheses: smallest x, smallest y, largest x, largest y",
                got: self.text[at..self.at].trim().into(),
            };
            return Ok(Filter::intersects(column, bounds.try_into().map_err(wrong)?));
        }
        if self.take_word("has") {
            return if self.take_word("value") {
                Ok(Filter::has_value(column))
            } else {
                Err(self.error("value"))
            };
        }
        if self.take("!=") {
            return Ok(!Filter::eq(column, self.literal()?));
        }
        // Of two signs that begin alike, the longer one is tried first.
        let comparisons = [
            ("<=", Comparison::Le),
            (">=", Comparison::Ge),
            ("<", Comparison::Lt),
            (">", Comparison::Gt),
            ("=", Comparison::Eq),
        ];
        match comparisons.into_iter().find(|(sign, _)| self.take(sign)) {
            Some((_, comparison)) => Ok(Filter::compare(column, comparison, self.literal()?)),
            None => Err(self.error("=, !=, <, <=, >, >=, in, between, intersects or has value")),
        }
    }

    /// Reads one or more items in parentheses, with commas between them.
    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect("(")?;
        let mut items = vec![item(self)?];
        while self.take(",") {
            items.push(item(self)?);
        }
        self.expect(")")?;
        Ok(items)
    }

    fn literal(&mut self) -> Result<Literal> {
        let (word, quoted) = self.token("a value")?;
        Ok(if quoted {
            Literal::Text(word.into())
        } else if let Ok(value) = word.parse() {
            Literal::Bool(value)
        } else if let Ok(value) = word.parse() {
            Literal::Int(value)
        } else if let Some(value) = parse_float(word) {
            Literal::Float(value)
        } else if let Ok(value) = word.parse::<Date>() {
            Literal::Date(value)
        } else {
            Literal::Text(word.into())
        })
    }

    fn number(&mut self) -> Result<f64> {
        let at = self.at;
        let (word, quoted) = self.token("a number")?;
        parse_float(word).filter(|_| !quoted).ok_or_else(|| Error::FilterSyntax {
            at,
            expected: "a number",
            got: word.into(),
        })
    }

    /// Skips white space and returns the text that is left.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// Returns the next word, or an empty text if punctuation or the end comes next.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        rest.split(|c: char| c.is_whitespace() || PUNCTUATION.contains(c)).next().unwrap_or_default()
    }

    /// Takes a word or a quoted text, and tells whether it was quoted.
    fn token(&mut self, expected: &'static str) -> Result<(&'a str, bool)> {
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let content = rest[1..].split_once(quote).map(|(content, _)| content);
            let content = content.ok_or_else(|| self.error("a matching closing quote"))?;
            self.at += content.len() + 2;
            return Ok((content, true));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(self.error(expected));
        }
        self.at += word.len();
        Ok((word, false))
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.take(sign) { Ok(()) } else { Err(self.error(sign)) }
    }

    fn error(&mut self, expected: &'static str) -> Error {
        let word = match (self.word(), self.rest().chars().next()) {
            ("", None) => "the end".into(),
            ("", Some(sign)) => sign.to_string(),
            (word, _) => word.into(),
        };
        Error::FilterSyntax { at: self.at, expected, got: word }
    }
}

/// Parses a number that has a digit. `inf` and `nan` have none, so they are text.
fn parse_float(word: &str) -> Option<f64> {
    word.parse().ok().filter(|_| word.contains(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Filter {
        Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn texts_mean_what_they_say() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        for (text, filter) in [
            ("label=harbor", Filter::eq("label", "harbor")),
            (" label  =  'storage tank' ", Filter::eq("label", "storage tank")),
            ("\"a b\"=\"it's\"", Filter::eq("a b", "it's")),
            ("year=2024", Filter::eq("year", 2024)),
            ("year='2024'", Filter::eq("year", "2024")),
            ("cloud<0.2", Filter::lt("cloud", 0.2)),
            ("cloud<=-2e-1", Filter::le("cloud", -0.2)),
            ("date>2024-02-29", Filter::gt("date", date("2024-02-29"))),
            ("date>=2024-02-30", Filter::ge("date", "2024-02-30")),
            ("night=true", Filter::eq("night", true)),
            ("name=inf", Filter::eq("name", "inf")),
            ("path=a/b.tif", Filter::eq("path", "a/b.tif")),
            ("label!=sea", !Filter::eq("label", "sea")),
            ("label IN (sea,'x', 3)", Filter::is_in("label", [Literal::from("sea"), "x".into(), 3.into()])),
            ("n between 1 and 2 and m=3", Filter::between("n", 1, 2).and(Filter::eq("m", 3))),
            ("bbox intersects (0, -1.5, 2, 3)", Filter::intersects("bbox", [0.0, -1.5, 2.0, 3.0])),
            ("label has value", Filter::has_value("label")),
            ("a=1 or b=2 and not c=3", Filter::eq("a", 1).or(Filter::eq("b", 2).and(!Filter::eq("c", 3)))),
            ("(a=1 or b=2) and c=3", Filter::eq("a", 1).or(Filter::eq("b", 2)).and(Filter::eq("c", 3))),
        ] {
            assert_eq!(parse(text), filter, "{text}");
        }
    }

    #[test]
    fn malformed_texts_say_where_and_what() {
        let deep = "(".repeat(100_000);
        let negated = "not ".repeat(100_000);
        for (text, at, expected, got) in [
            ("", 0, "the name of a column", "the end"),
            ("label", 5, "=, !=, <, <=, >, >=, in, between, intersects or has value", "the end"),
            ("label harbor", 6, "=, !=, <, <=, >, >=, in, between, intersects or has value", "harbor"),
            ("label=", 6, "a value", "the end"),
            ("label==x", 6, "a value", "="),
            ("label='x", 6, "a matching closing quote", "'"),
            ("label=x y", 8, "and, or, or the end", "y"),
            ("label=x and", 11, "the name of a column", "the end"),
            ("(label=x", 8, ")", "the end"),
            ("label in x", 9, "(", "x"),
            ("label in ()", 10, "a value", ")"),
            ("n between 1 or 2", 12, "and", "or"),
            ("label has it", 10, "value", "it"),
            ("b intersects (1, 2, x, 4)", 19, "a number", "x"),
            (
                "b intersects (1, 2)",
                12,
                "4 numbers in parentheses: smallest x, smallest y, largest x, largest y",
                "(1, 2)",
            ),
            ("\u{e9}", 2, "=, !=, <, <=, >, >=, in, between, intersects or has value", "the end"),
            (&deep, 64, "at most 64 nested levels", "("),
            (&negated, 256, "at most 64 nested levels", "not"),
        ] {
            match Filter::parse(text) {
                Err(Error::FilterSyntax { at: a, expected: e, got: g }) => {
                    assert_eq!((a, e, g.as_str()), (at, expected, got), "{:.40}", text);
                }
                other => panic!("{text:.40}: {other:?}"),
            }
        }
    }
}
