use std::io;
use std::path::Path;

use rscir_core::EncoderSpec;
use rscir_core::files::{read_bounded, replace};
use rscir_pickle::{ArrayF32, Dict, Reader, Value, numpy};

use super::{Features, KeyKind, normalized};
use crate::{Columns, Error, Result};

pub(super) fn read(path: &Path) -> Result<Features> {
    // A pickle is read whole, so it needs no other limit than its size on the disk.
    let bytes = read_bounded(path, u64::MAX)?;
    let pickle = Reader::new().allow(numpy::GLOBALS).read(&bytes)?;
    let root = pickle.root();
    let (shape, values) = numpy::array_f32(entry(root, "feats")?)?;
    let [rows, dim] = shape[..] else { return Err(Error::NotAMatrix { shape }) };
    let strings = |value| Ok::<_, Error>(numpy::strings(value)?.into_iter().map(String::from).collect());
    Ok(Features {
        spec: EncoderSpec::unknown(dim),
        kind: KeyKind::Keys,
        keys: strings(entry(root, "paths")?)?,
        labels: root.get("labels").map(strings).transpose()?,
        columns: Columns::new(rows),
        embeddings: normalized(dim, values)?,
    })
}

fn entry<'p>(root: Value<'p>, name: &'static str) -> Result<Value<'p>> {
    root.get(name).ok_or_else(|| {
        let keys = root.as_entries().into_iter().flat_map(|entries| entries.iter().collect::<Vec<_>>());
        let present = keys.filter_map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
        Error::MissingEntry { what: "dict entry", name: name.into(), present }
    })
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let embeddings = &features.embeddings;
    let unknown = || vec![String::new(); features.keys.len()];
    let labels = features.all_labels().unwrap_or_else(unknown);
    let shape = [embeddings.len(), embeddings.dim()];
    let blocks = [embeddings.as_slice()];
    let feats = ArrayF32::new(&shape, &blocks)?;
    let root =
        [("feats", &feats as &dyn rscir_pickle::Encode), ("labels", &labels), ("paths", &features.keys)];
    replace(path, |out| {
        rscir_pickle::write(out, &Dict(&root)).map_err(|error| match error {
            rscir_pickle::Error::Write(source) => source,
            other => io::Error::other(other),
        })
    })?;
    Ok(())
}
