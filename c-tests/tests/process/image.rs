//! File systems of one's own: images of disks, mounted by loop devices, and copied as a power cut would leave them.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often the image is read until nothing changes meanwhile.
const READS_MOST: usize = 100;
/// Zeros are left out of a copy in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// A kind of file system, and how it is made.
pub struct Kind {
    pub name: &'static str,
    make: &'static [&'static str],
    image_bytes: u64,
    /// Where the program that makes it comes from.
    package: &'static str,
}

pub const KINDS: [Kind; 4] = [
    Kind { name: "ext4", make: &["mkfs.ext4", "-q", "-F"], image_bytes: 64 << 20, package: "e2fsprogs" },
    Kind {
        name: "ext4 of 1 KiB blocks",
        make: &["mkfs.ext4", "-q", "-F", "-b", "1024"],
        image_bytes: 64 << 20,
        package: "e2fsprogs",
    },
    Kind { name: "xfs", make: &["mkfs.xfs", "-q", "-f"], image_bytes: 300 << 20, package: "xfsprogs" },
    Kind { name: "btrfs", make: &["mkfs.btrfs", "-q", "-f"], image_bytes: 256 << 20, package: "btrfs-progs" },
];

/// A mounted image; unmounted when dropped.
pub struct Disk {
    image: PathBuf,
    place: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// An empty one in `directory`.
    pub fn new(kind: &Kind, directory: &Path) -> Result<Self, String> {
        let (image, place) = (directory.join("image"), directory.join("mounted"));
        let made = File::create(&image).and_then(|file| file.set_len(kind.image_bytes));
        made.and_then(|()| std::fs::create_dir_all(&place)).map_err(|e| format!("{}: {e}", image.display()))?;
        let [program, arguments @ ..] = kind.make else { return Err("no program".to_owned()) };
        let missing = format!("{program} is missing; `apt-get install {}` brings it", kind.package);
        run(Command::new(program).args(arguments).arg(&image), &missing)?;
        let mut disk = Self { image, place, is_mounted: false };
        disk.mount().map_err(|why| format!("{why}; mounting on loop devices takes root and a kernel that lets it"))?;
        Ok(disk)
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The bytes of the device at one moment: it is read until two reads in a row give the same bytes, which the device
    /// held between these reads.
    pub fn picture(&self) -> Result<Vec<u8>, String> {
        let read = || std::fs::read(&self.image).map_err(|e| format!("{}: {e}", self.image.display()));
        let mut before = read()?;
        for _ in 0..READS_MOST {
            let now = read()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
        Err(format!("{} keeps changing", self.image.display()))
    }

    /// Forgets everything that is not in `picture`.
    pub fn return_to(&mut self, picture: &[u8]) -> Result<(), String> {
        self.unmount()?;
        write_sparse(&self.image, picture).map_err(|e| format!("{}: {e}", self.image.display()))?;
        self.mount()
    }

    fn mount(&mut self) -> Result<(), String> {
        let mut command = Command::new("mount");
        run(command.args(["-o", "loop"]).arg(&self.image).arg(&self.place), "mount is missing")?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        self.is_mounted = false;
        run(Command::new("umount").arg(&self.place), "umount is missing")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted
            && let Err(why) = self.unmount()
        {
            println!("{} stays mounted: {why}", self.place.display());
        }
    }
}

/// A new file, so that no process that still has the old one open can change it.
fn write_sparse(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::remove_file(path)?;
    let mut file = File::create(path)?;
    file.set_len(bytes.len() as u64)?;
    for (at, piece) in (0..).step_by(PIECE_BYTES).zip(bytes.chunks(PIECE_BYTES)) {
        if piece.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(piece)?;
        }
    }
    Ok(())
}

/// Runs a program to its end; `missing` is said if there is none.
fn run(command: &mut Command, missing: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{missing} ({e})"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
