use crate::Picture;

/// A closed ring of longitudes and latitudes in degrees. The first point is repeated at the end.
pub type Ring = Vec<[f64; 2]>;

/// A tile of the answer, with what the page shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    pub(crate) key: String,
    pub(crate) score: f32,
    pub(crate) measures: Vec<(String, f32)>,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) picture: Option<Picture>,
    pub(crate) rings: Vec<Ring>,
}

impl Tile {
    /// Creates a tile with its key and score.
    #[must_use]
    pub fn new(key: impl Into<String>, score: f32) -> Self {
        let (measures, facts, rings) = (Vec::new(), Vec::new(), Vec::new());
        Self { key: key.into(), score, measures, facts, picture: None, rings }
    }

    /// Adds a number that tiles are compared by, such as the similarity to the query's image. Numbers of the
    /// same name share one scale on the page.
    #[must_use]
    pub fn measure(mut self, name: impl Into<String>, value: f32) -> Self {
        self.measures.push((name.into(), value));
        self
    }

    /// Adds a value that the page shows when a reader opens the tile, such as that of a column.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Sets the picture. Default: none, and the page shows the key instead.
    #[must_use]
    pub fn picture(self, picture: Picture) -> Self {
        Self { picture: Some(picture), ..self }
    }

    /// Sets the tile's place as rings, one for each of its parts. Default: none, and the tile is not on the
    /// map.
    #[must_use]
    pub fn place(self, rings: Vec<Ring>) -> Self {
        Self { rings, ..self }
    }
}
