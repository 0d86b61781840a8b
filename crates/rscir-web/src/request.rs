use rscir_core::{Method, ParameterValue};
use rscir_index::Filter;
use rscir_weicom::{MethodSpec, WeiCom};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Problem, ProblemKind, with_causes};

/// Parts of a query at most: what people think of at once, and one product of 32 vectors is a fraction of a second on a
/// million rows.
pub(crate) const MAX_PARTS: usize = 32;

/// Characters of a text at most: models read some 77 tokens of it, a few hundred characters.
pub(crate) const MAX_TEXT_CHARS: usize = 1_000;

/// Bytes of a key or an image's name at most: the longest path of common systems.
const MAX_NAME_BYTES: usize = 4_096;

/// Characters of a condition at most: some dozens of comparisons.
const MAX_FILTER_CHARS: usize = 4_000;

/// Characters of a method at most: its name with all its parameters.
const MAX_METHOD_CHARS: usize = 200;

/// Hits of an answer at most: more than a page shows.
pub(crate) const MAX_TOP: usize = 1_000;

/// Hits of an answer without being told: some screens.
const DEFAULT_TOP: usize = 50;

/// Ranks that can be reached at most: sorting more costs more than ranking.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// The largest weight of a part: beyond, the others have no say.
const MAX_WEIGHT: f64 = 10.0;

/// The largest parameter of a method that counts something, such as neighbors: larger ones are work without end.
const MAX_COUNT: usize = 10_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchRequest {
    /// One to 32 parts.
    parts: Vec<PartRequest>,
    /// The weight of the text beside the image, 0 to 1. Default: 0.5.
    lambda: Option<f64>,
    /// A method in place of WeiCom with `lambda`, such as `weicom:auto`.
    method: Option<String>,
    /// A condition on columns, such as `cloud < 0.2`.
    #[serde(rename = "where")]
    condition: Option<String>,
    /// West, south, east, north in degrees.
    within: Option<[f64; 4]>,
    /// How many tiles, 0 to 1000. Default: 50.
    top: Option<u64>,
    /// How many of the best to skip. Default: 0.
    offset: Option<u64>,
}

/// One part of a query: exactly one of `key`, `image`, `text` and `without`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartRequest {
    /// A tile of the archive, as an image.
    key: Option<String>,
    /// A field of the form that is an image, or the `id` of an image that was sent before.
    image: Option<String>,
    /// Words that the wanted tiles show.
    text: Option<String>,
    /// Words that they should not show.
    without: Option<String>,
    /// How much it counts: from -10 to 10, not 0. Default: 1.
    weight: Option<f64>,
}

/// A request that makes sense by itself, whatever the archive.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) parts: Vec<Part>,
    pub(crate) ranking: Ranking,
    pub(crate) narrowing: Narrowing,
    pub(crate) top: usize,
    pub(crate) offset: usize,
}

/// Which rows may be in an answer, by what their columns hold and by where they lie.
#[derive(Debug, Clone)]
pub(crate) struct Narrowing {
    pub(crate) condition: Option<(String, Filter)>,
    pub(crate) within: Option<[f64; 4]>,
}

impl Narrowing {
    /// Checks everything that needs no archive.
    pub(crate) fn new(text: Option<String>, bounds: Option<[f64; 4]>) -> Result<Self, Problem> {
        let text = text.filter(|text| !text.trim().is_empty());
        Ok(Self { condition: text.map(condition).transpose()?, within: bounds.map(within).transpose()? })
    }
}

/// One part of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) asked: Asked,
    pub(crate) weight: f32,
}

/// What a part asks with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    Key(String),
    Image(String),
    Text(String),
    Without(String),
}

impl Asked {
    pub(crate) fn is_image(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Image(_))
    }

    /// Returns the name of the part's field.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Image(_) => "image",
            Self::Text(_) => "text",
            Self::Without(_) => "without",
        }
    }
}

/// How rows are ranked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ranking {
    /// By WeiCom with this weight of the text, where there are both; true if it was asked for.
    Lambda(f64, bool),
    /// By a method of the registry.
    Method(MethodSpec),
}

impl SearchRequest {
    /// Reads a request.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let request = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            if error.is_data() {
                let problem = Problem::new(ProblemKind::BadField, error.to_string());
                if path == "." { problem } else { problem.at(path) }
            } else {
                Problem::new(ProblemKind::BadJson, format!("the query is no JSON: {error}"))
            }
        })?;
        let ends = deserializer.end();
        ends.map_err(|error| Problem::new(ProblemKind::BadJson, format!("the query is no JSON: {error}")))?;
        Ok(request)
    }

    /// Checks everything that needs no archive.
    pub(crate) fn check(self) -> Result<Query, Problem> {
        if self.parts.is_empty() || self.parts.len() > MAX_PARTS {
            let message = format!("there are {} parts: a query has 1 to {MAX_PARTS}", self.parts.len());
            return Err(Problem::field("parts", message));
        }
        let parts =
            self.parts.into_iter().enumerate().map(|(i, part)| part.check(i)).collect::<Result<_, _>>()?;
        let ranking = ranking(self.lambda, self.method)?;
        let narrowing = Narrowing::new(self.condition, self.within)?;
        let top = count("top", self.top, DEFAULT_TOP, MAX_TOP)?;
        let offset = count("offset", self.offset, 0, MAX_DEPTH)?;
        if offset + top > MAX_DEPTH {
            let message = format!("offset {offset} and top {top} reach beyond rank {MAX_DEPTH}");
            return Err(Problem::field("offset", message));
        }
        Ok(Query { parts, ranking, narrowing, top, offset })
    }
}

impl PartRequest {
    fn check(self, index: usize) -> Result<Part, Problem> {
        let given = [
            self.key.map(Asked::Key),
            self.image.map(Asked::Image),
            self.text.map(Asked::Text),
            self.without.map(Asked::Without),
        ];
        let mut given = given.into_iter().flatten();
        let (Some(asked), None) = (given.next(), given.next()) else {
            let message = "a part has exactly one of key, image, text and without";
            return Err(Problem::field(format!("parts[{index}]"), message));
        };
        let field = format!("parts[{index}].{}", asked.field());
        match &asked {
            Asked::Text(text) | Asked::Without(text) => {
                let chars = text.chars().count();
                if text.trim().is_empty() || chars > MAX_TEXT_CHARS {
                    let message = format!(
                        "a text has 1 to {MAX_TEXT_CHARS} characters, not all blank, and this has {chars}"
                    );
                    return Err(Problem::field(field, message));
                }
            }
            Asked::Key(name) | Asked::Image(name) => {
                if name.is_empty() || name.len() > MAX_NAME_BYTES {
                    let message =
                        format!("a name has 1 to {MAX_NAME_BYTES} bytes, and this has {}", name.len());
                    return Err(Problem::field(field, message));
                }
            }
        }
        let weight = self.weight.unwrap_or(1.0);
        // As the query has it: what vanishes in single precision is no weight.
        let single = weight as f32;
        if !(weight.abs() <= MAX_WEIGHT && single.is_normal()) {
            let message =
                format!("the weight is {weight}: it is from -{MAX_WEIGHT} to {MAX_WEIGHT}, and not 0");
            return Err(Problem::field(format!("parts[{index}].weight"), message));
        }
        Ok(Part { asked, weight: single })
    }
}

fn ranking(lambda: Option<f64>, method: Option<String>) -> Result<Ranking, Problem> {
    let Some(method) = method else {
        let value = lambda.unwrap_or(WeiCom::default().lambda());
        let is_asked = lambda.is_some();
        return match WeiCom::new(value) {
            Ok(method) => Ok(Ranking::Lambda(method.lambda(), is_asked)),
            Err(_) => {
                let message = format!("lambda is {value}: it is from 0 (image alone) to 1 (text alone)");
                Err(Problem::field("lambda", message))
            }
        };
    };
    if lambda.is_some() {
        return Err(Problem::field("lambda", "lambda is of WeiCom: give it or method, not both"));
    }
    if method.chars().count() > MAX_METHOD_CHARS {
        let message = format!("a method has at most {MAX_METHOD_CHARS} characters");
        return Err(Problem::field("method", message));
    }
    let spec = method.parse::<MethodSpec>();
    spec.map(Ranking::Method).map_err(|error| Problem::field("method", with_causes(&error)))
}

/// Refuses a method whose parameters ask for work without end.
pub(crate) fn check_method(method: &dyn Method) -> Result<(), Problem> {
    for (name, value) in method.info().parameters {
        if let ParameterValue::Count(count) = value
            && count > MAX_COUNT
        {
            let message = format!("{name} is {count}: a server takes no more than {MAX_COUNT} upon itself");
            return Err(Problem::field("method", message));
        }
    }
    Ok(())
}

fn condition(text: String) -> Result<(String, Filter), Problem> {
    let chars = text.chars().count();
    if chars > MAX_FILTER_CHARS {
        let message = format!("a condition has at most {MAX_FILTER_CHARS} characters, and this has {chars}");
        return Err(Problem::field("where", message));
    }
    let filter = Filter::parse(&text).map_err(|error| Problem::field("where", with_causes(&error)))?;
    Ok((text, filter))
}

fn within(bounds: [f64; 4]) -> Result<[f64; 4], Problem> {
    let [west, south, east, north] = bounds;
    let are_degrees =
        [west, east].iter().all(|x| x.abs() <= 180.0) && [south, north].iter().all(|y| y.abs() <= 90.0);
    if are_degrees && south <= north {
        return Ok(bounds);
    }
    let message = "within is west, south, east, north in degrees: longitudes from -180 to 180, latitudes from -90 to 90, south below north";
    Err(Problem::field("within", message))
}

pub(crate) fn count(field: &str, given: Option<u64>, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(Problem::field(field, format!("{field} is {given}: it is from 0 to {most}"))),
    }
}
