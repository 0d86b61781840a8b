//! Any bytes as a checkpoint, and as the pickle of one: opened, renamed, every tensor read.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rscir_checkpoint::Checkpoint;

/// Elements of all tensors that one input may have read: views may share their storage, and a model takes each once.
const MAX_ELEMENTS: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("rscir-fuzz-{}", std::process::id()));
    read(&path, bytes);
    read(&path, &archive(bytes));
});

fn read(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    let Ok(checkpoint) = Checkpoint::open(path) else { return };
    let checkpoint = checkpoint.open_clip_names();
    let mut elements = 0;
    for name in checkpoint.names() {
        let shape = checkpoint.shape(name).unwrap();
        let count: usize = shape.iter().product();
        elements += count;
        if elements > MAX_ELEMENTS {
            break;
        }
        if let Ok(values) = checkpoint.tensor_f32(name, shape) {
            assert_eq!(values.len(), count);
        }
    }
}

/// A zip archive as torch writes it, without checksums, with a pickle and a storage of 64 bytes.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in [("m/data.pkl", pickle), ("m/data/0", &[0x3f; 64])] {
        let offset = bytes.len() as u32;
        let mut sizes = vec![0; 12];
        sizes.extend((content.len() as u32).to_le_bytes());
        sizes.extend((content.len() as u32).to_le_bytes());
        sizes.extend((name.len() as u16).to_le_bytes());
        sizes.extend([0; 2]);
        bytes.extend([b"PK\x03\x04\x14\0", &sizes[..], name.as_bytes(), content].concat());
        directory.extend(
            [b"PK\x01\x02\x14\0\x14\0", &sizes[..], &[0; 10], &offset.to_le_bytes(), name.as_bytes()]
                .concat(),
        );
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    bytes.extend([directory.len() as u32, start].map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}
