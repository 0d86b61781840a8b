use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query as FromQuery, Request, State as FromState};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use rscir_core::Archive;
use rscir_index::DiskArchive;
use rscir_weicom::Resources;
use serde::Serialize;
use utoipa::ToSchema;

use crate::about::About;
use crate::answer::Found;
use crate::export::{self, ExportQuery};
use crate::gate::Gate;
use crate::guard::{Secret, guard, policy};
use crate::incoming::Incoming;
use crate::listing::{self, ListingQuery};
use crate::methods::{self, MethodNote};
use crate::problem::{Problem, ProblemKind};
use crate::request::{MAX_DEPTH, MAX_PARTS, MAX_TEXT_CHARS, MAX_TOP};
use crate::source::Source;
use crate::state::{State, rankings, selections};
use crate::tiles::{self, TileQuery};
use crate::vectors::Vectors;
use crate::{Encoder, Options, Pictures, Places, Result, incoming, lists, openapi, page};

/// A page to ask an archive with, and its API.
///
/// ```
/// use std::sync::Arc;
///
/// use rscir_core::{Embeddings, EncoderSpec};
/// use rscir_index::MemoryArchive;
/// use rscir_web::App;
///
/// let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.6, 0.8])?;
/// let archive = MemoryArchive::new(EncoderSpec::unknown(2), vec!["a".into(), "b".into()], rows)?;
/// // A router of axum: it can be nested in another's, or served by itself with `Server`.
/// let router = App::new(Arc::new(archive)).router()?;
/// # let _ = router;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct App {
    source: Source,
    encoder: Option<Arc<dyn Encoder>>,
    pictures: Option<Arc<dyn Pictures>>,
    places: Option<Arc<dyn Places>>,
    resources: Resources,
    options: Options,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("rows", &self.source.current().archive.len())
            .field("encoder", &self.encoder.as_ref().map(|encoder| encoder.spec()))
            .field("pictures", &self.pictures.is_some())
            .field("places", &self.places.is_some())
            .finish_non_exhaustive()
    }
}

impl App {
    /// Takes an archive that stays as it is.
    pub fn new(archive: Arc<dyn Archive>) -> Self {
        Self::with_source(Source::fixed(archive))
    }

    /// Takes an archive that a writer may change: what it commits is asked from the next moment on, and requests under way end
    /// on what was there before.
    pub fn growing(archive: DiskArchive) -> Self {
        Self::with_source(Source::growing(archive))
    }

    fn with_source(source: Source) -> Self {
        let (resources, options) = (Resources::default(), Options::default());
        Self { source, encoder: None, pictures: None, places: None, resources, options }
    }

    /// Sets what encodes images and texts. Default: nothing, and tiles of the archive alone can be asked with.
    pub fn encoder(mut self, encoder: Arc<dyn Encoder>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Sets what shows the rows. Default: nothing, and rows are shown by their keys.
    pub fn pictures(mut self, pictures: Arc<dyn Pictures>) -> Self {
        self.pictures = Some(pictures);
        self
    }

    /// Sets what knows where the rows lie. Default: nothing, and there is no map.
    pub fn places(mut self, places: Arc<dyn Places>) -> Self {
        self.places = Some(places);
        self
    }

    /// Sets what methods need beside the archive. Default: nothing, which is enough for most.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// Sets what the server allows. Default: [`Options::default`].
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Returns what the server allows.
    pub(crate) fn allows(&self) -> &Options {
        &self.options
    }

    /// Makes the router, with everything that keeps it safe: limits, names, origins, token, headers.
    ///
    /// It must be called within a runtime of tokio with its timer when it is asked.
    ///
    /// # Errors
    /// [`Error::Encoder`](crate::Error::Encoder) if the encoder is not the archive's.
    pub fn router(self) -> Result<Router> {
        if let Some(encoder) = &self.encoder {
            self.source.current().archive.spec().check(encoder.spec())?;
        }
        let names = methods::names(&self.resources);
        let state = Arc::new(State {
            method_notes: methods::notes(&names, &self.resources),
            methods: names,
            source: self.source.refreshed_each(self.options.refresh),
            encoder: self.encoder,
            pictures: self.pictures,
            places: self.places,
            resources: self.resources,
            secret: self.options.token.as_deref().map(Secret::new),
            policy: policy(self.options.basemap.as_ref().map(|basemap| basemap.origin())),
            gate: Gate::new(&self.options),
            vectors: Vectors::new(),
            lists: lists::cache(self.options.cache_bytes),
            ranked: rankings(),
            chosen: selections(),
            shown: tiles::cache(),
            options: self.options,
        });
        let api = Router::new()
            .route("/api/search", post(search))
            .route("/api/archive", get(archive))
            .route("/api/tiles", get(tiles))
            .route("/api/tiles/{row}", get(tile))
            .route("/api/images/{id}", get(image))
            .route("/api/export", get(export))
            .route("/api/openapi.json", get(description))
            .route("/page/{name}", get(page_file))
            .route("/", get(index))
            .fallback(nothing)
            .method_not_allowed_fallback(other_method);
        Ok(api.layer(middleware::from_fn_with_state(Arc::clone(&state), guard)).with_state(state))
    }
}

/// Asks the archive.
#[utoipa::path(
    post,
    path = "/api/search",
    request_body(content = crate::request::SearchRequest, description = "Or a form with this as its field `query` and images as others."),
    responses((status = 200, body = crate::answer::SearchAnswer), (status = "default", body = crate::problem::ErrorAnswer))
)]
pub(crate) async fn search(
    FromState(state): FromState<Arc<State>>,
    request: Request,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let incoming = incoming::read(&state, request).await?;
    let answer = move |state: &State| {
        // The turn of a body with files ends with the work on them, also if nobody waits for it any more.
        let Incoming { request, files, turn: _turn } = incoming;
        json(&Found::new(state, request, &files)?.answer(state, began))
    };
    let bytes = state.work(answer).await?;
    Ok(as_json(bytes))
}

/// What a page needs to know of the archive and the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ArchiveAnswer {
    version: String,
    asks: Asks,
    pictures: bool,
    basemap: Option<String>,
    methods: Vec<&'static str>,
    method_notes: Vec<MethodNote>,
    exports: Vec<&'static str>,
    limits: Limits,
    #[serde(flatten)]
    #[schema(inline)]
    about: About,
}

/// What the server can encode.
#[derive(Serialize, ToSchema)]
pub(crate) struct Asks {
    images: bool,
    texts: bool,
}

/// What a request may have.
#[derive(Serialize, ToSchema)]
pub(crate) struct Limits {
    body_bytes: usize,
    pixels: u64,
    parts: usize,
    text_chars: usize,
    top: usize,
    depth: usize,
}

/// Describes the archive and the server.
#[utoipa::path(get, path = "/api/archive", responses((status = 200, body = ArchiveAnswer)))]
pub(crate) async fn archive(FromState(state): FromState<Arc<State>>) -> Result<Response, Problem> {
    let about = |state: &State| {
        state.source.look();
        let snapshot = state.source.current();
        let places = state.places.as_deref();
        let about = snapshot.about.get_or_init(|| Arc::new(About::of(&*snapshot.archive, places)));
        let has_encoder = state.encoder.is_some();
        json(&ArchiveAnswer {
            version: snapshot.version.clone(),
            asks: Asks { images: has_encoder, texts: has_encoder },
            pictures: state.pictures.is_some(),
            basemap: state.options.basemap.as_ref().map(|map| map.template().into()),
            methods: state.methods.clone(),
            method_notes: state.method_notes.clone(),
            exports: export::FORMATS.to_vec(),
            limits: Limits {
                body_bytes: state.options.body_bytes,
                pixels: state.options.pixels,
                parts: MAX_PARTS,
                text_chars: MAX_TEXT_CHARS,
                top: MAX_TOP,
                depth: MAX_DEPTH,
            },
            about: About::clone(about),
        })
    };
    Ok(as_json(state.work(about).await?))
}

/// Lists tiles without ranking them: the one of a key, or as many as are asked for, evenly spread over the archive.
#[utoipa::path(
    get,
    path = "/api/tiles",
    params(
        ("key" = Option<String>, Query), ("where" = Option<String>, Query),
        ("within" = Option<String>, Query, description = "west,south,east,north"), ("top" = Option<u64>, Query)
    ),
    responses((status = 200, body = crate::listing::ListingAnswer), (status = "default", body = crate::problem::ErrorAnswer))
)]
pub(crate) async fn tiles(
    FromState(state): FromState<Arc<State>>,
    asked: Result<FromQuery<ListingQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let FromQuery(asked) = asked.map_err(|error| bad_query(&error))?;
    Ok(as_json(state.work(move |state| json(&listing::list(state, asked)?)).await?))
}

/// Shows a row.
#[utoipa::path(
    get,
    path = "/api/tiles/{row}",
    params(("row" = usize, Path), ("version" = Option<String>, Query), ("size" = Option<u32>, Query)),
    responses((status = 200, content_type = "image/jpeg"), (status = 304), (status = "default", body = crate::problem::ErrorAnswer))
)]
pub(crate) async fn tile(
    FromState(state): FromState<Arc<State>>,
    row: Result<Path<String>, PathRejection>,
    asked: Result<FromQuery<TileQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let FromQuery(asked) = asked.map_err(|error| bad_query(&error))?;
    let Path(row) = row.map_err(|error| bad_path(&error))?;
    let shown = state.work(move |state| tiles::show(state, &row, &asked, &headers)).await?;
    Ok(shown.into_response())
}

/// Shows an image that was sent.
#[utoipa::path(
    get,
    path = "/api/images/{id}",
    params(("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg"), (status = "default", body = crate::problem::ErrorAnswer))
)]
pub(crate) async fn image(
    FromState(state): FromState<Arc<State>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|error| bad_path(&error))?;
    Ok(tiles::jpeg(&state.vectors.sent(&id)?.picture))
}

/// Hands out an answer as a file.
#[utoipa::path(
    get,
    path = "/api/export",
    params(("format" = String, Query), ("query" = String, Query)),
    responses((status = 200), (status = "default", body = crate::problem::ErrorAnswer))
)]
pub(crate) async fn export(
    FromState(state): FromState<Arc<State>>,
    asked: Result<FromQuery<ExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let FromQuery(asked) = asked.map_err(|error| bad_query(&error))?;
    state.work(move |state| export::export(state, &asked)).await
}

async fn description() -> Response {
    as_json(openapi::text().into_bytes())
}

async fn index(headers: HeaderMap) -> Response {
    page::file(None, &headers)
}

async fn page_file(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|error| bad_path(&error))?;
    Ok(page::file(Some(&name), &headers))
}

async fn nothing() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "there is nothing at this address: /api/openapi.json lists what there is",
    )
}

async fn other_method() -> Problem {
    Problem::new(ProblemKind::BadMethod, "this address is asked in another way: /api/openapi.json says how")
}

fn bad_path(error: &PathRejection) -> Problem {
    Problem::new(ProblemKind::BadRequest, format!("the address cannot be read: {error}"))
}

fn bad_query(error: &QueryRejection) -> Problem {
    Problem::new(ProblemKind::BadRequest, format!("the part of the address after ? cannot be read: {error}"))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::internal())
}

fn as_json(bytes: Vec<u8>) -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], bytes).into_response()
}
