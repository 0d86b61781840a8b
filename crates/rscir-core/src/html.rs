use crate::is_unprintable;

/// HTML under construction. Markup of the program itself is written as it is; everything else is written as text.
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
    /// Appends markup as it is. The caller makes sure that it is valid.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends text between tags or in a quoted attribute. Characters that have a meaning in HTML are
    /// escaped. A control character becomes the replacement character. A character that changes the direction
    /// of text or has no width is written as its escape, such as `\u{202e}`.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML cannot express these characters; a browser reports them as errors.
                c if c.is_control() && !c.is_ascii_whitespace() => self.0.push('\u{fffd}'),
                // Characters that change the direction of text or have no width would make one name look like
                // another.
                c if is_unprintable(c) && !c.is_ascii_whitespace() => self.0.extend(c.escape_default()),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Returns the HTML written so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the HTML written so far, without a copy.
    pub fn into_string(self) -> String {
        self.0
    }
}
