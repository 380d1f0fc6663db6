//! The constants of the header: `cbindgen` writes each as a `#define`, and here each group of them becomes one enum.

use std::fmt::Write;

/// Constants that are values of one thing.
pub struct Group {
    /// Of the enum.
    pub name: &'static str,
    /// Its documentation.
    about: &'static str,
    /// The constants: their names, or beginnings of names.
    constants: &'static [&'static str],
}

const GROUPS: &[Group] = &[
    Group {
        name: "immuta_status_code",
        about: "The values of immuta_status, and of the fields that say what was found.",
        constants: &["IMMUTA_OK", "IMMUTA_TIMEOUT", "IMMUTA_INTERRUPTED", "IMMUTA_READY", "IMMUTA_E_"],
    },
    Group {
        name: "immuta_io",
        about: "How files are read and written: for immuta_options_set_io, and in immuta_stats.engine.",
        constants: &["IMMUTA_IO_"],
    },
    Group {
        name: "immuta_record_flag",
        about: "In immuta_record.flags, combined with |.",
        constants: &["IMMUTA_RECORD_"],
    },
    Group {
        name: "immuta_codec_kind",
        about: "The codecs that come with the library, for immuta_codec_builtin.",
        constants: &["IMMUTA_CODEC_"],
    },
    Group {
        name: "immuta_outcome",
        about: "In immuta_report.outcome: what was done.",
        constants: &["IMMUTA_OUTCOME_"],
    },
    Group { name: "immuta_repair_flag", about: "For immuta_repair, combined with |.", constants: &["IMMUTA_REPAIR_"] },
    Group {
        name: "immuta_mode",
        about: "In immuta_stats.mode: when an append counts as written.",
        constants: &["IMMUTA_MODE_"],
    },
];

/// The group that the constant `name` is in.
pub fn group_of(name: &str) -> &'static Group {
    let is_in = |group: &&Group| {
        group
            .constants
            .iter()
            .any(|constant| *constant == name || constant.ends_with('_') && name.starts_with(constant))
    };
    GROUPS.iter().find(is_in).unwrap_or_else(|| panic!("{name} is in no group"))
}

impl Group {
    /// The enum of `constants`: definitions with their documentation, as `cbindgen` writes them.
    pub fn declare<'a>(&self, constants: impl Iterator<Item = &'a str>) -> String {
        let mut declaration = format!("/// {}\nenum {} IMMUTA_INT32 {{\n", self.about, self.name);
        for line in constants.flat_map(str::lines) {
            let enumerator = line.strip_prefix("#define ").and_then(|definition| definition.split_once(' '));
            match enumerator {
                Some((name, value)) => writeln!(declaration, "    {name} = {value},"),
                None => writeln!(declaration, "    {line}"),
            }
            .expect("memory");
        }
        declaration + "};"
    }
}
