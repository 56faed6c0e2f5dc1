//! Files and folders of one's own.
//!
//! Whatever is written for this program alone (caches, snapshots, programs of cells, sockets, histories) is made with the
//! modes 0700 and 0600, whatever the umask. Whatever is opened by name is a regular file, so that no FIFO, device or link
//! that somebody has put in its place can hang the program or lead it elsewhere. Whatever is removed was made by this
//! program: its folders carry a marker that tells so.

mod digest;
mod folder;
mod owner;
mod regular;
mod scratch;
mod seal;
mod write;

pub use digest::{Hasher, digest, digest_of_file};
pub use folder::{create_folders, create_private_folders, process_umask};
pub use owner::{check_folder, user};
pub use regular::{open, open_private, read, read_private, read_text};
pub use scratch::Scratch;
pub use seal::{DIGEST_FIELD, DIGEST_LENGTH, SealError, check_seal, seal, seal_file};
pub use write::{Access, create_new, replace, unique_name};
