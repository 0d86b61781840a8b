use rscir_images::tiff::GeoTags;

/// An affine map from pixels to coordinates. Pixels are (column, row), counted from the upper left corner of the upper
/// left pixel.
///
/// `x = a * column + b * row + c`, `y = d * column + e * row + f`, as in a world file and in rasterio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Change of x from one column to the next.
    pub a: f64,
    /// Change of x from one row to the next.
    pub b: f64,
    /// x of the upper left corner.
    pub c: f64,
    /// Change of y from one column to the next.
    pub d: f64,
    /// Change of y from one row to the next. It is negative if rows go south.
    pub e: f64,
    /// y of the upper left corner.
    pub f: f64,
}

/// The reason why a scene has no transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformProblem {
    /// The scene has neither GeoTIFF tags for a transform nor a world file.
    #[error(
        "nothing tells where the scene lies: it has no GeoTIFF tags and no world file beside it; add a world file, or the tags \
         (gdal_edit -a_ullr)"
    )]
    Missing,
    /// The scene has only ground control points.
    #[error(
        "ground control points alone tell where the scene lies, and they give no single transform: warp the scene \
         first (gdalwarp)"
    )]
    ControlPoints,
    /// The scene has only rational polynomial coefficients.
    #[error(
        "rational polynomial coefficients alone tell where the scene lies, and they need a model of the terrain: \
         orthorectify the scene first (gdalwarp -rpc)"
    )]
    RationalPolynomials,
    /// A number of the transform is not finite, or all pixels lie on a line.
    #[error(
        "the transform does not spread the pixels over an area: the tags or the world file are damaged; write them again"
    )]
    Degenerate,
    /// A world file does not consist of six numbers.
    #[error(
        "the world file does not have six numbers, one a line: write it again, or remove it if the scene has tags"
    )]
    WorldFile,
}

impl Transform {
    /// Reads the transform from GeoTIFF tags, in the order in which GDAL prefers them. `is_point`: the coordinates are
    /// those of pixels' centers (PixelIsPoint).
    ///
    /// # Errors
    /// Any [`TransformProblem`] but [`WorldFile`](TransformProblem::WorldFile).
    pub(crate) fn from_tags(tags: &GeoTags, is_point: bool) -> Result<Self, TransformProblem> {
        let transform = match (&tags.pixel_scale[..], &tags.tie_points[..], &tags.transformation[..]) {
            ([width, height, ..], [column, row, _, x, y, _, ..], _) if *width != 0.0 && *height != 0.0 => {
                // As GDAL does, a negative height is taken without its sign.
                let e = -height.abs();
                Self { a: *width, b: 0.0, c: x - column * width, d: 0.0, e, f: y - row * e }
            }
            (_, _, [a, b, _, c, d, e, _, f, ..]) if tags.transformation.len() == 16 => {
                Self { a: *a, b: *b, c: *c, d: *d, e: *e, f: *f }
            }
            (_, [_, ..], _) => return Err(TransformProblem::ControlPoints),
            _ if tags.has_rpc => return Err(TransformProblem::RationalPolynomials),
            _ => return Err(TransformProblem::Missing),
        };
        if is_point { transform.centers_to_corners() } else { transform }.checked()
    }

    /// Reads a world file: six numbers, which are a, d, b, e and then x and y of the upper left pixel's center.
    ///
    /// # Errors
    /// [`TransformProblem::WorldFile`] if the text is not six numbers; [`TransformProblem::Degenerate`] if they are no
    /// transform.
    pub(crate) fn from_world_file(text: &str) -> Result<Self, TransformProblem> {
        // Some programs write decimal commas, after the language of the system.
        let number = |word: &str| word.replace(',', ".").parse::<f64>().ok();
        let numbers: Option<Vec<f64>> = text.split_whitespace().map(number).collect();
        match numbers.as_deref() {
            Some([a, d, b, e, c, f]) => {
                Self { a: *a, b: *b, c: *c, d: *d, e: *e, f: *f }.centers_to_corners().checked()
            }
            _ => Err(TransformProblem::WorldFile),
        }
    }

    /// Moves the origin from the center of the first pixel to its upper left corner.
    fn centers_to_corners(self) -> Self {
        let Self { a, b, c, d, e, f } = self;
        Self { c: c - (a + b) / 2.0, f: f - (d + e) / 2.0, ..self }
    }

    fn checked(self) -> Result<Self, TransformProblem> {
        let Self { a, b, c, d, e, f } = self;
        let is_finite = [a, b, c, d, e, f].iter().all(|number| number.is_finite());
        let determinant = self.determinant();
        if is_finite && determinant.is_finite() && determinant != 0.0 {
            Ok(self)
        } else {
            Err(TransformProblem::Degenerate)
        }
    }

    /// Returns the determinant: the area of a pixel, negative in the usual case that rows go south and columns east.
    pub(crate) fn determinant(&self) -> f64 {
        self.a * self.e - self.b * self.d
    }

    /// Converts a point in pixels to coordinates.
    #[must_use]
    pub fn apply(&self, column: f64, row: f64) -> [f64; 2] {
        [self.a * column + self.b * row + self.c, self.d * column + self.e * row + self.f]
    }

    /// Converts a point in coordinates to pixels, as column and row.
    #[must_use]
    pub fn invert(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (x, y, determinant) = (x - self.c, y - self.f, self.determinant());
        [(self.e * x - self.b * y) / determinant, (self.a * y - self.d * x) / determinant]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pixel_scale: &[f64], tie_points: &[f64], transformation: &[f64]) -> GeoTags {
        let mut tags = GeoTags::default();
        tags.pixel_scale = pixel_scale.into();
        tags.tie_points = tie_points.into();
        tags.transformation = transformation.into();
        tags
    }

    fn of_area(tags: &GeoTags) -> Transform {
        Transform::from_tags(tags, false).unwrap()
    }

    #[test]
    fn a_scale_and_a_tie_point_place_the_pixels_from_the_tie_point_on() {
        let transform = of_area(&tags(&[2.0, 3.0, 0.0], &[10.0, 20.0, 0.0, 500.0, 900.0, 0.0], &[]));
        assert_eq!(transform.apply(10.0, 20.0), [500.0, 900.0]);
        assert_eq!(transform.apply(0.0, 0.0), [480.0, 960.0]);
        assert_eq!(transform.apply(1.0, 1.0), [482.0, 957.0]);
        // As GDAL reads it.
        let negative = of_area(&tags(&[2.0, -3.0, 0.0], &[0.0, 0.0, 0.0, 500.0, 900.0, 0.0], &[]));
        assert_eq!(negative.e, -3.0);
    }

    #[test]
    fn points_are_the_centers_of_pixels() {
        let tags = tags(&[2.0, 4.0, 0.0], &[0.0, 0.0, 0.0, 100.0, 100.0, 0.0], &[]);
        let corner = of_area(&tags).apply(0.0, 0.0);
        let shifted = Transform::from_tags(&tags, true).unwrap();
        assert_eq!(corner, [100.0, 100.0]);
        assert_eq!(shifted.apply(0.0, 0.0), [99.0, 102.0]);
        assert_eq!(shifted.apply(0.5, 0.5), corner);
    }

    #[test]
    fn a_matrix_may_rotate_and_is_undone_by_its_inverse() {
        let matrix = [3.0, 4.0, 0.0, 1000.0, 4.0, -3.0, 0.0, 2000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let transform = of_area(&tags(&[], &[], &matrix));
        assert_eq!(transform.apply(1.0, 2.0), [1011.0, 1998.0]);
        assert_eq!(transform.invert([1011.0, 1998.0]), [1.0, 2.0]);
    }

    #[test]
    fn a_world_file_tells_the_center_of_the_first_pixel() {
        let transform = Transform::from_world_file("2,0\r\n0\r\n0\r\n-2.0\r\n101.0\r\n199\r\n").unwrap();
        assert_eq!(transform.apply(0.0, 0.0), [100.0, 200.0]);
        for text in ["", "1 2 3 4 5", "1 0 0 1 0 0 0", "a b c d e f"] {
            assert_eq!(Transform::from_world_file(text), Err(TransformProblem::WorldFile), "{text}");
        }
    }

    #[test]
    fn what_places_no_pixel_is_told_apart() {
        let of = |tags: GeoTags| Transform::from_tags(&tags, false).unwrap_err();
        assert_eq!(of(GeoTags::default()), TransformProblem::Missing);
        assert_eq!(of(tags(&[], &[0.0; 24], &[])), TransformProblem::ControlPoints);
        let mut polynomials = GeoTags::default();
        polynomials.has_rpc = true;
        assert_eq!(of(polynomials), TransformProblem::RationalPolynomials);
        assert_eq!(of(tags(&[], &[], &[0.0; 16])), TransformProblem::Degenerate);
        assert_eq!(of(tags(&[f64::NAN, 1.0, 0.0], &[0.0; 6], &[])), TransformProblem::Degenerate);
    }
}
