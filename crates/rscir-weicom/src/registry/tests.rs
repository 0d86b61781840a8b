//! Strings and the methods that they choose.

use std::collections::HashSet;
use std::sync::Arc;

use rscir_core::{Embeddings, EncoderSpec, TextEncoder};

use super::*;
use crate::{Vocabulary, VocabularyMean};

fn label(s: &str) -> String {
    s.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap().label()
}

#[test]
fn strings_choose_methods() {
    for (text, expected) in [
        ("image", "image"),
        ("text", "text"),
        ("sum", "sum"),
        ("product", "product"),
        ("product:raw", "product(raw)"),
        ("weicom", "weicom(lambda=0.5)"),
        ("weicom:0", "weicom(lambda=0.0)"),
        ("weicom: lambda = 0.3", "weicom(lambda=0.3)"),
        ("weicom:0.6,norm=zscore", "weicom(lambda=0.6,norm=zscore)"),
        ("weicom:auto", "weicom(auto)"),
        ("weicom:0.4,parts=each", "weicom(lambda=0.4,parts=each)"),
        ("conjunction", "conjunction"),
        ("conjunction:0.25", "conjunction(lambda=0.25)"),
        // Without a vocabulary at hand the stage is off, and the label says so.
        ("posterior", "posterior(vocabulary=off)"),
        ("posterior:k=auto,order=0", "posterior(k=auto,vocabulary=off,order=0.0)"),
        ("min", "min"),
        ("min:norm=minmax", "min(norm=minmax)"),
        ("slerp:0.8", "slerp(alpha=0.8)"),
        ("rrf", "rrf(k=60)"),
        ("rrf:20,text=2", "rrf(k=20,image=1,text=2)"),
        ("dbsf", "dbsf"),
    ] {
        assert_eq!(label(text), expected);
    }
}

/// Encodes every text alike: enough to build a method.
struct Same(EncoderSpec);

impl TextEncoder for Same {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn encode_texts(&self, texts: &[&str]) -> rscir_core::Result<Embeddings> {
        Embeddings::normalize(2, [1.0, 0.0].repeat(texts.len()))
    }
}

#[test]
fn what_a_table_prints_of_a_method_chooses_it_again() {
    let words = vec!["sea".to_string(), "town".to_string(), "wood".to_string()];
    let features = Embeddings::normalize(2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
    let vocabulary = Arc::new(Vocabulary::new(words, features).unwrap());
    let resources = Resources::default()
        .encoder(Arc::new(Same(EncoderSpec::unknown(2))))
        .vocabulary(Arc::clone(&vocabulary))
        .subjects(Arc::clone(&vocabulary))
        .vocabulary_mean(VocabularyMean::of(&vocabulary, EncoderSpec::unknown(2)).unwrap())
        .styles(vocabulary);
    let with_parameters = [
        "product:raw",
        "min:norm=none",
        "weicom:0.6",
        "weicom:lambda=0.3,norm=minmax",
        "weicom:auto",
        "weicom:0.25,parts=each",
        "weicom:auto,k=20",
        "weicom:0.25,parts=each,k=auto",
        "conjunction:0.25,k=auto",
        "conjunction:k=7",
        "harris:0.2",
        "entropy:k=10",
        "slerp-grid:4",
        "gr-clip:0.25",
        "inverted-softmax:beta=10",
        "conjunction:0.25",
        "posterior:k=5,vocabulary=off,order=off,lambda=0.75",
        "posterior:k=auto,vocabulary=1,order=0.5",
        "slerp:0.25",
        "rrf:20",
        "rrf:k=20,image=1,text=0.5",
        "freedom:kappa=2,ni=1,mu=2",
        "basic:context=off",
        "basic:context=3,centring=off,aa=0.4,components=2,qe=off,norm=off,harris=0",
        "basic:projection=off",
    ];
    for text in MethodSpec::NAMES.into_iter().chain(with_parameters) {
        let spec: MethodSpec = text.parse().unwrap();
        let label = spec.build(&resources).unwrap().label();
        assert_eq!(label.parse::<MethodSpec>().unwrap(), spec, "{text}: {label}");
        assert_eq!(MethodSpec::split_list(&format!("{label},{label}")), [&label, &label]);
        assert_eq!(MethodSpec::split_list(&format!("sum, {text},image")), ["sum", text, "image"]);
    }
    for wrong in ["rrf(k=60", "rrf k=60", "(k=60)"] {
        let error = wrong.parse::<MethodSpec>().unwrap_err().to_string();
        assert!(error.contains("there is no method") && error.contains("rrf(k=60)"), "{error}");
    }
}

#[test]
fn every_method_says_in_a_sentence_of_its_own_what_it_does() {
    let mut said = HashSet::new();
    for text in MethodSpec::NAMES.into_iter().chain(["weicom:auto", "weicom:0.5,parts=each", "product:raw"]) {
        let summary = text.parse::<MethodSpec>().unwrap().summary();
        assert!(said.insert(summary), "{text}: {summary}");
        // A list to choose from shows it in one line.
        assert!((20..=100).contains(&summary.len()) && summary.ends_with('.'), "{text}: {summary}");
    }
}

#[test]
fn mistakes_say_what_is_allowed() {
    for (text, expected) in [
        (
            "weight",
            "there is no method \"weight\"; known methods: image, text, sum, product, min, weicom, conjunction, posterior, \
             slerp, rrf, dbsf, zscore, stouffer, fisher, harris, entropy, slerp-grid, gr-clip, inverted-softmax, freedom, basic; parameters follow a colon or stand in parentheses: rrf:k=60 or rrf(k=60)",
        ),
        ("image:0.5", "method image has no parameter \"0.5\"; it has: none"),
        ("weicom(lambda=0.5,lambda=0.6)", "method weicom: lambda is \"0.6\", but must be given once"),
        ("weicom:0.5,mu=1", "method weicom has no parameter \"mu\"; it has: lambda, norm"),
        (
            "weicom:1.5",
            "method weicom: lambda is \"1.5\", but must be between 0 (image alone) and 1 (text alone)",
        ),
        ("weicom:half", "method weicom: lambda is \"half\", but must be a number"),
        ("posterior:k=some", "method posterior: k is \"some\", but must be a whole number"),
        ("posterior:order=2", "method posterior: order is \"2\", but must be between 0 and 1"),
        (
            "posterior:kappa=2",
            "method posterior has no parameter \"kappa\"; it has: k, vocabulary, order, lambda",
        ),
        ("weicom:norm=soft", "method weicom: norm is \"soft\", but must be cdf, zscore, minmax or none"),
    ] {
        assert_eq!(text.parse::<MethodSpec>().unwrap_err().to_string(), expected);
    }
    let freedom = "freedom".parse::<MethodSpec>().unwrap();
    let error = freedom.build(&Resources::default()).err().map(|e| e.to_string());
    assert_eq!(error.as_deref(), Some("method freedom needs a vocabulary: give it in the resources"));
    assert!("weicom:NaN".parse::<MethodSpec>().is_err());
    assert!("weicom:-0.1".parse::<MethodSpec>().is_err());
}

#[test]
fn the_stages_of_basic_are_switched_by_name() {
    let paper = BasicConfig::default();
    for (text, expected) in [
        ("basic", paper),
        ("basic:aa=0.4,qe=off,harris=0", paper.projection(0.4).expansion(None).harris(0.0)),
        (
            "basic:context=off,projection=off,norm=off,centring=off",
            paper.context(None).projection(None).normalization(false).centering(false),
        ),
        ("basic:qe=5,components=9", paper.expansion(5).components(9)),
    ] {
        assert_eq!(text.parse::<MethodSpec>().unwrap(), MethodSpec::Basic(expected));
    }
    assert!("basic:qe=some".parse::<MethodSpec>().is_err());
    assert_eq!(
        "freedom:kappa=5,mu=4".parse::<MethodSpec>().unwrap(),
        MethodSpec::FreeDom(FreeDomConfig::default().neighbors(5).words(4))
    );
}
