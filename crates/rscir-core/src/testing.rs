//! Conformance suites for implementors of the traits: functions to call from a test.
//!
//! They run on this project's own implementations and can be run on yours. Each function panics with a
//! message that says which promise is broken.

use crate::{
    Archive, BandBatch, BandsView, Channels, ColumnSchema, ColumnType, ComposedQuery, Date, EmbeddingSink,
    Embeddings, EncoderSpec, Error, Fingerprint, ImageEncoder, ImageSource, Method, Modality, PixelBatch,
    Queries, Recorded, RgbView, RowValues, ScoreStatistics, SinkRow, TextEncoder, UnitVector, Value,
};

/// Makes `n` unit vectors of width `dim` from a seed.
pub fn unit_rows(n: usize, dim: usize, seed: u64) -> Embeddings {
    let mut state = seed;
    let values = (0..n * dim)
        .map(|_| {
            // SplitMix64 (Steele, Lea, Flood 2014). The vectors must not depend on the version of a crate.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect();
    Embeddings::normalize(dim, values).expect("uniform values are finite and not all zero")
}

/// Checks an archive that holds `rows` under `keys`. `tolerance` is the greatest error of its similarities:
/// 0.0005 for 8-bit rows, 0.000002 for `f32`.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn archive(archive: &dyn Archive, keys: &[&str], rows: &Embeddings, tolerance: f32) {
    assert_eq!(archive.len(), keys.len(), "len is the number of rows");
    assert_eq!(archive.is_empty(), keys.is_empty(), "is_empty agrees with len");
    assert_eq!(archive.dim(), rows.dim(), "dim is the width of the rows");
    for (row, key) in keys.iter().enumerate() {
        assert_eq!(archive.key(row), *key, "keys keep their order");
        assert_eq!(archive.find(key), Some(row), "find is the inverse of key");
        for (a, b) in archive.vector(row).iter().zip(rows.row(row)) {
            assert!((a - b).abs() <= tolerance, "vector {row} is the row that was put in");
        }
    }
    assert_eq!(archive.find("\u{1}no such key"), None, "find gives nothing for an absent key");
    assert!(archive.keys().eq(keys.iter().copied()), "keys gives the keys in order");
    if let Some(key) = keys.first() {
        let vector = archive.unit_vector(key).expect("a row has a vector to ask with");
        close(&vector, rows.row(0), tolerance, "unit_vector is the row");
    }
    assert!(archive.unit_vector("\u{1}no such key").is_none(), "an absent key has no vector");
    for (name, column_type) in archive.columns() {
        let values: Vec<_> = archive.column(name).expect("a column that is listed is there").collect();
        assert_eq!(values.len(), keys.len(), "column {name} has a value or none for each row");
        for (row, value) in values.into_iter().enumerate() {
            assert_eq!(archive.value(name, row), value, "value agrees with column {name}");
            assert!(
                value.is_none_or(|value| value.column_type() == column_type),
                "column {name} holds values of its type"
            );
        }
    }
    assert!(archive.column("\u{1}no such column").is_none(), "an absent column gives nothing");
    assert!(archive.columns().is_sorted_by(|a, b| a.0 < b.0), "columns are sorted by name, each once");

    let mut kept: Vec<usize> = Vec::new();
    for part in archive.quantized() {
        assert_eq!(part.center.len(), rows.dim(), "a part's center is as wide as the rows");
        assert_eq!(part.scales.len(), part.residuals.len(), "each row of a part has a scale and a residual");
        assert!(part.runs.is_sorted_by(|a, b| a.rows.end <= b.rows.start), "a part's runs rise");
        assert!(
            part.runs.iter().all(|run| run.rows.end <= part.scales.len()),
            "runs are of rows of the part"
        );
        kept.extend(part.runs.iter().flat_map(|run| {
            let first = part.first_row + run.first_row;
            first..first + run.rows.len()
        }));
    }
    kept.sort_unstable();
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "a row is in one part at the most");
    assert!(kept.last().is_none_or(|last| *last < keys.len()), "runs are of rows of the archive");

    let n = keys.len();
    let queries = unit_rows(5, rows.dim(), 7);
    let mut block = vec![f32::NAN; 5 * n];
    archive.similarities(queries.queries(), &mut block).expect("similarities of fitting shapes");
    for (q, scores) in block.chunks_exact(n.max(1)).enumerate() {
        let mut alone = vec![f32::NAN; n];
        archive.similarities(queries.vector(q).queries(), &mut alone).expect("similarities of one query");
        for (row, (&in_block, &alone)) in scores.iter().zip(&alone).enumerate() {
            let exact: f64 =
                rows.row(row).iter().zip(queries.row(q)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!(
                (f64::from(in_block) - exact).abs() <= f64::from(tolerance),
                "similarity of query {q}, row {row}"
            );
            assert!((in_block - alone).abs() <= 2e-6, "a query's similarities do not depend on its block");
        }
    }
    let nearest = archive.nearest(queries.queries(), 3).expect("the rows nearest to some queries");
    assert_eq!(nearest.len(), 5, "every query has its nearest rows");
    for (nearest, scores) in nearest.iter().zip(block.chunks_exact(n.max(1))) {
        let best = crate::top_k(scores, 3);
        assert_eq!(nearest.len(), best.len(), "as many nearest rows as are asked for, or all");
        for (near, best) in nearest.iter().zip(&best) {
            assert!((near.score - best.score).abs() <= 2e-6, "nearest rows are the best of the similarities");
        }
    }
    assert!(
        archive.similarities(queries.queries(), &mut vec![0.0; 5 * n + 1]).is_err(),
        "a wrong buffer is an error"
    );
    let narrow = vec![1.0; rows.dim() + 1];
    let narrow = Queries::new(rows.dim() + 1, &narrow).expect("one row");
    assert!(archive.similarities(narrow, &mut vec![0.0; n]).is_err(), "a wrong width is an error");

    assert_eq!(archive.moments().count(), n as u64, "moments count every row");
    if n > 1 {
        let scan = ScoreStatistics::of(&block[..n]);
        let without = archive.moments().statistics(queries.row(0)).expect("statistics of a fitting query");
        let slack = 1e-6 + f64::from(tolerance);
        assert!((scan.mean - without.mean).abs() <= slack, "moments give the scan's mean");
        assert!(
            (scan.std_dev - without.std_dev).abs() <= slack,
            "moments give the scan's standard deviation"
        );
    }
}

/// Checks a method on an archive with at least three rows, with a query that has every part.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn method(method: &dyn Method, archive: &dyn Archive) {
    let label = method.label();
    assert!(!label.is_empty() && !label.contains(['\n', '"']), "a label fits a table's cell");
    assert_eq!(method.info().label, label, "one label");
    let vectors = unit_rows(2, archive.dim(), 11);
    let query = ComposedQuery::new(archive.spec().clone())
        .with_image(vectors.vector(0))
        .and_then(|q| q.with_text(vectors.vector(1)))
        .expect("fitting widths")
        .with_words("dense")
        .with_image_key(archive.key(0));
    let n = archive.len();
    let mut scores = vec![f32::NAN; n];
    method.score(&query, archive, &mut scores).expect("a whole query is scored");
    assert!(scores.iter().all(|s| s.is_finite()), "every row gets a finite score");
    let mut again = vec![f32::NAN; n];
    method.score(&query, archive, &mut again).expect("a whole query is scored again");
    assert_eq!(scores, again, "scoring is deterministic");
    assert!(method.score(&query, archive, &mut vec![0.0; n + 1]).is_err(), "a wrong buffer is an error");

    if let Some(composition) = method.kind().composition() {
        let vector = composition.compose(&query, archive).expect("a whole query is composed");
        let vector = Queries::new(archive.dim(), &vector).expect("a vector as wide as the archive's");
        let mut similarities = vec![0.0; n];
        archive.similarities(vector, &mut similarities).expect("similarities of one vector");
        method.score(&query, archive, &mut scores).expect("a whole query is scored");
        assert_eq!(scores, similarities, "a composition scores by its vector");
    }
    if let Some(evidence) = method.kind().evidence() {
        let bare = ComposedQuery::new(archive.spec().clone());
        let missing = method.score(&bare, archive, &mut scores);
        assert!(
            matches!(missing, Err(Error::MissingPart { .. })),
            "evidence of nothing is an error that names the parts"
        );
        assert_eq!(evidence.evidence_key(), evidence.evidence_key(), "evidence has one key");
        let parts = evidence.parts(&query).expect("a whole query has parts");
        let asked = evidence.ask(&parts, archive).expect("a whole query asks");
        assert_eq!(asked.len(), parts.len(), "every part asks with one vector");
        let rising: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
        let mut fits = Vec::new();
        for part in &asked {
            let vector =
                Queries::new(archive.dim(), &part.vector).expect("a vector as wide as the archive's");
            let mut list = vec![0.0; n];
            archive.similarities(vector, &mut list).expect("similarities of one vector");
            let fit = crate::fit_list(evidence, part, &list);
            let mut whole = vec![0.0; 64];
            evidence.evidence(part, &fit, &rising, &mut whole);
            assert!(whole.windows(2).all(|w| w[0] <= w[1]), "evidence never falls");
            let mut few = vec![0.0; 7];
            evidence.evidence(part, &fit, &rising[20..27], &mut few);
            assert_eq!(few, whole[20..27], "evidence of a row is its own");
            let probability = evidence.probability(part, &fit, list[0]);
            assert!((0.0..=1.0).contains(&probability), "a probability is one");
            fits.push(fit);
        }
        let weights = evidence.weights(&asked, &fits);
        assert!(weights.len() == asked.len() && weights.iter().all(|w| *w >= 0.0), "no weight is negative");
    }
    if let Some(fusion) = method.kind().fusion() {
        let bare = ComposedQuery::new(archive.spec().clone());
        let missing = method.score(&bare, archive, &mut scores);
        assert!(
            matches!(missing, Err(Error::MissingPart { .. })),
            "a fusion names the part that a query lacks"
        );
        assert_eq!(fusion.normalization(), fusion.normalization(), "a normalization has one key");
        if fusion.is_monotone() {
            let rising: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
            let statistics = ScoreStatistics::of(&rising);
            let mut whole = vec![0.0; 64];
            fusion.normalize(&rising, &statistics, &mut whole);
            assert!(whole.windows(2).all(|w| w[0] <= w[1]), "a monotone normalization never falls");
            let mut part = vec![0.0; 7];
            fusion.normalize(&rising[20..27], &statistics, &mut part);
            assert_eq!(part, whole[20..27], "a monotone normalization may be called on parts");
            let constant = [whole[31]; 64];
            let mut combined = vec![0.0; 64];
            for (image, text) in [(&whole[..], &constant[..]), (&constant[..], &whole[..])] {
                fusion.combine(image, text, &mut combined);
                assert!(combined.windows(2).all(|w| w[0] <= w[1]), "a monotone combination never falls");
            }
        }
        if fusion.modality() != Modality::Both {
            let ranks = |scores: &[f32]| crate::top_k(scores, n).iter().map(|s| s.row).collect::<Vec<_>>();
            let vector = if fusion.modality().reads_image() { vectors.vector(0) } else { vectors.vector(1) };
            let mut similarities = vec![0.0; n];
            archive.similarities(vector.queries(), &mut similarities).expect("similarities of one query");
            method.score(&query, archive, &mut scores).expect("a whole query is scored");
            assert_eq!(
                ranks(&scores),
                ranks(&similarities),
                "a one-sided fusion ranks as its similarities do"
            );
        }
    }
}

/// Checks a sink of width `dim`, which must be empty.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn sink(sink: &mut dyn EmbeddingSink, dim: usize) {
    let rows = unit_rows(3, dim, 3);
    let print = |b: u8| Fingerprint([b; 16]);
    let row = |key, b| SinkRow::new(key, print(b));
    sink.check_columns(&[]).expect("rows without columns can be taken");
    assert_eq!(sink.fingerprint("a"), None, "an empty sink holds nothing");
    sink.commit(&[row("a", 1), row("b", 2), row("c", 3)], &rows).expect("a fitting batch is taken");
    assert_eq!(sink.fingerprint("b"), Some(print(2)), "a committed row is there with its fingerprint");
    assert_eq!(sink.fingerprint("d"), None, "what was not committed is not there");
    assert!(sink.commit(&[row("d", 4)], &rows).is_err(), "a batch whose counts differ is refused");
    assert_eq!(sink.fingerprint("d"), None, "a refused batch leaves nothing");
    assert!(sink.commit(&[row("d", 4)], &unit_rows(1, dim + 1, 5)).is_err(), "another width is refused");
    sink.commit(&[row("b", 9)], &unit_rows(1, dim, 5)).expect("a row is replaced");
    assert_eq!(sink.fingerprint("b"), Some(print(9)), "a replaced row has the new fingerprint");
}

/// Checks a sink of width `dim` that keeps columns, which must be empty. `archive` opens the archive that the
/// sink has written.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn sink_with_columns<S: EmbeddingSink>(
    sink: &mut S,
    dim: usize,
    archive: impl Fn(&S) -> Box<dyn Archive>,
) {
    let day = Date::from_days(20_000);
    let corners = [4.1, 51.9, 4.2, 51.9, 4.2, 52.0, 4.1, 52.0];
    let all = [
        ("cloud", Value::Float(0.25)),
        ("count", Value::Int(-7)),
        ("day", Value::Date(day)),
        ("footprint", Value::Floats(&corners)),
        ("is_new", Value::Bool(true)),
        ("label", Value::Text("na\u{ef}ve harbor")),
    ];
    let columns = all.map(|(name, value)| ColumnSchema::new(name, value.column_type()));
    let mut full = RowValues::new(&columns);
    all.iter().for_each(|(name, value)| full.set(name, *value).expect("a value of its column's type"));
    let one = [ColumnSchema::new("label", ColumnType::Text)];
    let labeled = |label: Option<&str>| {
        let mut row = RowValues::new(&one);
        if let Some(label) = label {
            row.set("label", Value::Text(label)).expect("a text for a column of texts");
        }
        row
    };
    let print = |b: u8| Fingerprint([b; 16]);
    let has = |sink: &S, key: &str, name: &str, expected: Option<Value<'_>>, promise: &str| {
        let archive = archive(sink);
        let row = archive.find(key).expect("a committed row is there");
        assert_eq!(archive.value(name, row), expected, "{promise}: column {name} of row {key}");
    };

    sink.check_columns(&columns).expect("new columns can be taken");
    let rows = [SinkRow::new("a", print(1)).values(&full), SinkRow::new("b", print(2))];
    sink.commit(&rows, &unit_rows(2, dim, 3)).expect("rows with and without values are taken");
    for (name, value) in all {
        has(sink, "a", name, Some(value), "a value is kept");
        has(sink, "b", name, None, "a row without values has none");
    }
    let vector = archive(sink).unit_vector("a").expect("a row has a vector");
    let changed =
        sink.update_values(&["a", "b", "no such key"], &[labeled(Some("quay")), labeled(None), full.clone()]);
    assert_eq!(changed.expect("values of some columns are taken"), 1, "rows that are changed are counted");
    has(sink, "a", "label", Some(Value::Text("quay")), "an update is taken");
    has(sink, "a", "day", Some(Value::Date(day)), "an update leaves other columns");
    assert_eq!(sink.fingerprint("a"), Some(print(1)), "an update leaves the fingerprint");
    assert_eq!(archive(sink).unit_vector("a"), Some(vector), "an update leaves the vector");
    assert_eq!(archive(sink).find("no such key"), None, "an update makes no row");
    assert!(
        sink.update_values(&["a", "b"], &[labeled(None)]).is_err(),
        "an update whose counts differ is refused"
    );

    let replaced = labeled(None);
    sink.commit(&[SinkRow::new("a", print(4)).values(&replaced)], &unit_rows(1, dim, 5))
        .expect("a row is replaced");
    has(sink, "a", "label", None, "a column that a replaced row comes without a value in has none");
    has(sink, "a", "count", Some(Value::Int(-7)), "a replaced row keeps its other columns");
    sink.commit(&[SinkRow::new("a", print(5))], &unit_rows(1, dim, 6)).expect("a row is replaced");
    has(sink, "a", "count", Some(Value::Int(-7)), "a row that is replaced without values keeps its columns");

    let other = [ColumnSchema::new("count", ColumnType::Text)];
    assert!(sink.check_columns(&other).is_err(), "a column keeps its type");
    let mut wrong = RowValues::new(&other);
    wrong.set("count", Value::Text("seven")).expect("a text for a column of texts");
    let rows = [SinkRow::new("c", print(6)).values(&wrong)];
    assert!(sink.commit(&rows, &unit_rows(1, dim, 7)).is_err(), "a value of another type is refused");
    assert_eq!(sink.fingerprint("c"), None, "a refused batch leaves nothing");
    assert!(sink.update_values(&["a"], &[wrong]).is_err(), "an update of another type is refused");
}

/// Checks a source all of whose items can be read.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn source(source: &dyn ImageSource) {
    assert_eq!(source.is_empty(), matches!(source.len(), 0), "is_empty agrees with len");
    let columns = source.columns();
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "columns have names of their own");
    assert!(names.first().is_none_or(|name| !name.is_empty()), "columns have names");
    for item in 0..source.len() {
        let key = source.key(item);
        assert!(!key.is_empty(), "item {item} has a key");
        assert_eq!(source.key(item), key, "the key of item {item} stays");
        let fingerprint = source.fingerprint(item).expect("an item that can be read can be looked at");
        assert_eq!(
            source.fingerprint(item).ok(),
            Some(fingerprint),
            "what did not change has one fingerprint"
        );
        let image = source.read(item).expect("the suite is for sources that can be read");
        image.view().expect("an image has three bytes for each pixel");
        assert_eq!(source.read(item).ok(), Some(image), "item {item} has the same pixels again");
        let mut row = RowValues::new(columns);
        source.values(item, &mut row).expect("the values have the types of their columns");
        let mut again = RowValues::new(columns);
        source.values(item, &mut again).expect("the values have the types of their columns");
        assert_eq!(row, again, "item {item} has the same values again");
    }
    for omission in source.left_out() {
        assert!(omission.count > 0 && !omission.what.is_empty(), "what is left out is named and counted");
    }
}

/// Checks an image encoder. `tolerance` is the greatest difference of a value between batch sizes.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn image_encoder(encoder: &dyn ImageEncoder, tolerance: f32) {
    record(encoder.spec());
    let size = encoder.input_size();
    if let Channels::Bands { count, .. } = encoder.channels() {
        return band_encoder(encoder, count, tolerance);
    }
    let bands = [0.0; 4];
    let view = BandsView::new([1, 1], 4, &bands).expect("a whole image");
    assert!(encoder.encode_band_image(view).is_err(), "an encoder of colors refuses bands");
    let noise = |width: usize, height: usize, seed: u64| -> Vec<u8> {
        unit_rows(1, width * height * 3, seed).row(0).iter().map(|v| (v.to_bits() >> 7) as u8).collect()
    };
    let mut batch = Vec::new();
    for (seed, (width, height)) in [(size, size), (size + 9, size), (17, 40), (1, 1)].into_iter().enumerate()
    {
        let data = noise(width, height, seed as u64);
        let view = RgbView::new(width, height, &data).expect("a whole image");
        let mut pixels = vec![0; size * size * 3];
        encoder.prepare(view, &mut pixels).expect("an image of any size is prepared");
        assert!(
            encoder.prepare(view, &mut vec![0; size * size * 3 + 1]).is_err(),
            "a wrong buffer is an error"
        );
        batch.extend(pixels);
    }
    let whole = encoder.encode_pixels(PixelBatch::new(size, &batch).expect("whole images")).expect("a batch");
    assert_eq!(
        (whole.len(), whole.dim()),
        (4, encoder.spec().dim),
        "one row per image, as wide as the spec says"
    );
    for (row, pixels) in batch.chunks_exact(size * size * 3).enumerate() {
        let alone =
            encoder.encode_pixels(PixelBatch::new(size, pixels).expect("one image")).expect("one image");
        close(alone.row(0), whole.row(row), tolerance, "an image's vector does not depend on its batch");
    }
    let wrong = vec![0; (size + 1) * (size + 1) * 3];
    assert!(
        encoder.encode_pixels(PixelBatch::new(size + 1, &wrong).expect("one image")).is_err(),
        "images of another size are an error"
    );
}

/// Checks an encoder of bands.
fn band_encoder(encoder: &dyn ImageEncoder, count: usize, tolerance: f32) {
    let size = encoder.input_size();
    let refused = |data: &[u8]| {
        let view = RgbView::new(1, 1, data).expect("a whole image");
        encoder.encode_image(view).is_err()
    };
    assert!(refused(&[0; 3]), "an encoder of bands refuses colors");
    let mut batch = Vec::new();
    for (seed, sides) in [[size, size], [size + 9, size], [17, 40], [1, 1]].into_iter().enumerate() {
        let noise = unit_rows(1, sides[0] * sides[1] * count, seed as u64);
        let data: Vec<f32> = noise.row(0).iter().map(|value| (value * 5000.0).abs()).collect();
        let view = BandsView::new(sides, count, &data).expect("a whole image");
        let mut values = vec![0.0; size * size * count];
        encoder.prepare_bands(view, &mut values).expect("an image of any size is prepared");
        let mut wrong = vec![0.0; values.len() + 1];
        assert!(encoder.prepare_bands(view, &mut wrong).is_err(), "a wrong buffer is an error");
        let more = vec![0.0; count + 1];
        let more = BandsView::new([1, 1], count + 1, &more).expect("a whole image");
        assert!(encoder.prepare_bands(more, &mut values).is_err(), "another number of bands is an error");
        batch.extend(values);
    }
    let encode = |size: usize, values: &[f32]| {
        encoder.encode_bands(BandBatch::new(size, count, values).expect("whole images"))
    };
    let whole = encode(size, &batch).expect("a batch");
    let shape = (whole.len(), whole.dim());
    assert_eq!(shape, (4, encoder.spec().dim), "one row per image, as wide as the spec says");
    for (row, values) in batch.chunks_exact(size * size * count).enumerate() {
        let alone = encode(size, values).expect("one image");
        close(alone.row(0), whole.row(row), tolerance, "an image's vector does not depend on its batch");
    }
    let wrong = vec![0.0; (size + 1) * (size + 1) * count];
    assert!(encode(size + 1, &wrong).is_err(), "images of another size are an error");
}

/// Checks that no known field is an empty text, which an archive's JSON would read back as unknown, and that
/// the record agrees with itself.
fn record(spec: &EncoderSpec) {
    let texts = [&spec.model, &spec.architecture, &spec.preprocessing, &spec.tokenizer, &spec.weights_sha256];
    let recorded = [
        spec.activation.as_ref().map(Recorded::to_string),
        spec.wavelengths.as_ref().map(Recorded::to_string),
    ];
    let known = texts.into_iter().flatten().chain(recorded.iter().flatten());
    assert!(known.into_iter().all(|text| !text.is_empty()), "what is not known is `None`, not an empty text");
    assert_eq!(spec.check(spec), Ok(()), "an encoder's vectors can be compared with each other");
}

/// Checks a text encoder. `tolerance` is the greatest difference of a value between batch sizes.
///
/// # Panics
/// Panics with the promise that is broken.
pub fn text_encoder(encoder: &dyn TextEncoder, tolerance: f32) {
    record(encoder.spec());
    let long = "dense ".repeat(500);
    let texts = ["dense", "", "kidney-shaped swimming pool", &long, "na\u{ef}ve \u{56db}"];
    let whole = encoder.encode_texts(&texts).expect("any text is encoded");
    assert_eq!(
        (whole.len(), whole.dim()),
        (texts.len(), encoder.spec().dim),
        "one row per text, as wide as the spec says"
    );
    for (row, text) in texts.iter().enumerate() {
        let alone = encoder.encode_texts(&[text]).expect("one text");
        close(alone.row(0), whole.row(row), tolerance, "a text's vector does not depend on its batch");
    }
    assert_eq!(encoder.encode_texts(&[]).expect("no texts").len(), 0, "no texts give no rows");
}

fn close(a: &[f32], b: &[f32], tolerance: f32, promise: &str) {
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= tolerance, "{promise}: {x} and {y} differ by more than {tolerance}");
    }
}

/// Makes one unit vector of width `dim` from a seed.
pub fn unit_vector(dim: usize, seed: u64) -> UnitVector {
    unit_rows(1, dim, seed).vector(0)
}
