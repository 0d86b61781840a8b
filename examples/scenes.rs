//! Tiles a georeferenced scene, searches for places that are like one of its tiles but have a lake, and writes them
//! as GeoJSON and as a page with a map.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use anyhow::Context;
use rscir::core::Silent;
use rscir::geo::{ArchivedScenes, Place, SceneList, SceneTiles, TileOptions, TileSize, Tiling, to_geojson};
use rscir::page::{Page, Picture, Tile};
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let clip = ClipEncoder::from_folder("data/demo/model").build()?;
    let mut list = SceneList::new();
    list.add_path("data/scenes")?;
    let tiling = Tiling::default().sizes([TileSize::Pixels(128)]).overlap(0.5);
    let tiles = SceneTiles::open(list, &TileOptions::default().tiling(tiling), &Silent, &|| false)?;
    let (roots, on_failure) = (tiles.roots(), &mut |failure| println!("{failure}"));
    let options = IngestOptions::default().roots(&roots);
    let archive = rscir::ingest_source(&tiles, &clip, "target/scenes.rscir", &options, on_failure)?.archive;

    let field = "m_4709963_se_14_1_20200831.tif#xywh=384,64,128,128";
    let query = ComposedQuery::builder(&clip).tile(&archive, field)?.text("a lake")?.build()?;
    let mut scenes = ArchivedScenes::new(&archive, roots);
    let (mut page, mut places) = (Page::new("This, but with a lake"), Vec::new());
    for (i, hit) in rscir::search(&archive, &WeiCom::default(), &query, 9)?.iter().enumerate() {
        println!("{:.4} {}", hit.score, hit.key);
        let place = Place::of_row(&archive, hit.row).context("a tile of a scene has a place")?;
        let picture = Picture::new(scenes.read(&hit.key.parse()?)?.view()?)?;
        page = page.tile(Tile::new(&hit.key, hit.score).picture(picture).place(place.footprint.rings()));
        places.push(place.ranked(i + 1, hit.score));
    }
    rscir::core::files::replace("target/scenes.geojson", |out| {
        out.write_all(to_geojson(&places).as_bytes())
    })?;
    page.write("target/scenes.html")?;
    Ok(())
}
