//! The state directory: what one installation of Atlas knows of itself.
//!
//! ```text
//! installation   the random id of this installation, made once
//! master.key     the key from which all others follow, made once, before the first record, 0600 (unless the
//!                configuration gives one)
//! intents/       one file for each create that no store tracks
//! local/         the machines of the `local` provider
//! store.redb     the orchestrator's store
//! ```

use std::path::{Path, PathBuf};

use atlas_auth::{Entropy, MasterKey, Secret};

use crate::{Error, ErrorKind, Installation, ProviderId, Result, files};

/// The state directory of one installation.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens it, making it (0700) if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        files::make_private_dir(path).map_err(|cause| files::error("make the state directory", path, &cause))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The one at `path`, whether it is there or not.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is open to other users of this machine and should not be, in words for its owner: the directory itself and the
    /// master key. Empty where the modes are as Atlas makes them, and where they cannot be told. Changes nothing.
    pub fn loose_modes(&self) -> Vec<String> {
        let mode = |path: &Path| files::mode(path).ok().flatten();
        let key = self.path.join("master.key");
        let found = [loose_directory(&self.path, mode(&self.path)), loose_key(&key, mode(&key))];
        found.into_iter().flatten().collect()
    }

    /// The installation's id, made once.
    pub fn installation(&self, entropy: &dyn Entropy) -> Result<Installation> {
        let path = self.path.join("installation");
        let text = made_once(&path, || Installation::generate(entropy).to_string())?;
        Installation::parse(text.trim())
            .map_err(|error| error.context(format!("{} is not as Atlas wrote it", path.display())))
    }

    /// The master key: the configured one, else that of this directory, which is made if `may_make` says so.
    ///
    /// Where there are records a missing key is never remade (rule P6): pass `false`.
    pub fn master_key(&self, configured: Option<&Secret>, may_make: bool, entropy: &dyn Entropy) -> Result<MasterKey> {
        if let Some(text) = configured.filter(|text| !text.is_empty()) {
            return MasterKey::parse(text).map_err(|error| Error::validation(format!("master_key: {error}")));
        }
        let path = self.path.join("master.key");
        let there = files::read(&path).map_err(|cause| files::error("read", &path, &cause))?;
        if there.is_none() && !may_make {
            return Err(Error::validation(format!(
                "{} is missing, and a new key would lock every user out; restore it, or set master_key",
                path.display()
            )));
        }
        let text = made_once(&path, || MasterKey::generate(entropy).to_secret().expose().to_owned())?;
        MasterKey::parse(&Secret::new(text.trim()))
            .map_err(|error| Error::new(ErrorKind::Decode, format!("{}: {error}", path.display())))
    }

    /// Where the intents of one-off spawns stand.
    pub fn intents(&self) -> PathBuf {
        self.path.join("intents")
    }

    /// Whether a store was ever kept here.
    pub(crate) fn has_store(&self) -> bool {
        files::exists(&self.path.join("store.redb"))
    }

    /// Whether anything was rented here that stands in no store: a record of a one-off spawn, or a machine of the `local`
    /// provider. A master key that is missing then is a lost one (rule P6).
    pub fn has_rentals(&self) -> Result<bool> {
        if list(&self.intents())?.iter().any(|path| path.extension().is_some_and(|extension| extension == "json")) {
            return Ok(true);
        }
        for account in list(&self.path.join("local"))? {
            // An account's own files have no folder of their own, and what is half made or half removed begins with a dot.
            let is_machine = |path: &PathBuf| {
                let is_whole = path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
                is_whole && files::exists(&path.join("machine.json"))
            };
            if list(&account)?.iter().any(is_machine) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The accounts of the `local` provider that have a folder here.
    pub(crate) fn local_accounts(&self) -> Result<Vec<ProviderId>> {
        let paths = list(&self.path.join("local"))?;
        let name = |path: &PathBuf| ProviderId::parse(path.file_name()?.to_str()?).ok();
        Ok(paths.iter().filter_map(name).collect())
    }
}

/// What others may do with the state directory beyond passing through it.
fn loose_directory(path: &Path, mode: Option<u32>) -> Option<String> {
    let mode = mode?;
    let what = if mode & 0o022 != 0 {
        "may be written by other users of this machine, who could put a store, a key or a program of their own there"
    } else if mode & 0o044 != 0 {
        "may be read by other users of this machine"
    } else {
        return None;
    };
    Some(format!("the state directory {0} {what} (its mode is {mode:04o}); close it: chmod 700 {0}", path.display()))
}

/// A key that others could read is a key that they may have.
fn loose_key(path: &Path, mode: Option<u32>) -> Option<String> {
    let mode = mode.filter(|mode| mode & 0o077 != 0)?;
    Some(format!(
        "the master key {0} is open to other users of this machine (its mode is {mode:04o}), and every machine's key follows \
         from it; close it: chmod 600 {0}",
        path.display()
    ))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    files::list(folder).map_err(|cause| files::error("read", folder, &cause))
}

/// The content of a file that is made once and never changed, whoever comes first.
fn made_once(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
    let read = || files::read(path).map_err(|cause| files::error("read", path, &cause));
    let bytes = if let Some(bytes) = read()? {
        bytes
    } else {
        match files::create_durably(path, make().as_bytes()) {
            Ok(()) => {}
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(files::error("write", path, &cause)),
        }
        read()?.unwrap_or_default()
    };
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Decode, format!("{} is no text", path.display())))
}

#[cfg(test)]
mod tests {
    //! Which modes are told of.
    #![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

    use super::*;

    #[test]
    fn only_what_others_can_get_at_is_told() {
        let path = Path::new("/state");
        for mode in [0o700, 0o500, 0o711, 0o1700] {
            assert_eq!(loose_directory(path, Some(mode)), None, "{mode:o}");
        }
        for (mode, word) in
            [(0o777, "written"), (0o770, "written"), (0o702, "written"), (0o755, "read"), (0o740, "read")]
        {
            let told = loose_directory(path, Some(mode)).expect("it is loose");
            assert!(told.contains(&format!("be {word}")) && told.contains(&format!("{mode:04o}")), "{told}");
            assert!(told.ends_with("chmod 700 /state"), "{told}");
        }
        for mode in [0o600, 0o400] {
            assert_eq!(loose_key(path, Some(mode)), None, "{mode:o}");
        }
        for mode in [0o644, 0o640, 0o620, 0o601] {
            assert!(loose_key(path, Some(mode)).is_some_and(|told| told.ends_with("chmod 600 /state")), "{mode:o}");
        }
        assert_eq!((loose_directory(path, None), loose_key(path, None)), (None, None));
    }

    #[cfg(unix)]
    #[test]
    fn modes_are_told_of_the_directory_and_its_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        assert_eq!(state.loose_modes(), [] as [String; 0]);
        state.master_key(None, true, &atlas_auth::SeededEntropy::new(1)).unwrap();
        assert_eq!(state.loose_modes(), [] as [String; 0], "they are made as they should be");
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(state.path(), 0o777);
        set(&state.path().join("master.key"), 0o644);
        let told = state.loose_modes();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("0777") && told[1].contains("master.key") && told[1].contains("0644"), "{told:?}");
    }
}
