//! `include/immuta.cdef`: the declarations that a C compiler finds in the header after preprocessing.

/// What `header` has inside its `extern "C"`, without directives, attributes and comments.
pub fn declarations(header: &str) -> String {
    let begin = header.find("extern \"C\" {").expect("the header has an extern \"C\"");
    let end = header.rfind("#ifdef __cplusplus").expect("the extern \"C\" ends");
    let items = header[begin..end].split("\n\n").skip(1).map(code_of).filter(|code| !code.is_empty());
    items.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// The code of an item of the header, whose comments are lines of their own.
fn code_of(item: &str) -> String {
    let is_comment = |line: &str| ["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
    let code = item.lines().filter(|line| !is_comment(line)).map(|line| {
        let line = line.replace(" IMMUTA_INT32", "");
        line.strip_prefix("IMMUTA_MUST_USE").map_or(line.as_str(), str::trim_start).to_owned()
    });
    code.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
