use rscir_core::Html;

use crate::projection::Projection;
use crate::{Picture, Ring, Tile};

/// Number of tiles whose rank is written on the map. The names of more tiles would cover each other.
const NAMED: usize = 30;

/// Least side of a tile on the map, in map units. A smaller tile is marked by a point that can be seen and
/// touched.
const MIN_SIDE: f64 = 10.0;

/// Distance in map units below which two points are one on the map: no line is this thin.
const HIDDEN: f64 = 0.5;

/// Width and height in map units that the name of a meridian or parallel takes on a telephone.
const NAME: [f64; 2] = [86.0, 20.0];

/// A picture of the ground below the tiles of the map, such as the scene that the tiles are from.
#[derive(Debug, Clone, PartialEq)]
pub struct Backdrop {
    picture: Picture,
    corners: [[f64; 2]; 3],
}

impl Backdrop {
    /// Places a picture by the longitude and latitude, in degrees, of three of its corners. The picture is
    /// drawn as a parallelogram, which is exact enough for a scene.
    #[must_use]
    pub fn new(picture: Picture, upper_left: [f64; 2], upper_right: [f64; 2], lower_left: [f64; 2]) -> Self {
        Self { picture, corners: [upper_left, upper_right, lower_left] }
    }

    /// Returns the four corners as an open ring.
    fn ring(&self) -> Ring {
        let [a, b, c] = self.corners;
        vec![a, b, [b[0] + c[0] - a[0], b[1] + c[1] - a[1]], c]
    }
}

/// Everything that a map shows.
pub(crate) struct Map<'a> {
    pub(crate) tiles: &'a [Tile],
    /// Area that the query was limited to.
    pub(crate) area: &'a [Ring],
    /// Place that the query's image is from.
    pub(crate) asked: &'a [Ring],
    pub(crate) backdrops: &'a [Backdrop],
}

impl Map<'_> {
    /// Writes the map. Writes nothing if no tile has a place.
    pub(crate) fn write(&self, html: &mut Html) {
        let backdrops: Vec<Ring> = self.backdrops.iter().map(Backdrop::ring).collect();
        let tiles = || self.tiles.iter().flat_map(|tile| &tile.rings);
        // The map is fitted to the tiles, not to the area: in an area as large as a country, tiles would be
        // too small to see.
        let Some(map) = Projection::around(tiles().chain(self.asked).chain(&backdrops)) else { return };
        if tiles().next().is_none() {
            return;
        }
        html.raw("<section class=\"where\" aria-labelledby=\"where\">\n<h2 id=\"where\">Where they are</h2>\n<figure>\n");
        html.raw(&format!("<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"group\" ", map.width, map.height));
        html.raw("aria-label=\"Map of the tiles, north is up; each is a link to its picture\">\n");
        write_lines(&map, html);
        for backdrop in self.backdrops {
            write_backdrop(&map, backdrop, html);
        }
        write_outline(&map, self.area, "area", html);
        // The best tile is drawn last, so that it lies on top.
        for (i, tile) in self.tiles.iter().enumerate().rev() {
            if !tile.rings.is_empty() {
                write_tile(&map, i + 1, tile, html);
            }
        }
        write_outline(&map, self.asked, "asked", html);
        write_names(&map, html);
        write_bar(&map, html);
        html.raw("</svg>\n");
        self.write_legend(html);
        html.raw("</figure>\n</section>\n");
    }

    fn write_legend(&self, html: &mut Html) {
        html.raw("<figcaption>North is up. Numbers are ranks");
        if self.tiles.len() > NAMED {
            html.raw(&format!(", written for the first {NAMED}"));
        }
        html.raw(".");
        if !self.area.is_empty() {
            html.raw(" <span class=\"key area\">Dashed</span>: the area that was asked for.");
        }
        if !self.asked.is_empty() {
            html.raw(" <span class=\"key asked\">Dotted</span>: where the query is from.");
        }
        let nowhere = self.tiles.iter().filter(|tile| tile.rings.is_empty()).count();
        if nowhere > 0 {
            html.raw(&format!(" {nowhere} of the {} tiles have no place.", self.tiles.len()));
        }
        html.raw("</figcaption>\n");
    }
}

/// Writes the meridians and parallels.
fn write_lines(map: &Projection, html: &mut Html) {
    let [meridians, parallels] = map.lines();
    html.raw("<g class=\"lines\"><path d=\"");
    meridians.iter().for_each(|(x, _)| _ = html.raw(&format!("M{x:.1} 0V{:.1}", map.height)));
    parallels.iter().for_each(|(y, _)| _ = html.raw(&format!("M0 {y:.1}H{:.1}", map.width)));
    html.raw("\"/></g>\n");
}

/// Writes the names of the meridians along the upper edge and those of the parallels along the left edge, on
/// top of everything else.
fn write_names(map: &Projection, html: &mut Html) {
    let [meridians, parallels] = map.lines();
    html.raw("<g class=\"lines\" aria-hidden=\"true\">");
    // A name is written to the right of its line, and the uppermost row belongs to the meridians.
    let meridians = meridians.iter().filter(|(x, _)| *x < map.width - NAME[0]);
    let parallels = parallels.iter().filter(|(y, _)| *y > 2.0 * NAME[1]);
    let meridians = meridians.map(|(x, name)| (x + 4.0, NAME[1] - 3.0, name));
    for (x, y, name) in meridians.chain(parallels.map(|(y, name)| (4.0, y - 4.0, name))) {
        html.raw(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\">")).text(name).raw("</text>");
    }
    html.raw("</g>\n");
}

/// Writes an outline that is not a tile: the pointer reaches the tiles below it.
fn write_outline(map: &Projection, rings: &[Ring], class: &str, html: &mut Html) {
    if !rings.is_empty() {
        html.raw(&format!("<path class=\"{class}\" d=\"")).raw(&path(map, rings)).raw("\"/>\n");
    }
}

fn write_backdrop(map: &Projection, backdrop: &Backdrop, html: &mut Html) {
    let [a, b, c] = backdrop.corners.map(|corner| map.point(corner));
    let (width, height) = (backdrop.picture.width() as f64, backdrop.picture.height() as f64);
    html.raw(&format!(
        "<image width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" transform=\"matrix({} {} {} {} {} {})\" href=\"",
        (b[0] - a[0]) / width,
        (b[1] - a[1]) / width,
        (c[0] - a[0]) / height,
        (c[1] - a[1]) / height,
        a[0],
        a[1]
    ));
    backdrop.picture.write_address(html);
    html.raw("\"/>\n");
}

/// Writes a tile as a link to its picture, named by its rank.
fn write_tile(map: &Projection, rank: usize, tile: &Tile, html: &mut Html) {
    let points = || tile.rings.iter().flatten().map(|&place| map.point(place));
    let least = |at: usize| points().map(|point| point[at]).fold(f64::INFINITY, f64::min);
    let most = |at: usize| points().map(|point| point[at]).fold(f64::NEG_INFINITY, f64::max);
    let [x, y] = [0, 1].map(|at| f64::midpoint(least(at), most(at)));
    html.raw(&format!(
        "<a class=\"place\" id=\"place{rank}\" href=\"#tile{rank}\" aria-label=\"Rank {rank}: "
    ));
    html.text(&tile.key).raw("\"><title>").raw(&format!("{rank}: ")).text(&tile.key).raw("</title>");
    let outline = path(map, &tile.rings);
    // A line with a light edge can be seen on any ground.
    html.raw("<path class=\"edge\" d=\"").raw(&outline).raw("\"/><path d=\"").raw(&outline).raw("\"/>");
    if (most(0) - least(0)).max(most(1) - least(1)) < MIN_SIDE {
        html.raw(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"/>", MIN_SIDE / 2.0));
    }
    if rank <= NAMED {
        html.raw(&format!("<text x=\"{x:.1}\" y=\"{:.1}\">{rank}</text>", y + 5.0));
    }
    html.raw("</a>\n");
}

/// Returns rings as the data of an SVG path. A point is left out if the point before it covers it: the border
/// of a country has many more points than a map can show.
fn path(map: &Projection, rings: &[Ring]) -> String {
    let mut data = String::new();
    for ring in rings {
        let mut last: Option<[f64; 2]> = None;
        for &place in ring {
            let [x, y] = map.point(place);
            if last.is_some_and(|last| (x - last[0]).abs().max((y - last[1]).abs()) < HIDDEN) {
                continue;
            }
            data += &format!("{}{x:.1} {y:.1}", if last.is_none() { 'M' } else { 'L' });
            last = Some([x, y]);
        }
        data.push('Z');
    }
    data
}

/// Writes the scale bar in the lower right corner.
fn write_bar(map: &Projection, html: &mut Html) {
    let (length, name) = map.bar();
    let (right, bottom) = (map.width - 14.0, map.height - 12.0);
    html.raw(&format!("<g class=\"bar\"><path d=\"M{:.1} {bottom:.1}v6h{length:.1}v-6\"/>", right - length));
    html.raw(&format!("<text x=\"{:.1}\" y=\"{:.1}\">", right - length / 2.0, bottom - 3.0));
    html.text(&name).raw("</text></g>\n");
}
