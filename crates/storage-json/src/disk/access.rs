//! Checks that a directory can be read and written.

use rustix::fs::{self, AtFlags};

use super::folder::Folder;

impl Folder {
    /// Returns whether the directory is still linked into the file system and can be read.
    pub(crate) fn can_be_read(&self) -> bool {
        fs::fstat(&self.open_now().fd).is_ok_and(|stat| stat.st_nlink > 0)
            && fs::accessat(&self.open_now().fd, ".", fs::Access::READ_OK | fs::Access::EXEC_OK, AtFlags::empty())
                .is_ok()
    }

    /// Returns whether new files can be created in the directory: it is still linked into the file system and can be written, and
    /// there are free blocks and inodes.
    pub(crate) fn can_be_written(&self) -> bool {
        fs::fstat(&self.open_now().fd).is_ok_and(|stat| stat.st_nlink > 0)
            && fs::accessat(&self.open_now().fd, ".", fs::Access::WRITE_OK | fs::Access::EXEC_OK, AtFlags::empty())
                .is_ok()
            && fs::fstatvfs(&self.open_now().fd).is_ok_and(|space| has_room(&space))
    }
}

/// Returns whether a file system takes new files: writable, with blocks and inodes left for an ordinary user.
fn has_room(space: &fs::StatVfs) -> bool {
    // Some file systems do not count files, and report 0 of 0.
    !space.f_flag.contains(fs::StatVfsMountFlags::RDONLY)
        && space.f_bavail > 0
        && (space.f_files == 0 || space.f_favail > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_system_has_no_room() {
        let check = |blocks: (u64, u64), files: (u64, u64), flags| {
            has_room(&fs::StatVfs {
                f_bsize: 4_096,
                f_frsize: 4_096,
                f_blocks: 100,
                f_bfree: blocks.0,
                f_bavail: blocks.1,
                f_files: files.0,
                f_ffree: files.1,
                f_favail: files.1,
                f_fsid: 0,
                f_flag: flags,
                f_namemax: 255,
            })
        };
        let none = fs::StatVfsMountFlags::empty();
        assert!(check((1, 1), (10, 1), none));
        assert!(check((1, 1), (0, 0), none), "files are not counted there");
        assert!(!check((0, 0), (10, 1), none));
        assert!(!check((5, 0), (10, 1), none), "what is left is for the superuser");
        assert!(!check((1, 1), (10, 0), none), "no inodes are left");
        assert!(!check((1, 1), (10, 1), fs::StatVfsMountFlags::RDONLY));
    }
}
