//! The Hugging Face cache on disk, in the layout that other tools share:
//!
//! ```text
//! models--org--name/blobs/ETAG                       a file's bytes, ETAG.incomplete while they arrive
//!                   snapshots/COMMIT/config.json  -> ../../blobs/ETAG
//!                   refs/main                        the commit that a branch or tag stood for
//!                   .no_exist/COMMIT/FILE            known not to be published
//! .locks/models--org--name/ETAG.lock
//! ```

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use super::files;
use super::names::{ModelId, is_commit};
use super::note::note;
use super::options::Options;
use crate::{Error, Result};

/// One model's corner of the cache.
pub(super) struct Repo {
    root: PathBuf,
    locks: PathBuf,
    symlinks: bool,
    quiet: bool,
}

impl Repo {
    /// The corner of the model `id`, whether or not anything is there.
    pub fn new(options: &Options, id: &str) -> Self {
        let folder = format!("models--{}", id.replace('/', "--"));
        Self {
            root: options.cache.join(&folder),
            locks: options.cache.join(".locks").join(folder),
            symlinks: options.symlinks,
            quiet: options.quiet,
        }
    }

    /// The commit that the model's revision stands for here. In a cache filled by hand it may have any name, if there is a
    /// snapshot of it.
    pub fn commit(&self, model: &ModelId) -> Option<String> {
        if model.is_commit() {
            return Some(model.revision.clone());
        }
        let branch = std::fs::read_to_string(self.root.join("refs").join(&model.revision));
        let branch = branch.as_deref().unwrap_or_default().trim();
        let is_snapshot = |name: &str| files::is_plain(name) && self.snapshot(name).is_dir();
        [branch, &model.revision]
            .into_iter()
            .find(|name| is_commit(name) || is_snapshot(name))
            .map(str::to_owned)
    }

    /// The snapshots that have all a model needs, with its weights where they are `wanted`, by name.
    pub fn complete(&self, wanted: bool) -> Vec<String> {
        let mut names = entries(&self.snapshots()).unwrap_or_default();
        names.retain(|name| {
            files::missing(&self.snapshot(name), wanted).is_ok_and(|missing| missing.is_empty())
        });
        names
    }

    /// The directory of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// Where snapshots lie, for messages about one that has no commit yet.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Where the bytes of the file with this ETag lie.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Nothing about this commit is left to ask the hub, as far as small files go.
    pub fn is_settled(&self, commit: &str) -> bool {
        let absent = self.root.join(".no_exist").join(commit);
        files::is_settled(&self.snapshot(commit), |file| absent.join(file).exists())
    }

    /// Notes that the commit does not publish `file`. A cache that cannot be written only asks again.
    pub fn note_absent(&self, commit: &str, file: &str) {
        let path = self.root.join(".no_exist").join(commit).join(file);
        let noted = create_parent(&path).map_err(|error| error.to_string());
        let noted = noted.and_then(|()| File::create(path).map_err(|error| error.to_string()));
        if let Err(error) = noted {
            tracing::debug!("cannot note that {file} is not published: {error}");
        }
    }

    /// Notes which commit a branch or tag stands for.
    pub fn set_commit(&self, model: &ModelId, commit: &str) -> Result<()> {
        if model.is_commit() || self.commit(model).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.root.join("refs").join(&model.revision);
        create_parent(&path)?;
        let fresh = self.temporary();
        // A reader must not find the half of it.
        std::fs::write(&fresh, commit)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(|source| unwritable(&path, source))
    }

    /// Keeps other processes, of this and other tools, from fetching the same blob until the result is dropped. `None`
    /// where the file system knows no locks; all they spare is work done twice.
    pub fn lock(&self, etag: &str, file: &str) -> Result<Option<File>> {
        let path = self.locks.join(format!("{etag}.lock"));
        create_parent(&path)?;
        let lock = File::create(&path).map_err(|source| unwritable(&path, source))?;
        let locked = match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                note(
                    self.quiet,
                    &format!("waiting for another process, which is fetching {file}"),
                );
                lock.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        Ok(match locked {
            Ok(()) => Some(lock),
            Err(error) => {
                tracing::debug!("{}: no lock: {error}", path.display());
                None
            }
        })
    }

    /// Where the blob's bytes arrive. Who holds no lock shares it with nobody, nor goes on with what others have left.
    pub fn partial(&self, etag: &str, lock: Option<&File>) -> PathBuf {
        let name = match lock {
            Some(_) => format!("{etag}.incomplete"),
            None => format!("{etag}.{}.incomplete", unique()),
        };
        self.root.join("blobs").join(name)
    }

    /// Lets the snapshot's `file` stand for the blob, in place of what may be there, at no moment of which there is nothing.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let path = self.snapshot(commit).join(file);
        create_parent(&path)?;
        let blob = self.blob(etag);
        let fresh = self.temporary();
        // Where there are no symbolic links (on Windows they are a privilege), a hard link costs no space either; and where
        // there are none of either kind, the bytes themselves move, as other tools do it.
        let linked = match self.symlinks {
            true => symlink(&relative(file, etag), &fresh),
            false => Err(std::io::ErrorKind::Unsupported.into()),
        }
        .or_else(|_| std::fs::hard_link(&blob, &fresh))
        .or_else(|_| std::fs::rename(&blob, &fresh));
        linked
            .and_then(|()| std::fs::rename(&fresh, &path))
            .or_else(|error| {
                let _ = std::fs::remove_file(&fresh);
                // Windows replaces no file that somebody reads.
                match path.is_file() {
                    true => Ok(()),
                    false => Err(unwritable(&path, error)),
                }
            })
    }

    /// A name that nobody else uses, in the same file system as all the rest.
    fn temporary(&self) -> PathBuf {
        self.root.join(format!(".{}.tmp", unique()))
    }
}

/// From the place of `file` in a snapshot to its blob.
fn relative(file: &str, etag: &str) -> PathBuf {
    let depth = Path::new(file).components().count() + 1;
    let up: PathBuf = std::iter::repeat_n("..", depth).collect();
    up.join("blobs").join(etag)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

/// A part of a name that nobody else comes up with. Process ids would not do: containers that share a cache have the same.
fn unique() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

pub(super) fn create_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(|source| unwritable(parent, source))
}

pub(super) fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        message: format!(
            "cannot be written: {source}; make room there, or set HF_HOME to another directory"
        ),
    }
}

/// A snapshot in the cache.
#[derive(Clone, Debug)]
pub struct CachedModel {
    /// `organisation/name`.
    pub id: String,
    /// The commit.
    pub revision: String,
    /// The branches and tags that stand for this commit, sorted.
    pub refs: Vec<String>,
    /// The config's `model_type`, where there is one.
    pub kind: Option<String>,
    /// Bytes of all its files.
    pub size: u64,
    /// Why it cannot be used; `None` when it can.
    pub problem: Option<String>,
    /// The directory of its files.
    pub path: PathBuf,
}

impl CachedModel {
    /// All that is needed is there, and of a kind this crate runs.
    pub fn usable(&self) -> bool {
        self.problem.is_none()
    }
}

/// Every model snapshot in the cache, by id and then by commit. A cache that is not there is empty.
pub fn cached(options: &Options) -> Result<Vec<CachedModel>> {
    let mut models = Vec::new();
    for folder in entries(&options.cache)? {
        let Some(id) = folder
            .strip_prefix("models--")
            .map(|name| name.replacen("--", "/", 1))
        else {
            continue;
        };
        let repo = Repo::new(options, &id);
        let mut refs = Vec::new();
        collect_refs(&repo.root.join("refs"), "", &mut refs)?;
        refs.sort();
        for commit in entries(&repo.snapshots())? {
            let path = repo.snapshot(&commit);
            if path.is_dir() {
                let names = refs
                    .iter()
                    .filter(|(_, of)| *of == commit)
                    .map(|(name, _)| name.clone())
                    .collect();
                models.push(describe(id.clone(), commit, names, path)?);
            }
        }
    }
    Ok(models)
}

fn describe(id: String, revision: String, refs: Vec<String>, path: PathBuf) -> Result<CachedModel> {
    let folders = files::folders(&path).unwrap_or_default();
    let config = folders
        .first()
        .map(|folder| path.join(folder.file(files::CONFIG)));
    let kind = config
        .and_then(|config| std::fs::read(config).ok())
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|config| config["model_type"].as_str().map(str::to_owned));
    let problem = match (files::missing(&path, true), kind.as_deref()) {
        (Err(error), _) => Some(error.to_string()),
        (Ok(missing), _) if !missing.is_empty() => {
            Some(format!("incomplete: {} missing", missing.join(", ")))
        }
        (Ok(_), Some("t5" | "mt5" | "umt5")) => None,
        (Ok(_), Some(kind)) => Some(format!("model_type \"{kind}\" is not of the T5 family")),
        (Ok(_), None) => Some("its config.json has no model_type".to_owned()),
    };
    let size = size_below(&path)?;
    Ok(CachedModel {
        id,
        revision,
        refs,
        kind,
        size,
        problem,
        path,
    })
}

/// Bytes of all files in a directory and below.
fn size_below(directory: &Path) -> Result<u64> {
    let mut size = 0;
    for name in entries(directory)? {
        let path = directory.join(name);
        size += match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => size_below(&path)?,
            Ok(found) => found.len(),
            Err(_) => 0,
        };
    }
    Ok(size)
}

/// Branches and tags below `directory`, with their commits; their names may contain slashes.
fn collect_refs(directory: &Path, prefix: &str, refs: &mut Vec<(String, String)>) -> Result<()> {
    for name in entries(directory)? {
        let path = directory.join(&name);
        let full = format!("{prefix}{name}");
        if path.is_dir() {
            collect_refs(&path, &format!("{full}/"), refs)?;
        } else if let Ok(commit) = std::fs::read_to_string(&path) {
            refs.push((full, commit.trim().to_owned()));
        }
    }
    Ok(())
}

/// The names in a directory, sorted; none where there is no directory.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let failed = |source| Error::Io {
        path: directory.to_owned(),
        source,
    };
    let listing = match std::fs::read_dir(directory) {
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        listing => listing.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in listing {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
