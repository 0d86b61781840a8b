use std::time::Duration;

use crate::{Error, Result};

/// What a server allows, and how long it waits. The defaults are for one machine and some dozens of people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The secret that a request must know. Default: none, which only an address of this machine alone may have.
    pub token: Option<String>,
    /// Bytes of a body at most. Default: 32 MiB, a photo of a good camera.
    pub body_bytes: usize,
    /// Pixels of an image at most, of those sent and of those read for pictures. Default: 64 million, 192 MB while they are
    /// decoded.
    pub pixels: u64,
    /// How long a body may take to arrive. Default: 20 s.
    pub body_time: Duration,
    /// How long a request's headers may take to arrive. Default: 10 s.
    pub header_time: Duration,
    /// How long a client may take to take in an answer, from when it has no room for more. Default: 60 s, in which a slow mobile
    /// network (256 kbit/s) carries the largest picture.
    pub answer_time: Duration,
    /// How long a request waits for others before it is told to come again. Default: 10 s.
    pub patience: Duration,
    /// How long the work of one request may take before it is given up. Default: 30 s.
    pub work_time: Duration,
    /// How many requests are worked on at once, each on a thread; searches share all cores besides. Default: 4, so that
    /// small work passes a large one by.
    pub at_once: usize,
    /// How many requests wait for their turn. Default: 256.
    pub waiting: usize,
    /// How many requests of one address are taken at once. Default: 128, twice what 64 people behind one proxy do at once.
    pub per_client: usize,
    /// How many connections are open at once. Default: 1,024.
    pub connections: usize,
    /// How many bodies with files are there at once, on their way and being worked on. Default: 4, which with the largest bodies take 128 MiB.
    pub uploads: usize,
    /// Bytes that similarities of the last queries may take. Default: 256 MiB, 16 queries on a million rows.
    pub cache_bytes: u64,
    /// How often a growing archive is looked at, at most. Default: 1 s.
    pub refresh: Duration,
    /// How long requests under way may take when the server is stopped. Default: 10 s.
    pub stop_time: Duration,
    /// Names under which the server is asked, beside `localhost` and addresses in numbers. Others are refused, since a page of
    /// anyone's can let its own name stand for this machine (DNS rebinding). Default: none.
    pub hosts: Vec<String>,
    /// Origins, such as `https://example.org`, whose pages may ask as well (CORS). Default: none.
    pub origins: Vec<String>,
    /// Where the page takes the ground of its map from; without, it asks nobody else for anything. Default: none.
    pub basemap: Option<Basemap>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            body_bytes: 32 << 20,
            pixels: 64_000_000,
            body_time: Duration::from_secs(20),
            header_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(60),
            patience: Duration::from_secs(10),
            work_time: Duration::from_secs(30),
            at_once: 4,
            waiting: 256,
            per_client: 128,
            connections: 1024,
            uploads: 4,
            cache_bytes: 256 << 20,
            refresh: Duration::from_secs(1),
            stop_time: Duration::from_secs(10),
            hosts: Vec::new(),
            origins: Vec::new(),
            basemap: None,
        }
    }
}

/// Characters of a token at least: with 64 possible ones, 16 are 96 bits, which nobody guesses.
const TOKEN_CHARS: usize = 16;

/// Characters of a token at most, so that a header holds it.
const MAX_TOKEN_CHARS: usize = 256;

impl Options {
    /// Sets the secret that a request must know.
    ///
    /// # Errors
    /// [`Error::Token`] for one that is short, or has other characters than an address holds as they are.
    pub fn token(mut self, token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if !is_plain || !(TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&token.len()) {
            return Err(Error::Token { chars: token.chars().count() });
        }
        self.token = Some(token);
        Ok(self)
    }

    /// Adds a name under which the server is asked.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Adds an origin whose pages may ask as well.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Sets where the page takes the ground of its map from.
    #[must_use]
    pub fn basemap(mut self, basemap: Basemap) -> Self {
        self.basemap = Some(basemap);
        self
    }
}

/// Where pictures of a map are: a template of addresses with `{z}`, `{x}` and `{y}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basemap {
    template: String,
    origin: String,
}

impl Basemap {
    /// Takes a template such as `https://tiles.example.org/{z}/{x}/{y}.png`.
    ///
    /// # Errors
    /// [`Error::Basemap`] if it is none.
    pub fn new(template: impl Into<String>) -> Result<Self> {
        let template = template.into();
        let origin = origin(&template).map(String::from);
        let has_all = ["{z}", "{x}", "{y}"].iter().all(|part| template.contains(part));
        match origin {
            Some(origin) if has_all => Ok(Self { template, origin }),
            _ => Err(Error::Basemap { url: template }),
        }
    }

    /// Returns the template.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Returns scheme, host and port, which the page's policy must let through.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

/// Returns the scheme, host and port of an address that can stand in a header.
fn origin(url: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?;
    let rest = url.get(scheme.len()..)?;
    let host = rest.get(..rest.find('/')?)?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`,;<>\\".contains(&byte));
    let is_named = !host.is_empty() && host.bytes().all(is_host);
    (is_plain && is_named).then(|| url.get(..scheme.len() + host.len())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_map_opens_the_policy_for_its_origin_and_for_nothing_else() {
        let map = Basemap::new("https://tiles.example.org:8443/a/{z}/{x}/{y}.png").unwrap();
        assert_eq!(map.origin(), "https://tiles.example.org:8443");
        for wrong in [
            "https://tiles.example.org/{z}/{x}.png",
            "https://tiles.example.org; script-src */{z}/{x}/{y}",
            "https://*/{z}/{x}/{y}",
            "https:///{z}/{x}/{y}",
            "https://user@example.org/{z}/{x}/{y}",
            "javascript:alert(1)/{z}/{x}/{y}",
            "https://example.org/{z}/{x}/{y}\r\nX: y",
            "{z}{x}{y}",
        ] {
            assert!(Basemap::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_long_and_can_stand_in_an_address() {
        assert!(Options::default().token("abcdefgh-_.~0123").is_ok());
        for wrong in ["", "short", "spaces in a long token", "ünder-the-umlauts-1", &"x".repeat(257)] {
            assert!(Options::default().token(wrong).is_err(), "{wrong}");
        }
    }
}
