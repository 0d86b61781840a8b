//! The classes of PatternNet, and how PatternCom merges them (utils.py of the reference program,
//! `class_mapping` and `fix_query_attributelabels`).

/// A class, the class it merges into, and the attribute in whose categories it does. Relevance ignores the
/// attribute.
const MERGES: [(&str, &str, &str); 10] = [
    ("denseresidential", "residential", "density"),
    ("sparseresidential", "residential", "density"),
    ("closedroad", "road", "shape"),
    ("intersection", "road", "shape"),
    ("bridge", "roadpass", "context"),
    ("overpass", "roadpass", "context"),
    ("ferryterminal", "pier", "existence"),
    ("harbor", "pier", "existence"),
    ("parkingspace", "parking", "existence"),
    ("parkinglot", "parking", "existence"),
];

/// Returns the class of a tile: its file name up to the first digit.
pub(crate) fn class_of(name: &str) -> &str {
    name.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

/// Returns the class that relevance compares.
pub(super) fn merged(class: &str) -> &str {
    MERGES.iter().find(|(from, ..)| *from == class).map_or(class, |(_, to, _)| to)
}

/// Returns the class that forms the categories of `attribute`.
pub(super) fn category<'a>(attribute: &str, class: &'a str) -> &'a str {
    MERGES.iter().find(|(from, _, of)| *from == class && *of == attribute).map_or(class, |(_, to, _)| to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_merge_for_relevance_everywhere_and_for_categories_in_one_attribute() {
        assert_eq!(class_of("wastewaterplant614.jpg"), "wastewaterplant");
        assert_eq!(class_of("airplane.jpg"), "airplane.jpg");
        assert_eq!(merged("parkinglot"), "parking");
        assert_eq!(category("existence", "parkinglot"), "parking");
        assert_eq!(category("color", "parkinglot"), "parkinglot");
        assert_eq!(category("color", "airplane"), "airplane");
    }
}
