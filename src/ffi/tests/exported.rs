//! The exported functions as the sources declare them, for tests that are about every one of them.

use std::path::Path;

/// An exported function.
pub struct Function {
    pub name: String,
    /// From the opening parenthesis on.
    parameters: String,
}

impl Function {
    /// Whether it has a parameter of this C type.
    pub fn takes(&self, c_type: &str) -> bool {
        self.parameters.contains(&format!(": *mut {c_type}"))
    }
}

/// All exported functions.
fn functions() -> Vec<Function> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let mut functions = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let source = if path.is_file() { std::fs::read_to_string(path).unwrap() } else { String::new() };
        for declaration in source.split("#[unsafe(no_mangle)]").skip(1) {
            let (_, after) = declaration.split_once("extern \"C\" fn ").unwrap();
            let (name, rest) = after.split_once('(').unwrap();
            let (parameters, _) = rest.split_once('{').unwrap();
            functions.push(Function { name: name.to_owned(), parameters: parameters.to_owned() });
        }
    }
    functions
}

/// Asserts that `test`, the source of a test, calls each exported function that is `wanted`.
pub fn assert_named(test: &str, wanted: impl Fn(&Function) -> bool) {
    let functions = functions();
    assert!(functions.len() > 50, "{} functions are exported", functions.len());
    let missing =
        functions.iter().filter(|function| wanted(function) && !test.contains(&format!("{}(", function.name)));
    let missing: Vec<_> = missing.map(|function| function.name.as_str()).collect();
    assert!(missing.is_empty(), "not called in this test: {}", missing.join(", "));
}
