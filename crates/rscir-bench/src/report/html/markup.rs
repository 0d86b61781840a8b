use rscir_core::is_unprintable;

/// HTML under construction: markup of this crate as it is, everything else escaped.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text between tags or in a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML has no way to write these; a browser reports them as errors.
                c if c.is_control() && !c.is_ascii_whitespace() => self.0.push('\u{fffd}'),
                // What turns a text's direction or has no width would show another name than it is.
                c if is_unprintable(c) && !c.is_ascii_whitespace() => self.0.extend(c.escape_default()),
                c => self.0.push(c),
            }
        }
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
