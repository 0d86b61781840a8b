use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, header};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder};

use super::problem::DownloadProblem;
use crate::registry::HubFile;

/// Largest number of redirects that are followed. The hub makes one or two.
const MAX_REDIRECTS: usize = 8;

/// Longest wait for a connection, for an answer and for each part of it. A slower connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest number of letters of a commit or of the name of a content. A SHA-256 has 64.
const MAX_NAME: usize = 128;

/// Sends requests to a hub.
pub(super) struct Client<'a> {
    endpoint: &'a str,
    authorization: Option<String>,
    agent: Agent,
}

/// A hub's description of a file.
pub(super) struct Published {
    /// The commit that the revision stands for.
    pub(super) commit: String,
    /// Name of the content in the cache: the SHA-256 of a large file, git's hash of a small one.
    pub(super) content: String,
    /// Size of the file in bytes.
    pub(super) size: u64,
}

/// Bytes of a file from an offset on.
pub(super) struct Rest {
    /// Offset of the first byte.
    pub(super) from: u64,
    /// Reader of the bytes.
    pub(super) bytes: Box<dyn Read>,
}

impl<'a> Client<'a> {
    pub(super) fn new(endpoint: &'a str, token: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A hub with HTTPS must not redirect to an address without it.
            .https_only(endpoint.starts_with("https:"))
            // Redirects are followed in this file, which decides where the token may be sent.
            .max_redirects(0)
            .user_agent(concat!("rscir/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .max_redirects_will_error(false);
        let authorization = token.map(|token| format!("Bearer {token}"));
        Self { endpoint, authorization, agent: config.build().into() }
    }

    /// Asks the hub for the commit, content and size of a file.
    pub(super) fn look_up(&self, file: &HubFile) -> Result<Published, DownloadProblem> {
        let mut url = self.url(file);
        for _ in 0..MAX_REDIRECTS {
            let request = self.agent.head(&url);
            let response = self.authorized(request, &url).call().map_err(unreachable)?;
            // A redirect to another host leads to the content, and this answer of the hub already describes it.
            match redirected(&response, &url)? {
                Some(next) if self.is_hub(&next) => url = next,
                _ => return Published::of(&response),
            }
        }
        Err(unusable("location", &url))
    }

    /// Asks for the bytes of a file from an offset on. A hub may answer with the whole file, and [`Rest`] then begins at 0.
    pub(super) fn read(&self, file: &HubFile, from: u64) -> Result<Rest, DownloadProblem> {
        let mut url = self.url(file);
        for _ in 0..MAX_REDIRECTS {
            let mut request = self.agent.get(&url);
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = self.authorized(request, &url).call().map_err(unreachable)?;
            match redirected(&response, &url)? {
                Some(next) => url = next,
                None => return Rest::of(response, from),
            }
        }
        Err(unusable("location", &url))
    }

    /// Adds the token to a request if the request goes to the hub itself, because no other host may see the token.
    fn authorized(&self, request: RequestBuilder<WithoutBody>, url: &str) -> RequestBuilder<WithoutBody> {
        match &self.authorization {
            Some(authorization) if self.is_hub(url) => request.header(header::AUTHORIZATION, authorization),
            _ => request,
        }
    }

    fn is_hub(&self, url: &str) -> bool {
        origin(url) == origin(self.endpoint)
    }

    fn url(&self, file: &HubFile) -> String {
        let revision = file.revision.replace('/', "%2F");
        format!("{}/{}/resolve/{revision}/{}", self.endpoint, file.repository, file.file)
    }
}

impl Rest {
    fn of(response: Response<Body>, from: u64) -> Result<Self, DownloadProblem> {
        let from = match response.status().as_u16() {
            200 => 0,
            206 => {
                let range = text(response.headers(), "content-range");
                let first =
                    range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok());
                first.filter(|first| *first == from).ok_or_else(|| unusable("content-range", range))?
            }
            status => return Err(DownloadProblem::Status { status }),
        };
        Ok(Self { from, bytes: Box::new(response.into_body().into_reader()) })
    }
}

impl Published {
    fn of(response: &Response<Body>) -> Result<Self, DownloadProblem> {
        let (status, headers) = (response.status(), response.headers());
        if !status.is_success() && !status.is_redirection() {
            return Err(DownloadProblem::Status { status: status.as_u16() });
        }
        let commit = text(headers, "x-repo-commit");
        let tag = Some(text(headers, "x-linked-etag")).filter(|tag| !tag.is_empty());
        let tag = tag.unwrap_or_else(|| text(headers, "etag"));
        let content = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        let size = Some(text(headers, "x-linked-size")).filter(|size| !size.is_empty());
        let size = size.unwrap_or_else(|| match status.is_redirection() {
            true => "",
            false => text(headers, "content-length"),
        });
        // Commit and content become names of files, so they must be plain.
        if !is_name(commit) {
            return Err(unusable("x-repo-commit", commit));
        }
        if !is_name(content) {
            return Err(unusable("etag", tag));
        }
        let bytes = size.parse().map_err(|_| unusable("content-length", size))?;
        Ok(Self { commit: commit.into(), content: content.into(), size: bytes })
    }
}

/// Returns the address that an answer redirects to, or `None` if it does not redirect.
fn redirected(response: &Response<Body>, url: &str) -> Result<Option<String>, DownloadProblem> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let place = text(response.headers(), "location");
    if place.starts_with('/') && !place.starts_with("//") {
        return Ok(Some(format!("{}{place}", origin(url))));
    }
    let is_absolute = place.starts_with("https://") || place.starts_with("http://");
    if is_absolute { Ok(Some(place.into())) } else { Err(unusable("location", place)) }
}

/// Returns the value of a header. It is empty if the header is missing or not text.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unusable(header: &'static str, value: &str) -> DownloadProblem {
    DownloadProblem::Header { header, value: value.into() }
}

fn unreachable(error: ureq::Error) -> DownloadProblem {
    DownloadProblem::Unreachable(Box::new(error))
}

/// Returns the scheme and the host of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = host + rest.find('/').unwrap_or(rest.len());
    url.get(..end).unwrap_or(url)
}

/// Tells whether a word can be the name of a file and cannot lead to another folder.
fn is_name(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME).contains(&word.len()) && !word.starts_with('.') && word.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_below_a_path_is_known_by_its_host() {
        assert_eq!(origin("http://localhost:80/hub/a"), "http://localhost:80");
        assert_eq!(origin("https://huggingface.co"), "https://huggingface.co");
    }

    #[test]
    fn no_word_of_a_hub_leads_out_of_the_cache() {
        assert!(is_name("0123abc-4"));
        for word in ["", ".", "..", ".hidden", "a/b", "..\\a", "a b", "ä", &"a".repeat(129)] {
            assert!(!is_name(word), "{word}");
        }
    }
}
