//! The methods against scores of the authors' own programs (see data/README.md).

use std::collections::HashMap;
use std::sync::Arc;

use rscir_core::{
    Archive, ComposedQuery, Embeddings, EncoderSpec, Method, Result as CoreResult, TextEncoder, UnitVector,
    top_k,
};
use rscir_index::MemoryArchive;
use rscir_weicom::*;
use safetensors::SafeTensors;

const DIM: usize = 24;

/// The golden file, read.
struct Golden {
    tensors: HashMap<String, Vec<f32>>,
    lists: HashMap<String, Vec<String>>,
}

impl Golden {
    fn read() -> Self {
        let bytes =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/methods.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let values = |data: &[u8]| data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let tensors = file.iter().map(|(name, view)| (name.to_string(), values(view.data()))).collect();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        let lists = metadata.iter().map(|(k, v)| (k.clone(), serde_json::from_str(v).unwrap())).collect();
        Self { tensors, lists }
    }

    fn rows(&self, name: &str) -> Embeddings {
        Embeddings::normalize(DIM, self.tensors[name].clone()).unwrap()
    }

    fn archive(&self) -> MemoryArchive {
        let rows = self.rows("archive");
        let keys = (0..rows.len()).map(|r| format!("tile{r:02}")).collect();
        MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows).unwrap()
    }

    fn vocabulary(&self, words: &str, features: &str) -> Arc<Vocabulary> {
        Arc::new(Vocabulary::new(self.lists[words].clone(), self.rows(features)).unwrap())
    }

    fn encoder(&self) -> Arc<dyn TextEncoder> {
        let prompts = self.rows("prompts");
        let known =
            self.lists["prompts"].iter().cloned().zip((0..).map(|i| prompts.row(i).to_vec())).collect();
        Arc::new(Table { spec: EncoderSpec::unknown(DIM), known })
    }

    fn basic(&self, change: impl FnOnce(&mut BasicConfig, &mut BasicResources)) -> Basic {
        let mut config = BasicConfig::default().context(None).components(9);
        let mut resources = BasicResources {
            subjects: self.vocabulary("subject_words", "subjects"),
            styles: self.vocabulary("style_words", "styles"),
            image_mean: Some(self.tensors["image_mean"].clone()),
            reference_set: Some((self.rows("reference_images"), self.rows("reference_texts"))),
            encoder: None,
        };
        change(&mut config, &mut resources);
        Basic::new(config, resources).unwrap()
    }

    /// Holds `method` to the golden scores `name`: 1e-5 relative to the largest, and the same ranking wherever golden
    /// scores are further apart than that.
    fn check(&self, name: &str, method: &dyn Method) {
        self.check_with_texts("texts", name, method);
    }

    fn check_with_texts(&self, texts: &str, name: &str, method: &dyn Method) {
        let archive = self.archive();
        let (images, texts) = (self.rows("images"), self.rows(texts));
        let golden = &self.tensors[&format!("scores.{name}")];
        for (q, golden) in golden.chunks_exact(archive.len()).enumerate() {
            let query = ComposedQuery::new(EncoderSpec::unknown(DIM))
                .with_image(images.vector(q))
                .and_then(|query| query.with_text(texts.vector(q)))
                .unwrap()
                .with_words(&self.lists["query_words"][q]);
            let mut scores = vec![0.0; archive.len()];
            method.score(&query, &archive, &mut scores).unwrap();
            let tolerance = 1e-5 * golden.iter().fold(0.0f32, |m, s| m.max(s.abs()));
            for (row, (&got, &want)) in scores.iter().zip(golden).enumerate() {
                let got = method.display_score(got);
                assert!(
                    (got - want).abs() <= tolerance,
                    "{name}: query {q}, row {row}: {got}, golden {want}"
                );
            }
            for pair in top_k(&scores, archive.len()).windows(2) {
                let (better, worse) = (golden[pair[0].row], golden[pair[1].row]);
                assert!(
                    better >= worse - tolerance,
                    "{name}: query {q} ranks {} before {}",
                    pair[0].row,
                    pair[1].row
                );
            }
        }
    }
}

/// A text tower that knows some texts by heart.
struct Table {
    spec: EncoderSpec,
    known: HashMap<String, Vec<f32>>,
}

impl TextEncoder for Table {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn encode_texts(&self, texts: &[&str]) -> CoreResult<Embeddings> {
        let mut rows = Embeddings::empty(DIM);
        for text in texts {
            let known =
                self.known.get(*text).unwrap_or_else(|| panic!("{text:?} was not asked for by the authors"));
            rows.append(&Embeddings::normalize(DIM, known.clone())?)?;
        }
        Ok(rows)
    }
}

/// A text tower that gives each text of another length another vector.
struct Lengths(EncoderSpec);

impl TextEncoder for Lengths {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn encode_texts(&self, texts: &[&str]) -> CoreResult<Embeddings> {
        let mut rows = Embeddings::empty(DIM);
        for text in texts {
            rows.append(&rscir_core::testing::unit_rows(1, DIM, text.len() as u64))?;
        }
        Ok(rows)
    }
}

#[test]
fn fusions() {
    let golden = Golden::read();
    golden.check("sum", &Sum);
    golden.check("product", &Product::default());
    golden.check("weicom", &WeiCom::new(0.3).unwrap());
    golden.check("rrf", &Rrf::default());
    golden.check("dbsf", &Dbsf);
    golden.check("slerp", &Slerp::new(0.3).unwrap());
    golden.check("slerp_text", &Slerp::new(0.8).unwrap());
    // The authors' branch for vectors that nearly agree.
    golden.check_with_texts("near_texts", "slerp_near", &Slerp::new(0.3).unwrap());
}

#[test]
fn basic_whole_and_with_each_stage_changed() {
    let golden = Golden::read();
    golden.check("basic", &golden.basic(|_, _| {}));
    golden.check("basic_archive_mean", &golden.basic(|_, r| r.image_mean = None));
    golden.check("basic_no_centring", &golden.basic(|c, _| c.centering = false));
    golden.check("basic_no_projection", &golden.basic(|c, _| c.projection = None));
    golden.check("basic_no_expansion", &golden.basic(|c, _| c.expansion = None));
    golden.check("basic_no_norm", &golden.basic(|c, _| c.normalization = false));
    golden.check("basic_no_norm", &golden.basic(|_, r| r.reference_set = None));
    golden.check("basic_aa", &golden.basic(|c, _| c.projection = Some(0.6)));
    golden.check("basic_all_components", &golden.basic(|c, _| c.components = 250));
    golden.check("basic_harris", &golden.basic(|c, _| c.harris = 0.0));
    golden.check(
        "basic_context",
        &golden.basic(|c, r| {
            c.context = Some(8);
            r.encoder = Some(golden.encoder());
        }),
    );
}

#[test]
fn freedom() {
    let golden = Golden::read();
    let vocabulary = golden.vocabulary("words", "vocabulary");
    golden.check("freedom", &FreeDom::new(vocabulary.clone(), golden.encoder()).unwrap());
    let small = FreeDomConfig::default().neighbors(5).words_per_image(3).words(4);
    golden.check("freedom_small", &FreeDom::with_config(small, vocabulary, golden.encoder()).unwrap());
}

#[test]
fn every_method_keeps_the_promises_of_the_trait() {
    let golden = Golden::read();
    let archive = golden.archive();
    for text in [
        "image",
        "text",
        "sum",
        "product",
        "product:raw",
        "min",
        "min:norm=minmax",
        "slerp",
        "rrf",
        "rrf:20,text=2",
        "dbsf",
        "weicom:auto",
        "weicom:0.3,parts=each",
        "conjunction",
        "conjunction:0.25",
        "posterior",
        "posterior:k=auto,order=0",
        "weicom:auto,k=5",
        "conjunction:k=auto",
        "zscore",
        "stouffer",
        "fisher",
        "harris",
        "entropy:k=10",
        "slerp-grid",
    ] {
        let method = text.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap();
        rscir_core::testing::method(&*method, &archive);
    }
    for norm in ["cdf", "zscore", "minmax", "none"] {
        for lambda in ["0", "0.3", "1"] {
            let text = format!("weicom:{lambda},norm={norm}");
            let method = text.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap();
            rscir_core::testing::method(&*method, &archive);
        }
    }
    rscir_core::testing::method(&golden.basic(|_, _| {}), &archive);
    let vocabulary = golden.vocabulary("words", "vocabulary");
    let lengths = Arc::new(Lengths(EncoderSpec::unknown(DIM)));
    rscir_core::testing::method(&FreeDom::new(vocabulary, lengths).unwrap(), &archive);
}

#[test]
fn what_a_query_lacks_is_named() {
    let golden = Golden::read();
    let archive = golden.archive();
    let mut scores = vec![0.0; archive.len()];
    let image = UnitVector::normalize(vec![1.0; DIM]).unwrap();
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(image).unwrap();
    let error = WeiCom::default().score(&query, &archive, &mut scores).unwrap_err().to_string();
    assert_eq!(
        error,
        "weicom(lambda=0.5) needs the query's text: add it to the query or choose a method without it"
    );
    let freedom = FreeDom::new(golden.vocabulary("words", "vocabulary"), golden.encoder()).unwrap();
    let error = freedom.score(&query, &archive, &mut scores).unwrap_err().to_string();
    assert!(error.starts_with("freedom needs the query's words"), "{error}");
    ImageOnly.score(&query, &archive, &mut scores).unwrap();
}
