//! What the writer makes is read back, here and (where a Python with numpy is at hand) by `pickle.load`.

use proptest::prelude::*;
use rscir_pickle::{ArrayF32, Dict, Encode, Error, Reader, numpy, write};

fn features<'a>(feats: &'a ArrayF32<'a>, labels: &'a [String], paths: &'a [String]) -> Vec<u8> {
    let entries: [(&str, &dyn Encode); 3] = [("feats", feats), ("labels", &labels), ("paths", &paths)];
    let mut bytes = Vec::new();
    write(&mut bytes, &Dict(&entries)).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(columns in 1usize..5, values in prop::collection::vec(any::<f32>(), 0..3000), name in "\\PC{0,300}") {
        let rows = values.len() / columns;
        let values = &values[..rows * columns];
        let (shape, blocks) = ([rows, columns], values.chunks(7).collect::<Vec<_>>());
        let names = vec![name; rows];
        let bytes = features(&ArrayF32::new(&shape, &blocks).unwrap(), &names, &names);

        let pickle = Reader::new().allow(numpy::GLOBALS).read(&bytes).unwrap();
        let (read_shape, read) = numpy::array_f32(pickle.root().get("feats").unwrap()).unwrap();
        prop_assert_eq!(read_shape, shape);
        prop_assert!(read.iter().map(|value| value.to_bits()).eq(values.iter().map(|value| value.to_bits())));
        prop_assert_eq!(numpy::strings(pickle.root().get("paths").unwrap()).unwrap(), names);
    }
}

#[test]
fn blocks_that_do_not_fill_the_shape_are_refused() {
    let refused = |shape: &[usize], block: &[f32]| {
        matches!(ArrayF32::new(shape, &[block]), Err(Error::ArrayShape { .. }))
    };
    assert!(refused(&[2, 2], &[0.0; 3]));
    assert!(refused(&[usize::MAX, 2], &[0.0; 3]));
    assert!(!refused(&[3], &[0.0; 3]));
}

/// The bytes that Python was seen to read, with numpy 1.26 and 2.4: `pickle.load` gives `{"feats": array([[0.5, -2.0]],
/// dtype=float32), "labels": ["a"], "paths": ["a/é.jpg"]}` and the array owns nothing unusual (C order, little endian).
#[test]
fn the_layout_is_the_one_that_python_reads() {
    let (shape, labels, paths) = ([1, 2], vec!["a".to_owned()], vec!["a/é.jpg".to_owned()]);
    let bytes = features(&ArrayF32::new(&shape, &[&[0.5, -2.0]]).unwrap(), &labels, &paths);
    assert_eq!(bytes, include_bytes!("data/written.pkl"));
}
