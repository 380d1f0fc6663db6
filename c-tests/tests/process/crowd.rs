//! Ten thousand streams waiting in threads, with a pool of four readers: all get all records, and what waiting costs is
//! printed, with the writer in the same process and in another. The program is `process/crowd.c`.

use crate::support::{OwnDir, compile};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::process::Command;

const STREAMS: &str = "10000";
const IDLE_SECONDS: &str = "10";
const IDLE_SECONDS_LONG: &str = "60";

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    let program = compile(toolbox, "crowd")?;
    let idle_seconds = if length == Length::Usual { IDLE_SECONDS } else { IDLE_SECONDS_LONG };
    let mut figures = Vec::new();
    for writer in ["inside", "outside"] {
        let directory = OwnDir::new(&format!("crowd-{writer}"))?;
        let output = Command::new(&program)
            .arg(directory.path())
            .args([STREAMS, idle_seconds, writer])
            .output()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!(
                "writer {writer}: {}\n{text}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        figures.extend(text.lines().map(|line| line.trim().to_owned()));
    }
    Ok(Verdict::Passed(figures))
}
