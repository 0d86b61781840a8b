use crate::is_unprintable;

/// HTML under construction: markup of the program's own as it is, and everything that others wrote as text.
///
/// ```
/// use rscir_core::Html;
///
/// let mut html = Html::default();
/// html.raw("<p>").text("<b>\u{202e}&amp;").raw("</p>");
/// assert_eq!(html.as_str(), r"<p>&lt;b&gt;\u{202e}&amp;amp;</p>");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Adds markup.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text between tags or in a quoted attribute. What has a meaning in HTML is escaped; a control character becomes the
    /// replacement character, and what turns a text's direction or has no width is written out.
    pub fn text(&mut self, text: &str) -> &mut Self {
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

    /// Returns what has been written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Turns into what has been written.
    pub fn into_string(self) -> String {
        self.0
    }
}
