//! Variables of the environment, each with its name, so that a message can say which one is wrong.

use std::ffi::OsString;

/// A variable that is set to something.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub name: String,
    /// Its value; what is no Unicode is replaced, which makes it wrong wherever it stands for something.
    pub value: String,
}

/// Values may hold passwords.
impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// The variable called `name`; an empty one counts as unset.
pub(super) fn setting(var: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<Setting> {
    let value = var(name).filter(|value| !value.is_empty())?;
    Some(Setting {
        name: name.to_owned(),
        value: value.to_string_lossy().into_owned(),
    })
}

/// The first of `names` that is set, even if to nothing: an empty variable stands for none of them then.
pub(super) fn first_set(var: impl Fn(&str) -> Option<OsString>, names: &[&str]) -> Option<Setting> {
    let name = names.iter().find(|name| var(name).is_some())?;
    setting(var, name)
}
