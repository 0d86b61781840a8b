//! Any bytes as a pickle: read, looked at, its arrays and strings taken.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rscir_pickle::{Kind, Reader, numpy};

fuzz_target!(|bytes: &[u8]| {
    let reader = Reader::new().allow(numpy::GLOBALS).allow(&["collections.OrderedDict", "torch.*"]);
    let Ok(pickle) = reader.memory_limit(1 << 20).read(bytes) else { return };
    assert!(pickle.consumed() <= bytes.len());
    let root = pickle.root();
    let inner = match root.kind() {
        Kind::Dict(entries) => entries.iter().map(|(_, value)| value).take(16).collect(),
        Kind::Tuple(items) | Kind::List(items) | Kind::Set(items) => items.iter().take(16).collect(),
        _ => vec![],
    };
    for value in inner.into_iter().chain([root]) {
        let _ = format!("{value:?} {:?}", value.kind());
        if let Ok((shape, elements)) = numpy::array_f32(value) {
            assert_eq!(shape.iter().product::<usize>(), elements.len());
        }
        let _ = numpy::strings(value);
    }
});
