//! Label files as they come out of spreadsheets, editors and accidents: every one is either read whole or refused with its
//! file, its line and what to do; no row vanishes without being named.

use std::path::Path;

use rscir_bench::{DatasetReport, PatternCom, Protocol, QuerySet, Result};
use rscir_core::{Embeddings, EncoderSpec};
use rscir_index::MemoryArchive;

/// Tiles of the archive: two classes of three.
const TILES: [&str; 6] = ["a1.jpg", "a2.jpg", "a3.jpg", "b1.jpg", "b2.jpg", "b3.jpg"];

/// What becomes of a color.csv.
enum Outcome {
    /// Read: rows, queries, and what the report counts of missing, repeated, askless rows and headers.
    Read { rows: usize, queries: usize, report: [usize; 4] },
    /// Refused: the line, and what the message says.
    Refused(u64, &'static str),
}
use Outcome::{Read, Refused};

const fn read(rows: usize, queries: usize, report: [usize; 4]) -> Outcome {
    Read { rows, queries, report }
}

/// Reads `color.csv` with these bytes, and makes queries on an archive of [`TILES`].
fn ask(folder: &Path, csv: &[u8]) -> (Result<usize>, Option<Result<(QuerySet, DatasetReport)>>) {
    std::fs::create_dir_all(folder.join("PatternCom")).unwrap();
    std::fs::write(folder.join("PatternCom/color.csv"), csv).unwrap();
    let keys = TILES.map(|tile| format!("images/{tile}")).into();
    let rows = Embeddings::normalize(2, (0..12).map(|i| 1.0 + i as f32).collect()).unwrap();
    let archive = MemoryArchive::new(EncoderSpec::unknown(2), keys, rows).unwrap();
    match PatternCom::read(folder) {
        Err(error) => (Err(error), None),
        Ok(labels) => {
            let rows = labels.attributes.iter().map(|a| a.rows.len()).sum();
            (Ok(rows), Some(labels.queries(&archive)))
        }
    }
}

/// Two rows of one class with two values: each asks for the other.
const PAIR: &str = "a1.jpg,color,red\na2.jpg,color,blue\n";

#[test]
fn sixty_files_are_read_whole_or_refused_by_line() {
    let pair = |before: &str, after: &str| format!("{before}{PAIR}{after}").into_bytes();
    let long = "x".repeat(1 << 20);
    let mut cases: Vec<(&str, Vec<u8>, Outcome)> = vec![
        // Byte order marks, ends of lines, empty lines.
        ("plain", pair("", ""), read(2, 2, [0; 4])),
        ("byte order mark", pair("\u{feff}", ""), read(2, 2, [0; 4])),
        ("CRLF", PAIR.replace('\n', "\r\n").into(), read(2, 2, [0; 4])),
        ("CR alone", PAIR.replace('\n', "\r").into(), read(2, 2, [0; 4])),
        (
            "byte order mark and CRLF",
            format!("\u{feff}{PAIR}").replace('\n', "\r\n").into(),
            read(2, 2, [0; 4]),
        ),
        ("mixed ends", b"a1.jpg,color,red\r\na2.jpg,color,blue\n".to_vec(), read(2, 2, [0; 4])),
        ("no last end", PAIR.trim_end().into(), read(2, 2, [0; 4])),
        ("empty lines before", pair("\n\n\n", ""), read(2, 2, [0; 4])),
        ("empty lines after", pair("", "\n\n\r\n"), read(2, 2, [0; 4])),
        ("empty lines between", PAIR.replace('\n', "\n\n").into(), read(2, 2, [0; 4])),
        ("error after a byte order mark", pair("\u{feff}", "a3.jpg,color\n"), Refused(3, "got 2")),
        ("error after CRLF", format!("{PAIR}a3.jpg\n").replace('\n', "\r\n").into(), Refused(3, "got 1")),
        ("error after empty lines", pair("\n\n", "\n\na3.jpg\n"), Refused(7, "got 1")),
        ("two byte order marks", pair("\u{feff}\u{feff}", ""), read(2, 2, [0; 4])),
        // Headers.
        ("header", pair("filename,attribute,value\n", ""), read(2, 2, [0, 0, 0, 1])),
        ("header in capitals", pair("Filename,Attribute,Value\n", ""), read(2, 2, [0, 0, 0, 1])),
        ("header, quoted", pair("\"filename\",\"attribute\",\"value\"\n", ""), read(2, 2, [0, 0, 0, 1])),
        ("header after an empty line", pair("\nfilename,attribute,value\n", ""), read(2, 2, [0, 0, 0, 1])),
        (
            "header after a byte order mark",
            pair("\u{feff}image,attribute,value\n", ""),
            read(2, 2, [0, 0, 0, 1]),
        ),
        (
            "header twice",
            pair("filename,attribute,value\nfilename,attribute,value\n", ""),
            read(3, 2, [1, 0, 0, 1]),
        ),
        ("header at the end", pair("", "filename,attribute,value\n"), read(3, 2, [1, 0, 0, 0])),
        ("header of two columns", pair("filename,value\n", ""), Refused(1, "got 2")),
        ("header of four columns", pair("id,filename,attribute,value\n", ""), Refused(1, "got 4")),
        ("header alone", b"filename,attribute,value\n".to_vec(), Refused(0, "no queries")),
        // Columns.
        ("one column", b"a1.jpg\n".to_vec(), Refused(1, "got 1")),
        ("two columns", b"a1.jpg,red\n".to_vec(), Refused(1, "expected 3 columns")),
        ("four columns", pair("", "a3.jpg,color,red,dark\n"), Refused(3, "got 4")),
        ("a comma at the end", pair("", "a3.jpg,color,red,\n"), Refused(3, "got 4")),
        ("semicolons", b"a1.jpg;color;red\n".to_vec(), Refused(1, "commas")),
        ("tabs", b"a1.jpg\tcolor\tred\n".to_vec(), Refused(1, "commas")),
        ("an index column", b"0,a1.jpg,color,red\n".to_vec(), Refused(1, "got 4")),
        ("commas alone", pair("", ",,\n"), Refused(3, "the filename is empty")),
        ("a line of a blank", pair("", " \n"), Refused(3, "got 1")),
        ("a comment", pair("# colors\n", ""), Refused(1, "got 1")),
        // Empty fields.
        ("no filename", pair("", ",color,red\n"), Refused(3, "the filename is empty")),
        ("no attribute", pair("", "a3.jpg,,red\n"), Refused(3, "the attribute is empty")),
        ("no value", pair("", "a3.jpg,color,\n"), Refused(3, "the value is empty")),
        ("a blank value", pair("", "a3.jpg,color,  \n"), Refused(3, "the value is empty")),
        ("an empty quoted value", pair("", "a3.jpg,color,\"\"\n"), Refused(3, "the value is empty")),
        // Quotes.
        (
            "all quoted",
            b"\"a1.jpg\",\"color\",\"red\"\n\"a2.jpg\",\"color\",\"blue\"\n".to_vec(),
            read(2, 2, [0; 4]),
        ),
        ("a quoted comma", pair("", "a3.jpg,color,\"red, dark\"\n"), read(3, 6, [0; 4])),
        ("a doubled quote", pair("", "a3.jpg,color,\"so-called \"\"red\"\"\"\n"), read(3, 6, [0; 4])),
        ("an unterminated quote", pair("", "a3.jpg,color,\"red\nb1.jpg,color,red\n"), Refused(3, "quote")),
        ("an unterminated quote at the end", pair("", "a3.jpg,color,\"red"), Refused(3, "quote")),
        (
            "an unterminated quote in the name",
            b"\"a1.jpg,color,red\na2.jpg,color,blue\n".to_vec(),
            Refused(1, "quote"),
        ),
        ("a line break in quotes", pair("", "a3.jpg,color,\"red\ndark\"\n"), Refused(3, "line break")),
        ("a quote within a field", pair("", "a3.jpg,color,re\"d\n"), read(3, 6, [0; 4])),
        // Names.
        ("an absent image", pair("", "z9.jpg,color,red\n"), read(3, 2, [1, 0, 0, 0])),
        ("all images absent", b"z1.jpg,color,red\nz2.jpg,color,blue\n".to_vec(), Refused(0, "no queries")),
        ("a parent folder", pair("", "../a3.jpg,color,red\n"), Refused(3, "base name")),
        ("far up", pair("", "../../../../etc/passwd,color,red\n"), Refused(3, "base name")),
        ("a folder", pair("", "images/a3.jpg,color,red\n"), Refused(3, "base name")),
        ("a folder of Windows", pair("", "images\\a3.jpg,color,red\n"), Refused(3, "base name")),
        ("two dots", pair("", "..,color,red\n"), Refused(3, "base name")),
        ("another case", pair("", "A3.JPG,color,red\n"), read(3, 2, [1, 0, 0, 0])),
        ("another ending", pair("", "a3.png,color,red\n"), read(3, 2, [1, 0, 0, 0])),
        ("a blank around the name", pair("", " a3.jpg,color,red\n"), Refused(3, "blank")),
        ("a blank around the value", pair("", "a3.jpg,color, red\n"), Refused(3, "blank")),
        ("a blank around the attribute", pair("", "a3.jpg,color ,red\n"), Refused(3, "blank")),
        // Repeated rows.
        ("a row twice", pair("", "a1.jpg,color,red\n"), read(3, 2, [0, 1, 0, 0])),
        ("two values of an image", pair("", "a1.jpg,color,blue\n"), read(3, 1, [0, 1, 1, 0])),
        ("a row three times", pair("", "a1.jpg,color,red\na1.jpg,color,red\n"), read(4, 2, [0, 2, 0, 0])),
        ("a class of one value", pair("", "b1.jpg,color,red\nb2.jpg,color,red\n"), read(4, 2, [0, 0, 2, 0])),
        // Bytes.
        ("Latin-1", [PAIR.as_bytes(), b"a3.jpg,color,gr\xfcn\n"].concat(), Refused(3, "UTF-8")),
        ("UTF-16", PAIR.encode_utf16().flat_map(u16::to_le_bytes).collect(), Refused(1, "NUL")),
        (
            "UTF-16 with its mark",
            [&[0xff, 0xfe][..], &PAIR.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat(),
            Refused(1, "UTF-8"),
        ),
        ("a NUL byte", pair("", "a3.jpg,color,re\0d\n"), Refused(3, "NUL")),
        ("NUL bytes alone", vec![0; 4096], Refused(1, "NUL")),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), Refused(1, "UTF-8")),
        ("a cut character", [PAIR.as_bytes(), b"a3.jpg,color,gr\xc3"].concat(), Refused(3, "UTF-8")),
        ("other scripts", pair("", "a3.jpg,color,\u{7ea2}\u{8272}\n"), read(3, 6, [0; 4])),
        // Sizes.
        ("an empty file", Vec::new(), Refused(0, "no queries")),
        ("ends of lines alone", b"\n\r\n\n".to_vec(), Refused(0, "no queries")),
        ("a value of 1 MB", pair("", &format!("a3.jpg,color,{long}\n")), Refused(3, "characters")),
        ("a name of 1 MB", pair("", &format!("{long},color,red\n")), Refused(3, "characters")),
        ("a line of 1 MB without a comma", format!("{long}\n").into_bytes(), Refused(1, "got 1")),
        ("a line of commas", ",".repeat(1 << 20).into_bytes(), Refused(1, "got 1048577")),
    ];
    cases.push((
        "ten thousand rows",
        (0..10_000).map(|i| format!("a{}.jpg,color,v{i}\n", 1 + i % 3)).collect::<String>().into(),
        read(10_000, 20_000, [0, 9_997, 0, 0]),
    ));
    assert!(cases.len() >= 60, "{}", cases.len());

    let mut wrong = Vec::new();
    for (name, csv, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (read, asked) = ask(folder.path(), &csv);
        let got = match (&read, &asked) {
            (Err(error), _) | (_, Some(Err(error))) => Err(error.to_string()),
            (Ok(rows), Some(Ok((queries, report)))) => {
                let counts = [&report.missing, &report.duplicates, &report.without_queries, &report.headers];
                Ok((*rows, queries.len(), counts.map(Vec::len)))
            }
            (Ok(_), None) => unreachable!("what is read is asked"),
        };
        let fits = match (&got, &expected) {
            (Ok(got), Read { rows, queries, report }) => *got == (*rows, *queries, *report),
            // Without a line, the whole file is at fault.
            (Err(message), Refused(0, says)) => message.contains(says),
            (Err(message), Refused(line, says)) => {
                message.contains(&format!("color.csv:{line}: "))
                    && message.contains(says)
                    && message.len() < 500
            }
            _ => false,
        };
        if !fits {
            wrong.push(format!("{name}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
