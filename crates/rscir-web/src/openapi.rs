//! The API in the words of OpenAPI.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rscir",
        description = "Asks an archive of tiles with images, texts and the weight between them. docs/serve.md has it for people.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        crate::app::search,
        crate::app::archive,
        crate::app::tiles,
        crate::app::tile,
        crate::app::image,
        crate::app::export
    )
)]
struct Api;

/// Writes the description as JSON.
pub(crate) fn text() -> String {
    // Names and numbers alone: it is always JSON.
    Api::openapi().to_json().unwrap_or_default()
}
