//! Which functions of the header the suites call: an interface function without a C test is a failure of the run.

use std::collections::BTreeSet;

/// The functions of `header` that no text of `sources` calls, in alphabetical order.
///
/// A function is recognised by its form, `immuta_name(`, outside comments: declarations in the header, calls in the
/// suites.
pub fn uncalled(header: &str, sources: &[String]) -> Vec<String> {
    let called: BTreeSet<String> = sources.iter().flat_map(|source| functions(source)).collect();
    functions(header).difference(&called).cloned().collect()
}

/// The names of the library that are followed by an opening parenthesis.
pub fn functions(text: &str) -> BTreeSet<String> {
    let code = without_comments(text);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let before_parentheses = code.split('(').map(|part| part.rsplit(|c| !is_name(c)).next().unwrap_or_default());
    before_parentheses.filter(|name| name.starts_with("immuta_")).map(str::to_owned).collect()
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut blocks = text.split("/*");
    code.push_str(blocks.next().unwrap_or_default());
    for block in blocks {
        code.push_str(block.split_once("*/").map_or("", |(_, after)| after));
    }
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
