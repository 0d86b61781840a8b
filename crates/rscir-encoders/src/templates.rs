use rscir_core::{Embeddings, Error, Result, TextEncoder};

/// Prompt of a satellite image that published remote sensing models use.
pub const SATELLITE_IMAGE: &str = "a satellite image of {}";

/// OpenAI's prompts for the aerial scenes of RESISC45 (`data/prompts.md` of their CLIP).
pub const AERIAL_SCENES: [&str; 18] = [
    "satellite imagery of {}.",
    "aerial imagery of {}.",
    "satellite photo of {}.",
    "aerial photo of {}.",
    "satellite view of {}.",
    "aerial view of {}.",
    "satellite imagery of a {}.",
    "aerial imagery of a {}.",
    "satellite photo of a {}.",
    "aerial photo of a {}.",
    "satellite view of a {}.",
    "aerial view of a {}.",
    "satellite imagery of the {}.",
    "aerial imagery of the {}.",
    "satellite photo of the {}.",
    "aerial photo of the {}.",
    "satellite view of the {}.",
    "aerial view of the {}.",
];

/// Encodes each text in every template and averages the vectors of the text (Radford et al. 2021, section 3.1.4).
///
/// The text replaces each `{}` of a template. The result has one row for each text, in order: the normalized mean of
/// the text's unit vectors.
///
/// # Errors
/// [`Error::Parameter`] if there is no template, or one lacks `{}`; the errors of [`TextEncoder::encode_texts`];
/// [`Error::ZeroRow`] if the vectors of a text cancel out.
pub fn encode_with_templates(
    encoder: &dyn TextEncoder,
    texts: &[&str],
    templates: &[&str],
) -> Result<Embeddings> {
    let unusable = |value: &str| Error::Parameter {
        name: "template",
        value: value.into(),
        expected: "at least one text with {} in it",
    };
    if let Some(template) = templates.iter().find(|template| !template.contains("{}")) {
        return Err(unusable(template));
    }
    if templates.is_empty() {
        return Err(unusable("none"));
    }
    let prompts: Vec<String> = texts
        .iter()
        .flat_map(|text| templates.iter().map(move |template| template.replace("{}", text)))
        .collect();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let encoded = encoder.encode_texts(&prompts)?;
    let dim = encoder.spec().dim;
    let mut means = vec![0.0; texts.len() * dim];
    for (mean, rows) in means
        .chunks_exact_mut(dim.max(1))
        .zip(encoded.as_slice().chunks_exact((templates.len() * dim).max(1)))
    {
        for row in rows.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
        }
    }
    Embeddings::normalize(dim, means)
}
