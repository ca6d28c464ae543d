//! A login at a registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// User and password (or token) of a registry. The password is cleared from memory when dropped, and shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: Zeroizing<String>,
}

/// A password that no registry can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry's password is empty, no text, or holds a control character, as a line's end; set it without one")]
pub struct BadPassword;

impl Credentials {
    /// From a user and the bytes of a password.
    ///
    /// # Errors
    /// [`BadPassword`].
    pub fn new(username: &str, password: &[u8]) -> Result<Self, BadPassword> {
        let text = std::str::from_utf8(password).map_err(|_| BadPassword)?;
        if text.is_empty() || text.contains(char::is_control) {
            return Err(BadPassword);
        }
        Ok(Self { username: username.to_owned(), password: Zeroizing::new(text.to_owned()) })
    }

    /// The user.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, for the one place that needs it in the clear.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.username, self.password()));
        Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_25_a_password_is_shown_nowhere_and_one_with_a_line_s_end_is_refused() {
        let login = Credentials::new("ci", b"hunter2").unwrap();
        assert!(!format!("{login:?}").contains("hunter2"));
        assert_eq!(*login.basic(), "Basic Y2k6aHVudGVyMg==");
        for bad in [&b""[..], b"x\n", b"\xff", b"a\0"] {
            assert_eq!(Credentials::new("ci", bad), Err(BadPassword));
        }
    }
}
