use rscir_core::Html;

use crate::projection::Projection;
use crate::{Picture, Ring, Tile};

/// Tiles whose rank is written on the map; more names than these cover each other.
const NAMED: usize = 30;

/// The least side of a tile on the map, in its units: a smaller one is marked by a point that can be seen and touched.
const MIN_SIDE: f64 = 10.0;

/// A distance that no line on the map is as thin as, in its units.
const HIDDEN: f64 = 0.5;

/// Width and height of a name of a line, in the map's units, on a telephone.
const NAME: [f64; 2] = [86.0, 20.0];

/// A picture of the ground that lies below the tiles on the map, such as a scene that they are from.
#[derive(Debug, Clone, PartialEq)]
pub struct Backdrop {
    picture: Picture,
    corners: [[f64; 2]; 3],
}

impl Backdrop {
    /// Places a picture by the longitude and latitude of its upper left, upper right and lower left corner. It lies on the map as
    /// a parallelogram, which is exact enough for a scene.
    #[must_use]
    pub fn new(picture: Picture, upper_left: [f64; 2], upper_right: [f64; 2], lower_left: [f64; 2]) -> Self {
        Self { picture, corners: [upper_left, upper_right, lower_left] }
    }

    /// The corners, as a ring without its last side.
    fn ring(&self) -> Ring {
        let [a, b, c] = self.corners;
        vec![a, b, [b[0] + c[0] - a[0], b[1] + c[1] - a[1]], c]
    }
}

/// What a map shows.
pub(crate) struct Map<'a> {
    pub(crate) tiles: &'a [Tile],
    /// The area asked for.
    pub(crate) area: &'a [Ring],
    /// Where the query is from.
    pub(crate) asked: &'a [Ring],
    pub(crate) backdrops: &'a [Backdrop],
}

impl Map<'_> {
    /// Writes the map, if any tile has a place.
    pub(crate) fn write(&self, html: &mut Html) {
        let backdrops: Vec<Ring> = self.backdrops.iter().map(Backdrop::ring).collect();
        let tiles = || self.tiles.iter().flat_map(|tile| &tile.rings);
        // An area may be a country, in which tiles would vanish: the map is of the tiles, and shows of the area what is there.
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
        // The best lies on top.
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

/// Meridians and parallels.
fn write_lines(map: &Projection, html: &mut Html) {
    let [meridians, parallels] = map.lines();
    html.raw("<g class=\"lines\"><path d=\"");
    meridians.iter().for_each(|(x, _)| _ = html.raw(&format!("M{x:.1} 0V{:.1}", map.height)));
    parallels.iter().for_each(|(y, _)| _ = html.raw(&format!("M0 {y:.1}H{:.1}", map.width)));
    html.raw("\"/></g>\n");
}

/// The names of meridians along the upper edge, and of parallels along the left one, above all else.
fn write_names(map: &Projection, html: &mut Html) {
    let [meridians, parallels] = map.lines();
    html.raw("<g class=\"lines\" aria-hidden=\"true\">");
    // A name needs room to the right of its line, and the uppermost row is the meridians'.
    let meridians = meridians.iter().filter(|(x, _)| *x < map.width - NAME[0]);
    let parallels = parallels.iter().filter(|(y, _)| *y > 2.0 * NAME[1]);
    let meridians = meridians.map(|(x, name)| (x + 4.0, NAME[1] - 3.0, name));
    for (x, y, name) in meridians.chain(parallels.map(|(y, name)| (4.0, y - 4.0, name))) {
        html.raw(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\">")).text(name).raw("</text>");
    }
    html.raw("</g>\n");
}

/// What is no tile: an outline that leaves the pointer to the tiles.
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

/// A tile as a link to its picture, named by its rank.
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
    // On a light edge, a line is seen on any ground.
    html.raw("<path class=\"edge\" d=\"").raw(&outline).raw("\"/><path d=\"").raw(&outline).raw("\"/>");
    if (most(0) - least(0)).max(most(1) - least(1)) < MIN_SIDE {
        html.raw(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"/>", MIN_SIDE / 2.0));
    }
    if rank <= NAMED {
        html.raw(&format!("<text x=\"{x:.1}\" y=\"{:.1}\">{rank}</text>", y + 5.0));
    }
    html.raw("</a>\n");
}

/// Rings as the data of a path. Places that the one before hides are left out: a border has many more than a map shows.
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

/// How long a length is, in the lower right corner.
fn write_bar(map: &Projection, html: &mut Html) {
    let (length, name) = map.bar();
    let (right, bottom) = (map.width - 14.0, map.height - 12.0);
    html.raw(&format!("<g class=\"bar\"><path d=\"M{:.1} {bottom:.1}v6h{length:.1}v-6\"/>", right - length));
    html.raw(&format!("<text x=\"{:.1}\" y=\"{:.1}\">", right - length / 2.0, bottom - 3.0));
    html.text(&name).raw("</text></g>\n");
}
