#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;

use rscir_core::{ColumnType, Date, Value};

use super::Literal;

/// A year or a day that is compared with times: those of a column of days, or of text in the formats of ISO 8601
/// with or without punctuation (`2021-03-04T10:15:00Z`, `20210304T101500`). All times of a day are equal to that
/// day, and all times of a year to that year.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Time {
    Year(i32),
    Day(Date),
}

impl Time {
    /// Returns the time that a literal means for a column of this type, or `None` if the literal is compared as
    /// it stands.
    pub(super) fn of(literal: &Literal, column: ColumnType) -> Option<Self> {
        match (literal, column) {
            (Literal::Int(year @ 1000..=9999), ColumnType::Text | ColumnType::Date) => {
                Some(Self::Year(*year as i32))
            }
            (Literal::Date(day), ColumnType::Text) => Some(Self::Day(*day)),
            _ => None,
        }
    }

    /// Compares a value with the time. `None` if the value is not a time, or does not name the day that is asked
    /// for.
    pub(super) fn order(self, value: Value<'_>) -> Option<Ordering> {
        let (year, day) = match value {
            Value::Text(text) => parse(text)?,
            Value::Date(day) => (None, Some(day)),
            _ => return None,
        };
        match self {
            Self::Day(own) => Some(day?.cmp(&own)),
            Self::Year(own) => Some(match (year, day) {
                (Some(year), _) => year.cmp(&own),
                (None, day) if day? < Date::from_ymd(own, 1, 1)? => Ordering::Less,
                (None, day) if day? > Date::from_ymd(own, 12, 31)? => Ordering::Greater,
                _ => Ordering::Equal,
            }),
        }
    }
}

/// Returns the year of a time, and its day if it names one. `None` for any other text.
fn parse(text: &str) -> Option<(Option<i32>, Option<Date>)> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then_some(());
    let (year, rest) = text.split_at_checked(4)?;
    digits(year)?;
    let number: i32 = year.parse().ok()?;
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with(['T', 't', ' ']);
    let day = if rest.is_empty() {
        None
    } else if let Some((month_and_day, time)) =
        rest.split_at_checked(6).filter(|(day, _)| day.starts_with('-'))
    {
        let day = format!("{year}{month_and_day}").parse().ok()?;
        is_end(time).then_some(())?;
        Some(day)
    } else if let Some(month) = rest.strip_prefix('-').filter(|month| month.len() == 2) {
        digits(month)?;
        None
    } else {
        let (month_and_day, time) = rest.split_at_checked(4)?;
        digits(month_and_day)?;
        is_end(time).then_some(())?;
        let (month, day) = month_and_day.split_at_checked(2)?;
        Some(Date::from_ymd(number, month.parse().ok()?, day.parse().ok()?)?)
    };
    Some((Some(number), day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_iso_8601_and_other_text_is_none() {
        let day = |text: &str| Some(text.parse::<Date>().unwrap());
        for (text, year, day) in [
            ("2021-03-04T10:15:00.25Z", 2021, day("2021-03-04")),
            ("20210304T101500", 2021, day("2021-03-04")),
            ("2021-03-04 10:15", 2021, day("2021-03-04")),
            ("20210304", 2021, day("2021-03-04")),
            ("2021-03", 2021, None),
            ("2021", 2021, None),
        ] {
            assert_eq!(parse(text), Some((Some(year), day)), "{text}");
        }
        for text in [
            "",
            "202",
            "2021x",
            "20211",
            "2021-13-01",
            "20210230",
            "202103041",
            "2021-03-04x",
            "\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn all_of_a_year_is_that_year_and_all_of_a_day_that_day() {
        let year = Time::Year(2021);
        let day = Time::Day("2021-03-04".parse().unwrap());
        for (text, by_year, by_day) in [
            ("20201231T235959", Some(Ordering::Less), Some(Ordering::Less)),
            ("2021-03-04T23:59:59Z", Some(Ordering::Equal), Some(Ordering::Equal)),
            ("20210305T000000", Some(Ordering::Equal), Some(Ordering::Greater)),
            ("2022", Some(Ordering::Greater), None),
            ("harbor", None, None),
        ] {
            assert_eq!(year.order(Value::Text(text)), by_year, "{text}");
            assert_eq!(day.order(Value::Text(text)), by_day, "{text}");
        }
        for (date, by_year) in [
            ("2020-12-31", Ordering::Less),
            ("2021-12-31", Ordering::Equal),
            ("2022-01-01", Ordering::Greater),
        ] {
            assert_eq!(year.order(Value::Date(date.parse().unwrap())), Some(by_year), "{date}");
        }
    }
}
