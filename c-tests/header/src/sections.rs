//! The order of the header: what `cbindgen` wrote, item by item, under a heading for each thing a user does.

use crate::enums::{self, Group};
use crate::{project, read};
use std::fmt::Write;

/// A part of the header.
struct Section {
    heading: &'static str,
    /// One sentence under the heading.
    sentence: &'static str,
    /// The files of `src/ffi` whose items it has.
    sources: &'static [&'static str],
    /// The items it has from other files: their names, or beginnings of names.
    also: &'static [&'static str],
}

/// In the order in which a user needs them. A type is in the first section that has a function which takes it.
const SECTIONS: &[Section] = &[
    Section {
        heading: "Objects and errors",
        sentence: "What calls take and answer. Each object is described once here, and used by the functions \
                   further down.",
        sources: &["error", "library"],
        also: &[
            "immuta_status",
            "immuta_options",
            "immuta_log",
            "immuta_stream",
            "immuta_txn",
            "immuta_codec",
            "immuta_sink",
        ],
    },
    Section {
        heading: "Options",
        sentence: "How a log is opened: every setting has a default, so a log can be opened with NULL.",
        sources: &["options"],
        also: &[],
    },
    Section {
        heading: "Open and close",
        sentence: "A log is a directory; its namespaces are opened with it, or added later.",
        sources: &["log", "namespace"],
        also: &[],
    },
    Section {
        heading: "Append",
        sentence: "One record or many, all or none; from any number of threads.",
        sources: &["slice", "append"],
        also: &[],
    },
    Section {
        heading: "Transactions",
        sentence: "Records staged one by one in memory, and appended together or not at all.",
        sources: &["txn"],
        also: &[],
    },
    Section {
        heading: "Streams",
        sentence: "A position in a namespace, which waits for records that are not there yet and lends those that are.",
        sources: &["stream"],
        also: &["immuta_record", "immuta_batch"],
    },
    Section {
        heading: "Records",
        sentence: "What a stream has lent, and how it is given back.",
        sources: &["record"],
        also: &[],
    },
    Section {
        heading: "Event loops",
        sentence: "A descriptor for poll and epoll, in place of a thread that waits.",
        sources: &["poll"],
        also: &[],
    },
    Section {
        heading: "Codecs",
        sentence: "What payloads go through on their way into the file and out of it.",
        sources: &["codec", "sink"],
        also: &[],
    },
    Section {
        heading: "Maintenance",
        sentence: "What is done to files: verify, repair, import. These work on a directory, without an open log.",
        sources: &["maintenance"],
        also: &["immuta_report", "IMMUTA_OUTCOME_"],
    },
    Section {
        heading: "Figures",
        sentence: "What an open log has done so far, and what opening it found.",
        sources: &["figures"],
        also: &[],
    },
    Section {
        heading: "Statuses",
        sentence: "What each number means, and what to do about it.",
        sources: &["status"],
        also: &["immuta_status_name", "immuta_status_text"],
    },
];

/// Puts the items of `header` under their headings.
pub fn arrange(header: &str) -> String {
    let (before, items, after) = split(header);
    let mut arranged = before;
    arranged.push_str("#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n");
    let mut placed = 0;
    for section in SECTIONS {
        let mut own: Vec<&Item> = items.iter().filter(|item| section_of(item).heading == section.heading).collect();
        own.sort_by_key(|item| {
            let named = section.also.iter().position(|name| *name == item.name).unwrap_or(usize::MAX);
            (item.is_function, named, item.source, item.place)
        });
        placed += own.len();
        writeln!(arranged, "\n/* {}", "=".repeat(116)).expect("memory");
        writeln!(arranged, " * {}\n *\n * {}", section.heading.to_uppercase(), section.sentence).expect("memory");
        writeln!(arranged, " * {} */", "=".repeat(113)).expect("memory");
        for text in with_enums(&own) {
            writeln!(arranged, "\n{text}").expect("memory");
        }
    }
    assert_eq!(placed, items.len(), "each item is in one section");
    arranged + "\n" + &after
}

/// The texts of `items`. The constants of a group are one enum, in the place of the first of them.
fn with_enums(items: &[&Item]) -> Vec<String> {
    let (mut texts, mut declared) = (Vec::new(), Vec::new());
    for item in items {
        match item.group {
            None => texts.push(item.text.clone()),
            Some(group) if declared.contains(&group.name) => {}
            Some(group) => {
                let is_in = |item: &&&Item| item.group.is_some_and(|other| other.name == group.name);
                texts.push(group.declare(items.iter().filter(is_in).map(|item| item.text.as_str())));
                declared.push(group.name);
            }
        }
    }
    texts
}

/// A declaration with its documentation.
struct Item {
    text: String,
    name: String,
    is_function: bool,
    /// Of a constant.
    group: Option<&'static Group>,
    /// The file of `src/ffi` that defines it, and where in that file.
    source: &'static str,
    place: usize,
}

/// What comes before the first item, the items, and what comes after the last.
fn split(header: &str) -> (String, Vec<Item>, String) {
    let begin = header.find("\n/// ").expect("there is an item") + 1;
    let end = header.rfind("#ifdef __cplusplus").expect("the end of extern \"C\"");
    let blocks = header[begin..end].split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let items = blocks.filter(|block| !block.starts_with("#ifdef __cplusplus")).map(item).collect();
    (header[..begin].to_owned(), items, header[end..].to_owned())
}

fn item(text: &str) -> Item {
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && *line != "IMMUTA_MUST_USE";
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    let first = code.first().unwrap_or_else(|| panic!("no declaration in {text:?}"));
    let is_function = !first.starts_with('#') && !first.starts_with("typedef");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name_at_end =
        |text: &str| text.rsplit(|letter| !is_name(letter)).find(|word| !word.is_empty()).map(str::to_owned);
    let name = match first.split_once("(*") {
        Some((_, callback)) => callback.split(|letter| !is_name(letter)).next().map(str::to_owned),
        None if first.starts_with("#define") => first.split(' ').nth(1).map(str::to_owned),
        None if is_function => name_at_end(first.split('(').next().unwrap_or_default()),
        None => code.last().and_then(|last| name_at_end(last)),
    };
    let name = name.unwrap_or_else(|| panic!("no name in {text:?}"));
    let (source, place) = source_of(&name);
    let group = first.starts_with('#').then(|| enums::group_of(&name));
    Item { text: text.to_owned(), name, is_function, group, source, place }
}

/// The file of `src/ffi` that defines `name`, and where.
fn source_of(name: &str) -> (&'static str, usize) {
    let definitions = ["const ", "struct ", "type ", "fn "].map(|keyword| format!("{keyword}{name}"));
    for source in SECTIONS.iter().flat_map(|section| section.sources) {
        let text = read(&format!("src/ffi/{source}.rs"));
        let found = definitions.iter().find_map(|definition| {
            let place = text.find(definition.as_str())?;
            let next = text[place + definition.len()..].chars().next();
            next.is_some_and(|next| !next.is_alphanumeric() && next != '_').then_some(place)
        });
        if let Some(place) = found {
            return (source, place);
        }
    }
    panic!("no file of {} defines {name}", project("src/ffi").display());
}

/// The section that `item` is in: the one that names it, or else the one of its file.
fn section_of(item: &Item) -> &'static Section {
    let names = |section: &&Section| {
        section.also.iter().any(|name| *name == item.name || name.ends_with('_') && item.name.starts_with(name))
    };
    let of_file = |section: &&Section| section.sources.contains(&item.source);
    let found = SECTIONS.iter().find(names).or_else(|| SECTIONS.iter().find(of_file));
    found.unwrap_or_else(|| panic!("{} is in no section", item.name))
}

/// The files of `src/ffi` whose items the header shows.
pub fn sources() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(|section| section.sources).copied()
}
