//! Who may open a file that is made beside a record file: the record file's owner, group, mode and access list, as far
//! as this process may give them. A user who may not open the record file may never open such a file.

use super::sys;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// The permission bits of owner, group and others. No other bit of a mode is taken over: the new files are no programs.
const PERMISSIONS: u32 = 0o777;
const OWNER: u32 = 0o700;
const READ_AND_WRITE: u32 = 0o600;

/// Who may open a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    owner: u32,
    group: u32,
    /// The permission bits; beside a list, those of the group are its mask.
    mode: u32,
    list: List,
}

/// The POSIX access list of a file, in the kernel's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum List {
    None,
    Known(Vec<u8>),
    /// The system does not say whether there is one.
    Unknown,
}

impl Access {
    /// Access for every user, for an engine whose files have no owners.
    #[cfg(any(test, feature = "simulated"))]
    pub(super) fn anybodys() -> Access {
        Access { owner: sys::user(), group: 0, mode: PERMISSIONS, list: List::None }
    }

    pub(super) fn of(file: &File) -> io::Result<Access> {
        let found = file.metadata()?;
        let list = match sys::access_list(file.as_fd()) {
            Ok(list) => list.map_or(List::None, List::Known),
            Err(refusal) if is_denied(&refusal) => List::Unknown,
            Err(failure) => return Err(failure),
        };
        Ok(Access { owner: found.uid(), group: found.gid(), mode: found.mode() & PERMISSIONS, list })
    }

    /// The mode that a file is created with, before it has its owner.
    pub(super) fn first_mode(&self) -> u32 {
        self.mode & READ_AND_WRITE
    }

    /// Whether a file that this process makes can have the same owner.
    pub fn can_be_given(&self) -> bool {
        let user = sys::user();
        user == 0 || user == self.owner
    }

    /// The mode and list for a file that could not be given owner and group. A user may be in another class (owner,
    /// group, others) on that file than on the record file, and must not get more rights there.
    fn within(&self, same_owner: bool, same_group: bool) -> (u32, Option<&[u8]>) {
        // Any other owner is the opener, who may read and write the record file.
        let owner = if same_owner { self.mode & OWNER } else { READ_AND_WRITE };
        match &self.list {
            List::None if same_group => (owner | self.mode & !OWNER, None),
            List::None => {
                let both = self.mode >> 3 & self.mode & 0o7;
                (owner | both << 3 | both, None)
            }
            List::Known(list) if same_group => (owner | self.mode & !OWNER, Some(list)),
            List::Known(_) | List::Unknown => (owner, None),
        }
    }

    /// Gives `file` this owner, group, list and mode, in an order in which no user ever has more rights than in the
    /// end. A step that this process is not permitted leaves users with fewer rights.
    ///
    /// # Errors
    /// Failures other than a lack of permission: a quota, input and output.
    pub(super) fn give_to(&self, file: &File) -> io::Result<()> {
        let before = file.metadata()?;
        if before.mode() & PERMISSIONS & !OWNER != 0 {
            set_mode(file, before.mode() & self.mode & OWNER)?;
        }
        if (before.uid(), before.gid()) != (self.owner, self.group) {
            let owned = before.uid() != self.owner && may(fchown(file, Some(self.owner), Some(self.group)))?;
            if !owned {
                may(fchown(file, None, Some(self.group)))?;
            }
        }
        let now = file.metadata()?;
        let (mode, list) = self.within(now.uid() == self.owner, now.gid() == self.group);
        let listed = match list {
            Some(list) => sys::set_access_list(file.as_fd(), list),
            // The directory's default list may have given the file one.
            None => sys::remove_access_list(file.as_fd()),
        };
        set_mode(file, if may(listed)? { mode } else { mode & OWNER })
    }
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    may(file.set_permissions(Permissions::from_mode(mode))).map(drop)
}

/// Whether it was done; `false` if the process may not do it.
fn may(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(refusal) if is_denied(&refusal) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Whether the system, a sandbox or the file system forbids this to the process, whatever the file.
fn is_denied(refusal: &io::Error) -> bool {
    let denials = [libc::EPERM, libc::EACCES, libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP];
    refusal.raw_os_error().is_some_and(|number| denials.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(mode: u32, list: List) -> Access {
        Access { owner: 1, group: 2, mode, list }
    }

    #[test]
    fn nobody_gets_more_than_the_record_file_gives() {
        let plain = |mode, owner, group| access(mode, List::None).within(owner, group).0;
        for mode in 0..=PERMISSIONS {
            assert_eq!(plain(mode, true, true), mode, "the same owner and group: the same mode");
            for (owner, group) in [(true, false), (false, true), (false, false)] {
                let given = plain(mode, owner, group);
                let what = format!("{mode:o} as {given:o}, owner {owner}, group {group}");
                assert_eq!(given & OWNER, if owner { mode & OWNER } else { READ_AND_WRITE }, "{what}");
                // Members of the right group are among the others of a wrong one, and the other way round.
                let classes = if group {
                    [(given >> 3, mode >> 3), (given, mode)]
                } else {
                    [(given, mode >> 3), (given >> 3, mode)]
                };
                for (has, had) in classes {
                    assert_eq!(has & 0o7 & !had, 0, "{what}");
                }
                assert!(group || given & 0o7 & !(mode >> 3) == 0 && given >> 3 & 0o7 & !mode == 0, "{what}");
            }
        }
        for (mode, owner, group, given) in [
            (0o640, true, false, 0o600),
            (0o664, true, false, 0o644),
            (0o660, false, true, 0o660),
            (0o666, false, false, 0o666),
            (0o606, false, false, 0o600),
            (0o466, false, true, 0o666),
        ] {
            assert_eq!(plain(mode, owner, group), given, "{mode:o}, owner {owner}, group {group}");
        }
    }

    #[test]
    fn a_list_is_kept_whole_or_leaves_the_owner_alone() {
        let known = access(0o664, List::Known(vec![7]));
        assert_eq!(known.within(true, true), (0o664, Some([7].as_slice())));
        assert_eq!(known.within(false, true), (0o664, Some([7].as_slice())));
        assert_eq!(known.within(true, false), (0o600, None));
        assert_eq!(access(0o664, List::Unknown).within(true, true), (0o600, None));
        assert_eq!(access(0o400, List::Unknown).within(false, false), (0o600, None));
    }
}
