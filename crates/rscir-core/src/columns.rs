use std::fmt;
use std::str::FromStr;

/// Type of an archive's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnType {
    /// Text of any length.
    Text,
    /// Whole numbers of 64 bits, with a sign.
    Int,
    /// Numbers of double precision.
    Float,
    /// `true` or `false`.
    Bool,
    /// Days of the Gregorian calendar.
    Date,
    /// Lists of double-precision numbers, such as bounding boxes.
    Floats,
}

impl ColumnType {
    /// All column types.
    pub const ALL: [Self; 6] = [Self::Text, Self::Int, Self::Float, Self::Bool, Self::Date, Self::Floats];

    /// Returns the name of the type, as files and messages have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Floats => "floats",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Value of a column in one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Value of a [`ColumnType::Text`] column.
    Text(&'a str),
    /// Value of a [`ColumnType::Int`] column.
    Int(i64),
    /// Value of a [`ColumnType::Float`] column.
    Float(f64),
    /// Value of a [`ColumnType::Bool`] column.
    Bool(bool),
    /// Value of a [`ColumnType::Date`] column.
    Date(Date),
    /// Value of a [`ColumnType::Floats`] column.
    Floats(&'a [f64]),
}

impl Value<'_> {
    /// Returns the type of the columns that hold such values.
    #[must_use]
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Text(_) => ColumnType::Text,
            Self::Int(_) => ColumnType::Int,
            Self::Float(_) => ColumnType::Float,
            Self::Bool(_) => ColumnType::Bool,
            Self::Date(_) => ColumnType::Date,
            Self::Floats(_) => ColumnType::Floats,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Float(v) => v.fmt(f),
            Self::Bool(v) => v.fmt(f),
            Self::Date(v) => v.fmt(f),
            Self::Floats(v) => write!(f, "{v:?}"),
        }
    }
}

/// Writes a date as `YYYY-MM-DD`, and all else as it is. A number that is not finite becomes `null`.
#[cfg(feature = "serde")]
impl serde::Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(v) => serializer.serialize_str(v),
            Self::Int(v) => serializer.serialize_i64(*v),
            Self::Float(v) => serializer.serialize_f64(*v),
            Self::Bool(v) => serializer.serialize_bool(*v),
            Self::Date(v) => serializer.collect_str(v),
            Self::Floats(v) => serializer.collect_seq(*v),
        }
    }
}

/// The values of a column in row order, `None` for a row without a value.
pub type ColumnValues<'a> = Box<dyn Iterator<Item = Option<Value<'a>>> + 'a>;

/// A day of the Gregorian calendar, extended to all years.
///
/// ```
/// use rscir_core::Date;
///
/// let date: Date = "2024-02-29".parse().unwrap();
/// assert_eq!((date.days(), date.to_string()), (19_782, "2024-02-29".to_string()));
/// assert!("2023-02-29".parse::<Date>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    days: i32,
}

/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;

/// Days from 0000-03-01, where the eras of the algorithm begin, to 1970-01-01.
const EPOCH: i64 = 719_468;

impl Date {
    /// Returns the day `days` after 1970-01-01. Negative numbers are days before it.
    #[must_use]
    pub fn from_days(days: i32) -> Self {
        Self { days }
    }

    /// Returns the number of days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i32 {
        self.days
    }

    /// Returns day `day` (from 1) of month `month` (from 1), or `None` if there is no such day.
    #[must_use]
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        if !(1..=12).contains(&month) {
            return None;
        }
        // A year that begins in March has its leap day at the end (H. Hinnant, "chrono-Compatible Low-Level
        // Date Algorithms", days_from_civil).
        let year_of_march = i64::from(year) - i64::from(month <= 2);
        let (era, year_of_era) = (year_of_march.div_euclid(400), year_of_march.rem_euclid(400));
        let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Self::from_days(i32::try_from(era * ERA_DAYS + day_of_era - EPOCH).ok()?);
        (date.ymd() == (i64::from(year), month, day)).then_some(date)
    }

    /// Returns year, month and day (civil_from_days of the source that `from_ymd` names).
    fn ymd(self) -> (i64, u8, u8) {
        let days = i64::from(self.days) + EPOCH;
        let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_march + 2) / 5 + 1;
        let month = (month_of_march + 2) % 12 + 1;
        (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day as u8)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Date {
    type Err = crate::Error;

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) if the text is not such a date.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date = || {
            let bytes = text.as_bytes();
            let digits = |at: std::ops::Range<usize>| {
                let part = text.get(at).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
                part.parse::<u16>().ok()
            };
            let punctuated = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
            let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
            let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
            Self::from_ymd(year.into(), month, day).filter(|_| punctuated)
        };
        date().ok_or_else(|| crate::Error::Parameter {
            name: "date",
            value: text.into(),
            expected: "a day as YYYY-MM-DD",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        let (mut year, mut month, mut day) = (1899, 12, 31);
        let first = Date::from_ymd(year, month, day).unwrap().days();
        assert_eq!(Date::from_ymd(1970, 1, 1).unwrap().days(), 0);
        for days in first..first + 100_000 {
            let date = Date::from_days(days);
            assert_eq!(date.to_string(), format!("{year:04}-{month:02}-{day:02}"));
            assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u8::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                assert_eq!(Date::from_ymd(year, month, day), None);
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn values_stand_in_json_as_they_are_and_days_as_text() {
        let day = "2024-02-29".parse().unwrap();
        for (value, expected) in [
            (Value::Text("a \"b\""), r#""a \"b\"""#),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(f64::NAN), "null"),
            (Value::Bool(true), "true"),
            (Value::Date(day), r#""2024-02-29""#),
            (Value::Floats(&[1.5, f64::INFINITY]), "[1.5,null]"),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), expected);
        }
    }

    #[test]
    fn every_day_has_a_text_and_other_text_is_no_day() {
        for days in [i32::MIN, -719_529, i32::MAX] {
            assert!(!Date::from_days(days).to_string().is_empty());
        }
        for text in [
            "",
            "2024-1-01",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-01-32",
            "+024-01-01",
            "2024/01/01",
            "2024-01-0\u{e9}",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }
}
