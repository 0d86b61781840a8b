//! Results by query as JSON lines, with one object for each query and method.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rscir_core::{Archive, files};

use crate::protocol::shortened;
use crate::{Convention, Error, Evaluation, QuerySet, Result, Sample};

/// Greatest length of a line in bytes: room for thousands of top rows, but not for a file without lines.
const MAX_LINE_BYTES: u64 = 1 << 24;

/// The result of one query under one method, which is a line of the file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRecord {
    /// Id of the query, `<attribute>/<place>`, with the place from 0 in the order of the benchmark's file.
    pub query: String,
    /// Name of the group.
    pub attribute: String,
    /// Key of the query image.
    pub image: String,
    /// Text of the query.
    pub value: String,
    /// Label of the method.
    pub method: String,
    /// Average precision by the convention of the run, a fraction of 1.
    pub ap: f64,
    /// Number of relevant images in all.
    pub relevant: usize,
    /// The best rows that were kept, best first.
    pub top: Vec<TopRecord>,
}

/// One of the best rows of a query.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopRecord {
    /// Key of the image.
    pub key: String,
    /// Score of the image.
    pub score: f64,
    /// `true` if the image is relevant.
    pub relevant: bool,
}

/// Writes a line for every query under every method. An existing file is replaced once the new one is
/// complete. `queries` and `archive` are those of the evaluation.
///
/// # Errors
/// [`Error::Io`] with `path` if the file cannot be written; [`Error::BadIndex`] if `queries` are not those
/// that were evaluated.
pub fn write_records(
    path: impl AsRef<Path>,
    archive: &dyn Archive,
    queries: &QuerySet,
    evaluation: &Evaluation,
    convention: Convention,
) -> Result<()> {
    queries.check(archive.len())?;
    let groups = evaluation.with_queries(queries)?;
    // The error of a record is kept, because the writer would replace it by an error of its own.
    let mut refused = None;
    let written = files::replace(path, |out| {
        for (group, outcomes) in groups {
            for (place, (query, outcomes)) in group.queries.iter().zip(&outcomes.queries).enumerate() {
                let names = match queries.names(group, *query) {
                    Ok(names) => names,
                    Err(error) => {
                        refused = Some(error);
                        return Err(io::ErrorKind::InvalidInput.into());
                    }
                };
                let relevant = &queries.relevant[query.relevant];
                for (method, outcome) in evaluation.methods.iter().zip(outcomes) {
                    let top = outcome.top.iter().map(|scored| TopRecord {
                        key: archive.key(scored.row).into(),
                        score: f64::from(scored.score),
                        relevant: relevant.binary_search(&scored.row).is_ok(),
                    });
                    let record = QueryRecord {
                        query: format!("{}/{place}", group.name),
                        attribute: group.name.clone(),
                        image: names.image.into(),
                        value: names.text.into(),
                        method: method.label.clone(),
                        ap: convention.average_precision(outcome),
                        relevant: outcome.relevant,
                        top: top.collect(),
                    };
                    serde_json::to_writer(&mut *out, &record)?;
                    out.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    });
    written.map_err(|error| refused.unwrap_or(error.into()))
}

/// Reads the records of a file one by one. Empty lines are skipped.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened. The iterator returns [`Error::Io`], or [`Error::Line`] for a
/// line that is not a record.
pub fn read_records(path: impl AsRef<Path>) -> Result<impl Iterator<Item = Result<QueryRecord>>> {
    let numbered = Lines::open(path.as_ref())?;
    Ok(numbered.map(|item| item.map(|(_, record)| record)))
}

struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    bytes: Vec<u8>,
    failed: bool,
}

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let (file, _) = files::open_regular(path)?;
        let file = BufReader::new(file);
        Ok(Self { path: path.into(), file, line: 0, bytes: Vec::new(), failed: false })
    }

    fn bad(&self, problem: String) -> Error {
        Error::Line { path: self.path.clone(), line: self.line, problem }
    }

    /// Reads the record of the next line. Returns `None` at the end.
    fn record(&mut self) -> Result<Option<(u64, QueryRecord)>> {
        loop {
            self.bytes.clear();
            let mut limited = (&mut self.file).take(MAX_LINE_BYTES + 1);
            let read = limited.read_until(b'\n', &mut self.bytes).map_err(|source| Error::Io {
                action: "read",
                path: self.path.clone(),
                source,
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if read as u64 > MAX_LINE_BYTES {
                return Err(
                    self.bad(format!("has more than {MAX_LINE_BYTES} bytes: write one record a line"))
                );
            }
            let line = self.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.bytes);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let record: QueryRecord = serde_json::from_slice(line).map_err(|error| {
                let problem = shortened(&error.to_string());
                self.bad(format!("{problem}: write the run's results again"))
            })?;
            if !(0.0..=1.0).contains(&record.ap) {
                return Err(self.bad(format!("ap is {}, but must be a fraction of 1", record.ap)));
            }
            return Ok(Some((self.line, record)));
        }
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, QueryRecord)>;

    /// Returns the next record. The iterator ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.record().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

/// The average precisions of a run's queries, read back to compare them with another run or method.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// Labels of the methods, in the order of the file.
    pub methods: Vec<String>,
    /// Outcomes by method, then by query id.
    outcomes: Vec<HashMap<String, Outcome>>,
    /// Ids of the queries by group, in the order of the file.
    groups: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    image: String,
    value: String,
    ap: f64,
}

impl Run {
    /// Reads the file that [`write_records`] wrote, without the top rows.
    ///
    /// # Errors
    /// The errors of [`read_records`]; [`Error::Line`] if a query occurs twice under one method.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let mut run = Self::default();
        let (mut methods, mut groups) = (HashMap::new(), HashMap::new());
        let mut group_of: BTreeMap<String, usize> = BTreeMap::new();
        for item in Lines::open(path.as_ref())? {
            let (line, record) = item?;
            let bad = |problem| Error::Line { path: path.as_ref().into(), line, problem };
            let method = *methods.entry(record.method).or_insert_with_key(|method: &String| {
                run.methods.push(method.clone());
                run.outcomes.push(HashMap::new());
                run.methods.len() - 1
            });
            let group = *groups.entry(record.attribute).or_insert_with_key(|name: &String| {
                run.groups.push((name.clone(), Vec::new()));
                run.groups.len() - 1
            });
            match group_of.get(&record.query) {
                None => {
                    group_of.insert(record.query.clone(), group);
                    run.groups[group].1.push(record.query.clone());
                }
                Some(&known) if known != group => {
                    let problem =
                        format!("the query {} stands under two attributes: name each once", record.query);
                    return Err(bad(problem));
                }
                Some(_) => {}
            }
            let outcome = Outcome { image: record.image, value: record.value, ap: record.ap };
            if run.outcomes[method].contains_key(&record.query) {
                let problem = format!(
                    "the query {} stands twice under {}: delete one",
                    record.query, run.methods[method]
                );
                return Err(bad(problem));
            }
            run.outcomes[method].insert(record.query, outcome);
        }
        Ok(run)
    }

    /// Pairs the average precisions of `method` in this run with those of `other_method` in `other`, query by
    /// query, in percent. [`Bootstrap::difference`](crate::Bootstrap::difference) takes the result.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`] if a run does not have its method; [`Error::Unpaired`] if one run lacks a
    /// query, or has another query under the same id.
    pub fn paired(&self, method: &str, other: &Self, other_method: &str) -> Result<(Sample, Sample)> {
        let (first, second) = (self.outcomes(method)?, other.outcomes(other_method)?);
        let unpaired = |query: &str, method: &str, problem| Error::Unpaired {
            query: query.into(),
            method: method.into(),
            problem,
        };
        if let Some(query) = second.keys().filter(|query| !first.contains_key(*query)).min() {
            return Err(unpaired(query, method, "the query is in the other run alone"));
        }
        let mut samples = (Sample::default(), Sample::default());
        for (group, ids) in &self.groups {
            let mut values = (Vec::new(), Vec::new());
            for id in ids {
                // Another method of this run may have more queries.
                let Some(own) = first.get(id) else { continue };
                let theirs = second
                    .get(id)
                    .ok_or_else(|| unpaired(id, other_method, "the query is in the first run alone"))?;
                if (&own.image, &own.value) != (&theirs.image, &theirs.value) {
                    return Err(unpaired(
                        id,
                        other_method,
                        "the runs ask other images or texts under one id",
                    ));
                }
                values.0.push(100.0 * own.ap);
                values.1.push(100.0 * theirs.ap);
            }
            for (sample, values) in [(&mut samples.0, values.0), (&mut samples.1, values.1)] {
                sample.groups.push(group.clone());
                sample.values.push(values);
            }
        }
        Ok(samples)
    }

    fn outcomes(&self, method: &str) -> Result<&HashMap<String, Outcome>> {
        let place = self.methods.iter().position(|known| known == method);
        place
            .and_then(|place| self.outcomes.get(place))
            .ok_or_else(|| Error::UnknownMethod { method: method.into(), known: self.methods.join(", ") })
    }
}
