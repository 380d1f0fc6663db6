//! Libraries that `packaging/cross.py` has built for a target: for this machine, or for another processor, whose
//! programs an emulator runs.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::{link_arguments, target_triple};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Aarch64,
    X86_64,
}

impl Target {
    /// The target that compilers call `triple`.
    pub fn named(triple: &str) -> Option<Target> {
        [Target::Aarch64, Target::X86_64].into_iter().find(|target| target.triple() == triple)
    }

    pub(crate) fn triple(self) -> &'static str {
        match self {
            Target::Aarch64 => "aarch64-unknown-linux-gnu",
            Target::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// The linker arguments of a program, where the library was built below `target_dir`.
    pub(crate) fn link(self, target_dir: &Path) -> Result<Vec<OsString>, String> {
        let library_dir = target_dir.join(self.triple()).join("stage");
        if !library_dir.join("libimmuta.so").exists() {
            return Err(format!("no library in {}; make cross TARGET={}", library_dir.display(), self.triple()));
        }
        Ok(link_arguments(&library_dir))
    }

    fn is_foreign(self) -> bool {
        self.triple() != target_triple()
    }

    /// The command that runs `program`. The emulator finds the loader and the C library of the other processor where
    /// the packages of Debian's cross compilers have them.
    pub(crate) fn command(self, program: &Path) -> Command {
        if !self.is_foreign() {
            return Command::new(program);
        }
        let architecture = self.triple().split('-').next().unwrap_or_default();
        let mut command = Command::new(format!("qemu-{architecture}"));
        command.args(["-L", &format!("/usr/{architecture}-linux-gnu")]).arg(program).env("IMMUTA_TEST_SLOW", "1");
        command
    }
}
