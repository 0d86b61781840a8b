//! Any bytes as a request: as JSON, as a form, as an address, as headers. Each is answered, and refused with a reason where it is.

#![no_main]

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use rscir_core::{
    Embeddings, EncoderSpec, ImageEncoder, PixelBatch, Result, RgbView, TextEncoder, testing::unit_rows,
};
use rscir_index::{Columns, MemoryArchive};
use rscir_web::App;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const DIM: usize = 4;

/// Everything by the first values.
struct Plain(EncoderSpec);

impl ImageEncoder for Plain {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn input_size(&self) -> usize {
        1
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&image.data()[..3]);
        Ok(())
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        let rows = batch.data().chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 1]);
        Embeddings::normalize(DIM, rows.map(f32::from).collect())
    }
}

impl TextEncoder for Plain {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings> {
        Embeddings::normalize(DIM, texts.iter().flat_map(|text| [1.0, text.len() as f32, 2.0, 3.0]).collect())
    }
}

fn asked() -> &'static (Runtime, Router) {
    static ASKED: OnceLock<(Runtime, Router)> = OnceLock::new();
    ASKED.get_or_init(|| {
        let keys = ["a", "b/c.png", "d"].map(String::from).into();
        let columns = Columns::new(3).with("cloud", vec![0.1, 0.5, 0.9]).expect("three rows");
        let columns = columns.with("label", vec!["sea", "land", "sea"]).expect("three rows");
        let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(3, DIM, 1)).expect("distinct keys");
        let archive = archive.with_columns(columns).expect("three rows");
        let app = App::new(Arc::new(archive)).encoder(Arc::new(Plain(EncoderSpec::unknown(DIM))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        (runtime, app.router().expect("one encoder"))
    })
}

fn request(kind: u8, bytes: &[u8]) -> Option<Request<Body>> {
    let post = |content_type: &str| {
        Request::post("/api/search").header("host", "localhost").header("content-type", content_type)
    };
    let text = || String::from_utf8_lossy(bytes).replace(char::is_whitespace, "+");
    match kind % 6 {
        0 | 1 => post("application/json").body(Body::from(bytes.to_vec())).ok(),
        2 => post("multipart/form-data; boundary=X").body(Body::from(bytes.to_vec())).ok(),
        3 => {
            // An image beside a query that asks with it.
            let head = "--X\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{\"parts\":[{\"image\":\"i\"}]}\r\n\
                        --X\r\nContent-Disposition: form-data; name=\"i\"\r\n\r\n";
            let body = [head.as_bytes(), bytes, b"\r\n--X--\r\n"].concat();
            post("multipart/form-data; boundary=X").body(Body::from(body)).ok()
        }
        4 => Request::get(format!("/{}", text())).header("host", "localhost").body(Body::empty()).ok(),
        _ => Request::get("/").header("host", bytes).header("origin", bytes).header("cookie", bytes).body(Body::empty()).ok(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let Some(request) = request(*kind, rest) else { return };
    let (runtime, router) = asked();
    let (status, body) = runtime.block_on(async {
        let Ok(response) = router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        (parts.status, to_bytes(body, usize::MAX).await.expect("a body in memory"))
    });
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    if !status.is_success() && !status.is_redirection() {
        let error: serde_json::Value = serde_json::from_slice(&body).expect("an error is JSON");
        let message = error["error"]["message"].as_str().expect("an error has a message");
        assert!((5..1000).contains(&message.len()), "{message}");
    }
});
