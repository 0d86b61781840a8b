//! GDAL's metadata: names and values as XML in the tag 42112.

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item {
    pub(super) name: String,
    /// The band that the item describes, counted from 0. `None`: it describes the scene.
    pub(super) sample: Option<usize>,
    pub(super) role: String,
    pub(super) value: String,
}

/// The most items that are read: ten for each band of a scene with a thousand bands.
const MAX_ITEMS: usize = 10_000;

/// Reads the items of the XML. Text that is no item is skipped.
pub(super) fn items(xml: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once("<Item") {
        let Some((attributes, content)) = after.split_once('>') else { break };
        let Some((value, after)) = content.split_once("</Item>") else { break };
        rest = after;
        let attribute = |name: &str| {
            let (_, start) = attributes.split_once(&format!(" {name}=\""))?;
            start.split_once('"').map(|(value, _)| unescaped(value))
        };
        items.push(Item {
            name: attribute("name").unwrap_or_default(),
            sample: attribute("sample").and_then(|sample| sample.parse().ok()),
            role: attribute("role").unwrap_or_default(),
            value: unescaped(value),
        });
        if items.len() == MAX_ITEMS {
            break;
        }
    }
    items
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.trim().to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_with_their_band_and_role_and_other_text_is_passed_over() {
        let xml = "<GDALMetadata>\n  <Item name=\"datetime\">2020-04-08</Item>\n  \
                   <Item name=\"COLORINTERP\" sample=\"2\" role=\"colorinterp\">Red &amp; &lt;b&gt;</Item>\n</GDALMetadata>";
        let items = items(xml);
        assert_eq!(items[0], Item { name: "datetime".into(), value: "2020-04-08".into(), ..Item::default() });
        assert_eq!((items[1].sample, items[1].role.as_str()), (Some(2), "colorinterp"));
        assert_eq!(items[1].value, "Red & <b>");
        for damaged in ["", "<Item", "<Item name=\"a\"", "<Item name=\"a\">b", "no xml"] {
            assert!(super::items(damaged).is_empty(), "{damaged}");
        }
    }
}
