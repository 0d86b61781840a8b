//! A browser that a test looks at the page with: Chromium, through its driver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long something may take that is waited for: a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How soon it is seen that it has come.
const LATENCY: Duration = Duration::from_millis(20);

/// Notes each layout shift, from the first paint on.
const WATCH: &str = "window.shifts = []; new PerformanceObserver((list) => { for (const entry of list.getEntries()) \
    if (!entry.hadRecentInput) shifts.push([entry.value, entry.startTime, ...entry.sources.map(({ node }) => node?.id || \
    node?.className || node?.nodeName || '')].join(' ')) }).observe({ type: 'layout-shift', buffered: true });";

/// A window, what it looks like, and who looks at it.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_dark: bool,
    pub(crate) is_still: bool,
}

/// A window of a desk.
pub(crate) const DESK: Look = Look { width: 1280, height: 900, is_dark: false, is_still: false };

/// One of a telephone, in the dark.
pub(crate) const PHONE: Look = Look { width: 390, height: 844, is_dark: true, is_still: true };

/// A running browser with one window.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    port: u16,
}

impl Browser {
    /// Starts a browser.
    pub(crate) fn start(look: Look) -> Self {
        let driver = program("CHROMEDRIVER", &["chromedriver"]);
        // Another process may take a free port at any time: the driver finds one, and tells it.
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = told_port(&mut driver);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(look));
        let client = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}"))).unwrap();
        let browser = Self { runtime, client, driver, port };
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        let preference = |name: &str, value: &str| json!({ "name": name, "value": value });
        let scheme = if look.is_dark { "dark" } else { "light" };
        let motion = if look.is_still { "reduce" } else { "no-preference" };
        let features =
            [preference("prefers-color-scheme", scheme), preference("prefers-reduced-motion", motion)];
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
        let (width, height) = (look.width, look.height);
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        browser
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    /// Goes back, as the browser's button does.
    pub(crate) fn back(&self) {
        self.runtime.block_on(self.client.back()).unwrap();
    }

    /// The address that is shown.
    pub(crate) fn address(&self) -> String {
        self.runtime.block_on(self.client.current_url()).unwrap().into()
    }

    /// Clicks what a selector names first.
    pub(crate) fn click(&self, selector: &str) {
        self.on(selector, |element| async move { element.click().await });
    }

    /// Presses keys on what a selector names first; for a field of files, names files.
    pub(crate) fn press(&self, selector: &str, keys: &str) {
        let keys = keys.to_string();
        self.on(selector, |element| async move { element.send_keys(&keys).await });
    }

    fn on<F: Future<Output = Result<(), CmdError>>>(
        &self,
        selector: &str,
        act: impl FnOnce(fantoccini::elements::Element) -> F,
    ) {
        let acted = async { act(self.client.find(Locator::Css(selector)).await?).await };
        self.runtime.block_on(acted).unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// What a script returns.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.runtime
            .block_on(self.client.execute(script, Vec::new()))
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What an expression comes to in the page once it is done.
    pub(crate) fn wait_for_script(&self, expression: &str) -> Value {
        let script =
            format!("const done = arguments[0]; ({expression}).then(done, (error) => done(String(error)));");
        self.runtime.block_on(self.client.execute_async(&script, Vec::new())).unwrap()
    }

    /// The texts of all that a selector names.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let texts = self.script(&format!(
            "return [...document.querySelectorAll({selector:?})].map((n) => n.textContent)"
        ));
        serde_json::from_value(texts).unwrap()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&self, expression: &str) {
        let began = Instant::now();
        while self.script(&format!("return Boolean({expression})")) != json!(true) {
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {expression}\n{}", self.text());
            std::thread::sleep(LATENCY);
        }
    }

    /// Waits until a value is as expected.
    pub(crate) fn until_equal<T: PartialEq + std::fmt::Debug>(&self, expected: &T, now: impl Fn(&Self) -> T) {
        let began = Instant::now();
        loop {
            let value = now(self);
            if value == *expected {
                return;
            }
            if began.elapsed() > PATIENCE {
                assert_eq!(value, *expected, "not within {PATIENCE:?}");
            }
            std::thread::sleep(LATENCY);
        }
    }

    /// All that can be read on the page.
    pub(crate) fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().into()
    }

    /// Fails if the page complained, asked anyone but `server`, or shifted.
    pub(crate) fn assert_well_behaved(&self, server: &str) {
        self.assert_well_behaved_with(server, &[]);
    }

    /// Fails if the page complained, asked anyone but `server` and some others, or shifted.
    pub(crate) fn assert_well_behaved_with(&self, server: &str, others: &[&str]) {
        let complaints: Vec<String> = self.complaints();
        assert_eq!(complaints, Vec::<String>::new(), "the console");
        let asked = self.asked();
        assert!(asked.iter().any(|url| url.starts_with(server)), "requests are seen: {asked:?}");
        let foreign: Vec<&String> = asked
            .iter()
            .filter(|url| ![server, "data:", "blob:"].iter().chain(others).any(|own| url.starts_with(own)))
            .collect();
        assert!(foreign.is_empty(), "nobody else is asked: {foreign:?}");
        assert_eq!(self.script("return shifts"), json!([]), "nothing jumps");
    }

    /// What the console holds, and forgets.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_string()).collect()
    }

    /// The addresses that were asked since the last call.
    fn asked(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "performance" }));
        let message =
            |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap();
        let request = |entry| {
            let message = message(entry);
            let is_request = message["message"]["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["message"]["params"]["request"]["url"].as_str().unwrap().to_string())
        };
        log.as_array().unwrap().iter().filter_map(request).collect()
    }

    /// Gives a command to the browser's tools for developers.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn command(&self, path: &'static str, body: Value) -> Value {
        self.runtime.block_on(self.client.issue_cmd(Own { path, body })).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with itself; killed, it would leave it behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let host = format!("127.0.0.1:{}", self.port);
            let _ = write!(stream, "GET /shutdown HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let began = Instant::now();
        while matches!(self.driver.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            std::thread::sleep(LATENCY);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A command that Chromium's driver has beside the standard.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base_url: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base_url.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

fn capabilities(look: Look) -> Capabilities {
    let arguments = [
        "--headless=new".to_string(),
        // Within a container, the browser's own walls are not to be had; the page is ours.
        "--no-sandbox".into(),
        "--disable-dev-shm-usage".into(),
        "--disable-gpu".into(),
        format!("--window-size={},{}", look.width, look.height),
    ];
    let chromium = program("CHROMIUM", &["chromium", "chromium-browser", "google-chrome"]);
    let capabilities = json!({
        "goog:chromeOptions": { "binary": chromium, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    serde_json::from_value(capabilities).unwrap()
}

/// The port that a driver says it listens at.
fn told_port(driver: &mut Child) -> u16 {
    for line in BufReader::new(driver.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("the browser's driver did not start");
}

/// The program that a variable names, or one on PATH.
fn program(variable: &str, names: &[&str]) -> PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no {} on PATH, and {variable} is not set", names[0]))
}
