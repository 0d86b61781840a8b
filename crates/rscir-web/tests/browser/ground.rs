//! Pictures of the ground for a map, from a server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server of one picture for all tiles, which remembers what it was asked for.
pub(crate) struct Ground {
    /// Its origin: scheme, host and port.
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Ground {
    /// Starts a server, which ends with the tests.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let known = Arc::clone(&asked);
        std::thread::spawn(move || {
            let picture = picture();
            for stream in listener.incoming().flatten() {
                let (known, picture) = (Arc::clone(&known), picture.clone());
                // A browser opens connections that it does not use at once.
                std::thread::spawn(move || answer(stream, &known, &picture));
            }
        });
        Self { origin, asked }
    }

    /// Returns the paths that were asked for until now.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<String>>, picture: &[u8]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    asked.lock().unwrap().push(first.split(' ').nth(1).unwrap_or_default().into());
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        picture.len()
    );
    // The browser may have left.
    let _ = stream.write_all(&[head.as_bytes(), picture].concat());
}

/// Makes a tile of 256 pixels a side, with an edge.
fn picture() -> Vec<u8> {
    const SIDE: usize = 256;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let pixel = |i: usize| if i.is_multiple_of(SIDE) || i < SIDE { 120 } else { 225 };
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}
