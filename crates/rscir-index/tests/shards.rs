//! A search in several archives as one gives the answer of a single archive with the same rows.

use rscir_core::testing::{self, unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, Embeddings, EncoderSpec, Fingerprint, Method, Precision, SinkRow};
use rscir_index::{
    ArchiveWriter, DiskArchive, Int8Index, MemoryArchive, SearchOptions, ShardedArchive, Statistics, search,
    search_batch, search_with,
};
use rscir_weicom::{ImageOnly, Rrf, Sum, WeiCom};

fn key(row: usize) -> String {
    format!("tile {row}")
}

/// Makes an archive of the rows `rows`.
fn shard(all: &Embeddings, rows: std::ops::Range<usize>) -> MemoryArchive {
    let dim = all.dim();
    let values = all.as_slice()[rows.start * dim..rows.end * dim].to_vec();
    let rows_of_shard = Embeddings::normalize(dim, values).unwrap();
    MemoryArchive::new(EncoderSpec::unknown(dim), rows.map(key).collect(), rows_of_shard).unwrap()
}

/// Makes shards of all rows, which end at `cuts` and at the last row.
fn sharded(all: &Embeddings, cuts: &[usize]) -> ShardedArchive {
    let starts = [&[0], cuts].concat();
    let ends = [cuts, &[all.len()]].concat();
    let shards =
        starts.iter().zip(ends).map(|(&start, end)| Box::new(shard(all, start..end)) as Box<dyn Archive>);
    ShardedArchive::new(shards.collect()).unwrap()
}

fn query(dim: usize, seed: u64) -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(dim));
    query.with_image(unit_vector(dim, seed)).unwrap().with_text(unit_vector(dim, seed + 50)).unwrap()
}

#[test]
fn conforms_to_archive() {
    let rows = unit_rows(70, 9, 1);
    let keys: Vec<_> = (0..70).map(key).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for cuts in [&[][..], &[1], &[0, 0, 33, 34, 70], &[20, 40, 60]] {
        testing::archive(&sharded(&rows, cuts), &keys, &rows, 2e-6);
    }
    testing::archive(&sharded(&Embeddings::empty(3), &[0]), &[], &Embeddings::empty(3), 2e-6);
}

#[test]
fn answers_are_those_of_one_archive_to_the_bit() {
    let (n, dim) = (3_000, 16);
    let rows = unit_rows(n, dim, 1);
    let (one, many) = (shard(&rows, 0..n), sharded(&rows, &[7, 1_000, 1_000, 2_999]));
    let queries: Vec<_> = (10..14).map(|seed| query(dim, seed)).collect();
    let weicom = WeiCom::default();
    for method in [&weicom as &dyn Method, &Sum, &ImageOnly, &Rrf::default()] {
        for query in &queries {
            assert_eq!(search(&many, method, query, 50).unwrap(), search(&one, method, query, 50).unwrap());
        }
        let options = SearchOptions::top(50);
        assert_eq!(
            search_batch(&many, method, &queries, &options).unwrap(),
            search_batch(&one, method, &queries, &options).unwrap()
        );
    }
}

#[test]
fn merged_moments_give_the_scans_statistics() {
    let (n, dim) = (2_000, 12);
    let rows = unit_rows(n, dim, 1);
    let (one, many) = (shard(&rows, 0..n), sharded(&rows, &[13, 700]));
    for seed in 0..20 {
        let vector = unit_vector(dim, seed);
        let (a, b) =
            (one.moments().statistics(&vector).unwrap(), many.moments().statistics(&vector).unwrap());
        assert!((a.mean - b.mean).abs() < 1e-12 && (a.std_dev - b.std_dev).abs() < 1e-12);
    }
    let options = SearchOptions::top(20).statistics(Statistics::Moments);
    let index = Int8Index::new(&many).unwrap();
    assert_eq!(
        index.search(&WeiCom::default(), &query(dim, 90), &options).unwrap(),
        search_with(&many, &WeiCom::default(), &query(dim, 90), &options).unwrap()
    );
}

#[test]
fn shards_may_lie_on_disk() {
    let (n, dim) = (500, 8);
    let rows = unit_rows(n, dim, 1);
    let one = shard(&rows, 0..n);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("last.rscir");
    let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(dim), Precision::F32).unwrap();
    let last = shard(&rows, 300..n);
    let described: Vec<_> = (0..last.len()).map(|row| last.key(row)).collect();
    let described: Vec<_> = described.iter().map(|&key| SinkRow::new(key, Fingerprint::default())).collect();
    writer.commit(&described, last.embeddings()).unwrap();
    let disk = DiskArchive::open(&dir).unwrap();
    let both = ShardedArchive::new(vec![Box::new(shard(&rows, 0..300)), Box::new(disk)]).unwrap();
    for seed in 0..10 {
        let (query, method) = (query(dim, seed), WeiCom::default());
        assert_eq!(search(&both, &method, &query, 20).unwrap(), search(&one, &method, &query, 20).unwrap());
    }
}

#[test]
fn what_does_not_fit_together_is_named() {
    let rows = unit_rows(10, 4, 1);
    let boxed = |rows| Box::new(shard(&unit_rows(10, 4, 1), rows)) as Box<dyn Archive>;
    let error = |shards| ShardedArchive::new(shards).err().unwrap().to_string();
    assert_eq!(error(vec![]), "there are no shards: give at least one archive");
    assert_eq!(
        error(vec![boxed(0..5), boxed(5..7), boxed(3..4)]),
        "key \"tile 3\" is given to row 3 and to row 7: keys must be unique; rename or drop one"
    );
    let named = |weights: &str| {
        let spec = EncoderSpec { weights_sha256: Some(weights.into()), ..EncoderSpec::unknown(4) };
        let keys = (0..10).map(|row| format!("{weights} {row}")).collect();
        Box::new(MemoryArchive::new(spec, keys, rows.clone()).unwrap()) as Box<dyn Archive>
    };
    assert_eq!(
        error(vec![boxed(0..5), named("aa"), named("bb")]),
        "shard 2 and shard 1 come from different encoders: weights_sha256 is \"bb\" in the first and \"aa\" in the second"
    );
    let whole = ShardedArchive::new(vec![boxed(0..5), named("aa")]).unwrap();
    assert_eq!((whole.spec().weights_sha256.as_deref(), whole.shards().len()), (Some("aa"), 2));
}
