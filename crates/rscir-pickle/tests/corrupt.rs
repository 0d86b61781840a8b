//! Damaged and hostile pickles: each gives its error, none panics, none takes more memory or time than its length justifies.

use proptest::prelude::*;
use rscir_pickle::{Error, Reader, Value, numpy};

fn error(bytes: &[u8]) -> Error {
    Reader::new().allow(&["m.*"]).read(bytes).unwrap_err()
}

#[test]
fn truncated() {
    assert!(matches!(error(b""), Error::Truncated { offset: 0, needed: 1, left: 0, .. }));
    assert!(matches!(
        error(b"\x80\x02K"),
        Error::Truncated { offset: 2, opcode: "BININT1", needed: 1, left: 0 }
    ));
    assert!(matches!(error(b"I12"), Error::Truncated { opcode: "INT", .. }));
    // Four GiB of text and eight EiB of bytes that are not there.
    assert!(matches!(error(b"X\xff\xff\xff\xffab"), Error::Truncated { needed: 0xffff_ffff, left: 2, .. }));
    assert!(matches!(
        error(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff"),
        Error::Truncated { needed: u64::MAX, .. }
    ));
}

#[test]
fn unknown_opcode() {
    assert!(matches!(error(b"N\xff"), Error::UnknownOpcode { offset: 1, code: 0xff }));
}

#[test]
fn integers_at_the_edge_of_64_bits() {
    let read = |bytes: &[u8]| {
        let mut pickle = vec![0x8a, bytes.len() as u8];
        pickle.extend(bytes);
        pickle.push(b'.');
        Reader::new().read(&pickle).unwrap().root().as_i64()
    };
    assert_eq!(read(&[]), Some(0));
    assert_eq!(read(&[0xff]), Some(-1));
    assert_eq!(read(&[0xff, 0]), Some(255));
    assert_eq!(read(&[5, 0, 0, 0, 0, 0, 0, 0, 0]), Some(5));
    assert_eq!(read(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
    assert_eq!(read(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
    assert_eq!(read(&[0, 0, 0, 0, 0, 0, 0, 0, 1]), None);
    assert_eq!(read(&[0, 0, 0, 0, 0, 0, 0, 0, 0xff]), None);
}

#[test]
fn unsupported() {
    assert!(matches!(error(b"(im\nC\n."), Error::Unsupported { opcode: "INST", .. }));
    assert!(matches!(error(b"\x82\x01."), Error::Unsupported { opcode: "EXT1", .. }));
    assert!(matches!(error(b"\x97."), Error::Unsupported { opcode: "NEXT_BUFFER", .. }));
}

#[test]
fn protocol() {
    assert!(matches!(error(b"\x80\x06."), Error::Protocol { version: 6 }));
}

#[test]
fn stack_underflow() {
    for bytes in
        [&b"."[..], b"a", b"N(a", b"N(\x85", b"q\0", b"(q\0", b"2", b"0", b"NN\x87", b"\x93", b"Q", b"N(b"]
    {
        match error(bytes) {
            Error::StackUnderflow { .. } | Error::Unfinished { values: 0, .. } => {}
            other => panic!("{bytes:?}: {other}"),
        }
    }
}

#[test]
fn missing_mark() {
    for bytes in [b"Nt", b"Nl", b"Nd", b"}u", b"]e", b"N1"] {
        assert!(matches!(error(bytes), Error::MissingMark { .. }));
    }
}

#[test]
fn unfinished() {
    assert!(matches!(error(b"NN."), Error::Unfinished { offset: 2, values: 2 }));
    assert!(matches!(error(b"N(."), Error::Unfinished { .. }));
}

#[test]
fn operand() {
    for bytes in [
        &b"NNa"[..],
        b"N(Ne",
        b"NNNs",
        b"N(NNu",
        b"}(Nu",
        b"NNb",
        b"N)R",
        b"cm\nf\nNR",
        b"N(N\x90",
        b"NN\x93",
    ] {
        assert!(matches!(error(bytes), Error::Operand { .. }), "{bytes:?}");
    }
    // The result of a call is no function to call again.
    assert!(matches!(error(b"cm\nf\n)R)R"), Error::Operand { got: "object", .. }));
}

#[test]
fn memo() {
    assert!(matches!(error(b"h\x05"), Error::Memo { index: 5, .. }));
    assert!(matches!(error(b"Nq\0j\x01\0\0\0"), Error::Memo { index: 1, .. }));
    // An index far beyond what is stored allocates nothing for what lies between.
    assert!(Reader::new().read(b"Nr\xff\xff\xff\xff.").is_ok());
}

#[test]
fn literal() {
    for bytes in
        [&b"Ix\n"[..], b"L9223372036854775808L\n", b"Fx\n", b"V\\uzzzz\n", b"S'a\n", b"gx\n", b"Np-1\n"]
    {
        assert!(matches!(error(bytes), Error::Literal { .. }), "{bytes:?}");
    }
}

#[test]
fn utf8() {
    assert!(matches!(error(b"X\x01\0\0\0\xff"), Error::Utf8 { opcode: "BINUNICODE", .. }));
    assert!(matches!(error(b"c\xff\nf\n"), Error::Utf8 { opcode: "GLOBAL", .. }));
}

#[test]
fn too_much_memory() {
    for opcodes in [&b"]"[..], b"N", b"(", b"}", b"K\0", b"N2", b"G\0\0\0\0\0\0\0\0\x85"] {
        let bytes = opcodes.repeat((16 << 20) / opcodes.len());
        let result = Reader::new().memory_limit(1 << 20).read(&bytes);
        assert!(matches!(result, Err(Error::TooMuchMemory { .. })), "{opcodes:?}");
    }
}

#[test]
fn half_a_million_nested_tuples_are_read_and_dropped_without_recursion() {
    let mut bytes = vec![b')'];
    bytes.resize(500_001, 0x85);
    bytes.push(b'.');
    let pickle = Reader::new().read(&bytes).unwrap();
    let depth =
        std::iter::successors(Some(pickle.root()), |value| value.as_items().and_then(|items| items.get(0)))
            .count();
    assert_eq!(depth, 500_001);
}

#[test]
fn a_memo_bomb_is_stored_once() {
    // Sixty-one lists, each of twice the one before: 2^60 elements if they were copied.
    let mut bytes = b"(]q\0".to_vec();
    for index in 0..60u8 {
        bytes.extend([b']', b'q', index + 1, b'(', b'h', index, b'h', index, b'e']);
    }
    bytes.extend(b"l.");
    let pickle = Reader::new().memory_limit(16 << 10).read(&bytes).unwrap();
    assert_eq!(pickle.root().as_items().unwrap().len(), 61);
}

#[test]
fn a_list_that_contains_itself_can_be_printed() {
    let pickle = Reader::new().read(b"]q\0h\0a.").unwrap();
    let inner: Value<'_> = pickle.root().as_items().unwrap().get(0).unwrap();
    assert_eq!(format!("{inner:?}"), "list of 1");
}

#[test]
fn array_shapes_that_lie() {
    let array = |shape: &str, data: &str| {
        let text = format!(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}tcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{data}'\ntb."
        );
        let pickle = Reader::new().allow(numpy::GLOBALS).read(text.as_bytes()).unwrap();
        numpy::array_f32(pickle.root())
    };
    assert_eq!(array("I1\nI1\n", "abcd").unwrap().0, [1, 1]);
    for shape in
        ["I2\n", "I4611686018427387904\nI16\n", "I9223372036854775807\nI9223372036854775807\n", "I0\n"]
    {
        assert!(matches!(array(shape, "abcd"), Err(Error::ArrayShape { got: 1, .. })), "{shape}");
    }
    assert!(matches!(array("I-1\n", "abcd"), Err(Error::NotAnArray { .. })));
    assert!(matches!(array("I1\n", "abcde"), Err(Error::ArrayShape { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes are, reading them ends with a value or an error.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reader::new().allow(&["m.*"]).read(&bytes);
    }

    /// Damage in a real file gives a value or an error, in numpy's part as well.
    #[test]
    fn damaged_arrays(place in 0usize..1344, byte: u8, protocol in 0usize..6) {
        let files = [
            &include_bytes!("data/numpy2-protocol0.pkl")[..],
            include_bytes!("data/numpy2-protocol1.pkl"),
            include_bytes!("data/numpy2-protocol2.pkl"),
            include_bytes!("data/numpy2-protocol3.pkl"),
            include_bytes!("data/numpy2-protocol4.pkl"),
            include_bytes!("data/numpy2-protocol5.pkl"),
        ];
        let mut bytes = files[protocol].to_vec();
        let place = place * bytes.len() / 1344;
        bytes[place] = byte;
        if let Ok(pickle) = Reader::new().allow(numpy::GLOBALS).read(&bytes) {
            for (_, value) in pickle.root().as_entries().iter().flat_map(|entries| entries.iter()) {
                let _ = numpy::array_f32(value);
                let _ = numpy::strings(value);
            }
        }
    }
}
