//! What an image says of how it wants to be run, and what of that a lease's container takes over.

use std::path::{Component, Path};

use super::{HealthCheck, RunAs};

/// Most volumes of one image; each is a mount, and no image has so many.
pub(crate) const MAX_VOLUMES: usize = 32;

/// The parts of an image that decide how its container is made. Of one digest they never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its `USER`, empty for none.
    pub user: String,
    /// Its `VOLUME`s, as written.
    pub volumes: Vec<String>,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Its `HEALTHCHECK`, where it has one that can be run.
    pub health: Option<HealthCheck>,
    /// Its `/etc/passwd`, empty for none.
    pub passwd: String,
    /// Its `/etc/group`, empty for none.
    pub group: String,
}

/// A user that an image names and does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its USER is {user:?}, which its /etc/passwd and /etc/group do not have; name the user by number")]
pub struct NoSuchUser {
    /// As the image names it.
    pub user: String,
}

impl ImageFacts {
    /// The value of one of its variables.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Who the container runs as: the image's user, or `otherwise` where it names none or root, which no lease's container is.
    /// A group that is root's, which engines give to a user without one, is that of `otherwise`.
    ///
    /// # Errors
    /// [`NoSuchUser`] for a name that the image does not know.
    pub fn run_as(&self, otherwise: RunAs) -> Result<RunAs, NoSuchUser> {
        let unknown = || NoSuchUser { user: self.user.chars().take(64).collect() };
        let (user, group) = self.user.split_once(':').map_or((self.user.as_str(), None), |(u, g)| (u, Some(g)));
        if user.is_empty() {
            return Ok(otherwise);
        }
        let entry = lines(&self.passwd).find(|fields| fields.first() == Some(&user));
        let entry_of = |uid: u32| {
            lines(&self.passwd).find(|fields| fields.get(2).and_then(|field| field.parse().ok()) == Some(uid))
        };
        let (uid, entry) = match (entry, user.parse()) {
            (Some(entry), _) => (number(&entry, 2).ok_or_else(unknown)?, Some(entry)),
            (None, Ok(uid)) => (uid, entry_of(uid)),
            (None, Err(_)) => return Err(unknown()),
        };
        let gid = match group.filter(|group| !group.is_empty()) {
            None => entry.as_ref().and_then(|entry| number(entry, 3)),
            Some(group) => {
                let named = lines(&self.group).find(|fields| fields.first() == Some(&group));
                let gid = named.and_then(|entry| number(&entry, 2)).or_else(|| group.parse().ok());
                Some(gid.ok_or_else(unknown)?)
            }
        };
        if uid == 0 {
            return Ok(otherwise);
        }
        // Engines take no larger numbers, and the largest of all means "leave it" where files are given away.
        if [Some(uid), gid].into_iter().flatten().any(|id| i32::try_from(id).is_err()) {
            return Err(unknown());
        }
        Ok(RunAs { uid, gid: gid.filter(|gid| *gid != 0).unwrap_or(otherwise.gid) })
    }

    /// The home that the image's own user has in its `/etc/passwd`.
    #[must_use]
    pub fn home_of(&self, uid: u32) -> Option<&str> {
        lines(&self.passwd).find(|entry| number(entry, 2) == Some(uid)).and_then(|entry| entry.get(5).copied())
    }

    /// The image's `/etc/passwd` with a line for `user` at `home`; none where it has one for that number.
    #[must_use]
    pub fn passwd_with(&self, user: RunAs, home: &str) -> Option<String> {
        if lines(&self.passwd).any(|entry| number(&entry, 2) == Some(user.uid)) {
            return None;
        }
        let mut text = if self.passwd.is_empty() { "root:x:0:0:root:/root:/bin/sh\n" } else { &self.passwd }.to_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let taken = lines(&text).any(|entry| entry.first() == Some(&"job"));
        let name = if taken { "gridlease" } else { "job" };
        text.push_str(&format!("{name}:x:{}:{}:{name}:{home}:/bin/sh\n", user.uid, user.gid));
        Some(text)
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn number(fields: &[&str], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

/// An absolute path in its shortest form; `None` where it climbs, is the root, or lies where the system's parts are.
pub(crate) fn shortest(path: &str) -> Option<String> {
    if !path.starts_with('/') || path.contains(['\0', ':', ',']) {
        return None;
    }
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => parts.push(name.to_str()?),
            _ => return None,
        }
    }
    let reserved = parts.first().is_none_or(|first| ["proc", "sys", "dev"].contains(first));
    (!reserved).then(|| format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: RunAs = RunAs { uid: 65_534, gid: 65_534 };

    fn image(user: &str) -> ImageFacts {
        ImageFacts {
            user: user.to_owned(),
            passwd: "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:71:x:/var/lib/postgresql:/bin/sh\nbad:x:no:0::/:\n"
                .to_owned(),
            group: "root:x:0:\nusers:x:100:postgres\n".to_owned(),
            ..ImageFacts::default()
        }
    }

    #[test]
    fn report15_a_user_is_looked_up_by_name_and_by_number_and_root_is_nobody() {
        for (user, uid, gid) in [
            ("", 65_534, 65_534),
            ("root", 65_534, 65_534),
            ("0:0", 65_534, 65_534),
            ("postgres", 70, 71),
            ("70", 70, 71),
            ("postgres:users", 70, 100),
            ("postgres:5", 70, 5),
            ("postgres:", 70, 71),
            ("1000", 1_000, 65_534),
            ("1000:1001", 1_000, 1_001),
            ("1000:0", 1_000, 65_534),
            ("1000:root", 1_000, 65_534),
        ] {
            assert_eq!(image(user).run_as(NOBODY), Ok(RunAs { uid, gid }), "{user}");
        }
        for user in [
            "www-data",
            "bad",
            "postgres:wheel",
            "-1",
            "99999999999",
            "3000000000",
            "4294967295:5",
            "1000:3000000000",
            ":users:",
        ] {
            let found = image(user).run_as(NOBODY);
            assert!(found.is_err() || user.starts_with(':'), "{user}: {found:?}");
        }
    }

    #[test]
    fn report15_a_user_without_a_line_gets_one_and_one_that_has_it_keeps_its_own() {
        assert_eq!(image("").passwd_with(RunAs { uid: 70, gid: 71 }, "/h"), None);
        let text = image("").passwd_with(NOBODY, "/srv/x").unwrap();
        assert!(
            text.starts_with("root:x:0:0:") && text.ends_with("\njob:x:65534:65534:job:/srv/x:/bin/sh\n"),
            "{text}"
        );
        let none = ImageFacts::default().passwd_with(NOBODY, "/h").unwrap();
        assert_eq!(none.lines().count(), 2);
        assert_eq!(image("").home_of(70), Some("/var/lib/postgresql"));
    }

    #[test]
    fn a_volume_is_a_folder_and_never_the_systems() {
        assert_eq!(shortest("/vol"), Some("/vol".to_owned()));
        assert_eq!(shortest("//var/./lib//x/"), Some("/var/lib/x".to_owned()));
        for bad in ["/", "vol", "", "/proc", "/dev/shm", "/a/../b", "/a:b", "/a,b", "/sys/fs"] {
            assert_eq!(shortest(bad), None, "{bad}");
        }
    }
}
